"""From predictions to alerts: beats are embedded, patterns found among them, remembered and described."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.bundle import Bundle
from beatlens.inputs import typical_beats
from beatlens.leads import lead_id
from beatlens.novelty import AlertSettings, Candidates, Pattern, find_patterns, sample_rows
from beatlens.pattern_registry import FoundPattern, KnownPattern
from beatlens.prototypes.library import label_mix
from beatlens.seeds import derive_seed
from beatlens.shards import Shard

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.hybrid import HybridNet

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float32]

SPLITS = ("test", "paced", "none")
"""Splits of beats that no part of the model has learnt from."""
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
CHUNK_BEATS = 512


@dataclass(frozen=True)
class Sample:
    """Beats that are clustered: their rows of the predictions, with ``rr_before_s``, and what `novelty` sees of them.

    Attributes
    ----------
    table
        (n,) rows.
    beats
        Embeddings and scaled waves in the same order.
    scale
        (n, L) mV, NaN in absent leads.
    """

    table: pd.DataFrame
    beats: Candidates
    scale: FloatArray


@dataclass(frozen=True)
class Alerts:
    """Patterns of a run that met every criterion, with all that was clustered.

    Attributes
    ----------
    sample
        What was clustered.
    patterns
        All clusters with beats in review, larger ones first.
    position
        (n, 2) map of the sample.
    """

    sample: Sample
    patterns: list[Pattern]
    position: npt.NDArray[np.float64]

    @property
    def raised(self) -> list[Pattern]:
        """Patterns that met every criterion."""
        return [pattern for pattern in self.patterns if not pattern.failed]

    def order(self, pattern: Pattern) -> npt.NDArray[np.int64]:
        """Return a pattern's rows, nearest to its centre first."""
        own = self.sample.beats.embedding[pattern.members]
        distance = np.linalg.norm(own - own.mean(axis=0), axis=1)
        return pattern.members[np.argsort(distance, kind="stable")]

    def median(self, pattern: Pattern) -> FloatArray:
        """Return the median beat (L, T) of a pattern in mV, NaN in leads that none of its beats has."""
        own = self.sample.beats.waves[pattern.members] * self.sample.scale[pattern.members, :, None]
        result = np.full(own.shape[1:], np.nan, dtype=np.float32)
        for lead in np.flatnonzero(np.isfinite(own).any(axis=(0, 2))):
            result[lead] = np.nanmedian(own[:, lead], axis=0)
        return result

    def found(self, leads: Sequence[str]) -> list[FoundPattern]:
        """Return what the registry is to remember of the alerts; `leads` are the L leads of the waves."""
        result = []
        for pattern in self.raised:
            waves = zip(leads, self.median(pattern), strict=True)
            median = {lead: wave for lead, wave in waves if np.isfinite(wave).all()}
            first = str(self.sample.table["beat_id"].iloc[self.order(pattern)[0]])
            result.append(FoundPattern(median, first, len(pattern.members), pattern.n_patients))
        return result


