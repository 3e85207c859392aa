"""Diagnostic regions: where textbooks say that a class shows, from the local RR intervals.

They are a second, coarser truth for records without planted spans. A cohort's mean attribution is compared with them as
well. No explanation, sampling or fusion uses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import canonical_lead
from beatlens.core.text_tables import read_rows
from beatlens.evaluate.explanations.localisation import Grid, Truth

Array = npt.NDArray[np.float64]

COLUMNS = (
    "class", "description", "snomed", "labels", "windows", "strict_leads", "lenient_leads", "rate", "long_pr",
    "wide_qrs",
)  # fmt: skip
WINDOWS = ("P", "Q", "QRS", "ST_T", "T_END", "TQ", "SPIKE")
Q_ONSET_S = -0.05
P_ONSET_S, LONG_P_ONSET_S = -0.28, -0.45
QRS_END_S, WIDE_QRS_END_S = 0.08, 0.20
J_S, WIDE_J_S = 0.06, 0.12
SPIKE_ONSET_S = -0.12
QT_S = 0.40
"""QT at an RR interval of 1 s; it grows with the square root of RR (Bazett 1920)."""


@dataclass(frozen=True)
class Region:
    """Where a class shows.

    Attributes
    ----------
    name, snomed, labels
        Class of the PhysioNet/CinC Challenge 2021, its SNOMED CT codes, and beat labels that mean the same.
    windows
        Some of `WINDOWS`.
    strict, lenient
        Standard lead names; `lenient` holds the strict ones too.
    rate
        Whether the class needs the RR intervals as well.
    long_pr, wide_qrs
        Whether the P wave is looked for earlier, and the QRS later.
    """

    name: str
    snomed: tuple[str, ...]
    labels: tuple[str, ...]
    windows: tuple[str, ...]
    strict: tuple[str, ...]
    lenient: tuple[str, ...]
    rate: bool
    long_pr: bool
    wide_qrs: bool

    def leads(self, *, strict: bool) -> tuple[str, ...]:
        """Return the strict or the lenient leads."""
        return self.strict if strict else self.lenient

    @property
    def without_p(self) -> bool:
        """Whether no P wave ends the stretch after the T wave, which goes on to the QRS complex: in fibrillation."""
        return self.name == "AF" and "TQ" in self.windows


def read_regions(path: str | Path) -> list[Region]:
    """Read a table of `COLUMNS`; several values in a cell are joined by ``;``.

    Raises
    ------
    ValueError
        With file and line, for other columns, an unknown window, no strict lead, or a label or code that comes twice.
    """
    regions: list[Region] = []
    seen: set[str] = set()
    for line, row in read_rows(path, COLUMNS):
        where = f"{path} line {line}"
        many = {name: tuple(part for part in row[name].split(";") if part) for name in COLUMNS[2:7]}
        flags = {name: row[name] for name in ("rate", "long_pr", "wide_qrs")}
        if set(flags.values()) - {"yes", "no"}:
            raise ValueError(f"{where}: {flags}; expected yes or no")
        unknown = set(many["windows"]) - set(WINDOWS)
        if unknown or not many["windows"] or not many["strict_leads"]:
            raise ValueError(
                f"{where}: windows {many['windows']}, strict leads {many['strict_leads']}; "
                f"expected at least one of each, windows out of {WINDOWS}"
            )
        names = {row["class"], *many["snomed"], *(f"label {label}" for label in many["labels"])}
        if names & seen:
            raise ValueError(f"{where}: {sorted(names & seen)} again; expected each class, code and label once")
        seen |= names
        strict = tuple(canonical_lead(lead) for lead in many["strict_leads"])
        lenient = (*strict, *(canonical_lead(lead) for lead in many["lenient_leads"]))
        truths = {name: value == "yes" for name, value in flags.items()}
        regions.append(Region(row["class"], many["snomed"], many["labels"], many["windows"], strict, lenient, **truths))
    return regions


def region_of(regions: Sequence[Region], label: str) -> Region | None:
    """Return the region of a beat label or SNOMED CT code, or None."""
    return next((region for region in regions if label in region.labels or label in region.snomed), None)


def region_of_diagnosis(regions: Sequence[Region], diagnosis: str, codes: frozenset[str]) -> Region | None:
    """Return the region of a diagnosis by its id, or the one that has all its codes.

    None for a group of diagnoses, such as conduction disturbances, that show at different places.
    """
    others = codes - {diagnosis}
    return next((one for one in regions if diagnosis == one.name or (others and others <= set(one.snomed))), None)


def beat_windows(region: Region, r_times_s: npt.ArrayLike, beat: int) -> list[tuple[float, float]]:
    """Return the stretches of one beat, in the time of the R peaks.

    Parameters
    ----------
    region
        Of the class.
    r_times_s
        (n,) ascending R times of the record, n >= 2: the beat's neighbours give the local RR intervals.
    beat
        Which of them.

    Returns
    -------
    ``(start_s, end_s)`` pairs in time order; empty stretches (a P wave that the T wave before leaves no room for) are
    left out. All but TQ end half way to the neighbouring R.
    """
    times = np.asarray(r_times_s, dtype=np.float64)
    if len(times) < 2 or not 0 <= beat < len(times) or not (np.diff(times) > 0).all():
        raise ValueError(f"beat {beat} of {len(times)} R peaks; expected one of at least two, in ascending order")
    r = float(times[beat])
    before = float(times[beat] - times[beat - 1]) if beat else float(times[1] - times[0])
    after = float(times[beat + 1] - times[beat]) if beat + 1 < len(times) else before
    before_that = float(times[beat - 1] - times[beat - 2]) if beat >= 2 else before
    last_t_end = r - before + _t_end(before_that)
    t_end = r + _t_end(before)
    p_onset = r + (LONG_P_ONSET_S if region.long_pr else P_ONSET_S)
    next_p = r + after + (Q_ONSET_S if region.without_p else P_ONSET_S)
    wide = region.wide_qrs
    spans = {
        "P": (max(last_t_end, p_onset), r + Q_ONSET_S),
        "Q": (r + Q_ONSET_S, r),
        "QRS": (r + Q_ONSET_S, r + (WIDE_QRS_END_S if wide else QRS_END_S)),
        "ST_T": (r + (WIDE_J_S if wide else J_S), t_end),
        "T_END": (t_end - 0.08, t_end + 0.12),
        "TQ": (t_end, next_p),
        "SPIKE": (r + SPIKE_ONSET_S, r + Q_ONSET_S),
    }
    low, high = r - before / 2, r + after / 2
    result = []
    for name in region.windows:
        start, end = spans[name]
        if name != "TQ":
            start, end = max(start, low), min(end, high)
        if end > start:
            result.append((start, end))
    return sorted(result)


def _t_end(rr_s: float) -> float:
    return -0.04 + QT_S * float(np.sqrt(rr_s))


def region_truth(
    region: Region,
    r_times_s: npt.ArrayLike,
    grid: Grid,
    *,
    beats: Sequence[int],
    others: Sequence[int],
    strict: bool,
) -> Truth | None:
    """Put a class's regions on the grid of an attribution.

    Parameters
    ----------
    region
        Of the class.
    r_times_s
        (n,) R times of the record.
    grid
        Of the attribution.
    beats
        The beats of that class that are explained.
    others
        Beats that have the class too, or may have it: their regions count neither way.
    strict
        Strict leads only, or the lenient ones too.

    Returns
    -------
    The truth, or None where the record has none of the leads or no stretch lies on the grid.
    """
    rows = [k for k, lead in enumerate(grid.leads) if canonical_lead(lead) in region.leads(strict=strict)]
    inside, other = np.zeros((2, *grid.shape), dtype=bool)
    for mask, chosen in ((inside, beats), (other, others)):
        for beat in chosen:
            for start, end in beat_windows(region, r_times_s, beat):
                first, last = (min(max(grid.sample(time), 0), grid.n_samples) for time in (start, end))
                mask[rows, first:last] = True
    return Truth(inside, ~other | inside) if inside.any() else None
