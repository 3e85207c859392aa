"""Attention of a network: its weights, head by head, and where their tokens lie on the signal."""
