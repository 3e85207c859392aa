"""Where each lead goes on the page: the usual layouts of columns by rows, each with rhythm strips below or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from beatlens.core.leads import STANDARD_LEADS, Lead, canonical_lead

Layout = Literal[
    "auto", "1x1", "1x2", "1x3", "1x4", "1x5", "1x6", "1x7", "1x8",
    "1x9", "1x10", "1x11", "1x12", "2x4", "2x6", "4x3",
]  # fmt: skip
"""Columns by rows, as ``4x3``: four columns of three leads. ``auto`` follows from the number of leads."""

STRIPS = (0, 1, 3)
"""Rhythm strips that a layout may have below its columns, as in ``4x3+1``."""

RHYTHM_LEADS: tuple[Lead, ...] = ("II", "V1", "V5")


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
    leads
        Standard names of the leads that are shown, the first ones that the record has.
    """

    start_s: float
    end_s: float
    speed_mm_s: float
    leads: Sequence[str] = RHYTHM_LEADS

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


def most_leads(layout: str) -> int | None:
    """Return how many leads a layout has room for, None for any number (``auto``, ``stack``)."""
    size = _size(layout.partition("+")[0])
    return None if size is None else size[0] * size[1]


def _size(base: str) -> tuple[int, int] | None:
    """Return columns and rows of a layout by its name without strips, None where they follow from the leads."""
    if base in ("auto", "stack"):
        return None
    if base not in get_args(Layout):
        raise ValueError(f"layout {base!r}; expected one of {', '.join(get_args(Layout))}, or stack")
    columns, rows = base.split("x")
    return int(columns), int(rows)


def plan(
    leads: Sequence[str],
    start_s: float,
    end_s: float,
    *,
    name: str,
    simultaneous: bool = False,
    rhythm: RhythmStrip | None = None,
    leads_map: LeadsMap = AS_NAMED,
    below: Sequence[str] = (),
) -> list[Panel]:
    """Place leads on the page.

    Parameters
    ----------
    leads
        Leads of the columns, in any order; odd names come last. Where they are fewer than the layout has cells, it has
        no more columns than they fill.
    start_s, end_s
        Stretch to show.
    name
        One of `Layout`, or ``stack`` (all leads in one column), with ``+1`` or ``+3`` for rhythm strips. ``auto`` is
        ``stack`` up to three leads, else two columns of the whole stretch.
    simultaneous
        Whether every column shows the whole stretch. Otherwise columns follow one another in time, as printed
        electrocardiographs do, and each lead shows only its column's part of the stretch.
    rhythm
        Stretch and leads of the rhythm strips; the columns' own stretch and `RHYTHM_LEADS` where None.
    leads_map
        What leads of odd names are.
    below
        Leads that a rhythm strip may show, where those aren't the leads of the columns.

    Raises
    ------
    ValueError
        For an unknown layout, no leads, more than it has cells for, or an empty stretch.
    """
    base, _, strips = name.partition("+")
    size = _size(base)
    if int(strips or 0) not in STRIPS or strips == "0":
        raise ValueError(f"layout {name!r}; expected {base}, {base}+1 or {base}+3")
    if not leads or len(set(leads)) != len(leads):
        raise ValueError(f"leads {list(leads)}; expected at least one, each once")
    if not end_s > start_s:
        raise ValueError(f"stretch from {start_s} s to {end_s} s; expected an end after its start")
    ordered = display_order(leads, leads_map)
    if size is None:
        two = base == "auto" and len(ordered) > 3
        columns, simultaneous = (2, True) if two else (1, simultaneous and base != "auto")
    elif len(ordered) > size[0] * size[1]:
        raise ValueError(f"layout {name!r} with {len(ordered)} leads; expected at most {size[0] * size[1]}")
    else:
        columns = min(size[0], -(-len(ordered) // size[1]))
    rows = -(-len(ordered) // columns)
    width = end_s - start_s if simultaneous else (end_s - start_s) / columns
    panels = []
    for k, lead in enumerate(ordered):
        row, column = k % rows, k // rows
        left = start_s if simultaneous else start_s + column * width
        panels.append(Panel(lead, left, left + width, row, column))
    by_name = {leads_map.standard(lead): lead for lead in display_order(below or leads, leads_map)}
    wanted = rhythm.leads if rhythm else RHYTHM_LEADS
    shown = [by_name[lead] for lead in wanted if lead in by_name] or list(by_name.values())
    first, last = (rhythm.start_s, rhythm.end_s) if rhythm else (start_s, end_s)
    panels += [Panel(lead, first, last, rows + k, 0, True) for k, lead in enumerate(shown[: int(strips or 0)])]
    return panels
