"""Figures that stand beside explanations in words."""
