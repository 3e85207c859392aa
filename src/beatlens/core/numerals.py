"""Numbers as text, for figures and the report alike."""

from __future__ import annotations


def fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals, with a real minus sign, and never as minus zero."""
    text = f"{value:.{decimals}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")
    return text.replace("-", "−")
