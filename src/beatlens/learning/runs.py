"""A run of neighbouring training beats: cut out of its record, then changed step by step.

Each step returns another run, and each draws from the same generator, so their order is part of what a seed means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from beatlens.inputs.labelled_records import LabelledRecord
from beatlens.inputs.network_inputs import InputSpec, record_similarities
from beatlens.inputs.prototype_bank import class_features
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.simulated_rhythm import RhythmPool
from beatlens.signals.added_noise import NoiseSource, add_bursts

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Run:
    """Successive targets and the neighbours in their windows, as the network will see them.

    Attributes
    ----------
    record
        The record that it is of.
    low, high
        Its m beats: low..high-1 of the record.
    targets
        Which of these are the n targets.
    shown
        (L,) which of the record's leads are shown.
    waves, typical
        (m, L, T) and (L, T), scaled.
    amplitude
        (L,) QRS amplitude in the same units.
    rr
        (m, R).
    target, gate
        (n,) class index, -1 for none; (n,) 1, 0 or NaN.
    competing
        (n, K) which classes the target's is told from.
    """

    record: LabelledRecord
    low: int
    high: int
    targets: slice
    shown: IntArray
    waves: FloatArray
    typical: FloatArray
    amplitude: FloatArray
    rr: FloatArray
    target: IntArray
    gate: FloatArray
    competing: BoolArray

    def __len__(self) -> int:
        """Return the number of beats, neighbours included."""
        return self.high - self.low

    @property
    def lead_index(self) -> IntArray:
        """(L,) place of its leads among the model's."""
        return self.record.lead_index[self.shown]

    @property
    def rows(self) -> slice:
        """The targets among the record's beats."""
        return slice(self.low + self.targets.start, self.low + self.targets.stop)

    @property
    def windows(self) -> IntArray:
        """(n, W) contexts of the targets, as rows of the run."""
        return np.clip(self.record.record.windows[self.rows] - self.low, 0, len(self) - 1)

    def similarity(self, spec: InputSpec) -> FloatArray:
        """Return the prototype features of the targets, (n, S)."""
        record = self.record.record
        leads = tuple(record.leads[lead] for lead in self.shown)
        return class_features(
            record_similarities(self.waves[self.targets], leads, spec.bank, record.patient), spec.bank
        )


def cut_run(
    record: LabelledRecord,
    start: int,
    stop: int,
    spec: InputSpec,
    *,
    augmentation: Augmentation | None,
    rng: np.random.Generator,
) -> Run:
    """Cut the targets start..stop-1 of a record with their neighbours, shifted from R as the augmentation says."""
    side = spec.beats.context // 2
    low, high = max(start - side, 0), min(stop + side, len(record))
    shift, shifts = 0, np.zeros(high - low, dtype=np.int64)
    if augmentation is not None:
        shift, shifts = augmentation.shifts(high - low, spec.geometry.fs, rng)
    return Run(
        record=record,
        low=low,
        high=high,
        targets=slice(start - low, stop - low),
        shown=np.arange(len(record.lead_index)),
        waves=record.waves(low, high, shifts),
        typical=record.typical(shift),
        amplitude=record.amplitude,
        rr=record.record.rr[low:high],
        target=record.target[start:stop].copy(),
        gate=record.gate[start:stop].copy(),
        competing=np.ones((stop - start, len(spec.classes)), dtype=bool),
    )


def with_simulated_rhythm(run: Run, rhythms: RhythmPool, normal: int, premature: int, rng: np.random.Generator) -> Run:
    """Give a run of normal beats the RR features of a simulated rhythm; only classes that differ in rhythm compete.

    A run that has other beats, or some of no known class, stays as it is.
    """
    if not (run.record.target[run.low : run.high] == normal).all():
        return run
    rr, is_premature = rhythms.stretch(len(run), rng)
    target, competing = run.target.copy(), np.empty_like(run.competing)
    target[is_premature[run.targets]] = premature
    competing[:] = np.isin(np.arange(competing.shape[1]), (normal, premature))
    return replace(run, rr=rr, target=target, competing=competing)


def with_changed_leads(run: Run, augmentation: Augmentation, rng: np.random.Generator) -> Run:
    """Leave out leads, and change the gain and the shape of those that stay."""
    keep, gain = augmentation.draw(len(run.shown), rng)
    waves, typical = run.waves[:, keep] * gain[:, None], run.typical[keep] * gain[:, None]
    if augmentation.shape_jitter:
        waves, typical = augmentation.reshape(waves, typical, rng)
    amplitude = run.amplitude[keep] * gain
    return replace(run, shown=run.shown[keep], waves=waves, typical=typical, amplitude=amplitude)


def with_noise(
    run: Run, noise: Sequence[NoiseSource], augmentation: Augmentation, spec: InputSpec, rng: np.random.Generator
) -> Run:
    """Add bursts of noise; a beat that they hide is a target of the noise gate alone.

    A beat between hidden and clean, or hidden in a part of its leads, is no target of the gate.
    """
    settings = augmentation.noise
    waves, snr, whole = add_bursts(
        run.waves,
        run.record.record.r_index[run.low : run.high],
        run.amplitude,
        geometry=spec.geometry,
        noise=noise,
        settings=settings,
        rng=rng,
    )
    snr, whole = snr[run.targets], whole[run.targets]
    target, gate = run.target.copy(), run.gate.copy()
    hidden = (snr < settings.noisy_below_db) & whole
    gate[(snr < settings.clean_above_db) & (gate == 0)] = np.nan
    gate[~whole & (gate == 0)] = np.nan
    gate[hidden] = 1.0
    target[hidden] = -1
    return replace(run, waves=waves, target=target, gate=gate)
