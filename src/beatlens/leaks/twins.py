"""One person under two names: records of different patients that look like pieces of one recording.

A record is described by typical beats, medians of beats that follow each other, in millivolts: shape and amplitude in
each lead together are a person's own for as long as the electrodes stay. Two records are twins where they are

- alike, and about as alike as the two halves of one of them are, and
- much more alike than either is to its fifth-nearest other patient (the ratio test of Lowe 2004,
  doi:10.1023/B:VISI.0000029664.99615.94, with a further neighbour, since a person may be there under several names):
  how alike two people's beats can be depends on the leads and on how many people there are.

A record of the same person on another day usually isn't found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.shards.patients import patient_key
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.shards.splits import DEALT_SPLITS

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]

BLOCKS, BLOCK_BEATS = 8, 5
"""Most typical beats of a record, and fewest beats for the median of one, where there are enough beats for two."""
MAX_BLOCK_BEATS = 101
NEIGHBOUR = 5
"""Which nearest other patient a pair is held against."""
ISOLATION = 0.3
"""Largest distance of twins, as a share of that to the `NEIGHBOUR`-nearest other patient. The nearest two people are at
.35 in MIT-BIH's DS1 (22 patients) and above .5 in PTB-XL (133 patients, 12 leads, 10 s)."""
FARTHEST = 0.2
"""Largest distance of twins. The halves of records are below .15 in DS1, in PTB-XL 95 % of them."""
SPREAD = 1.5
"""Largest distance of twins, in units of the distance between the halves of the more variable record. Of records that
are cut in half, the halves are found to be twins for 20 of the 22 in DS1 and for 78 % of 147 from PTB-XL
(benchmarks/twins.py).
"""
SAME = 0.02
"""Pairs nearer than this are always twins."""


@dataclass(frozen=True)
class Portraits:
    """Typical beats of records.

    Attributes
    ----------
    keys
        ``(corpus, record)`` of each record.
    patients, splits
        ``corpus/patient`` and split of each record.
    waves
        (m, L * T) typical beats in mV, each lead with mean 0; 0 in leads that a record hasn't got.
    power
        (m, L) sums of squares.
    present
        (m, L) whether the record has the lead.
    owner
        (m,) index of the record, ascending; every record has one typical beat or more.
    """

    keys: list[tuple[str, str]]
    patients: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]
    waves: FloatArray
    power: FloatArray
    present: FloatArray
    owner: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Twins:
    """Two records of different patients in different splits that look like one person's.

    Attributes
    ----------
    first, second
        ``corpus/record (split)``.
    distance
        Relative difference of their most alike typical beats, 0 for the same signal.
    ratio
        To the distance of the fifth-nearest other patient; NaN with too few patients.
    """

    first: str
    second: str
    distance: float
    ratio: float


def portraits(shards: Sequence[Shard], records: pd.DataFrame, geometry: BeatGeometry) -> Portraits:
    """Describe every record of `DEALT_SPLITS` that has a beat.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    geometry
        Extent of a beat.
    """
    known = records[records["split"].isin(DEALT_SPLITS)]
    split_of = dict(zip(zip(known["corpus"], known["record"], strict=True), known["split"], strict=True))
    patient_of = dict(zip(zip(known["corpus"], known["record"], strict=True), known["patient"], strict=True))
    tables = [shard.records for shard in shards]
    there = [list(zip(table["corpus"], table["record"], table["leads"], strict=True)) for table in tables]
    leads = sorted(
        {lead for rows in there for *key, names in rows if tuple(key) in split_of for lead in names.split(";")}
    )
    keys: list[tuple[str, str]] = []
    waves, present, owner = [], [], []
    for shard in shards:
        beats = shard.beats()
        for key, indices in beats.groupby(["corpus", "record"], sort=False).indices.items():
            if key not in split_of:
                continue
            typical = _typical_beats(shard, beats.iloc[np.sort(indices)], leads, geometry)
            present.append(np.tile(np.isin(leads, shard.leads(*key)), (len(typical), 1)))
            waves.append(typical.reshape(len(typical), -1))
            owner += [len(keys)] * len(typical)
            keys.append(key)
    length = len(leads) * geometry.length
    stacked = np.concatenate(waves) if waves else np.zeros((0, length), dtype=np.float32)
    cubes = stacked.reshape(len(stacked), len(leads), geometry.length)
    return Portraits(
        keys=keys,
        patients=np.array([patient_key(corpus, patient_of[corpus, record]) for corpus, record in keys], dtype=np.str_),
        splits=np.array([split_of[key] for key in keys], dtype=np.str_),
        waves=stacked,
        power=np.einsum("mlt,mlt->ml", cubes, cubes),
        present=np.concatenate(present).astype(np.float32) if present else np.zeros((0, len(leads)), dtype=np.float32),
        owner=np.array(owner, dtype=np.int64),
    )


