"""Preprocessed records in shards, their splits, and the tables over them."""
