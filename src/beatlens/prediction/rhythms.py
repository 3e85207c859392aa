"""Episodes of rhythms: atrial fibrillation by how irregular the RR intervals are, ventricular tachycardia by runs.

In fibrillation each RR interval differs from the next, without order. Around each beat, the intervals of a window are
described by their usual step, by how large single steps are, and by their order. A logistic function of these says how
likely fibrillation is. It is fitted on training patients (`beatlens.learning.fit_rhythms`). Flutter with regular
conduction isn't found this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.calibration import sigmoid

if TYPE_CHECKING:
    import pandas as pd

Float64Array = npt.NDArray[np.float64]

EPISODE_COLUMNS = ("corpus", "record", "patient", "rhythm", "start_s", "end_s")
WINDOW = 30
"""RR intervals of a window, half a minute at rest."""
FEATURES = ("usual_step", "large_steps", "turning_points", "entropy")
_BLOCK = 5000
"""Windows described at a time, so that memory stays bounded for long records."""
TACHYCARDIA_PER_MIN = 100.0
"""Rate from which a run of ventricular beats is a tachycardia."""


@dataclass(frozen=True)
class FibrillationDetector:
    """What says that a window of RR intervals is atrial fibrillation.

    Attributes
    ----------
    weights, offset
        Fibrillation is as likely as sigmoid(weights . features + offset); one weight for each of `FEATURES`.
    threshold
        Probability from which on a beat is in an episode.
    least_s
        Shorter episodes, and shorter breaks between two, are not counted.
    """

    weights: tuple[float, ...]
    offset: float
    threshold: float
    least_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(float(value) for value in self.weights))
        numbers = [*self.weights, self.offset, self.threshold, self.least_s]
        if len(self.weights) != len(FEATURES) or not np.isfinite(numbers).all():
            raise ValueError(
                f"detector of fibrillation: {numbers}; expected {len(FEATURES)} finite weights and numbers"
            )

    def probability(self, features: Float64Array) -> Float64Array:
        """Return how likely fibrillation is at beats with features (n, 4); 0 where they aren't known."""
        known = np.isfinite(features).all(axis=1)
        score = np.nan_to_num(features) @ np.array(self.weights) + self.offset
        return np.where(known, sigmoid(score), 0.0)

    def spans(self, r_time_s: Float64Array, features: Float64Array) -> list[tuple[float, float]]:
        """Return the start and end in seconds of each episode among beats (n,) in time order."""
        inside = self.probability(features) >= self.threshold
        change = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))
        found: list[tuple[float, float]] = []
        for first, stop in zip(change[::2], change[1::2], strict=True):
            start, end = float(r_time_s[first]), float(r_time_s[min(stop, len(r_time_s) - 1)])
            if found and start - found[-1][1] < self.least_s:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return [(start, end) for start, end in found if end - start >= self.least_s]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FibrillationDetector:
        """Read what `to_json` gave."""
        return cls(**value)


def irregularity(r_time_s: Float64Array) -> Float64Array:
    """Describe the RR intervals around each beat: (n, 4) `FEATURES`, NaN in records of too few beats.

    ``usual_step`` is the log of the median step between neighbouring intervals, as a share of the median interval, and
    ``large_steps`` that of the root mean square step. Ectopic beats make some large steps, fibrillation makes all of
    them large. ``turning_points`` is the share of intervals that are longer, or shorter, than both neighbours: 2/3
    without order (Bienayme 1874). ``entropy`` is the log of how many pairs of intervals lie close, over how many of
    these have followers that do (sample entropy of length one; Richman and Moorman 2000, Lake and Moorman 2011).
    """
    result = np.full((len(r_time_s), len(FEATURES)), np.nan)
    rr = np.diff(r_time_s)
    if len(rr) < WINDOW:
        return result
    windows = np.lib.stride_tricks.sliding_window_view(rr, WINDOW)
    parts = [_describe(windows[first : first + _BLOCK]) for first in range(0, len(windows), _BLOCK)]
    first = np.clip(np.arange(len(r_time_s)) - WINDOW // 2, 0, len(windows) - 1)
    return np.concatenate(parts)[first]


def _describe(windows: Float64Array) -> Float64Array:
    middle = np.median(windows, axis=1)
    steps = np.diff(windows, axis=1)
    usual = np.median(np.abs(steps), axis=1) / middle
    large = np.sqrt((steps**2).mean(axis=1)) / middle
    turning = (steps[:, 1:] * steps[:, :-1] < 0).mean(axis=1)
    close = np.abs(windows[:, :, None] - windows[:, None, :]) <= 0.1 * middle[:, None, None]
    pairs = np.triu(np.ones((WINDOW - 1, WINDOW - 1), dtype=bool), k=1)
    one = (close[:, :-1, :-1] & pairs).sum(axis=(1, 2))
    two = (close[:, :-1, :-1] & close[:, 1:, 1:] & pairs).sum(axis=(1, 2))
    entropy = np.log((one + 1) / (two + 1))
    return np.column_stack([np.log(usual + 0.005), np.log(large + 0.005), turning, entropy])


def record_irregularity(beats: pd.DataFrame) -> Float64Array:
    """Return `irregularity` of beats in record and time order, each gap-free stretch by itself: (n, 4)."""
    result = np.full((len(beats), len(FEATURES)), np.nan)
    time = beats["r_time_s"].to_numpy(dtype=np.float64)
    for rows in beats.groupby(["corpus", "record", "stretch"], sort=False).indices.values():
        result[np.sort(rows)] = irregularity(time[np.sort(rows)])
    return result


def find_rhythms(beats: pd.DataFrame, detector: FibrillationDetector) -> pd.DataFrame:
    """Return the episodes of atrial fibrillation (`EPISODE_COLUMNS`) of detected beats, in record and time order."""
    import pandas as pd

    features = record_irregularity(beats)
    time = beats["r_time_s"].to_numpy(dtype=np.float64)
    rows = []
    for (corpus, record, patient), places in beats.groupby(["corpus", "record", "patient"], sort=False).indices.items():
        places = np.sort(places)
        rows += [
            (corpus, record, patient, "AFIB", start, end)
            for start, end in detector.spans(time[places], features[places])
        ]
    return pd.DataFrame(rows, columns=list(EPISODE_COLUMNS))


def ventricular_tachycardia(episodes: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Return runs of ventricular beats at `TACHYCARDIA_PER_MIN` or faster as episodes (`EPISODE_COLUMNS`).

    Parameters
    ----------
    episodes
        ``predictions/episodes.parquet``; runs in which beats in review take part count.
    records
        Table of records, for their patients.
    """
    runs = episodes[episodes["kind"].isin(["run", "possible_run"]) & (episodes["class"] == "V")]
    runs = runs[runs["rate_per_min"] >= TACHYCARDIA_PER_MIN].assign(rhythm="VT")
    named = runs.merge(records[["corpus", "record", "patient"]], on=["corpus", "record"], validate="many_to_one")
    return named[list(EPISODE_COLUMNS)]
