"""Baselines: what the signal becomes where it is switched off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.settings import BASELINES
from beatlens.shards.shard import cut_beats

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

INTERPOLATION = "interpolation"
CONTRAST = "contrast_beat"
ABSENT = "absent"
FIT_S = 0.02
"""Seconds by which a contrast beat may be moved. The place of R in a beat depends on the class by about as much."""


def fill_signal(instance: Perturbed, baseline: str) -> FloatArray:
    """Return what replaces the case window, (L, stop - start) mV, for a baseline that needs no anchors.

    =================  ============================================================================================
    ``lead_mean``      the lead's mean over the record
    ``zero``           0 mV
    ``median_beat``    the record's median beat at each R peak and the lead's mean between beats; where two beats
                       overlap, the nearer R decides
    ``contrast_beat``  the same with the beat of `beatlens.explain.case.contrast`, fitted to level and place: what a
                       beat of another class would look like there
    ``interpolation``  the lead's mean, which is used where a whole lead is off
    =================  ============================================================================================
    """
    mean = instance.record.lead_mean[:, None].astype(np.float32)
    length = instance.stop - instance.start
    if baseline in {INTERPOLATION, "lead_mean"}:
        return np.repeat(mean, length, axis=1)
    if baseline == "zero":
        return np.zeros((len(instance.record.leads), length), dtype=np.float32)
    if baseline not in {"median_beat", CONTRAST}:
        raise ValueError(f"explain.baseline: {baseline!r}; expected one of {BASELINES}")
    if baseline == "median_beat":
        usual = median_beat(instance, np.ones(len(instance.record.r_index), dtype=bool))
    elif instance.contrast is not None:
        usual = instance.contrast
    else:
        raise ValueError(f"{instance.record.name}: baseline {baseline!r} without a beat to contrast with")
    samples = np.arange(instance.start, instance.stop)
    after = np.searchsorted(instance.record.r_index, samples).clip(1, None)
    right = instance.record.r_index[np.minimum(after, len(instance.record.r_index) - 1)]
    left = instance.record.r_index[after - 1]
    nearest = np.where(np.abs(samples - left) <= np.abs(right - samples), left, right)
    offset = samples - nearest + instance.record.geometry.before
    inside = (offset >= 0) & (offset < instance.record.geometry.length)
    fill = np.where(inside, usual[:, np.clip(offset, 0, instance.record.geometry.length - 1)], mean).astype(np.float32)
    if baseline == CONTRAST:
        _fit_contrast(fill, usual, instance, nearest=nearest, offset=offset, inside=inside)
    return fill


def _fit_contrast(
    fill: FloatArray,
    wave: FloatArray,
    instance: Perturbed,
    *,
    nearest: IntArray,
    offset: IntArray,
    inside: npt.NDArray[np.bool_],
) -> None:
    """Bring the contrast beats in `fill` to the level of the signal, and each to the place where it fits best.

    A stretch of wide or elevated beats shifts what the high-pass filter takes for 0 mV, and in beats of two classes R
    isn't at the same point. Both would appear as changes that say nothing about the class.

    Each lead has one level for the whole window: the median distance. Each beat has one shift for all leads: the one of
    least absolute distance in units of the leads' scales, at most `FIT_S`.

    Parameters
    ----------
    fill
        (L, n) mV, changed in place.
    wave
        (L, T) mV of the contrast beat.
    instance
        The case.
    nearest, offset, inside
        (n,) nearest R peak of each sample, its place in that beat, and whether the beat shows it.
    """
    if not inside.any():
        return
    signal = instance.window
    level = np.median((signal - fill)[:, inside], axis=1, keepdims=True)
    most = round(FIT_S * instance.record.geometry.fs)
    shifts = sorted(range(-most, most + 1), key=abs)  # of equal fits the one that is moved least
    for r in np.unique(nearest[inside]):
        of_beat = inside & (nearest == r)
        moved = [wave[:, np.clip(offset[of_beat] - shift, 0, wave.shape[1] - 1)] + level for shift in shifts]
        distance = [(np.abs(signal[:, of_beat] - one).mean(axis=1) / instance.record.lead_scale).sum() for one in moved]
        fill[:, of_beat] = moved[int(np.argmin(distance))]


def fill_of_players(instance: Perturbed, baseline: str, cell_player: IntArray, edges: IntArray) -> FloatArray:
    """Return what each sample of the case window becomes where its player alone is off, (L, stop - start) mV.

    For ``interpolation`` the line between the anchors of the player's holes, else `fill_signal`.

    Parameters
    ----------
    instance, baseline
        As for `fill_signal`.
    cell_player, edges
        (L, S) and (S + 1,) of `beatlens.explain.players.coalition.Players`; the edges from the window's start to its
        stop.
    """
    fill = fill_signal(instance, baseline)
    if baseline != INTERPOLATION:
        return fill
    n_segments, samples = len(edges) - 1, np.arange(edges[0], edges[-1])
    segment = np.repeat(np.arange(n_segments), np.diff(edges))
    for lead, signal in enumerate(instance.record.signal):
        names, owner = np.unique(cell_player[lead], return_inverse=True)
        on = owner != np.arange(len(names))[:, None]
        left, right = anchors(on)
        waves = interpolated_waves(
            signal, float(fill[lead, 0]), on, left=left, right=right, edges=edges, samples=samples, segment=segment
        )
        fill[lead] = waves[owner[segment], np.arange(len(samples))]
    return fill


def anchors(on: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Return the nearest segment at or before, and at or after, that is on: of (..., S) segments, -1 and S for none."""
    n_segments = on.shape[-1]
    numbers = np.arange(n_segments)
    left = np.maximum.accumulate(np.where(on, numbers, -1), axis=-1)
    right = np.minimum.accumulate(np.where(on, numbers, n_segments)[..., ::-1], axis=-1)[..., ::-1]
    return left, right


