"""Prototype mining: real, clean beats that stand for the shapes of each class, from training patients only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats import BeatSettings
from beatlens.dataset import records_of_split, split_beats
from beatlens.inputs import InputSpec, RecordInputs, prepare_record, record_similarities
from beatlens.prototypes.library import PrototypeLibrary, label_mix, wilson_interval
from beatlens.prototypes.similarity import PrototypeBank
from beatlens.seeds import derive_seed
from beatlens.shards import BeatGeometry, Shard

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

EXAMPLES = 5


@dataclass(frozen=True)
class PrototypeSettings:
    """The section ``prototypes`` of the configuration.

    Attributes
    ----------
    per_class
        Quota of prototypes a class.
    max_per_patient
        Of those, from one patient.
    min_members
        Beats a cluster needs; less for classes that have fewer, down to one.
    top_similar
        Similarities that the network's top mean of a class averages.
    max_members
        Beats of one patient, class and set of leads that are clustered; a random sample of larger ones.
    """

    per_class: int
    max_per_patient: int
    min_members: int
    top_similar: int
    max_members: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"prototypes.{name}: {value}; expected >= 1")


@dataclass(frozen=True)
class Cluster:
    """Beats of one class, patient and set of leads that look alike; `members` are sorted by distance to the centre."""

    label: str
    corpus: str
    patient: str
    record: str
    leads: tuple[str, ...]
    beat_ids: tuple[str, ...]
    wave: FloatArray
    median: FloatArray
    scale: FloatArray
    size: int
    share: float
    mean_rr: tuple[float, float]


@dataclass
class _Group:
    """Clean beats of one class, patient and set of leads, gathered over the patient's records."""

    waves: list[FloatArray]
    beat_ids: list[str]
    records: list[str]
    scales: list[FloatArray]
    rr: list[FloatArray]


