"""Prototype mining, library and similarity."""
