"""RR intervals of a record and the features that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.settings import DEVIATIONS, LOG_RATIOS, RATE, RATE_FEATURES, SIZES, BeatSettings

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RR_COLUMNS = {
    "rr_before_s": "interval to the beat before, seconds",
    "rr_after_s": "interval to the beat after",
    "rr_previous_s": "the interval before rr_before_s",
    "rr_next_s": "the interval after rr_after_s",
    "rr_short_mean_s": "mean of the last intervals before rr_before_s (beats.short_mean_beats of them)",
    "rr_long_mean_s": "the same over beats.long_mean_beats",
    "rr_irregularity": "root mean square of the last beats.short_mean_beats log ratios of successive intervals",
    "rr_variation_short": "median size of the log ratios of successive intervals, beats.short_variation_beats around",
    "rr_variation_long": "the same over beats.long_variation_beats",
    "rr_variation_mean": "their mean in place of the median: rises with ectopy, the median with an irregular rhythm",
    "rr_usual_short_s": "median of the intervals, beats.short_usual_beats around",
    "rr_usual_long_s": "the same over beats.long_usual_beats",
    "rr_spread_short": "median size of the log ratios of intervals to rr_usual_short_s, over the same beats",
    "rr_spread_long": "the same for rr_usual_long_s over beats.long_usual_beats",
    "rr_filled": "an interval that doesn't exist (first or last beat of a stretch) is rr_usual_short_s",
}
"""RR columns of a beat table; every RR feature follows from them, row by row."""

SPREAD_FLOOR = 0.03
"""Spread of log RR that counts as none: a heart's own variation at rest."""

MAX_UNSEEN_S = 0.3
"""A longer time without a value may hide a beat."""

DEFAULT_RR_S = 0.8
"""RR interval in seconds that stands in for that of a record of a single beat, and whose logarithm counts as 0."""


def stretches(r_time_s: Float64Array, gap_s: float, unseen_s: Float64Array | None = None) -> IntArray:
    """Return the (n,) number of the gap-free stretch that each beat of a record lies in, from 0.

    A gap is an interval longer than `gap_s`, or one with more than `MAX_UNSEEN_S` in `unseen_s` (n,): seconds between
    the beat before and each beat in which no lead has a value.
    """
    breaks = np.diff(r_time_s, prepend=r_time_s[:1]) > gap_s
    if unseen_s is not None and len(breaks):
        breaks[1:] |= unseen_s[1:] > MAX_UNSEEN_S
    return np.cumsum(breaks, dtype=np.int64)


def rr_columns(r_time_s: Float64Array, stretch: IntArray, settings: BeatSettings) -> dict[str, npt.NDArray[Any]]:
    """Compute the RR columns of one record's beats from cumulative sums, without a loop over beats.

    There is no interval across a gap, before the first beat or after the last. In its place stands what is usual around
    the beat (``rr_usual_short_s``), with ``rr_filled`` set. Means take the intervals before that of the beat, so that a
    premature beat isn't compared with a mean that holds it. Where there is none before, the beat's interval stands in.

    Parameters
    ----------
    r_time_s
        (n,) R peaks in seconds, ascending.
    stretch
        (n,) number of each beat's stretch, not descending.
    settings
        Section ``beats`` of the configuration.

    Returns
    -------
    The columns `RR_COLUMNS`, (n,) each: float64 seconds, ``rr_filled`` bool.
    """
    n = len(r_time_s)
    if n == 0:
        return {name: np.zeros(0, dtype=bool if name == "rr_filled" else float) for name in RR_COLUMNS}
    interval = np.diff(r_time_s)
    within = stretch[1:] == stretch[:-1]
    median = float(np.median(interval[within])) if within.any() else DEFAULT_RR_S
    # rr[i] is the interval that ends at beat i, NaN where there is none; index n stands for "after the last beat".
    exists = np.concatenate([[False], within, [False]])
    rr = np.full(n + 1, np.nan)
    rr[1:n][within] = interval[within]
    first = np.flatnonzero(np.concatenate([[True], ~within]))
    usual_short, spread_short = _usual(rr[:n], first, settings.short_usual_beats, median)
    usual_long, spread_long = _usual(rr[:n], first, settings.long_usual_beats, median)
    before, after = (np.where(np.isnan(part), usual_short, part) for part in (rr[:n], rr[1:]))
    two = np.concatenate([[False], exists[: n - 1]]) & exists[:n]
    previous = np.where(two, np.roll(before, 1), before)
    following = np.where(np.concatenate([exists[2:], [False]]) & exists[1:], np.roll(after, -1), after)

    # Interval k of a stretch (1-based, ending at its beat k) is "before" beat k; cumulative sums restart per stretch.
    position = np.arange(n)
    start = np.repeat(first, np.diff(np.append(first, n)))
    total = np.concatenate([[0.0], np.cumsum(np.where(exists[:n], before, 0.0))])
    log_step = np.log(before / previous)
    steps = np.concatenate([[0.0], np.cumsum(np.where(exists[:n], log_step, 0.0) ** 2)])

    def causal_mean(beats: int) -> Float64Array:
        # Intervals that end at beats low..position-1; beat `start` ends none.
        low = np.maximum(start + 1, position - beats)
        count = position - low
        return np.where(count > 0, (total[:n] - total[low]) / np.maximum(count, 1), before)

    step_size = np.where(two, np.abs(log_step), np.nan)
    short, long_, mean = _variation(step_size, first, settings)
    low = np.maximum(start + 2, position - settings.short_mean_beats + 1)  # steps need two intervals
    count = np.maximum(position + 1 - low, 1)
    spread = np.maximum(steps[1:] - steps[np.minimum(low, position + 1)], 0.0)
    return {
        "rr_before_s": before,
        "rr_after_s": after,
        "rr_previous_s": previous,
        "rr_next_s": following,
        "rr_short_mean_s": causal_mean(settings.short_mean_beats),
        "rr_long_mean_s": causal_mean(settings.long_mean_beats),
        "rr_irregularity": np.sqrt(spread / count),
        "rr_variation_short": short,
        "rr_variation_long": long_,
        "rr_variation_mean": mean,
        "rr_usual_short_s": usual_short,
        "rr_usual_long_s": usual_long,
        "rr_spread_short": spread_short,
        "rr_spread_long": spread_long,
        "rr_filled": ~(exists[:n] & exists[1:]),
    }


