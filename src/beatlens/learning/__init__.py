"""From beats to a bundle: batches, training, cross-fitting, decision limits."""
