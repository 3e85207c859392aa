"""Where each lead goes on the page: stacked, 6x2, 4x3 and 4x3 with rhythm strips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from beatlens.core.leads import STANDARD_LEADS, canonical_lead

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


@dataclass(frozen=True)
class RhythmStrip:
    """Stretch and paper speed of the rhythm strips, where they aren't those of the columns.

    Attributes
    ----------
    start_s, end_s
        Stretch in record time.
    speed_mm_s
        Paper speed.
    """

    start_s: float
    end_s: float
    speed_mm_s: float

    def __post_init__(self) -> None:
        if not (self.end_s > self.start_s and self.speed_mm_s > 0):
            raise ValueError(
                f"rhythm strip from {self.start_s} s to {self.end_s} s at {self.speed_mm_s} mm/s; "
                "expected an end after its start and a speed > 0"
            )


@dataclass(frozen=True)
class LeadsMap:
    """What leads of odd names are.

    Attributes
    ----------
    names
        Name in the file -> standard name. A lead that isn't named here is known by
        `beatlens.core.leads.canonical_lead`.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = sorted(f"{name} -> {lead}" for name, lead in self.names.items() if lead not in STANDARD_LEADS)
        if wrong:
            raise ValueError(f"leads {wrong}; expected standard names {STANDARD_LEADS}")

    def standard(self, name: str) -> str:
        """Return the standard name of a lead, or its own where it has none."""
        return self.names.get(name) or canonical_lead(name)

    def label(self, name: str) -> str:
        """Return what stands beside the trace: the name in the file, and what it is if that was said."""
        return f"{name} = {self.names[name]}" if name in self.names else name


AS_NAMED = LeadsMap()


def display_order(leads: Sequence[str], leads_map: LeadsMap = AS_NAMED) -> list[str]:
    """Order leads as a cardiologist reads them: the standard ones first, others behind in their own order."""
    ranks = {name: k for k, name in enumerate(STANDARD_LEADS)}
    return sorted(leads, key=lambda name: ranks.get(leads_map.standard(name), len(ranks)))


def plan(
    leads: Sequence[str],
    start_s: float,
    end_s: float,
    *,
    name: str,
    simultaneous: bool = False,
    rhythm: RhythmStrip | None = None,
    leads_map: LeadsMap = AS_NAMED,
) -> list[Panel]:
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
    rhythm
        Stretch of the rhythm strips; the columns' own where None.
    leads_map
        What leads of odd names are.

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
    ordered = display_order(leads, leads_map)
    columns, strips = LAYOUTS[name]
    rows = -(-len(ordered) // columns)
    width = end_s - start_s if simultaneous else (end_s - start_s) / columns
    panels = []
    for k, lead in enumerate(ordered):
        row, column = k % rows, k // rows
        left = start_s if simultaneous else start_s + column * width
        panels.append(Panel(lead, left, left + width, row, column))
    by_name = {leads_map.standard(lead): lead for lead in ordered}
    below = [by_name[lead] for lead in RHYTHM_LEADS if lead in by_name] or ordered
    first, last = (rhythm.start_s, rhythm.end_s) if rhythm else (start_s, end_s)
    panels += [Panel(lead, first, last, rows + k, 0, True) for k, lead in enumerate(below[:strips])]
    return panels
