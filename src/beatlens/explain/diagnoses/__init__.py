"""Explanations of diagnoses: what speaks for them, over a whole record, by lead and time."""
