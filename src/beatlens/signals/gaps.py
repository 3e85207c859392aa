"""Gaps: samples that the recorder gave no value for are filled, since no filter runs over a hole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def fill_gaps(signal: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Interpolate missing samples linearly. The ends hold the nearest value; a lead without any value becomes zero.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV, not finite where there is no value.

    Returns
    -------
    filled
        (n_leads, n_samples) float32, finite; the same object where nothing was missing.
    missing
        (n_leads, n_samples) bool.
    """
    missing: npt.NDArray[np.bool_] = np.isfinite(signal)
    np.logical_not(missing, out=missing)
    if not missing.any():
        return signal, missing
    filled = signal.copy()
    time = np.arange(signal.shape[1])
    for lead, hole in zip(filled, missing, strict=True):
        if hole.all():
            lead[:] = 0
        elif hole.any():
            lead[hole] = np.interp(time[hole], time[~hole], lead[~hole])
    return filled, missing
