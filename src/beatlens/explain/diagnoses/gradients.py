"""A diagnosis as a differentiable function of the record's signal and rhythm, and gradients along a path to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.methods.gradients import CHUNK_STEPS, Gradients
from beatlens.inputs.diagnoses.intervals import (
    FLOOR_MV,
    INTERVAL_CONTENT,
    atrial_lags,
    band_waves,
    described_parts,
)
from beatlens.models.shared_encoder import BeatView


class RecordModel:
    """From the signal of a record and the statistics of its rhythm to the target, in plain tensor operations.

    It does what `RecordExample` and `DiagnosisNetwork` do. The typical beat stays as it is.

    Parameters
    ----------
    engine
        Holds the record, network, calibration and device.
    target
        What is explained.
    """

    def __init__(self, engine: RecordEngine, target: DiagnosisTarget) -> None:
        self.instance, self.network, self.device = engine.instance, engine.network, engine.device
        self.calibration, self.target = engine.calibration, target
        record = self.instance.record
        r_index, geometry = self.instance.r_index[:, None], record.geometry
        samples = (r_index + np.arange(-geometry.before, geometry.after)).clip(0, self.instance.stop - 1)
        self._samples, self._scale = self.tensor(samples), self.tensor(record.lead_scale)
        self._lead_ids, self._usual = self.tensor(record.lead_ids), self.tensor(record.usual)

    def tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        """Return an array as a tensor on the device."""
        return torch.from_numpy(np.array(array)).to(self.device)  # a copy: signals are read-only

    def values(self, signal: Tensor, rhythm: Tensor) -> Tensor:
        """Return the (m,) target of signals (m, L, n_samples) mV and rhythm statistics (m, R)."""
        m, n_leads, _ = signal.shape
        n_beats = len(self._samples)
        waves = signal[:, :, self._samples].permute(0, 2, 1, 3) / self._scale[:, None]
        intervals = torch.stack([self._interval(signal, beat) for beat in range(n_beats)], dim=1)
        view = None if self.network.shared is None else self._view(waves)
        features = self.network.encode_leads(waves.flatten(0, 2), intervals.flatten(0, 2), view)
        present = torch.ones(m * n_beats, n_leads, dtype=torch.bool, device=self.device)
        beats = self.network.mix_leads(features.view(m * n_beats, n_leads, -1), present, self._lead_ids)
        of_record = torch.arange(m, device=self.device).repeat_interleave(n_beats)
        logits = self.network.classify(self.network.pool(beats, of_record, m), rhythm)
        k = self.target.index
        odds = self.calibration.slope * logits[:, k].double() + self.calibration.offsets[k]
        return odds if self.target.units == "logit" else torch.sigmoid(odds)

    def _view(self, waves: Tensor) -> BeatView:
        """Return leads of beats (m, B, L, T) as the shared encoder is given them."""
        record = self.instance.record
        ratio = self.tensor(record.lead_scale / record.beat_scale)[:, None]
        typical = (self.tensor(record.typical) * ratio).expand(waves.shape)
        lead_ids = self._lead_ids.expand(waves.shape[:3])
        return BeatView((waves * ratio).flatten(0, 2), typical.flatten(0, 2), lead_ids.flatten())

    def _interval(self, signal: Tensor, beat: int) -> Tensor:
        """Do what `interval_content` does: the content of the stretch after a beat, (m, L, B)."""
        low, high = (int(place) for place in self.instance.record.bounds[beat])
        fs = self.instance.record.geometry.fs
        parts = described_parts(high - low, fs)
        if parts is None:
            return signal.new_zeros(*signal.shape[:2], len(INTERVAL_CONTENT))
        first, quiet, last = parts
        stretch = signal[:, :, low:high]
        untied = stretch - self._usual[:, low:high]
        views = [self._describe(part, fs) for part in (stretch[:, :, quiet:last], untied[:, :, first:last])]
        return torch.cat([torch.ones_like(stretch[:, :, :1]), *views], dim=2)

    def _describe(self, part: Tensor, fs: float) -> Tensor:
        part = part.double()
        length = part.shape[2]
        slope = torch.arange(length, dtype=torch.float64, device=self.device) / fs
        slope = slope - slope.mean()
        centred = part - part.mean(2, keepdim=True)
        centred = centred - (centred @ slope / (slope @ slope))[..., None] * slope
        power = centred.square().mean(2)
        size = torch.log(_root(power) + FLOOR_MV)
        columns = [size]
        for waves in map(self.tensor, band_waves(length, fs)):
            amplitude = _root((centred @ waves).square().sum(2) / (waves.shape[1] // 2))
            columns.append(torch.log(amplitude + FLOOR_MV) - size)
        alike = [
            (centred[:, :, lag:] * centred[:, :, :-lag]).sum(2) / (length - lag) for lag in atrial_lags(length, fs)
        ]
        ratio = [one / (power + FLOOR_MV**2) for one in alike]
        columns.append(torch.stack([torch.zeros_like(size), *ratio]).amax(0).clamp(max=2.0))
        step = centred[:, :, 1:] - centred[:, :, :-1]
        columns.append(torch.log(_root(step.square().mean(2)) * fs / 50 + FLOOR_MV) - size)
        return torch.stack(columns, dim=2).float()


def _root(square: Tensor) -> Tensor:
    """Return the square root, with a gradient of 0 at 0."""
    return torch.where(square > 0, square.clamp(min=1e-30).sqrt(), 0.0)


def record_gradients(
    engine: RecordEngine, target: DiagnosisTarget, *, steps: int, rhythm: bool, at_end: bool
) -> Gradients:
    """Integrate gradients along the straight line from the baseline to the record (Sundararajan et al. 2017).

    As `beatlens.explain.methods.gradients.path_gradients`, without look-alikes: a diagnosis has none. The path of the
    rhythm is that of its statistics, from those of the rhythm that is off.

    Parameters
    ----------
    engine
        Of the record; its baseline is where the path begins. For ``interpolation`` that is each lead's mean.
    target
        What is explained.
    steps
        Points of the path, >= 1.
    rhythm
        Whether the rhythm is attributed as well.
    at_end
        Take the gradient at the record alone: gradient x input.
    """
    model, instance = RecordModel(engine, target), engine.instance
    signal, start = model.tensor(instance.window), model.tensor(fill_signal(instance, engine.baseline))
    on = model.tensor(instance.record.rhythm)
    off = model.tensor(instance.rhythm_off) if rhythm else on
    places = np.ones(1) if at_end else (np.arange(steps) + 0.5) / steps
    total, total_rhythm = torch.zeros_like(signal, dtype=torch.float64), torch.zeros_like(on, dtype=torch.float64)
    for first in range(0, len(places), CHUNK_STEPS):
        share = model.tensor(places[first : first + CHUNK_STEPS].astype(np.float32))[:, None]
        points = (start + share[..., None] * (signal - start)).requires_grad_()
        rhythms = (off + share * (on - off)).requires_grad_()
        found = torch.autograd.grad(model.values(points, rhythms).sum(), [points, rhythms])
        total += found[0].double().sum(0)
        total_rhythm += found[1].double().sum(0)
    values = (total / len(places) * (signal - start)).cpu().numpy()
    of_rhythm = float((total_rhythm / len(places) * (on - off)).sum())
    with torch.no_grad():
        full, empty = model.values(torch.stack([signal, start]), torch.stack([on, off])).tolist()
    missing = full - empty - float(values.sum()) - (of_rhythm if rhythm else 0.0)
    return Gradients(values, of_rhythm if rhythm else None, full, empty, missing, len(places) + 2)
