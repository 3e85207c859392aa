"""Decoys: changes of single beats that mean nothing, planted into any record, made or real.

A map that knows where a beat differs from a usual one, but no model, finds what makes a class about as well as the best
explanation. A decoy makes it fail: it changes a beat as much as a class does, in beats of every class alike, so that
it says nothing of the class. What an explanation shows there is wrong, unless the model does use it.

The kinds are harmless variants that readers know: a small wave before or after the beat (a fusion of P waves, a U
wave, the movement of an electrode), a notch of the QRS complex, another amplitude of one wave (breathing, position) and
an early or late T wave. None of them reaches the end of the QRS complex or the ST segment (`PROTECTED_S`), so that none
imitates a bundle branch block or an ST elevation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BUMP, NOTCH, AMPLITUDE, SHIFTED_T = KINDS = ("bump", "notch", "amplitude", "shifted T")
DECIDING_S = (-0.10, 0.14)
"""Seconds around R that decide the class of a beat's shape, whatever decoys change there: QRS and begin of ST. T waves
are changed at random in every class, so that those of a class say little.
"""
PROTECTED_S = (0.05, 0.12)
"""Seconds after R in which no decoy changes anything, at an RR interval of 1 s; the end follows its square root."""
PLACES = {  # what there is to change at each place of a beat
    "before": (BUMP, BUMP, AMPLITUDE),
    "QRS": (NOTCH, AMPLITUDE),
    "T": (AMPLITUDE, SHIFTED_T),
    "after": (BUMP,),
}
BUMP_MV, NOTCH_MV = (0.25, 0.65), (0.2, 0.5)
GAINS = {"before": (2.5, 4.5), "QRS": (1.4, 1.9), "T": (1.8, 3.0)}
"""By how much a wave may be larger; it may also be lessened, the T wave down to its inverse."""
LOSSES = {"before": (-1.0, 0.2), "QRS": (0.35, 0.65), "T": (-1.5, 0.1)}
SHIFT_S = (0.05, 0.09)
TAPER_S = 0.03
LARGEST_MV = 0.8
"""No change of amplitude or place is larger: in an early beat the place of a P wave holds the last beat's T wave."""
PLACE_SHARE = 0.7
"""Share of the places of a beat with decoys, in any lead, that have one."""


@dataclass(frozen=True)
class Decoy:
    """One change of one beat in one lead.

    Attributes
    ----------
    kind
        One of `KINDS`.
    lead
        Row of the signal.
    beat
        Which of the record's R peaks it belongs to.
    begin
        First sample that it changes.
    change
        (n,) mV that it adds.
    """

    kind: str
    lead: int
    beat: int
    begin: int
    change: Array


class DecoySpan(NamedTuple):
    """Where a decoy shows: lead, first sample, end (exclusive)."""

    decoy: Decoy
    lead: int
    start: int
    end: int


