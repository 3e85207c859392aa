"""Rhythms of patients that nobody recorded: RR series with known classes, from which a network learns timing.

A few dozen patients show few rhythms, and one of them can hold half of a class's beats. What a network learns of timing
from them doesn't carry over to others. But it is known what makes a rhythm: the sinus node's variation, premature beats
and the pauses after them, runs of an ectopic focus, fibrillation, conduction block. Series are drawn from these, each
with other settings, in ranges wider than those of patients.

In training, some stretches of a patient's normal beats get the RR features of such a series and the classes that go
with its timing. Such a beat teaches only which of the classes that differ in timing it is of
(`beatlens.learning.objective.losses`).

Sources: variation of the sinus rhythm, McSharry et al., IEEE Trans Biomed Eng 2003; independent intervals in
fibrillation, Bootsma et al., Circulation 1970; pauses after atrial premature beats and after runs (overdrive
suppression), Josephson's Clinical Cardiac Electrophysiology.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.beats.rr_intervals import rr_columns, rr_features
from beatlens.beats.settings import BeatSettings

Float64Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

SERIES = 150
SERIES_BEATS = 400
"""Series that `RhythmPool` draws, and beats of each: more than running means and medians span."""
INTERVAL_S = (0.25, 3.0)
"""Shortest and longest RR interval. Below, the ventricles don't follow; above, it would be a gap in the record."""
SINUS_RR_S = (0.5, 1.2)
"""Shortest and longest usual interval of a sinus node: 120 and 50 beats a minute."""

Rhythm = Callable[[int, np.random.Generator], tuple[Float64Array, BoolArray]]
"""Intervals of n beats in units of the sinus node's usual interval, and which of the beats are premature."""


def _spread(size: float, n: int, rng: np.random.Generator) -> Float64Array:
    return np.asarray(np.exp(size * rng.standard_normal(n)))


def sinus_intervals(n: int, rng: np.random.Generator) -> Float64Array:
    """Draw n intervals of a sinus node in units of their usual value: breathing, drift, a change of rate, the rest."""
    breathing = rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0, 0.03)
    beat = np.arange(n)
    logarithm = breathing * np.sin(2 * np.pi * beat / rng.uniform(3, 7) + rng.uniform(0, 2 * np.pi))
    drift = np.cumsum(rng.standard_normal(n)) * rng.uniform(0, 0.01)
    if rng.random() < 0.25:
        drift += rng.uniform(-0.35, 0.35) / (1 + np.exp(-(beat - rng.uniform(0, n)) / rng.uniform(2, 15)))
    return np.asarray(np.exp(logarithm + np.clip(drift, -0.5, 0.5)) * _spread(rng.uniform(0.005, 0.03), n, rng))


