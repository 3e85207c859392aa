"""Scores of diagnoses of records, each beside its null, with intervals over patients."""
