"""From beats to strips and records, in a way that doesn't hide ectopy.

A class is present in a strip if one of its accepted beats is of the class. Beats in review are counted apart, by
predicted class. ``p_<class>`` is 1 - prod(1 - p) over accepted beats: the probability that at least one is of the class
if their errors were independent. They aren't, so it is too high for a long strip. It is 0 for a strip without accepted
beats.

One false beat among thousands is enough for a class in ``pred``. The burden and the patterns of ectopy
(`beatlens.prediction.ectopy_counts`) show how much there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.corpora.beat_labels import NOISE
from beatlens.prediction.ectopy_counts import ectopy, ectopy_columns
from beatlens.prediction.episodes import sequence_starts

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]


def stretch_columns(classes: Sequence[str], ectopic: Sequence[str]) -> list[str]:
    """Return the columns of the tables of strips and of records."""
    return [
        *("corpus", "record", "patient", "split", "start_s", "end_s", "label", "label_source", "pred"),
        *(f"p_{name}" for name in classes),
        *("n_beats", "n_review", "reason"),
        *(f"n_{name}" for name in classes),
        *(f"n_review_{name}" for name in classes),
        *ectopy_columns([name for name in classes if name in ectopic]),
    ]


def strip_grid(records: pd.DataFrame, length_s: float | None) -> pd.DataFrame:
    """Return one row a strip of each record, or one row a record where `length_s` is None.

    Parameters
    ----------
    records
        corpus, record, patient, split, duration_s.
    length_s
        Length of a strip in seconds.

    Returns
    -------
    corpus, record, patient, split, strip (number within the record), start_s, end_s
    """
    import pandas as pd

    duration = records["duration_s"].to_numpy(dtype=float)
    # The tolerance keeps a record of 30.0000001 s from ending in a strip of no length.
    count = np.ones(len(records), dtype=int)
    if length_s is not None:
        count = np.maximum(1, np.ceil(duration / length_s - 1e-6).astype(int))
    row = np.repeat(np.arange(len(records)), count)
    strip = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    grid = records[["corpus", "record", "patient", "split"]].iloc[row].reset_index(drop=True)
    step = duration[row] if length_s is None else np.full(len(row), length_s)
    start = strip * step
    last = strip == count[row] - 1
    return pd.concat(
        [grid, pd.DataFrame({"strip": strip, "start_s": start, "end_s": np.where(last, duration[row], start + step)})],
        axis=1,
    )


def aggregate(
    beats: pd.DataFrame,
    annotated: pd.DataFrame,
    records: pd.DataFrame,
    *,
    classes: Sequence[str],
    length_s: float | None,
    ectopic: Sequence[str],
    gap_s: float,
    stretches: pd.DataFrame,
) -> pd.DataFrame:
    """Aggregate predictions over strips, or over whole records where `length_s` is None.

    Parameters
    ----------
    beats
        Predictions at detected peaks.
    annotated
        Predictions at annotated peaks, of which only the labels are used.
    records
        Table ``records.tsv`` of the records to aggregate.
    classes
        Class ids.
    length_s
        Length of a strip in seconds.
    ectopic
        Class ids whose burden and patterns are counted.
    gap_s
        RR interval in seconds over which no pattern goes on.
    stretches
        In which beats can't be told (`beatlens.shards.stretches.STRETCH_COLUMNS`): no pattern goes on over them.

    Returns
    -------
    One row a strip (`stretch_columns`), sorted by corpus, record and time. ``label`` and ``pred`` are the sorted ids of
    the classes that occur, joined by ``;``, "" where there is none. ``label_source`` says what the label is of:
    ``beat`` where the strip has annotated beats, ``record`` where the record has one label as a whole, which all of its
    strips get, "" where nothing is known. A beat lies in the strip of its R peak, detected or annotated.
    """
    records = records.sort_values(["corpus", "record"], kind="stable").reset_index(drop=True)
    grid = strip_grid(records, length_s)
    first = grid.index[grid["strip"] == 0].to_numpy()
    counts = np.diff(np.append(first, len(grid)))
    place = {key: k for k, key in enumerate(zip(records["corpus"], records["record"], strict=True))}
    if len(place) != len(records):
        raise ValueError("records: a corpus and record occur twice; expected one row a record")

    def cells(table: pd.DataFrame) -> IntArray:
        """Row of the grid that each beat lies in."""
        row = np.array([place[key] for key in zip(table["corpus"], table["record"], strict=True)], dtype=np.int64)
        if length_s is None or not len(table):
            return first[row] if len(row) else row
        strip = np.floor(table["r_time_s"].to_numpy(dtype=float) / length_s).astype(np.int64)
        place_in_grid: IntArray = first[row] + np.clip(strip, 0, counts[row] - 1)
        return place_in_grid

    beats = beats.sort_values(["corpus", "record", "r_time_s"], kind="stable")
    cell, n = cells(beats), len(grid)
    review = beats["review"].to_numpy(dtype=bool)
    pred = beats["pred"].to_numpy()
    result = grid.drop(columns="strip")
    result["n_beats"] = np.bincount(cell, minlength=n)
    result["n_review"] = np.bincount(cell[review], minlength=n)
    for name in classes:
        with np.errstate(divide="ignore"):
            absent = np.log1p(-np.minimum(beats.loc[~review, f"p_{name}"].to_numpy(dtype=float), 1.0))
        result[f"p_{name}"] = -np.expm1(np.bincount(cell[~review], weights=absent, minlength=n))
        result[f"n_{name}"] = np.bincount(cell[~review & (pred == name)], minlength=n)
        result[f"n_review_{name}"] = np.bincount(cell[review & (pred == name)], minlength=n)
    labels = annotated["label"].to_numpy()
    real = ~np.isin(labels, ["", "none"])
    weak = np.repeat(records["weak_label"].replace(NOISE, "").to_numpy(dtype=object), counts)
    of_beats = np.array(_joined(cells(annotated)[real], labels[real], n), dtype=object)
    result["label"] = np.where(weak == "", of_beats, weak)
    result["label_source"] = np.where(weak != "", "record", np.where(of_beats != "", "beat", ""))
    result["pred"] = _joined(cell[~review], pred[~review], n)
    result["reason"] = _joined(cell[review], beats["reason"].to_numpy()[review], n)
    ectopic_classes = [name for name in classes if name in ectopic]
    sequence = np.cumsum(sequence_starts(beats, stretches, gap_s), dtype=np.int64)
    counted = ectopy(pred, review, stretch=sequence, cell=cell, n_cells=n, ectopic=ectopic_classes)
    return result.assign(**counted)[stretch_columns(classes, ectopic)]


def _joined(cell: IntArray, texts: npt.NDArray[np.object_], n: int) -> list[str]:
    """Return the sorted distinct parts of texts (parts are joined by ``;``) of each of n cells, joined by ``;``."""
    found: list[set[str]] = [set() for _ in range(n)]
    for k, text in zip(cell.tolist(), texts.tolist(), strict=True):
        found[k].update(part for part in text.split(";") if part)
    return [";".join(sorted(parts)) for parts in found]
