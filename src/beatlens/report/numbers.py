"""Numbers and words as the report writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from beatlens.core.numerals import fixed

DASH = "–"


def score(value: float) -> str:
    """Two decimals, a dash where undefined."""
    if not math.isfinite(value):
        return DASH
    return fixed(value, 2)


def limit(value: float) -> str:
    """Two decimals, more where a limit is so close to 0 or 1 that they would say less: 0.9996 is not 1.00."""
    rest = min(abs(value), abs(1 - value))
    if not math.isfinite(value) or rest == 0:
        return score(value)
    whole, _, decimals = fixed(value, max(2, 1 - math.floor(math.log10(rest)))).partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def interval(value: float, lo: float, hi: float) -> str:
    """Return a value with its interval: ``0.79 (0.74 to 0.86)``; the value alone where there is none."""
    if not (math.isfinite(lo) and math.isfinite(hi)):
        return score(value)
    return f"{score(value)} ({score(lo)} to {score(hi)})"


def percent(value: float) -> str:
    """Whole percent, one decimal below ten and where a whole number would claim all, a dash where undefined."""
    if not math.isfinite(value):
        return DASH
    number = 100 * value
    fine = 0 < abs(number) < 9.95 or 99.5 <= abs(number) < 99.95
    return f"{fixed(number, 1 if fine else 0)}\u00a0%"


def small_share(value: float) -> str:
    """Percent, where a few among many aren't nothing."""
    return "< 0.1\u00a0%" if 0 < value < 0.0005 else percent(value)


def count(value: float) -> str:
    """Thousands separated by a thin space, a dash where undefined."""
    return DASH if not math.isfinite(value) else f"{round(value):,}".replace(",", "\u2009")


def plural(number: int, noun: str) -> str:
    """Return ``1 record``, ``2 records``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return hours, minutes or seconds, whichever reads best."""
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def listing(items: Iterable[str]) -> str:
    """Join with commas and a last "and"."""
    words = list(items)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def rank_agreement(value: float) -> str:
    """Say in words what a rank correlation between methods means."""
    if not math.isfinite(value):
        return "can't be compared (fewer than two maps with ranks)"
    words = (
        "agree well"
        if value >= 0.7
        else "agree in part"
        if value >= 0.4
        else "agree little"
        if value >= 0.15
        else "don't agree"
    )
    return f"{words} (rank correlation {score(value)})"


def clock(seconds: float) -> str:
    """Return a time of a record as ``m:ss`` or ``h:mm:ss``, a dash where undefined."""
    if not math.isfinite(seconds):
        return DASH
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def whole(value: float, decimals: int = 0) -> str:
    """Return a number with so many decimals, whole unless more are asked for, a dash where undefined."""
    return fixed(value, decimals) if math.isfinite(value) else DASH


def part_of(part: float, total: float) -> str:
    """Return a part in percent of its total, a dash where that is nothing."""
    return percent(part / total) if total else DASH
