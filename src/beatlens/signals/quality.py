"""Quality rules: without labels, for each beat and lead, each with a reason. They flag beats and never delete any.

A rule looks at one record alone, never at labels or pooled data. So no class or patient is flagged for being unlike the
others, such as ventricular beats for their slope or bradycardia for its RR intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.shards.shard import BeatGeometry, cut_beats
from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.settings.quality import QualitySettings

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

RULES = ("flat", "saturated", "baseline", "high_frequency", "template")
"""Reasons a lead of a beat may fail for, in the order of the columns ``quality_<rule>``."""

SUM_BLOCK = 1 << 18
"""Samples that are summed at once."""
MIN_SCALE_MV = 0.05
"""Least amplitude of a lead, so that dividing a flat lead by it doesn't inflate its noise."""


def lead_scale(signal: FloatArray, r_index: IntArray, fs: float) -> FloatArray:
    """Return a robust amplitude of each lead: the median over beats of the largest |mV| within 0.1 s of R.

    Parameters
    ----------
    signal
        (n_leads, n_samples) conditioned mV.
    r_index
        (n_beats,) R peaks; where there are none, the 99th percentile of |mV| stands in.
    fs
        Rate in Hz.

    Returns
    -------
    (n_leads,) float32 mV, at least `MIN_SCALE_MV`
    """
    scale = qrs_amplitude(signal, r_index, fs) if len(r_index) else np.percentile(np.abs(signal), 99, axis=1)
    return np.asarray(np.maximum(scale, MIN_SCALE_MV), dtype=np.float32)


def qrs_amplitude(signal: FloatArray, r_index: IntArray, fs: float) -> FloatArray:
    """Return the median over beats of the largest |mV| within 0.1 s of R, (n_leads,); see `lead_scale`."""
    half = max(round(0.1 * fs), 1)
    waves = cut_beats(signal, r_index, BeatGeometry(fs, half, half + 1))
    return np.asarray(np.median(np.abs(waves).max(axis=2), axis=0), dtype=np.float32)


@dataclass(frozen=True)
class Quality:
    """Quality of one record's beats.

    Attributes
    ----------
    scores
        Rule name -> (n_beats, n_leads) float32, what the rule compares with its threshold.
    failed
        Rule name -> (n_beats, n_leads) bool.
    """

    scores: dict[str, FloatArray]
    failed: dict[str, BoolArray]

    def reasons(self) -> list[str]:
        """Return each beat's reasons joined by ``;``, "" unless more than half of its leads fail some rule.

        With one bad lead of two the beat isn't flagged, since the other still shows it.
        """
        stacked = np.stack([self.failed[rule] for rule in RULES])
        n_beats, n_leads = stacked.shape[1:]
        flagged = 2 * stacked.any(axis=0).sum(axis=1) > n_leads
        result = [""] * n_beats
        for beat in np.flatnonzero(flagged):
            result[beat] = ";".join(rule for k, rule in enumerate(RULES) if stacked[k, beat].any())
        return result

    def columns(self) -> dict[str, FloatArray]:
        """Return a column ``quality_<rule>`` each: the (n_beats,) score of the best lead."""
        best = {"flat": np.max, "template": np.max}
        return {f"quality_{rule}": best.get(rule, np.min)(self.scores[rule], axis=1) for rule in RULES}


def assess(
    signals: RecordSignals,
    r_index: IntArray,
    scale: FloatArray,
    geometry: BeatGeometry,
    settings: QualitySettings,
) -> Quality:
    """Score every beat of one record by the rules `RULES`.

    Parameters
    ----------
    signals
        Of the record; conditioned at the rate of `geometry`.
    r_index
        (n_beats,) R peaks in samples of the conditioned signal.
    scale
        (n_leads,) amplitudes in mV (`lead_scale`).
    geometry
        Extent of a beat.
    settings
        Section ``quality`` of the configuration.
    """
    n_leads, n_samples = signals.signal.shape
    low = np.clip(r_index - geometry.before, 0, n_samples - 1)
    high = np.clip(r_index + geometry.after, low + 1, n_samples)
    waves = cut_beats(signals.signal, r_index, geometry)
    peak_to_peak = np.ptp(waves, axis=2) if len(r_index) else np.zeros((0, n_leads), dtype=np.float32)
    template = _template_correlation(waves)
    del waves
    unseen = _share(signals.holes, low, high) > 0.5
    to_file = signals.fs_file / geometry.fs
    n_file = signals.raw.shape[1]
    file_low = np.clip(np.rint(low * to_file).astype(np.int64), 0, n_file - 1)
    file_high = np.clip(np.rint(high * to_file).astype(np.int64), file_low + 1, n_file)
    scores = {
        "flat": np.where(unseen, 0, peak_to_peak),
        "saturated": _share(signals.extremes, file_low, file_high),
        "baseline": _baseline_excursion(signals, file_low, file_high),
        "high_frequency": _high_frequency(signals, r_index, low, high) / scale,
        "template": template,
    }
    failed = {
        "flat": scores["flat"] < settings.flat_mv,
        "saturated": scores["saturated"] > settings.saturated_fraction,
        "baseline": scores["baseline"] > settings.baseline_mv,
        "high_frequency": scores["high_frequency"] > settings.high_frequency_ratio,
        "template": scores["template"] < settings.min_template_correlation,
    }
    return Quality({rule: np.asarray(value, dtype=np.float32) for rule, value in scores.items()}, failed)


