"""The beats of two runs, one to one: what changed class, in which direction, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats.matching import match_beats
from beatlens.compare.runs import ComparedRun

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE_S = 0.15
"""Largest distance of two R peaks that are one beat (ANSI/AAMI EC57)."""


@dataclass(frozen=True)
class Pairs:
    """The beats of the records that both runs have.

    Attributes
    ----------
    table
        A row a beat that both found: corpus, record, patient, then of each run (``before_``, ``after_``) beat_id,
        r_time_s, pred, review, p (of its class), and label (of the annotation, "" where none), changed (bool) and
        shift, the total variation distance of the two distributions over classes (0 to 1).
    only_before, only_after
        Beats that one run alone found.
    """

    table: pd.DataFrame
    only_before: int
    only_after: int

    def changed(self) -> pd.DataFrame:
        """Return the beats of another class than before, the largest shift first."""
        rows = self.table[self.table["changed"]]
        return rows.sort_values(["shift", "after_beat_id"], ascending=[False, True], ignore_index=True)

    def confusion(self, classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Count the beats by class before and after: (n_classes, n_classes)."""
        place = {name: k for k, name in enumerate(classes)}
        counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
        sides = [self.table[f"{side}_pred"].map(place).to_numpy() for side in ("before", "after")]
        np.add.at(counts, tuple(sides), 1)
        return counts


def pair_beats(before: ComparedRun, after: ComparedRun, records: set[tuple[str, str]]) -> Pairs:
    """Pair the detected beats of two runs, record by record and by time, since detectors may differ.

    Parameters
    ----------
    before, after
        With the same classes.
    records
        (corpus, record) that both have.
    """
    import pandas as pd

    rows: dict[str, list[npt.NDArray[np.int64]]] = {"before": [], "after": []}
    tables = {"before": before.beats, "after": after.beats}
    places = {side: table.groupby(["corpus", "record"], sort=False).indices for side, table in tables.items()}
    n_found = dict.fromkeys(tables, 0)
    for key in sorted(records):
        order, times = {}, {}
        for side, table in tables.items():
            found = places[side][key]
            at = table["r_time_s"].to_numpy(dtype=np.float64)[found]
            order[side], times[side] = found[np.argsort(at, kind="stable")], np.sort(at)
            n_found[side] += len(found)
        partner, _ = match_beats(times["before"], times["after"], TOLERANCE_S)
        both = partner >= 0
        rows["before"].append(order["before"][both])
        rows["after"].append(order["after"][partner[both]])
    sides = {side: table.iloc[np.concatenate(rows[side])].reset_index(drop=True) for side, table in tables.items()}
    n_pairs = len(sides["before"])
    same = (sides["before"][["corpus", "record"]] == sides["after"][["corpus", "record"]]).all(axis=None)
    if not same or len(sides["after"]) != n_pairs or any(part["beat_id"].duplicated().any() for part in sides.values()):
        raise AssertionError("beats of two records paired, or a beat twice")
    columns = [f"p_{name}" for name in before.classes]
    p_before, p_after = (part[columns].to_numpy(dtype=np.float64) for part in sides.values())
    result = sides["before"][["corpus", "record", "patient"]].copy()
    for side, probability in (("before", p_before), ("after", p_after)):
        for name in ("beat_id", "r_time_s", "pred", "review"):
            result[f"{side}_{name}"] = sides[side][name]
        of_class = result[f"{side}_pred"].map({name: k for k, name in enumerate(before.classes)}).to_numpy()
        result[f"{side}_p"] = probability[np.arange(n_pairs), of_class]
    label = [part["label"].to_numpy(dtype=object) for part in sides.values()]
    result["label"] = np.where(label[1] != "", label[1], label[0])
    result["changed"] = result["before_pred"] != result["after_pred"]
    result["shift"] = 0.5 * np.abs(p_after - p_before).sum(axis=1)
    return Pairs(pd.DataFrame(result), n_found["before"] - n_pairs, n_found["after"] - n_pairs)