def _typical_beats(shard: Shard, beats: pd.DataFrame, leads: Sequence[str], geometry: BeatGeometry) -> FloatArray:
    """Return the medians (b, L, T) of up to `BLOCKS` runs of a record's beats, clean ones where there are enough."""
    clean = beats[beats["reason"] == ""]
    used = clean if len(clean) >= BLOCK_BEATS else beats
    result = []
    for block in np.array_split(np.arange(len(used)), max(min(2, len(used)), min(BLOCKS, len(used) // BLOCK_BEATS))):
        sample = np.unique(np.linspace(0, len(block) - 1, MAX_BLOCK_BEATS).astype(np.int64))
        waves = np.nan_to_num(shard.waveforms(used.iloc[block[sample]], leads, geometry))
        median = np.median(waves, axis=0)
        result.append(median - median.mean(axis=1, keepdims=True))
    return np.stack(result).astype(np.float32)


def record_distances(described: Portraits, record: int) -> npt.NDArray[np.float64]:
    """Return the (n_records,) distances of a record to all: between their most alike typical beats, shared leads only.

    The distance of two beats is the root of their squared difference over the mean of their squares, inf where they
    share no lead.
    """
    distance = _distances(described, np.flatnonzero(described.owner == record), np.arange(len(described.owner)))
    first = np.flatnonzero(np.diff(described.owner, prepend=-1))
    nearest: npt.NDArray[np.float64] = np.minimum.reduceat(distance.min(axis=0), first)
    return nearest


def half_distance(described: Portraits, record: int) -> float:
    """Return the distance of the halves of a record, 0 for a record of one beat."""
    mine = np.flatnonzero(described.owner == record)
    middle = len(mine) // 2
    return float(_distances(described, mine[:middle], mine[middle:]).min()) if middle else 0.0


def _distances(
    described: Portraits, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    power = described.power[rows] @ described.present[columns].T + described.present[rows] @ described.power[columns].T
    difference = np.maximum(power - 2.0 * (described.waves[rows] @ described.waves[columns].T), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(power > 0, np.sqrt(2.0 * difference.astype(np.float64) / power), np.inf)


def find_twins(described: Portraits) -> list[Twins]:
    """Return pairs of records of different patients in different splits that look like one person's, nearest first.

    Parameters
    ----------
    described
        Records as `portraits` gives them.

    Returns
    -------
    One `Twins` a pair
    """
    n = len(described.keys)
    names, patient = np.unique(described.patients, return_inverse=True)
    spread = SPREAD * np.array([half_distance(described, record) for record in range(n)])
    reference = np.zeros(n)
    near: list[tuple[int, int, float]] = []
    for record in range(n):
        distance = record_distances(described, record)
        of_patient = np.full(len(names), np.inf)
        np.minimum.at(of_patient, patient, distance)
        others = np.sort(np.delete(of_patient, patient[record]))
        if len(others) >= NEIGHBOUR and np.isfinite(others[NEIGHBOUR - 1]):
            reference[record] = others[NEIGHBOUR - 1]
        across = (described.splits != described.splits[record]) & (patient != patient[record])
        across &= distance <= max(ISOLATION * reference[record], SAME)
        across[: record + 1] = False  # each pair once
        near += [(record, int(other), float(distance[other])) for other in np.flatnonzero(across)]
    found = []
    for first, second, size in near:
        limit = min(reference[first], reference[second])
        if size <= max(min(ISOLATION * limit, max(spread[first], spread[second]), FARTHEST), SAME):
            pair = sorted((first, second), key=lambda k: described.keys[k])  # whatever the order of the shards
            one, other = ("/".join(described.keys[k]) + f" ({described.splits[k]})" for k in pair)
            found.append(Twins(one, other, size, float(size / limit) if limit > 0 else float("nan")))
    return sorted(found, key=lambda pair: (pair.distance, pair.first, pair.second))
