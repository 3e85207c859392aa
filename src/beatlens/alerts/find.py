"""From predictions to alerts: beats are embedded, patterns found among them, remembered and described."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.alerts.clusters import Candidates, Pattern, find_patterns, sample_rows
from beatlens.alerts.registry import FoundPattern
from beatlens.alerts.settings import AlertSettings
from beatlens.core.leads import lead_id
from beatlens.core.seeds import derive_seed
from beatlens.inputs.network_inputs import scaled_beats, typical_beats, typical_rows, used_signal
from beatlens.prediction.bundle import Bundle
from beatlens.shards.patients import patient_keys
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.network import BeatNetwork

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float32]

SPLITS = ("test", "paced", "none")
"""Splits whose beats no part of the model has learnt from."""
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
        embedded = self.sample.beats.embedding[pattern.members]
        distance = np.linalg.norm(embedded - embedded.mean(axis=0), axis=1)
        return pattern.members[np.argsort(distance, kind="stable")]

    def median(self, pattern: Pattern) -> FloatArray:
        """Return the median beat (L, T) of a pattern in mV, NaN in leads that none of its beats has."""
        millivolts = self.sample.beats.waves[pattern.members] * self.sample.scale[pattern.members, :, None]
        result = np.full(millivolts.shape[1:], np.nan, dtype=np.float32)
        for lead in np.flatnonzero(np.isfinite(millivolts).any(axis=(0, 2))):
            result[lead] = np.nanmedian(millivolts[:, lead], axis=0)
        return result

    def found(self, leads: Sequence[str]) -> list[FoundPattern]:
        """Return what the registry should remember of the alerts, in the leads that most of their beats have."""
        result = []
        for pattern in self.raised:
            share = np.isfinite(self.sample.beats.waves[pattern.members]).any(axis=2).mean(axis=0)
            waves = zip(leads, share, self.median(pattern), strict=True)
            median = {lead: wave for lead, has, wave in waves if has >= min(0.5, share.max())}
            first = str(self.sample.table["beat_id"].iloc[self.order(pattern)[0]])
            result.append(FoundPattern(median, first, len(pattern.members), pattern.n_patients))
        return result


def take_sample(
    shards: Sequence[Shard],
    predictions: pd.DataFrame,
    *,
    bundle: Bundle,
    network: BeatNetwork,
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
    patients = patient_keys(unseen)
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
        beats = shard.beats(columns=["beat_id", "corpus", "record", "r_index", "rr_before_s"])
        sampled = beats[beats["beat_id"].isin(place.index)]
        of_record = beats.groupby(["corpus", "record"], sort=False).indices
        for key, part in sampled.groupby(["corpus", "record"], sort=False):
            corpus, record = key
            at = place.loc[part["beat_id"]].to_numpy()
            leads = shard.leads(corpus, record)
            index = [k for k, lead in enumerate(spec.leads) if lead in leads]
            factor = shard.lead_scale(corpus, record)[[leads.index(spec.leads[k]) for k in index]]
            shown = [spec.leads[k] for k in index]
            signal = used_signal(shard, corpus, record, tuple(shown))
            r_index = beats["r_index"].to_numpy(dtype=np.int64)[of_record[key]]
            usual = scaled_beats(signal, r_index[typical_rows(len(r_index))], factor, spec.geometry)
            typical = typical_beats(usual)
            scaled = scaled_beats(signal, part["r_index"].to_numpy(dtype=np.int64), factor, spec.geometry)
            waves[np.ix_(at, index)], scale[np.ix_(at, index)] = scaled, factor
            embedding[at] = embed(scaled, typical, [lead_id(name) for name in shown], network, device)
            rr[at] = part["rr_before_s"].to_numpy()
            done += len(part)
    if done != n:
        raise ValueError(f"{done} of the {n} beats of the predictions are in the shards; expected all")
    chosen["rr_before_s"] = rr
    names = patient_keys(chosen)
    return Sample(chosen, Candidates(embedding, waves, names, chosen["review"].to_numpy(dtype=bool)), scale)


def embed(
    waves: FloatArray, typical: FloatArray, lead_ids: Sequence[int], network: BeatNetwork, device: str = "cpu"
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
            parts.append(network.embeddings(network.mix_leads(encoded, present, ids)).float().cpu().numpy())
    return np.concatenate(parts)


def find_alerts(sample: Sample, settings: AlertSettings, seed: int) -> Alerts:
    """Find patterns in a sample, and log what each lacks to be an alert."""
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
