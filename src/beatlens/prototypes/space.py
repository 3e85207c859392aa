"""The label-free view of the training beats: principal components of one lead with RR ratios, and global clusters.

Labels are used only to describe the clusters: whether beats that look alike have the same label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_arrays, write_arrays
from beatlens.core.seeds import derive_seed
from beatlens.prototypes.library import label_mix, wilson_interval
from beatlens.prototypes.settings.library import LibrarySettings

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.inputs.network_inputs import RecordInputs

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RR_COLUMNS = ("log_before_long", "log_before_after")
"""RR features of the space: how early a beat comes, and whether a pause follows."""
CLUSTER_COLUMNS = {
    "cluster": "number, the row of space.npz",
    "size": "training beats of the sample in it",
    "patients": "their patients",
    "main_label": "most frequent label, '' where no beat has one",
    "purity": "share of the labelled beats with that label, NaN without any",
    "purity_lo": "lower end of the 95 % Wilson interval",
    "purity_hi": "upper end",
    "label_mix": "labels with their counts, most frequent first",
    "noise_ratio": "share of beats that are annotated noise or doubted by a quality rule",
    "mean_rr_before_s": "mean RR interval before the beats",
    "beat_id": "the beat nearest to the centre",
}
MAP_BEATS = 3000
"""Most beats on the map."""
BLOCK_BEATS = 4096
"""Waves that are in memory in float64 at a time."""


@dataclass(frozen=True)
class BeatSample:
    """Beats as the space sees them: `waves` (n, T) of one lead, `rr` (n, 2) of `RR_COLUMNS`, and their table."""

    waves: FloatArray
    rr: FloatArray
    table: pd.DataFrame


@dataclass(frozen=True)
class FeatureSpace:
    """Mean, components and scale of waves and RR ratios, and the centres of the global clusters.

    Attributes
    ----------
    mean, axes
        (T,) and (C, T) of waves scaled to norm 1.
    rr_mean, scale
        (2,) mean of the RR ratios, and (C + 2,) by which features are divided: for all components the deviation of the
        first, so that they keep their weights, and for each ratio its deviation.
    centres
        (K, C + 2).
    """

    mean: Float64Array
    axes: Float64Array
    rr_mean: Float64Array
    scale: Float64Array
    centres: Float64Array

    def project(self, waves: FloatArray, rr: FloatArray) -> Float64Array:
        """Return the features (n, C + 2) of waves (n, T) and RR ratios (n, 2)."""
        components = np.concatenate([(unit - self.mean) @ self.axes.T for unit in _units(waves)])
        return np.concatenate([components, rr - self.rr_mean], axis=1) / self.scale

    def assign(self, features: Float64Array) -> IntArray:
        """Return the nearest global cluster of each row of features."""
        square = (self.centres**2).sum(axis=1) - 2 * features @ self.centres.T
        nearest: IntArray = square.argmin(axis=1).astype(np.int64)
        return nearest

    def save(self, path: str | Path, **further: npt.NDArray[Any]) -> None:
        """Write an npz file, with further arrays."""
        write_arrays(path, {**vars(self), **further})

    @classmethod
    def load(cls, path: str | Path) -> FeatureSpace:
        """Read what `save` wrote; further arrays are ignored."""
        arrays = read_arrays(path)
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


def _units(waves: FloatArray) -> Iterator[Float64Array]:
    """Yield waves (n, T) scaled to norm 1, in float64, block by block; without rows, one empty block."""
    for start in range(0, max(len(waves), 1), BLOCK_BEATS):
        values = waves[start : start + BLOCK_BEATS].astype(np.float64)
        yield values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)


def sample_beats(loaded: Iterable[RecordInputs], settings: LibrarySettings, seed: int) -> BeatSample:
    """Sample beats record by record, each in the first of the model's leads that its record has.

    Parameters
    ----------
    loaded
        Inputs of records, of training patients only.
    settings
        Section ``library``.
    seed
        Each record's sample has a seed of its own.
    """
    import pandas as pd

    from beatlens.beats.settings import feature_columns

    columns = feature_columns(RR_COLUMNS)
    waves, rr, tables = [], [], []
    taken: dict[str, int] = {}
    for inputs in loaded:
        left = settings.max_patient_beats - taken.get(inputs.record.patient, 0)
        rows = np.arange(len(inputs))
        if len(rows) > left:
            rng = np.random.default_rng(derive_seed(seed, "space", inputs.record.corpus, inputs.record.record))
            rows = np.sort(rng.choice(rows, max(left, 0), replace=False))
        taken[inputs.record.patient] = taken.get(inputs.record.patient, 0) + len(rows)
        waves.append(inputs.waves[rows, 0])
        rr.append(inputs.record.rr[rows][:, columns])
        names = ["beat_id", "corpus", "patient", "label", "reason", "annotated_noise", "rr_before_s"]
        tables.append(inputs.beats[names].iloc[rows])
    if not tables or not sum(map(len, tables)):
        raise ValueError("no training beat; expected some to make the label-free space from")
    return BeatSample(np.concatenate(waves), np.concatenate(rr), pd.concat(tables, ignore_index=True))


def fit_space(sample: BeatSample, settings: LibrarySettings, seed: int) -> FeatureSpace:
    """Fit components and clusters (mini-batch k-means; Sculley 2010) on a sample of training beats."""
    from sklearn.cluster import MiniBatchKMeans

    n, length = sample.waves.shape
    mean, covariance = np.zeros(length), np.zeros((length, length))
    for unit in _units(sample.waves):
        mean += unit.sum(axis=0) / n
    for unit in _units(sample.waves):
        covariance += (unit - mean).T @ (unit - mean) / n
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][: settings.components]
    axes = vectors[:, order].T
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    rr_mean, rr_std = sample.rr.mean(axis=0, dtype=np.float64), sample.rr.std(axis=0, dtype=np.float64)
    first = np.sqrt(max(float(values[order[0]]), 1e-12))
    scale = np.concatenate([np.full(len(axes), first), np.where(rr_std > 1e-6, rr_std, 1.0)])
    space = FeatureSpace(mean, axes, rr_mean, scale, np.zeros((0, len(scale))))
    features = space.project(sample.waves, sample.rr)
    k = max(1, min(settings.clusters, len(features) // 10))
    seed = derive_seed(seed, "space", "clusters") % 2**32
    model = MiniBatchKMeans(k, n_init=5, batch_size=1024, random_state=seed).fit(features)
    return FeatureSpace(mean, axes, rr_mean, scale, model.cluster_centers_.astype(np.float64))


def cluster_table(space: FeatureSpace, sample: BeatSample) -> pd.DataFrame:
    """Describe the global clusters by the labels of their beats (`CLUSTER_COLUMNS`)."""
    import pandas as pd

    features = space.project(sample.waves, sample.rr)
    assigned = space.assign(features)
    noisy = (sample.table["reason"] != "") | sample.table["annotated_noise"]
    rows = []
    for cluster, centre in enumerate(space.centres):
        members = np.flatnonzero(assigned == cluster)
        members_table = sample.table.iloc[members]
        known = members_table.loc[~members_table["label"].isin(["", "none"]), "label"].tolist()
        mix = label_mix(known)
        main = mix.partition(":")[0]
        hits = known.count(main)
        low, high = wilson_interval(hits, len(known))
        nearest = members[np.linalg.norm(features[members] - centre, axis=1).argmin()] if len(members) else None
        rows.append(
            {
                "cluster": cluster,
                "size": len(members_table),
                "patients": len(members_table[["corpus", "patient"]].drop_duplicates()),
                "main_label": main,
                "purity": hits / len(known) if known else float("nan"),
                "purity_lo": low,
                "purity_hi": high,
                "label_mix": mix,
                "noise_ratio": float(noisy.to_numpy()[members].mean()) if len(members) else float("nan"),
                "mean_rr_before_s": float(members_table["rr_before_s"].mean()) if len(members) else float("nan"),
                "beat_id": "" if nearest is None else sample.table["beat_id"].iloc[nearest],
            }
        )
    return pd.DataFrame(rows, columns=list(CLUSTER_COLUMNS))


def beat_map(space: FeatureSpace, sample: BeatSample, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Return ``map`` (n, 2), the two leading components of some beats, and ``map_label`` (n,)."""
    rows = np.arange(len(sample.table))
    if len(rows) > MAP_BEATS:
        rng = np.random.default_rng(derive_seed(seed, "space", "map"))
        rows = np.sort(rng.choice(rows, MAP_BEATS, replace=False))
    features = space.project(sample.waves[rows], sample.rr[rows])[:, :2]
    labels = sample.table["label"].to_numpy()[rows].astype(np.str_)
    return {"map": np.pad(features, ((0, 0), (0, 2 - min(2, features.shape[1])))), "map_label": labels}
