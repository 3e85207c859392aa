"""What a score is compared with: explanations that know nothing of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

R_PEAK_S = 0.04
"""Half-width of the R-peak null in seconds."""


def fixed_nulls(
    signal: npt.NDArray[np.float32],
    change: Array,
    r_places: npt.NDArray[np.int64],
    beats: Sequence[tuple[int, int]],
    fs: float,
) -> dict[str, Array]:
    """Return the nulls without randomness, by name.

    Parameters
    ----------
    signal
        (n_leads, n_samples) of the case window in units of each lead's scale.
    change
        (n_leads, n_samples) what the baseline changes, in mV.
    r_places
        R peaks of the window's beats, samples from its start.
    beats
        First sample and end of each target beat, from the window's start.
    fs
        Rate in Hz.

    Returns
    -------
    ``empty``: all zero. ``uniform``: all equal. ``signal``: distance of the signal from the lead's median. ``r_peak``:
    within `R_PEAK_S` of any R peak. ``target_beat``: the target beats, all leads alike. ``change``: how far the signal
    is from the baseline. ``target_change``: the same within the target beats. It knows the beat and the baseline, but
    nothing of the model.
    """
    shape = signal.shape
    place = np.arange(shape[1])
    near = (np.abs(place[:, None] - r_places[None, :]) <= R_PEAK_S * fs).any(axis=1)
    of_target = np.zeros(shape[1], dtype=bool)
    for first, stop in beats:
        of_target |= (place >= first) & (place < stop)
    return {
        "empty": np.zeros(shape),
        "uniform": np.ones(shape),
        "signal": np.abs(signal - np.median(signal, axis=1, keepdims=True)).astype(np.float64),
        "r_peak": np.broadcast_to(near.astype(np.float64), shape),
        "target_beat": np.broadcast_to(of_target.astype(np.float64), shape),
        "change": change,
        "target_change": np.where(of_target, change, 0.0),
    }


def random_maps(n_leads: int, lengths: npt.NDArray[np.int64], draws: int, rng: np.random.Generator) -> list[Array]:
    """Return `draws` maps of random values, one value a lead and segment, as coarse as an explanation is.

    Parameters
    ----------
    n_leads
        Leads.
    lengths
        (n_segments,) samples of each segment.
    draws
        Maps.
    rng
        Source of the values.
    """
    return [np.repeat(rng.random((n_leads, len(lengths))), lengths, axis=1) for _ in range(draws)]
