"""What the network of diagnoses is given of a record."""