def _share(found: list[IntArray], low: IntArray, high: IntArray) -> FloatArray:
    """Return the (n_beats, n_leads) share of samples low..high-1 that are among each lead's ascending `found`."""
    counts = np.stack([np.searchsorted(lead, high) - np.searchsorted(lead, low) for lead in found], axis=1)
    return np.asarray(counts / (high - low)[:, None], dtype=np.float32)


def _baseline_excursion(signals: RecordSignals, low: IntArray, high: IntArray) -> FloatArray:
    """Return the (n_beats, n_leads) range of the baseline inside samples low..high-1 of the file, in mV."""
    baseline = signals.baseline
    # A beat spans some blocks of 0.1 s: the range over as many from its first on.
    span = max(int(np.max(high - low, initial=1)) // signals.block, 1) + 1
    index = np.minimum((low // signals.block)[:, None] + np.arange(span), baseline.shape[1] - 1)
    if not len(low):
        return np.zeros((0, len(baseline)), dtype=np.float32)
    return np.asarray(np.ptp(baseline[:, index], axis=2).T, dtype=np.float32)


def _high_frequency(signals: RecordSignals, r_index: IntArray, low: IntArray, high: IntArray) -> FloatArray:
    """Return the (n_beats, n_leads) RMS in mV of what is above about 20 Hz outside QRS complexes."""
    n_leads, n_samples = signals.signal.shape
    result = np.zeros((len(r_index), n_leads), dtype=np.float32)
    if not len(r_index):
        return result
    edges = np.zeros(n_samples + 1, dtype=np.int32)
    half = round(0.12 * signals.fs)
    np.add.at(edges, np.maximum(r_index - half, 0), 1)
    np.add.at(edges, np.minimum(r_index + half, n_samples), -1)
    outside = np.cumsum(edges[:-1], dtype=np.int32, out=edges[:-1]) == 0
    count = edges
    count[0] = 0
    np.cumsum(outside, dtype=np.int32, out=count[1:])
    samples = np.maximum(count[high] - count[low], 1)
    total = np.empty(n_samples)
    for lead in range(n_leads):
        carried = 0.0
        for start in range(0, n_samples, SUM_BLOCK):
            block = slice(start, min(start + SUM_BLOCK, n_samples))
            power = signals.high_frequency_power(lead, block.start, block.stop)
            power *= outside[block]
            power[0] += carried
            carried = np.cumsum(power, out=total[block])[-1]
        before = np.where(low > 0, total[low - 1], 0.0)
        result[:, lead] = np.sqrt(np.maximum((total[high - 1] - before) / samples, 0))
    return result


def _template_correlation(waves: FloatArray, n_templates: int = 128) -> FloatArray:
    """Return how well each beat and its neighbours resemble other beats of the record, (n_beats, n_leads).

    A beat's resemblance is its highest correlation with the two beats before it, the two after it and evenly spaced
    others. The score is the median resemblance of the beat and its two neighbours. So a lone PVC, which is like no
    other beat, isn't doubted, while noise spoils several beats in a row.
    """
    n_beats, n_leads, _ = waves.shape
    if n_beats < 5:
        return np.ones((n_beats, n_leads), dtype=np.float32)
    likeness = np.full((n_beats, n_leads), -1, dtype=np.float32)
    chosen = np.unique(np.linspace(0, n_beats - 1, min(n_templates, n_beats)).astype(np.int64))
    for lead in range(n_leads):
        unit = waves[:, lead] - waves[:, lead].mean(axis=1, keepdims=True)
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-6)
        correlation = unit @ unit[chosen].T
        correlation[chosen, np.arange(len(chosen))] = -1
        likeness[:, lead] = correlation.max(axis=1)
        for step in (1, 2):
            near = np.einsum("bt,bt->b", unit[step:], unit[:-step])
            likeness[step:, lead] = np.maximum(likeness[step:, lead], near)
            likeness[:-step, lead] = np.maximum(likeness[:-step, lead], near)
    padded = np.pad(likeness, ((1, 1), (0, 0)), mode="reflect")
    return np.median(np.stack([padded[:-2], likeness, padded[2:]]), axis=0).astype(np.float32)
