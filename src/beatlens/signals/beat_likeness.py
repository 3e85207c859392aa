"""How alike beats are: among themselves, and to those of the rest of their record."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.shards.shard import BeatGeometry, cut_beats

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ALIKE_S, FOREIGN_S = 0.15, 0.12
"""Extent around R of the waves that are compared."""
FAR_S, TEMPLATES = 20.0, 96
"""A beat is compared with at most `TEMPLATES` others of the record, evenly spaced and at least `FAR_S` away."""
NEAR_BEATS = 7
CHUNK = 2048
"""Beats that are compared at a time."""
MIN_LIKENESS, MIN_NEAR_LIKENESS, MIN_IRREGULARITY = 0.9, 0.92, 0.3
"""Limits for medians over five beats: correlation with the second most similar of these templates, correlation with
the neighbours, and change of log RR from one interval to the next."""


def likeness(signal: FloatArray, r_index: IntArray, fs: float) -> float:
    """Return the median correlation of beats (n,) with their median beat, in all leads of a signal (n_leads, n)."""
    waves = _unit_waves(signal, r_index, fs, ALIKE_S)
    typical = np.median(waves, axis=0)
    return float(np.median(waves @ typical / max(float(np.linalg.norm(typical)), 1e-9)))


def foreign_beats(signal: FloatArray, r_index: IntArray, fs: float) -> BoolArray:
    """Tell which detections are artefact: irregular in time, unlike all beats elsewhere, and unlike their neighbours.

    An arrhythmia lacks one of these: a tachycardia is regular, atrial fibrillation looks as it does elsewhere, and the
    beats of a bigeminy look like each other.

    Parameters
    ----------
    signal
        (n_leads, n_samples) conditioned mV.
    r_index
        (n_beats,) R peaks in samples, ascending.
    fs
        Rate in Hz.
    """
    n = len(r_index)
    none = np.zeros(n, dtype=bool)
    chosen = np.unique(np.linspace(0, n - 1, min(n, TEMPLATES)).astype(np.int64)) if n else r_index
    if len(chosen) < 5 or r_index[-1] - r_index[0] < 2 * FAR_S * fs:
        return none
    step = np.abs(np.diff(np.log(np.diff(r_index))))
    irregular = _median_of_five(np.concatenate([step[:1], step, step[-1:]])) > MIN_IRREGULARITY
    rows = np.flatnonzero(np.convolve(irregular, np.ones(5), mode="same") > 0)  # medians of five beats need so many
    if not len(rows):
        return none
    templates = _unit_waves(signal, r_index[chosen], fs, FOREIGN_S)
    far, near = np.ones((2, n), dtype=np.float32)
    for part in np.split(rows, range(CHUNK, len(rows), CHUNK)):
        low, high = max(part[0] - NEAR_BEATS, 0), min(part[-1] + NEAR_BEATS + 1, n)
        waves = _unit_waves(signal, r_index[low:high], fs, FOREIGN_S)
        of_part = waves[part - low]
        alike = of_part @ templates.T
        alike[np.abs(r_index[part, None] - r_index[chosen]) < FAR_S * fs] = -1
        far[part] = np.partition(alike, -2, axis=1)[:, -2]
        beside = np.full((2 * NEAR_BEATS, len(part)), -1, dtype=np.float32)
        for k, step_of in enumerate([*range(-NEAR_BEATS, 0), *range(1, NEAR_BEATS + 1)]):
            exists = (part + step_of >= 0) & (part + step_of < n)
            other = waves[part[exists] + step_of - low]
            beside[k, exists] = np.einsum("bt,bt->b", of_part[exists], other)
        near[part] = np.partition(beside, -2, axis=0)[-2]
    foreign: BoolArray = (_median_of_five(far) < MIN_LIKENESS) & (_median_of_five(near) < MIN_NEAR_LIKENESS)
    return foreign & irregular


def _unit_waves(signal: FloatArray, r_index: IntArray, fs: float, half_s: float) -> FloatArray:
    """Return the waves of beats without mean and of norm 1, all leads end to end: (n_beats, n_leads * n)."""
    half = max(round(half_s * fs), 1)
    waves = cut_beats(signal, r_index, BeatGeometry(fs, half, half))
    waves = (waves - waves.mean(axis=2, keepdims=True)).reshape(len(waves), -1)
    return np.asarray(waves / np.maximum(np.linalg.norm(waves, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _median_of_five(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    padded = np.pad(values, 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1))