def draw_decoys(
    signal: npt.NDArray[np.floating], r_samples: Sequence[int], fs: float, *, share: float, rng: np.random.Generator
) -> list[Decoy]:
    """Draw decoys for a share of a record's beats, whatever their class.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV.
    r_samples
        R peaks, ascending.
    fs
        Rate in Hz.
    share
        Share of the beats that get decoys.
    rng
        Source of all choices.

    Returns
    -------
    By beat and lead; at most one at each of `PLACES`.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share of beats with decoys {share}; expected 0 to 1")
    decoys = []
    peaks = np.asarray(r_samples, dtype=np.int64)
    for beat in np.flatnonzero(rng.random(len(peaks)) < share):
        for lead, places in enumerate(rng.random((len(signal), len(PLACES))) < PLACE_SHARE):
            for place in compress(PLACES, places):
                found = _draw(signal[lead], peaks, int(beat), place, fs, rng)
                if found is not None:
                    kind, begin, change = found
                    decoys.append(Decoy(kind, int(lead), int(beat), begin, change))
    return decoys


def decoy_signal(decoys: Sequence[Decoy], shape: tuple[int, int]) -> Array:
    """Return the sum of decoys (n_leads, n_samples) in mV."""
    total = np.zeros(shape)
    for decoy in decoys:
        total[decoy.lead, decoy.begin : decoy.begin + len(decoy.change)] += decoy.change
    return total


def decoy_spans(
    decoys: Sequence[Decoy], seen: npt.NDArray[np.floating], mixing: Array, threshold_mv: float
) -> Iterator[DecoySpan]:
    """Yield where decoys show.

    Parameters
    ----------
    decoys
        Of one record.
    seen
        (n_leads, n_samples) their sum in mV, as it is in the leads after conditioning.
    mixing
        (n_leads, n_sources) what of the signal that they were planted in each lead shows; the identity where that is
        the leads.
    threshold_mv
        Samples that change by more than this.
    """
    above = np.abs(seen) > threshold_mv
    for decoy in decoys:
        part = slice(decoy.begin, decoy.begin + len(decoy.change))
        for lead in np.flatnonzero(mixing[:, decoy.lead]):
            edges = np.flatnonzero(np.diff(above[lead, part], prepend=False, append=False))
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                yield DecoySpan(decoy, int(lead), decoy.begin + int(start), decoy.begin + int(end))


def plant_decoys(
    signal: npt.NDArray[np.float32],
    r_samples: Sequence[int],
    fs: float,
    *,
    share: float,
    seed: int,
    threshold_mv: float = 0.1,
) -> tuple[npt.NDArray[np.float32], list[DecoySpan]]:
    """Plant decoys into a conditioned record, real ones included.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV, conditioned.
    r_samples, fs, share
        As for `draw_decoys`.
    seed
        Of all choices.
    threshold_mv
        As for `decoy_spans`.

    Returns
    -------
    The changed signal, and where it was changed.
    """
    decoys = draw_decoys(signal, r_samples, fs, share=share, rng=np.random.default_rng(seed))
    change = decoy_signal(decoys, (signal.shape[0], signal.shape[1]))
    return (signal + change).astype(np.float32), list(decoy_spans(decoys, change, np.eye(len(signal)), threshold_mv))


def _window(peaks: npt.NDArray[np.int64], beat: int, place: str, fs: float) -> tuple[float, float, float]:
    """Return a place of a beat: begin and end in s after R, and the square root of the RR interval that T follows."""
    before = (peaks[beat] - peaks[beat - 1]) / fs if beat else 1.0
    after = (peaks[beat + 1] - peaks[beat]) / fs if beat + 1 < len(peaks) else 1.0
    rate = float(np.sqrt(np.clip(before, 0.4, 1.5)))
    t_begin, t_end = PROTECTED_S[1] * rate, 0.38 * rate
    limits = {
        "before": (-min(0.25, before / 2), -0.05),
        "QRS": (-PROTECTED_S[0], PROTECTED_S[0]),
        "T": (t_begin, min(t_end, after - 0.1)),
        "after": (t_end - 0.02, min(t_end + 0.14, after - 0.25)),
    }
    return (*limits[place], rate)


def _draw(
    lead: npt.NDArray[np.floating],
    peaks: npt.NDArray[np.int64],
    beat: int,
    place: str,
    fs: float,
    rng: np.random.Generator,
) -> tuple[str, int, Array] | None:
    """Draw kind and change at a place of a beat; None where the place is too short or off the record."""
    begin_s, end_s, rate = _window(peaks, beat, place, fs)
    kind = str(rng.choice(PLACES[place]))
    begin, end = int(peaks[beat] + round(begin_s * fs)), int(peaks[beat] + round(end_s * fs))
    if end - begin < 0.09 * fs or begin < 0 or end > len(lead):
        return None
    time = np.arange(end - begin) / fs
    if kind in {BUMP, NOTCH}:
        width = rng.uniform(0.024, 0.038) if kind == BUMP else rng.uniform(0.006, 0.009)
        height = rng.uniform(*(BUMP_MV if kind == BUMP else NOTCH_MV)) * rng.choice([-1, 1])
        margin = min(3 * width, time[-1] / 2)
        centre = rng.uniform(margin, time[-1] - margin)
        return kind, begin, height * np.exp(-0.5 * ((time - centre) / width) ** 2) * _taper(len(time), fs)
    wave = lead[begin:end].astype(np.float64)
    wave = wave - np.linspace(wave[0], wave[-1], len(wave))
    if kind == AMPLITUDE:
        change = (rng.uniform(*(GAINS if rng.random() < 0.5 else LOSSES)[place]) - 1) * wave
    else:
        change = np.interp(time - rng.uniform(*SHIFT_S) * rate * rng.choice([-1, 1]), time, wave) - wave
    change *= _taper(len(time), fs)
    return kind, begin, change * min(1.0, LARGEST_MV / max(float(np.abs(change).max()), 1e-9))


def _taper(n: int, fs: float) -> Array:
    """Return (n,) weights that rise from 0 and fall to 0 within `TAPER_S`."""
    ramp = np.minimum(np.arange(n), np.arange(n)[::-1]) / (TAPER_S * fs)
    return np.asarray(np.sin(np.clip(ramp, 0, 1) * np.pi / 2) ** 2)
