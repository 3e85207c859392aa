"""Lead names: one vocabulary, so that a lead is addressed by name and never by position."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal, get_args

Lead = Literal["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
STANDARD_LEADS: tuple[str, ...] = get_args(Lead)
UNKNOWN_LEAD_ID = len(STANDARD_LEADS)
"""Embedding index of a lead that is not one of the twelve standard ones."""
UnknownLead = Literal["unknown", "unknown (2)", "unknown (3)"]
UNKNOWN_LEADS: tuple[str, ...] = get_args(UnknownLead)
"""What the leads of a record that are none of the twelve are called, in file order, where a run uses them."""
UsedLead = Literal[Lead, UnknownLead]

LEAD_SUBSETS: dict[str, tuple[str, ...]] = {
    "12": STANDARD_LEADS,
    "6": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "4": ("I", "II", "III", "V2"),
    "3": ("I", "II", "V2"),
    "2": ("I", "II"),
    "1": ("II",),
}
"""Sets of leads on which diagnoses are scored: those of the PhysioNet/CinC Challenge 2021 (Reyna et al. 2021), and II
alone."""

_CANONICAL = {name.upper(): name for name in STANDARD_LEADS}
_CANONICAL |= {f"ML{name}": name for name in ("I", "II", "III")}  # modified limb leads of ambulatory recorders
_CANONICAL |= {f"MCL{k}": f"V{k}" for k in range(1, 7)}  # modified chest leads
_PREFIX = re.compile(r"^(?:ECG)?(?:LEAD)?[_:]?")


def canonical_lead(name: str) -> str:
    """Return the standard name of a lead, or the stripped name itself if it is none of the twelve.

    Case, blanks and the prefixes of recorders are ignored: ``"AVR"`` is ``"aVR"``, ``"MLII"`` and ``"lead II"``
    are ``"II"``.

    Parameters
    ----------
    name
        Lead name as a file gives it.
    """
    key = _PREFIX.sub("", "".join(name.upper().split()))
    return _CANONICAL.get(key, name.strip())


def names_for(leads: Sequence[str], wanted: Collection[str]) -> list[str]:
    """Return what the leads of a record are called in a run: their standard names, or places of unknown leads.

    A lead that is none of the twelve is known by its place among those of its record, since its name says nothing, and
    a record may have several of one name. Where the run doesn't ask for unknown leads, it keeps its name.

    Parameters
    ----------
    leads
        Lead names in file order.
    wanted
        Leads of the configuration.
    """
    names = [canonical_lead(lead) for lead in leads]
    if not set(wanted) & set(UNKNOWN_LEADS):
        return names
    others = [k for k, name in enumerate(names) if name not in STANDARD_LEADS]
    for place, k in enumerate(others, start=1):
        names[k] = UNKNOWN_LEADS[0] if place == 1 else f"{UNKNOWN_LEADS[0]} ({place})"
    return names


def lead_id(name: str) -> int:
    """Return a lead's embedding index: 0-11 for the standard leads, `UNKNOWN_LEAD_ID` for any other name."""
    try:
        return STANDARD_LEADS.index(canonical_lead(name))
    except ValueError:
        return UNKNOWN_LEAD_ID
