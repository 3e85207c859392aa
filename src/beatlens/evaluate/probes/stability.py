"""Whether an explanation stays the same with another seed, with noise, and with one more beat in the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.beat_table import rr_columns, rr_features
from beatlens.beats.context_windows import context_windows
from beatlens.beats.settings import BeatSettings
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.agreement import agreement
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.evaluate.probes.settings import ProbeSettings
from beatlens.evaluate.probes.shared import Probe, cell_values, told
from beatlens.explain.case.instance import Instance
from beatlens.explain.explainer import PreparedCase
from beatlens.explain.methods.registry import explain

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]


def seed_to_seed(probe: PreparedCase, probes: ProbeSettings) -> Iterator[Probe]:
    """Explain again with other seeds of the explainer."""
    for method in probe.settings.methods:
        first = cell_values(probe, method)
        for draw in range(probes.explainer_seeds):
            seed = derive_seed(probe.seed, "another seed", draw)
            again = cell_values(replace(probe, seed=seed), method)
            if told(first, again):
                yield from _rows("seed", "", method, probe.patient, agreement(first, again, probes.top_share))


def under_noise(probe: PreparedCase, probes: ProbeSettings, signal: Mapping[str, Any]) -> Iterator[Probe]:
    """Explain again with noise of the conditioned band added to each lead at a fixed ratio.

    Parameters
    ----------
    probe, probes
        Case and settings.
    signal
        Section ``signal`` of the bundle: ``band_hz`` and ``order`` of the conditioning.
    """
    instance = probe.engine.instance
    noise = _band_noise(instance, signal, np.random.default_rng(derive_seed(probe.seed, "noise")))
    gain = instance.record.signal.std(axis=1, keepdims=True) * 10 ** (-probes.noise_snr_db / 20)
    changed = (instance.record.signal + gain * noise).astype(np.float32)
    noisy = replace(instance, record=instance.record.with_signal(changed))
    engine = probe.engine.of(instance=noisy)
    for method in probe.settings.methods:
        first = cell_values(probe, method)
        again = cell_values(replace(probe, engine=engine), method)
        detail = f"{probes.noise_snr_db:g} dB"
        if told(first, again):
            yield from _rows("noise", detail, method, probe.patient, agreement(first, again, probes.top_share))


def _band_noise(instance: Instance, signal: Mapping[str, Any], rng: np.random.Generator) -> Array:
    """Return noise in the shape of the record, of unit standard deviation in each lead."""
    from scipy.signal import butter, sosfiltfilt

    sos = butter(signal["order"], signal["band_hz"], "bandpass", fs=instance.record.geometry.fs, output="sos")
    padded = rng.normal(size=(instance.record.signal.shape[0], instance.record.signal.shape[1] + 400))
    noise: Array = sosfiltfilt(sos, padded, axis=1)[:, 200:-200]
    noise /= noise.std(axis=1, keepdims=True)
    return noise


def inserted_beat(probe: PreparedCase, probes: ProbeSettings, beats: BeatSettings) -> Iterator[Probe]:
    """Explain again with the beat before the target there twice; cells are matched by the insertion's index map.

    Only cells that both windows show are compared, and the rhythm. Nothing is yielded where no beat precedes the target
    in its window, nor for a target of several beats, one of which might be the copied one.
    """
    if len(probe.engine.instance.positions) != 1:
        return
    found = insert_beat(probe.engine.instance, probe.view.beats["stretch"].to_numpy(dtype=np.int64), beats)
    if found is None:
        return
    instance, moved = found
    engine = probe.engine.of(instance=instance)
    old = probe.engine.instance
    place = moved[old.start : old.stop] - instance.start
    seen = (place >= 0) & (place < instance.stop - instance.start)
    lengths = np.diff(probe.edges)
    whole = np.logical_and.reduceat(seen, np.concatenate([[0], np.cumsum(lengths)[:-1]]))
    for method in probe.settings.methods:
        first = explain(probe.engine, probe.target, method, probe.settings, probe.seed)
        again = explain(engine, probe.target, method, probe.settings, probe.seed)
        if first.absent or again.absent:
            continue
        mapped = np.where(seen, again.values[:, np.clip(place, 0, again.values.shape[1] - 1)], 0.0)
        pair = [
            np.append(cell_sums(values.astype(np.float32), lengths)[:, whole].ravel(), rhythm or 0.0)
            for values, rhythm in ((first.values, first.rhythm), (mapped, again.rhythm))
        ]
        yield from _rows("inserted_beat", "", method, probe.patient, agreement(pair[0], pair[1], probes.top_share))


def insert_beat(instance: Instance, stretch: IntArray, settings: BeatSettings) -> tuple[Instance, IntArray] | None:
    """Put the beat before the target into the record once more, right after itself.

    The beat reaches from half way to the beat before it to half way to the target. RR features, contexts and places are
    made anew; scales, the baseline's beat and the beats among which look-alikes are looked for stay.

    Parameters
    ----------
    instance
        Of one target.
    stretch
        (n_beats of the record,) stretch of each beat.
    settings
        Section ``beats``.

    Returns
    -------
    The instance, and the (n_samples,) place that each sample of the record has moved to; None where the target has no
    beat before it in its stretch.
    """
    record, whole = instance.record, instance.record.signal
    peaks, fs = record.r_index, record.geometry.fs
    target = int(np.searchsorted(peaks, instance.r_index[instance.target_rows[0]]))
    copied = target - 1
    if copied < 0 or stretch[copied] != stretch[target]:
        return None
    last = int(peaks[copied] + peaks[target] + 1) // 2
    if copied and stretch[copied - 1] == stretch[copied]:
        first = int(peaks[copied - 1] + peaks[copied] + 1) // 2
    else:
        first = max(0, int(peaks[copied]) - record.geometry.before)
    length = last - first
    signal = np.concatenate(
        [instance.record.signal[:, :last], instance.record.signal[:, first:last], instance.record.signal[:, last:]],
        axis=1,
    )
    samples = np.arange(whole.shape[1])
    moved = np.where(samples < last, samples, samples + length)
    r_index = np.concatenate([peaks[:target], [peaks[copied] + length], peaks[target:] + length]).astype(np.int64)
    stretches = np.insert(stretch, target, stretch[copied])
    columns = rr_columns(r_index / fs, stretches, settings)
    windows, lengths, positions = context_windows(stretches, settings.context)
    row = target + 1
    in_play = windows[row, : lengths[row]]
    alike = instance.look_alikes
    if alike is not None:
        alike = replace(alike, rows=alike.rows + (alike.rows >= target))
    local = np.zeros((1, windows.shape[1]), dtype=np.int64)
    local[0, : len(in_play)] = np.arange(len(in_play))
    longer = replace(
        record.with_signal(np.ascontiguousarray(signal)),
        r_index=r_index,
        rr=rr_features(columns, settings),
        usual_rr_s=columns["rr_usual_long_s"],
        windows=windows,
        lengths=lengths,
        positions=positions,
    )
    changed = replace(
        instance,
        record=longer,
        record_rows=in_play,
        windows=local,
        lengths=lengths[[row]],
        positions=positions[[row]],
        look_alikes=alike,
    )
    return changed, moved


def _rows(test: str, detail: str, method: str, patient: str, values: Mapping[str, float]) -> Iterator[Probe]:
    for metric, value in values.items():
        yield Probe(test, detail, method, metric, patient, value)
