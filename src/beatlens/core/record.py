"""What a record is: millivolts with a rate, named leads, annotations and, for made records, the planted truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.core.record_faults import REASONS, RecordFault, check_name

__all__ = [
    "REASONS",
    "Annotations",
    "Finding",
    "FloatArray",
    "Record",
    "RecordFault",
    "TruthSpan",
    "beat_id",
    "check_name",
]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Annotations:
    """Beat and other annotations of a record.

    Attributes
    ----------
    sample
        (n,) int64, sample index at the record file's own rate, ascending.
    symbol
        (n,) annotation symbols as in the WFDB library (``"N"``, ``"V"``, ``"~"``, ``"+"`` ...).
    aux
        (n,) auxiliary notes, "" where there is none.
    subtype
        (n,) WFDB subtypes, or empty where the source has none; of a ``"~"`` annotation, bit k says that signal k is
        noisy from there on, and -1 that all are unreadable.
    """

    sample: npt.NDArray[np.int64]
    symbol: tuple[str, ...]
    aux: tuple[str, ...]
    subtype: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.sample) == len(self.symbol) == len(self.aux):
            raise ValueError(
                f"annotations of unequal length: {len(self.sample)} samples, {len(self.symbol)} symbols, "
                f"{len(self.aux)} notes"
            )
        if len(self.subtype) not in (0, len(self.sample)):
            raise ValueError(f"{len(self.subtype)} annotation subtypes for {len(self.sample)} annotations")


DECOY = "decoy:"
"""How the label of a planted change begins that means nothing; its kind follows (`beatlens.corpora.synthetic.decoys`).
"""


@dataclass(frozen=True)
class TruthSpan:
    """A stretch of one lead that makes a beat's class, planted by the corpus generator (used only to score).

    Where `label` is `DECOY` with a kind after it, the stretch was changed too, but means nothing.
    """

    lead: str
    start_s: float
    end_s: float
    label: str
    r_sample: int


class Finding(NamedTuple):
    """What is to be known of a record that is used all the same: a code of `beatlens.core.remarks`, and words."""

    remark: str
    detail: str


@dataclass(frozen=True)
class Record:
    """One recording as its corpus gives it.

    Attributes
    ----------
    corpus, name, patient
        Identifiers; ``corpus/name`` is unique, ``patient`` is what splits are made by.
    signal
        (n_leads, n_samples) float32, millivolts, NaN where the recorder gave no value.
    fs
        Sampling rate in Hz.
    leads
        Lead names in file order, spelled as in `beatlens.core.leads`.
    annotations
        Beat annotations, or None where the corpus has none.
    dx
        Record-level diagnosis codes (``#Dx:`` of the header), sorted.
    truth
        Planted truth, empty for real records.
    label
        What the corpus says of the record as a whole (of a strip), as it stands there; "" where it says nothing.
    database
        Part of the corpus that the record is from, where it has several; "" for the corpus itself.
    age, sex
        Age in years, NaN where unknown; F, M or "".
    strat_fold
        Fold that the corpus itself puts the record in; "" where it gives none.
    remarks
        What was found while reading it.
    """

    corpus: str
    name: str
    patient: str
    signal: FloatArray
    fs: float
    leads: tuple[str, ...]
    annotations: Annotations | None = None
    dx: tuple[str, ...] = ()
    truth: tuple[TruthSpan, ...] = field(default=())
    label: str = ""
    database: str = ""
    age: float = math.nan
    sex: str = ""
    strat_fold: str = ""
    remarks: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or len(self.leads) != self.signal.shape[0]:
            raise ValueError(
                f"{self.corpus}/{self.name}: signal of shape {self.signal.shape} with {len(self.leads)} lead names; "
                "expected (n_leads, n_samples)"
            )
        if not self.fs > 0:
            raise ValueError(f"{self.corpus}/{self.name}: sampling rate {self.fs} Hz; expected > 0")


def beat_id(corpus: str, record: str, r_sample: int) -> str:
    """Return the key of a beat: ``corpus/record/r_sample``, with r_sample at the record file's own rate."""
    return f"{corpus}/{record}/{int(r_sample)}"
