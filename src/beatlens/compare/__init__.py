"""Two runs over the same records: what changed class, and whether the scores differ by more than chance."""
