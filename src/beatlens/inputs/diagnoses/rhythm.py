"""Statistics of a record's RR series: its rate, how irregular it is, and how early and late beats come."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

RATES = (40, 50, 60, 70, 80, 90, 100, 115, 135)
"""Beats a minute above which the rate has a number of its own: what a rate means isn't linear in it."""

RHYTHM_STATISTICS = (
    "known",
    "log_rate",
    "log_fastest",
    "log_slowest",
    *(f"above_{rate}" for rate in RATES),
    "variation",
    "successive_variation",
    "median_step",
    "large_step_share",
    "step_spread",
    "turning_share",
    "lag_1",
    "premature_share",
    "late_share",
    "earliest",
    "latest",
)
"""Names of the numbers of `rhythm_statistics`. All from ``variation`` on are 0 for a constant series."""

PREMATURE, LATE = 0.85, 1.2
"""Shares of the usual interval below which a beat is premature, and above which it is late."""
LARGE_STEP = 0.1
"""Relative change from one interval to the next that sinus rhythm seldom has."""


def rhythm_statistics(rr_s: Float64Array) -> FloatArray:
    """Return the statistics `RHYTHM_STATISTICS` of a series of RR intervals.

    Parameters
    ----------
    rr_s
        (n,) intervals between successive beats in seconds; those across gaps are left out. With fewer than two, all is
        0: nothing is known of the rhythm.

    Returns
    -------
    (R,) float32: rates are logarithms of beats a second, the rest has no unit
    """
    result = np.zeros(len(RHYTHM_STATISTICS), dtype=np.float32)
    if len(rr_s) < 2:
        return result
    usual = float(np.median(rr_s))
    relative = rr_s / usual
    step = np.diff(np.log(rr_s))
    size = np.abs(step)
    turning = step[1:] * step[:-1] < 0
    large = turning & (np.minimum(size[1:], size[:-1]) > LARGE_STEP / 2)
    deviation = relative - relative.mean()
    power = float((deviation**2).sum())
    lag_1 = float((deviation[1:] * deviation[:-1]).sum()) / power if power > 1e-9 else 0.0
    low, high = np.quantile(rr_s, [0.1, 0.9])
    spread = np.quantile(size, 0.9) - np.quantile(size, 0.1)
    result[:] = [
        1.0,
        -np.log(usual),
        -np.log(low),
        -np.log(high),
        *np.maximum(-np.log(usual) - np.log(np.array(RATES) / 60), 0.0),
        np.log1p(10 * relative.std()),
        np.log1p(10 * np.sqrt(np.mean(step**2))),
        np.log1p(20 * np.median(size)),
        (size > LARGE_STEP).mean(),
        np.log1p(10 * spread),
        large.mean() if len(large) else 0.0,
        lag_1,
        np.sqrt((relative < PREMATURE).mean()),
        np.sqrt((relative > LATE).mean()),
        1.0 - relative.min(),
        np.log(relative.max()),
    ]
    return result
