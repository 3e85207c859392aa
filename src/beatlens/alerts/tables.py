"""What a run keeps of its alerts: tables of alerts, clusters and beats, and the waves that the gallery shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.alerts.clusters import Pattern
from beatlens.alerts.find import Alerts
from beatlens.alerts.registry import KnownPattern
from beatlens.prediction.bundle import Bundle
from beatlens.prototypes.library import label_mix

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 6
RADIUS_QUANTILE = 0.9
ALERT_COLUMNS = (
    "alert", "pattern", "seen_in", "n_beats", "n_patients", "n_records", "cohesion", "stability", "review_share",
    "distance", "mean_rr_before_s", "pred_mix", "label_mix", "reason_mix", "beat_id", "examples",
)  # fmt: skip
CLUSTER_COLUMNS = ("cluster", "n_beats", "n_patients", "review_share", "cohesion", "stability", "failed", "alert")
BEAT_COLUMNS = (
    "beat_id", "corpus", "record", "patient", "split", "label", "pred", "review", "reason", "cluster", "alert",
    "x", "y",
)  # fmt: skip


def alert_tables(alerts: Alerts, known: Sequence[KnownPattern]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the tables of alerts, of clusters and of beats (`ALERT_COLUMNS`, `CLUSTER_COLUMNS`, `BEAT_COLUMNS`).

    Parameters
    ----------
    alerts
        Patterns of a run.
    known
        The registry's answer for each alert, in order.
    """
    import pandas as pd

    table = alerts.sample.table
    beats = table.copy()
    beats["cluster"], beats["alert"] = -1, ""
    beats["x"], beats["y"] = alerts.position[:, 0], alerts.position[:, 1]
    names = iter(f"A{k + 1}" for k in range(len(alerts.raised)))
    answers = iter(known)
    raised: list[dict[str, Any]] = []
    clusters: list[dict[str, Any]] = []
    for number, pattern in enumerate(alerts.patterns):
        name = "" if pattern.failed else next(names)
        size = {"n_beats": len(pattern.members), "n_patients": pattern.n_patients}
        worth = {n: getattr(pattern, n) for n in ("review_share", "cohesion", "stability")}
        clusters.append({"cluster": number, **size, **worth, "failed": ";".join(pattern.failed), "alert": name})
        beats.loc[pattern.members, ["cluster", "alert"]] = [number, name]
        if pattern.failed:
            continue
        rows, answer = table.iloc[alerts.order(pattern)], next(answers)
        reasons = [reason for text in rows["reason"] for reason in text.split(";")]
        raised.append(
            {
                "alert": name,
                "pattern": answer.identifier,
                "seen_in": ";".join(answer.seen_in),
                **size,
                **worth,
                "n_records": len(rows[["corpus", "record"]].drop_duplicates()),
                "distance": float(rows["distance"].median()),
                "mean_rr_before_s": float(rows["rr_before_s"].mean()),
                "pred_mix": label_mix(rows["pred"].tolist()),
                "label_mix": label_mix([label or "unknown" for label in rows["label"]]),
                "reason_mix": label_mix(reasons),
                "beat_id": rows["beat_id"].iloc[0],
                "examples": ";".join(table["beat_id"].iloc[examples(alerts, pattern)]),
            }
        )
    return (
        pd.DataFrame(raised, columns=list(ALERT_COLUMNS)),
        pd.DataFrame(clusters, columns=list(CLUSTER_COLUMNS)),
        beats[list(BEAT_COLUMNS)],
    )


def examples(alerts: Alerts, pattern: Pattern) -> npt.NDArray[np.int64]:
    """Return rows of a few typical beats of a pattern: each patient's nearest to the centre first, then second ones."""
    ordered = alerts.order(pattern)
    turn: dict[str, int] = {}
    ranked = []
    for rank, row in enumerate(ordered.tolist()):
        patient = str(alerts.sample.beats.patients[row])
        turn[patient] = turn.get(patient, -1) + 1
        ranked.append((turn[patient], rank, row))
    return np.array([row for _, _, row in sorted(ranked)[:EXAMPLES]], dtype=np.int64)


def alert_arrays(alerts: Alerts, bundle: Bundle) -> dict[str, npt.NDArray[Any]]:
    """Return centres and waves of the alerts, A of them, for an npz file and the gallery.

    ``centre`` (A, D), ``radius`` (A,), ``median`` (A, L, T) and ``examples`` (A, E, L, T) in mV, NaN in absent leads
    and where there are fewer examples, ``example_ids`` (A, E), ``leads`` (L,), ``fs``, ``before``.
    """
    sample, raised = alerts.sample, alerts.raised
    shape = (len(bundle.leads), bundle.geometry.length)
    millivolts = sample.beats.waves * sample.scale[:, :, None]
    centre = np.zeros((len(raised), bundle.network_config.embedding_size))
    radius = np.zeros(len(raised))
    median = np.full((len(raised), *shape), np.nan, dtype=np.float32)
    shown = np.full((len(raised), EXAMPLES, *shape), np.nan, dtype=np.float32)
    ids = np.full((len(raised), EXAMPLES), "", dtype=object)
    for k, pattern in enumerate(raised):
        embedded = sample.beats.embedding[pattern.members].astype(np.float64)
        centre[k] = embedded.mean(axis=0)
        radius[k] = np.quantile(np.linalg.norm(embedded - centre[k], axis=1), RADIUS_QUANTILE)
        median[k] = alerts.median(pattern)
        rows = examples(alerts, pattern)
        shown[k, : len(rows)] = millivolts[rows]
        ids[k, : len(rows)] = sample.table["beat_id"].iloc[rows]
    return {
        "centre": centre,
        "radius": radius,
        "median": median,
        "examples": shown,
        "example_ids": ids.astype(np.str_),
        "leads": np.array(bundle.leads, dtype=np.str_),
        "fs": np.array(bundle.geometry.fs),
        "before": np.array(bundle.geometry.before),
    }