def take_sample(
    shards: Sequence[Shard],
    predictions: pd.DataFrame,
    bundle: Bundle,
    network: HybridNet,
    settings: AlertSettings,
    seed: int,
    device: str,
) -> Sample:
    """Sample beats that the model hasn't learnt from, and embed them.

    Parameters
    ----------
    shards, predictions
        All shards, and the predictions at detected peaks.
    bundle, network
        The bundle and its network on `device`.
    settings
        Section ``alerts``.
    seed
        Of the run.
    device
        ``cpu`` or ``cuda``.
    """
    import pandas as pd

    unseen = predictions[predictions["split"].isin(SPLITS)].reset_index(drop=True)
    patients = (unseen["corpus"] + "/" + unseen["patient"]).to_numpy(dtype=np.str_)
    rows = sample_rows(patients, unseen["review"].to_numpy(dtype=bool), settings, seed)
    chosen = unseen.iloc[rows].reset_index(drop=True)
    n, spec = len(chosen), bundle.spec
    waves = np.full((n, len(spec.leads), spec.geometry.length), np.nan, dtype=np.float32)
    scale = np.full((n, len(spec.leads)), np.nan, dtype=np.float32)
    embedding = np.zeros((n, bundle.network_config.embedding_size), dtype=np.float32)
    rr = np.full(n, np.nan)
    place = pd.Series(np.arange(n), index=chosen["beat_id"])
    done = 0
    for shard in shards:
        beats = shard.beats()
        own = beats[beats["beat_id"].isin(place.index)]
        of_record = beats.groupby(["corpus", "record"], sort=False).indices
        for key, part in own.groupby(["corpus", "record"], sort=False):
            corpus, record = key
            at = place.loc[part["beat_id"]].to_numpy()
            leads = shard.leads(corpus, record)
            index = [k for k, lead in enumerate(spec.leads) if lead in leads]
            factor = shard.lead_scale(corpus, record)[[leads.index(spec.leads[k]) for k in index]]
            shown = [spec.leads[k] for k in index]
            scaled = shard.waveforms(part, shown, spec.geometry) / factor[:, None]
            typical = typical_beats(shard.waveforms(beats.iloc[of_record[key]], shown, spec.geometry) / factor[:, None])
            waves[np.ix_(at, index)], scale[np.ix_(at, index)] = scaled, factor
            embedding[at] = embed(scaled, typical, [lead_id(name) for name in shown], network, device)
            rr[at] = part["rr_before_s"].to_numpy()
            done += len(part)
    if done != n:
        raise ValueError(f"{done} of the {n} beats of the predictions are in the shards; expected all")
    chosen["rr_before_s"] = rr
    names = (chosen["corpus"] + "/" + chosen["patient"]).to_numpy(dtype=np.str_)
    return Sample(chosen, Candidates(embedding, waves, names, chosen["review"].to_numpy(dtype=bool)), scale)


def embed(
    waves: FloatArray, typical: FloatArray, lead_ids: Sequence[int], network: HybridNet, device: str = "cpu"
) -> FloatArray:
    """Return the network's embeddings (n, D) of scaled beats (n, L, T) of a record with leads lead_ids (L,).

    `typical` (L, T) is the record's typical beat.
    """
    import torch

    parts = [np.zeros((0, network.config.embedding_size), dtype=np.float32)]
    usual = torch.from_numpy(np.ascontiguousarray(typical)).to(device)
    ids = torch.tensor(list(lead_ids), dtype=torch.long, device=device)
    with torch.inference_mode():
        for start in range(0, len(waves), CHUNK_BEATS):
            chunk = torch.from_numpy(np.ascontiguousarray(waves[start : start + CHUNK_BEATS])).to(device)
            n, n_leads, length = chunk.shape
            encoded = network.encode_leads(chunk.reshape(n * n_leads, length), usual.repeat(n, 1)).view(n, n_leads, -1)
            present = torch.ones((n, n_leads), dtype=torch.bool, device=device)
            parts.append(network.mix_leads(encoded, present, ids).float().cpu().numpy())
    return np.concatenate(parts)


def find_alerts(sample: Sample, settings: AlertSettings, seed: int) -> Alerts:
    """Find patterns in a sample; what each lacks to be an alert goes to the log."""
    patterns, position = find_patterns(sample.beats, settings, derive_seed(seed, "alerts", "bootstrap"))
    for pattern in patterns:
        logger.info(
            "pattern of %d beats in review, %d patients, cohesion %.2f, stability %.2f: %s",
            len(pattern.members),
            pattern.n_patients,
            pattern.cohesion,
            pattern.stability,
            f"no alert ({', '.join(pattern.failed)})" if pattern.failed else "alert",
        )
    return Alerts(sample, patterns, position)


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
        own, answer = table.iloc[alerts.order(pattern)], next(answers)
        reasons = [reason for text in own["reason"] for reason in text.split(";")]
        raised.append(
            {
                "alert": name,
                "pattern": answer.identifier,
                "seen_in": ";".join(answer.seen_in),
                **size,
                **worth,
                "n_records": len(own[["corpus", "record"]].drop_duplicates()),
                "distance": float(own["distance"].median()),
                "mean_rr_before_s": float(own["rr_before_s"].mean()),
                "pred_mix": label_mix(own["pred"].tolist()),
                "label_mix": label_mix([label or "unknown" for label in own["label"]]),
                "reason_mix": label_mix(reasons),
                "beat_id": own["beat_id"].iloc[0],
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
        own = sample.beats.embedding[pattern.members].astype(np.float64)
        centre[k] = own.mean(axis=0)
        radius[k] = np.quantile(np.linalg.norm(own - centre[k], axis=1), RADIUS_QUANTILE)
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
