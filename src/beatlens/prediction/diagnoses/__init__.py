"""The bundle of diagnoses, and what it says of records."""
