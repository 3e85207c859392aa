"""Figures of diagnoses of records."""
