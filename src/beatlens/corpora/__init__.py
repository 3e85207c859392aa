"""Corpus adapters: where a record comes from."""
