"""What a record is: millivolts with a rate, named leads, annotations and, for made records, the planted truth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,99}")


class RecordFault(ValueError):
    """A record that can't be used, with a reason for the status table.

    Parameters
    ----------
    reason
        Short code, such as ``"truncated_signal"``; see `REASONS`.
    detail
        The value found, what was expected and the file.
    """

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}; expected one of {sorted(REASONS)}")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


REASONS = {
    "missing_signal_file": "a signal file named in the header does not exist",
    "truncated_signal": "a signal file is shorter than the header says",
    "malformed_header": "the header can't be parsed",
    "header_names_another_record": "the record line of the header names another record",
    "unsafe_path": "a record name or a path in the header points outside the corpus",
    "duplicate_id": "another record of this corpus has the same name",
    "unknown_fs": "no usable sampling rate",
    "zero_length": "no samples",
    "all_nan": "no finite sample in any usable lead",
    "flat": "every usable lead is constant",
    "unknown_leads": "none of the configured leads is present",
    "too_few_beats": "fewer beats than a context needs",
    "checksum_mismatch": "a file differs from its SHA256SUMS entry",
    "download_failed": "a file could not be fetched",
    "unreadable": "reading failed in another way",
}


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
    """

    sample: npt.NDArray[np.int64]
    symbol: tuple[str, ...]
    aux: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.sample) == len(self.symbol) == len(self.aux):
            raise ValueError(
                f"annotations of unequal length: {len(self.sample)} samples, {len(self.symbol)} symbols, "
                f"{len(self.aux)} notes"
            )


@dataclass(frozen=True)
class TruthSpan:
    """A stretch of one lead that makes a beat's class, planted by the corpus generator (used only to score)."""

    lead: str
    start_s: float
    end_s: float
    label: str
    r_sample: int


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
        Lead names in file order, spelled as in `beatlens.leads`.
    annotations
        Beat annotations, or None where the corpus has none.
    dx
        Record-level diagnosis codes (``#Dx:`` of the header), sorted.
    truth
        Planted truth, empty for real records.
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

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or len(self.leads) != self.signal.shape[0]:
            raise ValueError(
                f"{self.corpus}/{self.name}: signal of shape {self.signal.shape} with {len(self.leads)} lead names; "
                "expected (n_leads, n_samples)"
            )
        if not self.fs > 0:
            raise ValueError(f"{self.corpus}/{self.name}: sampling rate {self.fs} Hz; expected > 0")


def check_name(name: str, what: str) -> str:
    """Return a name that may become part of a file name, or raise.

    Raises
    ------
    RecordFault
        ``unsafe_path`` where the name has anything but letters, digits, ``.``, ``_`` and ``-``, or starts with ``.``.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise RecordFault("unsafe_path", f"{what} {name!r}; expected letters, digits, '.', '_' and '-' only")
    return name


def beat_id(corpus: str, record: str, r_sample: int) -> str:
    """Return the key of a beat: ``corpus/record/r_sample``, with r_sample at the record file's own rate."""
    return f"{corpus}/{record}/{int(r_sample)}"
