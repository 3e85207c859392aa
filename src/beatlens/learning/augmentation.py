"""Augmentation: runs of training beats are varied, so that few patients teach more than their waves and rhythms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.inputs.labelled_records import MAX_SHIFT
from beatlens.learning.settings import TrainingSettings
from beatlens.signals.added_noise import NoiseSettings

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

FILTER_SAMPLES = 8
"""Half-width of the random filter of `Augmentation.reshape`."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to a run of training beats.

    Attributes
    ----------
    noise
        How noise is added.
    gain_jitter
        Standard deviation of the logarithm of a random gain for each run and lead.
    lead_dropout
        Chance that one lead of a run is left out, where there are several.
    shape_jitter
        Largest standard deviation of the taps of a random filter for each run and lead. Beats and typical beat go
        through the same filter and keep their size. So the network learns how a beat differs from its record's typical
        beat, whatever its shape.
    position_jitter_s
        Standard deviation of a shift of R in seconds, since detectors and annotators place R differently. One shift is
        for all beats of a run and the typical beat, another for each beat.
    rhythm_fraction
        Share of the runs of normal beats that get a simulated rhythm (`beatlens.learning.simulated_rhythm`).
    """

    noise: NoiseSettings
    gain_jitter: float = 0.0
    lead_dropout: float = 0.0
    position_jitter_s: float = 0.0
    shape_jitter: float = 0.0
    rhythm_fraction: float = 0.0

    @classmethod
    def of(cls, training: TrainingSettings) -> Augmentation:
        """Return what the section ``training`` asks for."""
        return cls(
            NoiseSettings(
                training.noise_fraction, training.noise_snr_db, training.noisy_below_db, training.clean_above_db
            ),
            gain_jitter=training.gain_jitter,
            lead_dropout=training.lead_dropout,
            position_jitter_s=training.position_jitter_s,
            shape_jitter=training.shape_jitter,
            rhythm_fraction=training.rhythm_fraction,
        )

    def draw(self, n_leads: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Return the leads of a run that are kept, and the gain of each of those."""
        keep = np.arange(n_leads)
        if n_leads > 1 and rng.random() < self.lead_dropout:
            keep = np.delete(keep, rng.integers(n_leads))
        return keep, np.exp(self.gain_jitter * rng.standard_normal(len(keep))).astype(np.float32)

    def reshape(
        self, waves: FloatArray, typical: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Send waves (n, L, T) and typical beats (L, T) through a random filter for each lead."""
        n_leads, length = typical.shape
        lags = np.arange(length)[:, None] - np.arange(length)[None, :] + FILTER_SAMPLES
        inside = (lags >= 0) & (lags <= 2 * FILTER_SAMPLES)
        shaped, usual = np.empty_like(waves), np.empty_like(typical)
        for lead in range(n_leads):
            taps = rng.uniform(0, self.shape_jitter) * rng.standard_normal(2 * FILTER_SAMPLES + 1)
            taps[FILTER_SAMPLES] += 1.0
            matrix = np.where(inside, taps[lags.clip(0, 2 * FILTER_SAMPLES)], 0.0).astype(np.float32)
            filtered = typical[lead] @ matrix
            size = rng.choice([-1.0, 1.0]) * np.ptp(typical[lead]) / max(float(np.ptp(filtered)), 1e-6)
            usual[lead] = np.float32(size) * filtered
            shaped[:, lead] = np.float32(size) * (waves[:, lead] @ matrix)
        return shaped, usual

    def shifts(self, n: int, fs: float, rng: np.random.Generator) -> tuple[int, IntArray]:
        """Return the shift of a run, and those of its beats (n,), which include the run's, in samples."""
        size = self.position_jitter_s * fs
        common = int(np.clip(np.rint(size * rng.standard_normal()), -MAX_SHIFT, MAX_SHIFT))
        of_beats = np.rint(size * rng.standard_normal(n)).astype(np.int64)
        return common, common + of_beats