def mine(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    classes: tuple[str, ...],
    leads: tuple[str, ...],
    geometry: BeatGeometry,
    beats: BeatSettings,
    settings: PrototypeSettings,
    seed: int,
) -> PrototypeLibrary:
    """Mine the library from the patients of the split ``train``.

    Within each patient and class, clean beats are clustered by shape; a prototype is the real beat nearest to the
    centre of its cluster. Clusters are taken patient by patient in turn, larger ones first, up to the quota of the
    class, so that every class that has a beat has a prototype and no patient fills the bank.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    classes, leads
        Class ids and lead names of the model.
    geometry, beats
        Extent of a beat and section ``beats``.
    settings
        Section ``prototypes``.
    seed
        Of the run.

    Raises
    ------
    ValueError
        Where no class has a clean training beat.
    """
    spec = InputSpec(classes, leads, geometry, beats, _empty_bank(classes, leads, geometry, settings.top_similar))
    loaded = [
        prepare_record(shard, table, spec) for shard, table in split_beats(shards, records_of_split(records, "train"))
    ]
    groups = _gather(loaded, classes)
    chosen: list[Cluster] = []
    for name in classes:
        own = {key: group for key, group in groups.items() if key[0] == name}
        if not own:
            logger.warning("class %s has no clean training beat, hence no prototype", name)
            continue
        total = sum(len(group.beat_ids) for group in own.values())
        least = max(1, min(settings.min_members, total // settings.per_class))
        clusters = [
            cluster
            for key, group in sorted(own.items())
            for cluster in _clusters(key, group, settings, least, derive_seed(seed, "prototypes", *map(str, key)))
        ]
        chosen += choose(clusters, settings.per_class, settings.max_per_patient)
    if not chosen:
        raise ValueError(
            f"no clean training beat of the classes {list(classes)}; expected some to mine prototypes from"
        )
    bank = _bank(chosen, classes, leads, geometry, settings.top_similar)
    return _describe(chosen, bank, loaded, leads, geometry)


def choose(clusters: Sequence[Cluster], quota: int, max_per_patient: int) -> list[Cluster]:
    """Choose clusters of one class: every patient's largest first, then the second ones, until the quota is full."""
    ranked: dict[tuple[str, str], list[Cluster]] = {}
    for cluster in sorted(clusters, key=lambda entry: (-entry.size, entry.beat_ids[0])):
        ranked.setdefault((cluster.corpus, cluster.patient), []).append(cluster)
    result: list[Cluster] = []
    for turn in range(max_per_patient):
        candidates = [own[turn] for own in ranked.values() if len(own) > turn]
        result += sorted(candidates, key=lambda entry: (-entry.size, entry.beat_ids[0]))
    return result[:quota]


def _gather(
    loaded: Sequence[RecordInputs], classes: tuple[str, ...]
) -> dict[tuple[str, str, str, tuple[str, ...]], _Group]:
    groups: dict[tuple[str, str, str, tuple[str, ...]], _Group] = {}
    for inputs in loaded:
        beats = inputs.beats
        clean = (beats["reason"].to_numpy() == "") & ~beats["annotated_noise"].to_numpy(dtype=bool)
        rr = beats[["rr_before_s", "rr_after_s"]].to_numpy(dtype=np.float32)
        ids = beats["beat_id"].tolist()
        labels = beats["label"].to_numpy()
        for name in classes:
            rows = np.flatnonzero(clean & (labels == name))
            if not len(rows):
                continue
            key = (name, inputs.corpus, str(beats["patient"].iloc[0]), inputs.leads)
            group = groups.setdefault(key, _Group([], [], [], [], []))
            group.waves.append(inputs.waves[rows])
            group.beat_ids += [ids[k] for k in rows]
            group.records += [inputs.record] * len(rows)
            group.scales += [inputs.lead_scale] * len(rows)
            group.rr.append(rr[rows])
    return groups


def _clusters(
    key: tuple[str, str, str, tuple[str, ...]], group: _Group, settings: PrototypeSettings, least: int, seed: int
) -> list[Cluster]:
    from sklearn.cluster import KMeans

    name, corpus, patient, leads = key
    rng = np.random.default_rng(seed)
    waves, rr = np.concatenate(group.waves), np.concatenate(group.rr)
    rows = np.arange(len(waves))
    if len(rows) > settings.max_members:
        rows = np.sort(rng.choice(len(rows), settings.max_members, replace=False))
    flat = waves[rows].reshape(len(rows), -1).astype(np.float64)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    k = max(1, min(settings.max_per_patient, len(rows) // max(least, 2)))
    if k > 1:
        model = KMeans(k, n_init=4, random_state=int(rng.integers(2**31))).fit(flat)
        assigned, centres = model.labels_, model.cluster_centers_
    else:
        assigned, centres = np.zeros(len(rows), dtype=int), flat.mean(axis=0, keepdims=True)
    result = []
    for c in range(k):
        members = np.flatnonzero(assigned == c)
        if len(members) < least:
            continue
        distance = np.linalg.norm(flat[members] - centres[c], axis=1)
        ordered = rows[members[np.argsort(distance, kind="stable")]]
        share = len(members) / len(rows)
        result.append(
            Cluster(
                label=name,
                corpus=corpus,
                patient=patient,
                record=group.records[ordered[0]],
                leads=leads,
                beat_ids=tuple(group.beat_ids[row] for row in ordered[:EXAMPLES]),
                wave=waves[ordered[0]],
                median=np.median(waves[ordered], axis=0).astype(np.float32),
                scale=group.scales[ordered[0]],
                size=round(share * len(waves)),
                share=share,
                mean_rr=(float(rr[ordered, 0].mean()), float(rr[ordered, 1].mean())),
            )
        )
    return result


def _empty_bank(
    classes: tuple[str, ...], leads: tuple[str, ...], geometry: BeatGeometry, top_similar: int
) -> PrototypeBank:
    return _bank([], classes, leads, geometry, top_similar)


def _bank(
    chosen: Sequence[Cluster],
    classes: tuple[str, ...],
    leads: tuple[str, ...],
    geometry: BeatGeometry,
    top_similar: int,
) -> PrototypeBank:
    waves = np.zeros((len(chosen), len(leads), geometry.length), dtype=np.float32)
    present = np.zeros((len(chosen), len(leads)), dtype=bool)
    for p, cluster in enumerate(chosen):
        index = [leads.index(lead) for lead in cluster.leads]
        waves[p, index], present[p, index] = cluster.wave, True
    return PrototypeBank(
        waves=waves,
        present=present,
        leads=leads,
        classes=classes,
        labels=np.array([cluster.label for cluster in chosen], dtype=np.str_),
        patients=np.array([f"{cluster.corpus}/{cluster.patient}" for cluster in chosen], dtype=np.str_),
        beat_ids=np.array([cluster.beat_ids[0] for cluster in chosen], dtype=np.str_),
        top_similar=top_similar,
    )


def _describe(
    chosen: Sequence[Cluster],
    bank: PrototypeBank,
    loaded: Sequence[RecordInputs],
    leads: tuple[str, ...],
    geometry: BeatGeometry,
) -> PrototypeLibrary:
    """Add medians, scales and the table; the neighbours of a prototype are beats of other patients."""
    import pandas as pd

    nearest: list[list[str]] = [[] for _ in chosen]
    for inputs in loaded:
        similarities = record_similarities(inputs.waves, inputs.leads, bank, inputs.patient)
        labels = inputs.beats["label"].to_numpy()
        known = np.isin(labels, ["", "none"], invert=True) & np.isfinite(similarities).any(axis=1)
        for prototype, label in zip(similarities[known].argmax(axis=1).tolist(), labels[known].tolist(), strict=True):
            nearest[prototype].append(label)
    median, scale = np.zeros_like(bank.waves), np.zeros(bank.present.shape, dtype=np.float32)
    rows: list[dict[str, Any]] = []
    for p, cluster in enumerate(chosen):
        index = [leads.index(lead) for lead in cluster.leads]
        median[p, index], scale[p, index] = cluster.median, cluster.scale
        hits, n = nearest[p].count(cluster.label), len(nearest[p])
        low, high = wilson_interval(hits, n)
        rows.append(
            {
                "prototype": p,
                "class": cluster.label,
                "beat_id": cluster.beat_ids[0],
                "corpus": cluster.corpus,
                "record": cluster.record,
                "patient": cluster.patient,
                "leads": ";".join(cluster.leads),
                "size": cluster.size,
                "share": cluster.share,
                "neighbours": n,
                "purity": hits / n if n else float("nan"),
                "purity_lo": low,
                "purity_hi": high,
                "label_mix": label_mix(nearest[p]),
                "mean_rr_before_s": cluster.mean_rr[0],
                "mean_rr_after_s": cluster.mean_rr[1],
                "examples": ";".join(cluster.beat_ids),
            }
        )
    return PrototypeLibrary(bank, pd.DataFrame(rows), median, scale, geometry.fs, geometry.before)
