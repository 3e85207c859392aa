"""Changed beats on paper to scale, each with the class of both runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import styled
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

SCALE = PaperScale(25.0, 10.0)
AROUND_S = 3.0
LEADS = ("II", "V1", "V5")
"""Leads that are drawn of records that have more than so many."""


class ChangedBeats:
    """Draws changed beats from the signals that a run keeps.

    Parameters
    ----------
    folder
        ``results/<run>``.
    table
        All paired beats (`beatlens.compare.pairs.Pairs.table`).
    """

    def __init__(self, folder: Path, table: pd.DataFrame) -> None:
        shards = [Shard(path.parent) for path in sorted((folder / "preprocess").glob("*/signals.npy"))]
        self._shards = {key: shard for shard in shards for key in _keys(shard.records)}
        self._table = table

    def draw(self, beat: Any) -> Figure | None:
        """Draw `AROUND_S` seconds on both sides of a row of the table; None where the run keeps no signal of it."""
        shard = self._shards.get((beat.corpus, beat.record))
        if shard is None:
            return None
        row = shard.row(beat.corpus, beat.record)
        signal = shard.signal(beat.corpus, beat.record)
        names = row.leads.split(";")
        chosen = _chosen(names)
        first = max(round((beat.after_r_time_s - AROUND_S) * row.fs), 0)
        last = min(round((beat.after_r_time_s + AROUND_S) * row.fs), signal.shape[1])
        strip = Strip(
            np.asarray(signal[chosen, first:last]), tuple(names[k] for k in chosen), float(row.fs), first / row.fs
        )
        table = self._table[(self._table["corpus"] == beat.corpus) & (self._table["record"] == beat.record)]
        near = table[table["after_r_time_s"].between(strip.start_s, strip.end_s, inclusive="left")]
        marks = [
            one.after_pred if one.after_pred == one.before_pred else f"{one.before_pred} > {one.after_pred}"
            for one in near.itertuples()
        ]
        with styled():
            figure = EcgFigure(strip, SCALE, "stack")
            figure.title(beat.after_beat_id, f"{beat.before_pred} before, {beat.after_pred} after")
            target = near["after_beat_id"].tolist().index(beat.after_beat_id)
            figure.mark_beats(near["after_r_time_s"].tolist(), marks, target)
            if len(chosen) < len(names):
                figure.note(f"leads {', '.join(names[k] for k in chosen)} of {len(names)}")
        return figure.figure


def _keys(records: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(records["corpus"], records["record"], strict=True))


def _chosen(names: Sequence[str]) -> list[int]:
    if len(names) <= len(LEADS):
        return list(range(len(names)))
    return [names.index(lead) for lead in LEADS if lead in names] or list(range(len(LEADS)))
