"""Prototype mining: real, clean beats that stand for the shapes of each class, from training patients only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from beatlens.beats.settings import BeatSettings
from beatlens.core.seeds import derive_seed
from beatlens.inputs.labelled_records import clean_beats, records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec, RecordInputs, prepare_record, record_similarities
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.prototypes.clusters import Cluster, Group, choose, clusters_of
from beatlens.prototypes.library import PrototypeLibrary, label_mix, wilson_interval
from beatlens.prototypes.settings.prototypes import PrototypeSettings
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import BeatGeometry, Shard

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

__all__ = ["PrototypeSettings", "mine", "training_patients"]


def mine(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    *,
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
    spec = InputSpec(classes, leads, geometry, beats, _bank([], classes, leads, geometry, settings.top_similar))
    wanted = records_of_split(records, "train")
    totals = dict.fromkeys(classes, 0)
    for _, table in split_beats(shards, wanted):
        labels = table["label"][clean_beats(table)]
        totals = {name: total + int((labels == name).sum()) for name, total in totals.items()}
    least = {name: max(1, min(settings.min_members, n // settings.per_class)) for name, n in totals.items()}
    found: dict[str, list[Cluster]] = {name: [] for name in classes}
    for of_patient in training_patients(shards, records, spec):
        groups = _gather(of_patient, classes)
        for key, group in sorted(groups.items(), key=lambda entry: entry[0]):
            key_seed = derive_seed(seed, "prototypes", *map(str, key))
            found[key[0]] += clusters_of(key, group, settings, least[key[0]], key_seed)
    chosen: list[Cluster] = []
    for name in classes:
        if not found[name]:
            logger.warning("class %s has %d clean training beats, hence no prototype", name, totals[name])
        chosen += choose(found[name], settings.per_class, settings.max_per_patient)
    if not chosen:
        training = records[records["split"] == "train"]
        unlabelled = int((~records["labelled"].astype(bool) & (records["role"] == "train")).sum())
        annotated = int(sum(np.sum(training.get(f"n_{name}", 0)) for name in classes))
        raise ValueError(
            f"no clean training beat of the classes {list(classes)} in the {len(training)} records of the split "
            f"'train': {annotated} are annotated there, of which none was detected or quality rules doubt all; "
            f"{unlabelled} records of role train have no labels, and so no split. Expected annotations at R peaks, "
            "with symbols that the label table of the corpus turns into these classes"
        )
    bank = _bank(chosen, classes, leads, geometry, settings.top_similar)
    return _describe(
        chosen, bank, (prepare_record(shard, table, spec) for shard, table in split_beats(shards, wanted)), geometry
    )


def training_patients(shards: Sequence[Shard], records: pd.DataFrame, spec: InputSpec) -> Iterator[list[RecordInputs]]:
    """Yield the records of one patient of the split ``train`` after the other."""
    for _, listed in records[records["split"] == "train"].groupby(["corpus", "patient"]):
        tables = split_beats(shards, set(zip(listed["corpus"], listed["record"], strict=True)))
        yield [prepare_record(shard, table, spec) for shard, table in tables]


class GroupKey(NamedTuple):
    """Whose beats are clustered together."""

    label: str
    corpus: str
    patient: str
    leads: tuple[str, ...]


def _gather(loaded: Sequence[RecordInputs], classes: tuple[str, ...]) -> dict[GroupKey, Group]:
    groups: dict[GroupKey, Group] = {}
    for inputs in loaded:
        beats = inputs.beats
        clean = clean_beats(beats)
        rr = beats[["rr_before_s", "rr_after_s"]].to_numpy(dtype=np.float32)
        ids = beats["beat_id"].tolist()
        labels = beats["label"].to_numpy()
        for name in classes:
            rows = np.flatnonzero(clean & (labels == name))
            if not len(rows):
                continue
            key = GroupKey(name, inputs.record.corpus, str(beats["patient"].iloc[0]), inputs.record.leads)
            group = groups.setdefault(key, Group([], [], [], [], []))
            group.waves.append(inputs.waves[rows])
            group.beat_ids += [ids[k] for k in rows]
            group.records += [inputs.record.record] * len(rows)
            group.scales += [inputs.record.lead_scale] * len(rows)
            group.rr.append(rr[rows])
    return groups


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
        patients=np.array([patient_key(cluster.corpus, cluster.patient) for cluster in chosen], dtype=np.str_),
        beat_ids=np.array([cluster.beat_ids[0] for cluster in chosen], dtype=np.str_),
        top_similar=top_similar,
    )


def _describe(
    chosen: Sequence[Cluster],
    bank: PrototypeBank,
    loaded: Iterable[RecordInputs],
    geometry: BeatGeometry,
) -> PrototypeLibrary:
    """Add medians, scales and the table; the neighbours of a prototype are beats of other patients."""
    import pandas as pd

    nearest: list[list[str]] = [[] for _ in chosen]
    noise = np.zeros((len(chosen), 2), dtype=np.int64)  # noisy beats, all beats
    for inputs in loaded:
        similarities = record_similarities(inputs.waves, inputs.record.leads, bank, inputs.record.patient)
        labels = inputs.beats["label"].to_numpy()
        seen = np.isfinite(similarities).any(axis=1)
        noisy = ~clean_beats(inputs.beats)[seen]
        np.add.at(noise, similarities[seen].argmax(axis=1), np.stack([noisy, np.ones_like(noisy)], axis=1))
        known = np.isin(labels, ["", "none"], invert=True) & seen
        for prototype, label in zip(similarities[known].argmax(axis=1).tolist(), labels[known].tolist(), strict=True):
            nearest[prototype].append(label)
    median, scale = np.zeros_like(bank.waves), np.zeros(bank.present.shape, dtype=np.float32)
    rows: list[dict[str, Any]] = []
    for p, cluster in enumerate(chosen):
        index = [bank.leads.index(lead) for lead in cluster.leads]
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
                "noise_ratio": noise[p, 0] / noise[p, 1] if noise[p, 1] else float("nan"),
                "label_mix": label_mix(nearest[p]),
                "mean_rr_before_s": cluster.mean_rr[0],
                "mean_rr_after_s": cluster.mean_rr[1],
                "examples": ";".join(cluster.beat_ids),
            }
        )
    return PrototypeLibrary(bank, pd.DataFrame(rows), median, scale, geometry.fs, geometry.before)
