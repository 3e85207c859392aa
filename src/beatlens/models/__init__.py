"""Networks over beats."""