def sinus(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Simulate sinus rhythm: nothing but the node's own variation."""
    return np.ones(n), np.zeros(n, dtype=bool)


def fibrillation(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Simulate atrial fibrillation: independent intervals, no beat of which is premature."""
    return _spread(rng.uniform(0.1, 0.3), n, rng), np.zeros(n, dtype=bool)


def block(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Simulate sinoatrial or atrioventricular block: beats that don't come, in turn or by chance."""
    every = int(rng.integers(2, 12))
    missing = rng.random(n) < 1 / every if rng.random() < 1 / 3 else np.arange(n) % every == every - 1
    low, high = (1.9, 2.1) if rng.random() < 2 / 3 else (1.2, 1.8)
    return np.where(missing, rng.uniform(low, high, n), 1.0), np.zeros(n, dtype=bool)


def single_ectopics(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Simulate single premature beats, by chance or every few; they reset the sinus node, and some aren't conducted."""
    if rng.random() < 0.5:
        early = rng.random(n) < rng.uniform(0.01, 0.2)
    else:
        every = int(rng.integers(2, 5))
        early = np.arange(n) % every == every - 1
    early[1:] &= ~early[:-1] | (rng.random(n - 1) < 0.1)  # hardly two in a row
    after = np.concatenate([[False], early[:-1]]) & ~early
    conducted = early & (rng.random(n) >= 0.1)
    factor = np.where(after, rng.uniform(1.0, 1.3) * _spread(0.03, n, rng), 1.0)
    factor[early] = rng.uniform(1.15, 1.6, int(early.sum()))
    factor[conducted] = rng.uniform(0.5, 0.88) * _spread(rng.uniform(0.01, 0.06), int(conducted.sum()), rng)
    return factor, conducted


def _in_turn(sinus_beats: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Lay stretches of so many sinus beats and runs of an ectopic focus in turn; a pause follows each run."""
    run_beats = 1 + rng.geometric(1 / rng.uniform(3, 40), len(sinus_beats))
    premature = np.repeat(np.tile([False, True], len(sinus_beats)), np.stack([sinus_beats, run_beats], 1).ravel())[:n]
    first = premature != np.concatenate([[False], premature[:-1]])
    rate, coupling, pause = rng.uniform(0.45, 0.88), rng.uniform(0.5, 0.88), rng.uniform(1.0, 2.2)
    onset = premature & first & (rng.random(n) < 0.3)
    factor = np.where(premature, rate * _spread(rng.uniform(0.005, 0.05), n, rng), 1.0)
    factor[onset] = coupling
    factor = np.where(first & ~premature, pause * _spread(0.08, n, rng), factor)
    return factor, premature


def runs(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Simulate runs of supraventricular tachycardia amid sinus rhythm."""
    return _in_turn(rng.geometric(1 / rng.uniform(5, 40), n), n, rng)


def ectopic_rhythm(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Simulate a focus that leads most of the time, broken by one to three sinus beats after a pause (sick sinus)."""
    return _in_turn(rng.integers(1, 4, n), n, rng)


RHYTHMS: tuple[tuple[Rhythm, float], ...] = (
    (sinus, 0.27), (single_ectopics, 0.28), (runs, 0.09), (ectopic_rhythm, 0.09), (fibrillation, 0.18), (block, 0.09),
)  # fmt: skip
"""Rhythms and how often each is drawn."""


def simulate_series(n: int, rng: np.random.Generator) -> tuple[Float64Array, BoolArray]:
    """Draw one patient's series: one rhythm throughout, or up to three in turn.

    Parameters
    ----------
    n
        Beats.
    rng
        Of the series.

    Returns
    -------
    (n,) RR interval before each beat in seconds, and (n,) whether the beat is premature
    """
    usual = rng.uniform(*SINUS_RR_S)
    share = np.array([weight for _, weight in RHYTHMS])
    kinds = rng.choice(len(RHYTHMS), size=int(rng.integers(1, 4)), p=share / share.sum())
    throughout = rng.random() < 0.4
    intervals, premature, done = np.empty(n), np.zeros(n, dtype=bool), 0
    while done < n:
        length = n - done if throughout else min(n - done, int(rng.integers(20, 200)))
        rhythm = RHYTHMS[int(rng.choice(kinds))][0]
        factor, early = rhythm(length, rng)
        # Fibrillation takes no turn from the sinus node, which lies idle.
        base = np.ones(length) if rhythm is fibrillation else sinus_intervals(length, rng)
        intervals[done : done + length] = usual * float(_spread(0.1, 1, rng)[0]) * base * factor
        premature[done : done + length] = early
        done += length
    return np.clip(intervals, *INTERVAL_S), premature


@dataclass(frozen=True)
class RhythmPool:
    """Simulated series, from which training takes stretches.

    Attributes
    ----------
    rr
        (SERIES, SERIES_BEATS, R) RR features.
    premature
        (SERIES, SERIES_BEATS) whether a beat is premature.
    """

    rr: FloatArray
    premature: BoolArray

    @classmethod
    def draw(cls, settings: BeatSettings, rng: np.random.Generator) -> RhythmPool:
        """Draw a pool; RR features are computed as those of a record are."""
        parts = [simulate_series(SERIES_BEATS, rng) for _ in range(SERIES)]
        whole = np.zeros(SERIES_BEATS, dtype=np.int64)
        rr = [rr_features(rr_columns(np.cumsum(interval), whole, settings), settings) for interval, _ in parts]
        return cls(np.stack(rr), np.stack([premature for _, premature in parts]))

    def stretch(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
        """Take n successive beats of a series: their RR features (n, R), and which are premature (n,)."""
        series, start = int(rng.integers(len(self.rr))), int(rng.integers(self.rr.shape[1] - n + 1))
        return self.rr[series, start : start + n], self.premature[series, start : start + n]
