"""Scores of explained diagnoses, and what the model uses for each diagnosis."""
