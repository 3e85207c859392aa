"""Clusters of beats of one patient and class, and which of them become prototypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.prototypes.settings.prototypes import PrototypeSettings

FloatArray = npt.NDArray[np.float32]

EXAMPLES = 5
LEAD_PROTOTYPES = 2
"""Prototypes of a class that each lead should have: two, so that one is left when the beat's patient is left out."""


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
class Group:
    """Clean beats of one class, patient and set of leads, gathered over the patient's records."""

    waves: list[FloatArray]
    beat_ids: list[str]
    records: list[str]
    scales: list[FloatArray]
    rr: list[FloatArray]


def clusters_of(
    key: tuple[str, str, str, tuple[str, ...]], group: Group, settings: PrototypeSettings, least: int, seed: int
) -> list[Cluster]:
    """Cluster one group's beats by shape (k-means on unit vectors); clusters smaller than `least` are left out.

    Parameters
    ----------
    key
        Class, corpus, patient and leads.
    group
        The beats.
    settings
        Section ``prototypes``.
    least
        Beats a cluster needs.
    seed
        Of the sample and of k-means.
    """
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


def choose(clusters: Sequence[Cluster], quota: int, max_per_patient: int) -> list[Cluster]:
    """Choose clusters of one class: every patient's largest first, then the second ones, until the quota is full.

    Clusters that a lead needs go first, so that each lead in which the class is seen has `LEAD_PROTOTYPES`, as far as
    the quota allows. Without this, long records of two leads would leave no room for short ones of twelve, and a beat
    in a lead without prototypes would be compared with none of its class.
    """
    ranked: dict[tuple[str, str], list[Cluster]] = {}
    for cluster in sorted(clusters, key=lambda entry: (-entry.size, entry.beat_ids[0])):
        ranked.setdefault((cluster.corpus, cluster.patient), []).append(cluster)
    result: list[Cluster] = []
    for turn in range(max_per_patient):
        candidates = [of_patient[turn] for of_patient in ranked.values() if len(of_patient) > turn]
        result += sorted(candidates, key=lambda entry: (-entry.size, entry.beat_ids[0]))
    count: dict[str, int] = {}
    needed: list[int] = []
    for place, cluster in enumerate(result):
        if any(count.get(lead, 0) < LEAD_PROTOTYPES for lead in cluster.leads):
            needed.append(place)
            for lead in cluster.leads:
                count[lead] = count.get(lead, 0) + 1
    others = [place for place in range(len(result)) if place not in needed]
    return [result[place] for place in sorted([*needed, *others][:quota])]
