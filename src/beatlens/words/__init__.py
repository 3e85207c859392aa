"""Explained beats in words: what is measured of a beat, what the network used of it, and the sentence."""