def _variation(
    step: Float64Array, first: IntArray, settings: BeatSettings
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return running medians and mean of steps (n,) around each beat of each stretch, 0 where there are none.

    `first` are the stretches' first beats; the first two of a stretch have no step (NaN).
    """
    import pandas as pd

    means = [
        pd.Series(steps).rolling(settings.long_variation_beats, center=True, min_periods=1).mean().to_numpy()
        for steps in np.split(step, first[1:])
    ]
    return (
        _running_median(step, first, settings.short_variation_beats),
        _running_median(step, first, settings.long_variation_beats),
        np.nan_to_num(np.concatenate(means)),
    )


def _usual(interval: Float64Array, first: IntArray, width: int, median: float) -> tuple[Float64Array, Float64Array]:
    """Return running median of intervals (n,) and the running median size of the log ratios to it.

    Missing intervals are NaN. Where a window has none, the usual interval is `median` and the spread is 0.
    """
    usual = _running_median(interval, first, width)
    usual = np.where(usual > 0, usual, median)
    return usual, _running_median(np.abs(np.log(interval / usual)), first, width)


def _running_median(step: Float64Array, first: IntArray, width: int) -> Float64Array:
    """Return the median of the steps (n,) that a stretch has in `width` beats around each, 0 where there are none.

    One filter serves all windows, though some places hold no step, such as the margins between stretches. These hold
    minus and plus infinity in turn. Equal numbers of both leave the median of a window as it is. One more of either
    gives the lower or the upper of its two middle values. The filter is run with the signs both ways round, and the
    mean of both is the median.
    """
    from scipy.ndimage import median_filter

    half = width // 2
    start = first + half * np.arange(1, len(first) + 1)
    stop = start + np.diff(np.append(first, len(step)))
    laid = np.full(stop[-1] + half, np.nan)
    is_beat, at_end, around = np.zeros((3, len(laid)), dtype=bool)
    for low, high in zip(start.tolist(), stop.tolist(), strict=True):
        is_beat[low:high] = True
        at_end[low : low + half + 2] = at_end[max(high - half, low) : high] = True
        around[low - half : low + 2 * half + 2] = around[max(high - 2 * half, 0) : high + half] = True
    laid[is_beat] = step
    empty = np.flatnonzero(np.isnan(laid))
    laid[empty[0::2]], laid[empty[1::2]] = -np.inf, np.inf
    middle = median_filter(laid, width, mode="nearest")
    laid[empty] *= -1  # the other way round, which makes a difference at the ends of stretches
    other = median_filter(laid[around], width, mode="nearest")[at_end[around]]
    with np.errstate(invalid="ignore"):  # no step: -inf + inf
        middle[at_end] = 0.5 * (middle[at_end] + other)
    result = middle[is_beat]
    return np.where(np.isfinite(result), result, 0.0)


def rr_features(table: pd.DataFrame | Mapping[str, npt.NDArray[Any]], settings: BeatSettings) -> FloatArray:
    """Return the RR features of beats, row by row from the `RR_COLUMNS` of any part of a beat table.

    Parameters
    ----------
    table
        Has the columns `RR_COLUMNS`, intervals in seconds.
    settings
        Section ``beats`` of the configuration.

    Returns
    -------
    (n_beats, len(settings.rr_features)) float32: logarithms of intervals over `DEFAULT_RR_S` (where ``beats.rate`` is
    true), logarithms of ratios of intervals, how irregular the rhythm is, and how many spreads an interval lies from
    the usual one (inverse hyperbolic sine)
    """
    column = {name: np.asarray(table[name], dtype=np.float64) for name in RR_COLUMNS if name != "rr_filled"}

    def stacked(names: Iterable[str]) -> Float64Array:
        return np.stack([column[name] for name in names])

    limit = settings.max_log_ratio
    logs = np.log(stacked(a for a, _ in LOG_RATIOS.values()) / stacked(b for _, b in LOG_RATIOS.values()))
    if settings.rate:
        logs = np.concatenate([np.log(stacked(RATE.values()) / DEFAULT_RR_S), logs])
    # How many spreads from the usual: a beat a little early stands out in a regular rhythm, not in an irregular one.
    interval, usual, spread = (stacked(names) for names in zip(*DEVIATIONS.values(), strict=True))
    deviations = np.log(interval / usual) / (spread + SPREAD_FLOOR)
    features = np.empty((logs.shape[1], len(settings.rr_features)), dtype=np.float32)
    first, last = len(logs), len(logs) + len(SIZES)
    features[:, :first] = np.clip(logs, -limit, limit).T
    features[:, first:last] = np.minimum(stacked(SIZES.values()), limit).T
    features[:, last:] = np.arcsinh(deviations).T
    return features


def constant_rhythm_features(interval_s: float, settings: BeatSettings) -> FloatArray:
    """Return the (R,) features of a constant series of RR intervals: "rhythm off" in an explanation."""
    features = np.zeros(len(settings.rr_features), dtype=np.float32)
    if settings.rate:
        features[: len(RATE_FEATURES)] = np.log(interval_s / DEFAULT_RR_S)
    return features