def median_beat(instance: Perturbed, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the (L, T) median, in mV, of those of the record's beats that are chosen, (n,) of `all_r_index`."""
    waves = cut_beats(instance.record.signal, instance.record.r_index[chosen], instance.record.geometry)
    return np.asarray(np.median(waves, axis=0), dtype=np.float32)


def interpolated_waves(
    signal: FloatArray,
    mean: float,
    on: npt.NDArray[np.bool_],
    *,
    left: IntArray,
    right: IntArray,
    edges: IntArray,
    samples: IntArray,
    segment: IntArray,
) -> FloatArray:
    """Fill holes of one lead of one beat linearly between their anchors, for many states at once.

    Parameters
    ----------
    signal
        (n_samples,) mV, the unperturbed lead.
    mean
        The lead's mean: the whole lead where all of it is off.
    on
        (u, S) which segments keep the signal.
    left, right
        (u, S) nearest segment at or before, at or after, that is on; -1 and S where there is none.
    edges
        (S + 1,) segment edges, samples of the record.
    samples
        (T,) samples of the record that the beat shows.
    segment
        (T,) the segment each of them lies in.

    Returns
    -------
    (u, T) float32 mV. A hole that reaches a record's edge holds its only anchor.
    """
    first, last = int(segment[0]), int(segment[-1]) + 1
    local = segment - first
    a, b = edges[left[:, first:last] + 1] - 1, edges[right[:, first:last]]
    value_a, value_b = signal[np.maximum(a, 0)], signal[np.minimum(b, len(signal) - 1)]
    no_a, no_b = a < 0, b >= len(signal)
    value_a, value_b = np.where(no_a, value_b, value_a), np.where(no_b, value_a, value_b)
    slope = (value_b - value_a) / np.maximum(b - a, 1)  # segments that are on have b <= a, and are not filled
    nothing = ~on.any(axis=1)
    slope[nothing], value_a[nothing] = 0.0, mean
    filled = value_a[:, local] + slope[:, local] * (samples - a[:, local])
    return np.where(on[:, segment], signal[samples], filled).astype(np.float32)
