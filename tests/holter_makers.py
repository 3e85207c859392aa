"""Beats, stretches and findings of few records, for tests of what a Holter report says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from beatlens.alerts.tables import BEAT_COLUMNS
from beatlens.core.remarks import REMARK_COLUMNS
from beatlens.holter.tables import Counting
from beatlens.holter.urgency import Findings
from beatlens.prediction.episodes import find_episodes
from beatlens.shards.stretches import STRETCH_COLUMNS

CLASSES, ECTOPIC, GAP_S = ("N", "S", "V"), ("S", "V"), 4.0
COUNTING = Counting(CLASSES, ECTOPIC, GAP_S)


def beats_of(times: npt.ArrayLike, letters: str, record: str = "r") -> pd.DataFrame:
    """Beats of a record: capital letters are accepted, small ones in review."""
    table = pd.DataFrame({"corpus": "c", "record": record, "r_time_s": np.asarray(times, dtype=float)})
    return table.assign(pred=[letter.upper() for letter in letters], review=[letter.islower() for letter in letters])


def records_of(**durations: float) -> pd.DataFrame:
    rows = [("c", name, name.upper(), "test", float(seconds)) for name, seconds in durations.items()]
    return pd.DataFrame(rows, columns=["corpus", "record", "patient", "split", "duration_s"])


def stretches_of(*rows: Sequence[object]) -> pd.DataFrame:
    spans = [("c", record, "p", kind, start, end, 0, 0.0, "") for record, kind, start, end in rows]
    return pd.DataFrame(spans, columns=list(STRETCH_COLUMNS))


def findings(
    beats: pd.DataFrame,
    stretches: pd.DataFrame | None = None,
    remarks: Sequence[Sequence[str]] = (),
    alerts: Sequence[Sequence[str]] = (),
    rhythms: pd.DataFrame | None = None,
) -> Findings:
    stretches = stretches_of() if stretches is None else stretches
    alert_beats = pd.DataFrame(
        [(f"c/{r}/1", "c", r, name) for r, name in alerts], columns=["beat_id", "corpus", "record", "alert"]
    )
    return Findings(
        episodes=find_episodes(beats, stretches, ECTOPIC, GAP_S),
        stretches=stretches,
        remarks=pd.DataFrame(list(remarks), columns=list(REMARK_COLUMNS)),
        alert_beats=alert_beats.reindex(columns=list(BEAT_COLUMNS)).astype({"alert": object}),
        rhythms=rhythms,
    )
