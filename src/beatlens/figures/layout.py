"""Where each lead goes on the page: stacked, 6x2, 4x3 and 4x3 with rhythm strips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beatlens.leads import STANDARD_LEADS, canonical_lead

LAYOUTS = {"stack": (1, 0), "6x2": (2, 0), "4x3": (4, 0), "4x3+1": (4, 1), "4x3+3": (4, 3)}
"""Columns, and rhythm strips below them, of each layout."""

RHYTHM_LEADS = ("II", "V1", "V5")


@dataclass(frozen=True)
class Panel:
    """One lead over one stretch of time, in a cell of the page.

    Attributes
    ----------
    lead
        Lead name as the record spells it.
    start_s, end_s
        Stretch shown, in record time.
    row, column
        Cell; a rhythm strip takes the whole of its row and has column 0.
    rhythm
        Whether it is a rhythm strip, which shows a lead a second time.
    """

    lead: str
    start_s: float
    end_s: float
    row: int
    column: int
    rhythm: bool = False


def display_order(leads: Sequence[str]) -> list[str]:
    """Order leads as a cardiologist reads them: the standard ones first, others behind in their own order."""
    ranks = {name: k for k, name in enumerate(STANDARD_LEADS)}
    return sorted(leads, key=lambda name: ranks.get(canonical_lead(name), len(ranks)))


def plan(leads: Sequence[str], start_s: float, end_s: float, name: str, simultaneous: bool = False) -> list[Panel]:
    """Place leads on the page.

    Parameters
    ----------
    leads
        Leads of the record, in any order; odd names come last.
    start_s, end_s
        Stretch to show.
    name
        A key of `LAYOUTS`, or ``"auto"``: stacked up to three leads, else two columns of the whole stretch.
    simultaneous
        Whether every column shows the whole stretch. Otherwise columns follow one another in time, as printed
        electrocardiographs do, and each lead shows only its column's part of the stretch.

    Raises
    ------
    ValueError
        For an unknown layout, no leads or an empty stretch.
    """
    if name == "auto":
        name, simultaneous = ("stack", False) if len(leads) <= 3 else ("6x2", True)
    if name not in LAYOUTS:
        raise ValueError(f"layout {name!r}; expected 'auto' or one of {sorted(LAYOUTS)}")
    if not leads or len(set(leads)) != len(leads):
        raise ValueError(f"leads {list(leads)}; expected at least one, each once")
    if not end_s > start_s:
        raise ValueError(f"stretch from {start_s} s to {end_s} s; expected an end after its start")
    ordered = display_order(leads)
    columns, strips = LAYOUTS[name]
    rows = -(-len(ordered) // columns)
    width = end_s - start_s if simultaneous else (end_s - start_s) / columns
    panels = []
    for k, lead in enumerate(ordered):
        row, column = k % rows, k // rows
        left = start_s if simultaneous else start_s + column * width
        panels.append(Panel(lead, left, left + width, row, column))
    by_name = {canonical_lead(lead): lead for lead in ordered}
    rhythm = [by_name[lead] for lead in RHYTHM_LEADS if lead in by_name] or ordered
    panels += [Panel(lead, start_s, end_s, rows + k, 0, True) for k, lead in enumerate(rhythm[:strips])]
    return panels
