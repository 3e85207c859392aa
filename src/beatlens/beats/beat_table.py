"""The beat table of a record; RR intervals, context windows and matching are imported here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.context_windows import context_windows, stretch_ids
from beatlens.beats.matching import match_beats
from beatlens.beats.rr_intervals import (
    DEFAULT_RR_S,
    RR_COLUMNS,
    constant_rhythm_features,
    rr_columns,
    rr_features,
    stretches,
)
from beatlens.beats.settings import RR_FEATURES, BeatSettings
from beatlens.core.record import beat_id
from beatlens.shards.shard import BEAT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DEFAULT_RR_S",
    "RR_COLUMNS",
    "RR_FEATURES",
    "BeatSettings",
    "beat_table",
    "constant_rhythm_features",
    "context_windows",
    "match_beats",
    "r_index",
    "rr_columns",
    "rr_features",
    "stretch_ids",
    "stretches",
]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def r_index(r_sample: IntArray, fs_file: float, fs: float, n_samples: int) -> IntArray:
    """Return R peaks (n,) at the file's rate as samples of the conditioned signal, which has `n_samples`."""
    return np.clip(np.rint(r_sample / fs_file * fs), 0, max(n_samples - 1, 0)).astype(np.int64)


def beat_table(
    *,
    corpus: str,
    record: str,
    patient: str,
    r_sample: IntArray,
    fs_file: float,
    fs: float,
    n_samples: int,
    labels: Sequence[str],
    symbols: Sequence[str],
    labelled: bool,
    partner: IntArray,
    annotated_noise: BoolArray,
    settings: BeatSettings,
    unseen_s: npt.NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Build the table of one record's beats; quality columns are added by `beatlens.signals.quality`.

    Parameters
    ----------
    corpus, record, patient
        Identifiers.
    r_sample
        (n,) R peaks at the record file's rate, strictly ascending.
    fs_file, fs
        Rates of the file and of the model in Hz.
    n_samples
        Samples of the conditioned signal, which bound ``r_index``.
    labels, symbols
        (n,) class ids and annotation symbols, "" where there are none.
    labelled
        Whether the record has beat annotations.
    partner
        (n,) r_sample of the matching beat of the other table, -1 where none.
    annotated_noise
        (n,) whether the beat lies in an annotated noise stretch.
    settings
        Section ``beats`` of the configuration.
    unseen_s
        (n,) seconds between the beat before and each beat in which no lead has a value; None for none.

    Returns
    -------
    Table with `BEAT_COLUMNS` and `RR_COLUMNS`; typed also where it has no rows. ``reason`` is "".
    """
    import pandas as pd

    n = len(r_sample)
    if np.any(np.diff(r_sample) <= 0):
        raise ValueError(f"{corpus}/{record}: R peaks aren't strictly ascending, so that beat ids would not be unique")
    time = r_sample / fs_file
    stretch = stretches(time, settings.gap_s, unseen_s)
    columns: dict[str, Any] = {
        "beat_id": np.array([beat_id(corpus, record, sample) for sample in r_sample.tolist()], dtype=object),
        "corpus": np.full(n, corpus, dtype=object),
        "record": np.full(n, record, dtype=object),
        "patient": np.full(n, patient, dtype=object),
        "r_sample": r_sample.astype(np.int64),
        "r_time_s": time.astype(np.float64),
        "r_index": r_index(r_sample, fs_file, fs, n_samples),
        "stretch": stretch,
        "label": np.array(labels, dtype=object),
        "symbol": np.array(symbols, dtype=object),
        "label_source": np.full(n, "beat" if labelled else "", dtype=object),
        "matched": partner >= 0,
        "matched_r_sample": partner.astype(np.int64),
        "annotated_noise": annotated_noise.astype(bool),
        "reason": np.full(n, "", dtype=object),
    }
    if list(columns) != list(BEAT_COLUMNS):
        raise AssertionError(f"columns {list(columns)} differ from BEAT_COLUMNS {list(BEAT_COLUMNS)}")
    return pd.DataFrame(columns | rr_columns(time, stretch, settings))
