"""Attributions, the perturbation engine, explanation methods and their fusion."""
