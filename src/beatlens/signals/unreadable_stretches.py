"""Stretches of a record in which beats can't be told, found without labels, and what the signal is meanwhile.

A stretch is listed for one of two reasons:

- No beat was found for longer than `GAP_S`. The time is then divided by what the signal is: one of `KINDS`.
- Beats were found that can't be trusted. They lie in artefact, where quality rules doubt them, or where they come
  irregularly and are unlike all others (`beatlens.signals.beat_likeness`). Or there is no baseline between complexes,
  as in ventricular flutter and fibrillation.

Two measures over two seconds tell waves from artefact. The mean of the rectified signal over its peak is high without a
baseline: .1 where QRS complexes stand on one, .64 for a sine. And waves of one frequency cancel against themselves half
a period later, as artefact doesn't (the leakage of Kuo and Dillman 1978, Computers in Cardiology 347-349). A
tachycardia whose beats were found repeats itself beat by beat, and isn't listed.

Chosen on MIT-BIH's DS1 (flutter of 207 against all else) and made signals.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.shards.stretches import DOUBTED_KINDS, Stretch
from beatlens.signals.beat_likeness import foreign_beats, likeness
from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.signal_cells import SignalCells, long_runs, runs, signal_cells
from beatlens.signals.wave_windows import MIN_PERIOD_S

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MIN_LENGTH_S = 1.0
"""A shorter record without a beat isn't listed."""
GAP_S, USUAL_RRS = 2.0, 1.8
"""A time without beats is listed where it exceeds both: seconds, and multiples of the record's median RR interval."""
NO_SIGNAL_S, FLAT_S, NOISE_S, WAVES_S = 0.5, 1.0, 3.0, 4.0
"""Shortest stretch of each kind, with or without beats in it. That of waves includes `EDGE_S` at both ends."""
SHORTEST_S = 0.75
"""Shorter pieces of a time without beats take the kind of the piece before them."""
HOLE_S = 0.75
"""Shorter gaps with a baseline, between two stretches of waves, count as waves."""
QUIET_MV, QUIET_SHARE, SILENT_MV = 0.1, 0.1, 0.02
"""A lead is flat in a cell whose peak-to-peak is under `QUIET_MV` or, where that is less, under `QUIET_SHARE` of its
amplitude, but in any case under `SILENT_MV`."""
LOUD_SHARE = 0.3
"""A cell without beats is artefact where its peak-to-peak is at least this share of the lead's amplitude, else it is
baseline."""
FOUND_SHARE, REPEATING_SHARE = 0.6, 0.75
"""Waves are a tachycardia where beats, one a period, fill this share of the time and this share of windows repeats."""
EDGE_S = 0.9
"""How far waves may seem to go on beyond their ends, since a window is longer than a cell."""
ALIKE = 0.88
"""Where windows don't repeat, beats of this median correlation with their median beat make a tachycardia as well."""
FAST_RR_S, STEADY, RUN_BEATS = 0.43, 1.3, 4
"""A tachycardia among waves: longest RR interval, largest ratio of successive ones, and fewest beats."""
DOUBTED_BEATS, BETWEEN_BEATS = 5, 3
"""So many beats that quality rules doubt, or that are like no others, make a stretch of artefact. Between two of them
lie at most so many successive beats that seem in order."""


def find_stretches(
    signals: RecordSignals, r_index: IntArray, scale: FloatArray, doubted: BoolArray
) -> tuple[Stretch, ...]:
    """List the stretches of a record in which beats can't be told.

    Parameters
    ----------
    signals
        Of the record.
    r_index
        (n_beats,) R peaks in samples of the conditioned signal, ascending.
    scale
        (n_leads,) usual amplitudes in mV (`beatlens.signals.quality.lead_scale`).
    doubted
        (n_beats,) whether quality rules doubt the beat.

    Returns
    -------
    In time order, without overlap; a record without beats is covered from end to end, unless it is shorter than
    `MIN_LENGTH_S`.
    """
    time, end_s = r_index / signals.fs, signals.signal.shape[1] / signals.fs
    if end_s < MIN_LENGTH_S:
        return ()
    cells = signal_cells(signals, time, scale)
    kind = np.full(cells.n, "", dtype=object)
    kind[_doubted_beats(cells, time, doubted | foreign_beats(signals.signal, r_index, signals.fs))] = "noise"
    kind[_filled_by_noise(cells, signals, r_index)] = "noise"
    kind[_disorganised(cells, signals, r_index)] = "disorganised"
    kind[long_runs(cells.still, FLAT_S / cells.length_s)] = "flat"
    kind[long_runs(cells.no_signal, NO_SIGNAL_S / cells.length_s)] = "no_signal"
    of_gap = np.zeros(cells.n, dtype=np.int64)
    gaps = _gaps(time, end_s)
    for number, (start, stop) in enumerate(gaps, start=1):
        low, high = int(start / cells.length_s), min(-int(-stop // cells.length_s), cells.n)
        _tell_gap_apart(kind, cells, scale, low, high)
        of_gap[low:high] = number
    return _listed(kind, of_gap=of_gap, cells=cells, gaps=gaps, time=time, end_s=end_s)


def _gaps(time: Float64Array, end_s: float) -> list[tuple[float, float]]:
    """Return start and end of the times without a beat that are longer than usual: all of a record without beats."""
    if not len(time):
        return [(0.0, end_s)]
    usual = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    bounds = np.concatenate([[0.0], time, [end_s]])
    long = np.flatnonzero(np.diff(bounds) > max(GAP_S, USUAL_RRS * usual))
    return [(float(bounds[k]), float(bounds[k + 1])) for k in long]


def _doubted_beats(cells: SignalCells, time: Float64Array, doubted: BoolArray) -> BoolArray:
    """Tell which cells lie among many beats that are doubted, with few between them that aren't."""
    result = np.zeros(cells.n, dtype=bool)
    starts, ends = runs(~long_runs(~doubted, BETWEEN_BEATS + 1, ends=True))
    for first, last in zip(starts.tolist(), (ends - 1).tolist(), strict=True):
        if last - first + 1 >= DOUBTED_BEATS and time[last] - time[first] >= NOISE_S:
            result[int(time[first] / cells.length_s) : int(time[last] / cells.length_s) + 1] = True
    return result


def _filled_by_noise(cells: SignalCells, signals: RecordSignals, r_index: IntArray) -> BoolArray:
    """Tell which cells are filled by something that is neither waves of one frequency nor beats that are alike."""
    result = long_runs(cells.windows.noisy, NOISE_S / cells.length_s)
    for low, high in zip(*(edge.tolist() for edge in runs(result)), strict=True):
        first, last = np.searchsorted(r_index / signals.fs, (low * cells.length_s, high * cells.length_s))
        if last - first >= DOUBTED_BEATS and likeness(signals.signal, r_index[first:last], signals.fs) >= ALIKE:
            result[low:high] = False
    return result


def _disorganised(cells: SignalCells, signals: RecordSignals, r_index: IntArray) -> BoolArray:
    """Tell which cells lie in flutter or fibrillation: waves fill them, and no tachycardia was found in them."""
    windows = cells.windows
    filled = ~long_runs(~windows.filled, HOLE_S / cells.length_s, ends=True)
    waves = np.zeros(cells.n, dtype=bool)
    for low, high in zip(*(edge.tolist() for edge in runs(filled)), strict=True):
        wave_cells = low + np.flatnonzero(windows.wavy[low:high])
        if len(wave_cells):  # from the first wave to the last, whatever fills the time between
            waves[wave_cells[0] : wave_cells[-1] + 1] = True
    waves &= ~_of_tachycardias(waves, cells, signals, r_index)
    starts, ends = runs(long_runs(waves, WAVES_S / cells.length_s))
    result = np.zeros(cells.n, dtype=bool)
    for low, high in zip(starts.tolist(), ends.tolist(), strict=True):
        inner = (low * cells.length_s + EDGE_S, high * cells.length_s - EDGE_S)
        found = _found_share(r_index / signals.fs, inner, windows.period(low, high)) >= FOUND_SHARE
        repeats = found and windows.repeating_share(low, high) >= REPEATING_SHARE
        first, last = np.searchsorted(r_index / signals.fs, inner)
        if not (repeats or (found and likeness(signals.signal, r_index[first:last], signals.fs) >= ALIKE)):
            result[low:high] = True
    return result


def _of_tachycardias(waves: BoolArray, cells: SignalCells, signals: RecordSignals, r_index: IntArray) -> BoolArray:
    """Tell which cells lie in runs of beats that follow each other fast, steadily and are alike.

    A run that is the lesser part of the waves around it belongs to them: flutter is steady now and then.
    """
    result = np.zeros(cells.n, dtype=bool)
    time = r_index / signals.fs
    rr = np.diff(time)
    if len(rr) < RUN_BEATS - 1:
        return result
    steady = np.abs(np.diff(np.log(rr))) < np.log(STEADY)
    steady = np.concatenate([[False], steady]) | np.concatenate([steady, [False]])
    for first, last in zip(*(edge.tolist() for edge in runs((rr < FAST_RR_S) & steady)), strict=True):
        beats = r_index[first : last + 1]
        if len(beats) >= RUN_BEATS and likeness(signals.signal, beats, signals.fs) >= ALIKE:
            result[int(time[first] / cells.length_s) : int(time[last] / cells.length_s) + 1] = True
    for low, high in zip(*(edge.tolist() for edge in runs(waves)), strict=True):
        if result[low:high].mean() < 0.5:
            result[low:high] = False
    return result


def _found_share(time: Float64Array, bounds: tuple[float, float], period_s: float) -> float:
    """Return the share of a time that RR intervals of about one period fill; 0 where waves are faster than beats."""
    if period_s < MIN_PERIOD_S:
        return 0.0
    rr = np.diff(time)
    of_period = (rr > 0.7 * period_s) & (rr < 1.5 * period_s)
    filled = np.minimum(time[1:], bounds[1]) - np.maximum(time[:-1], bounds[0])
    return float(np.maximum(filled[of_period], 0).sum()) / (bounds[1] - bounds[0])


def _tell_gap_apart(kind: npt.NDArray[np.object_], cells: SignalCells, scale: FloatArray, low: int, high: int) -> None:
    """Set the kinds of the cells low..high-1, a time without beats, in place."""
    gap = slice(low, high)
    unseen, constant, of_beat = cells.unseen[:, gap], cells.constant[:, gap], cells.of_beat[gap]
    share = np.where(unseen, 0, cells.range_mv[:, gap]) / scale[:, None]
    quiet_mv = np.maximum(np.minimum(QUIET_MV, QUIET_SHARE * scale), SILENT_MV)[:, None]
    flat = (unseen | constant | (cells.range_mv[:, gap] < quiet_mv)).all(axis=0)
    still = cells.still[gap]
    loud = (share >= LOUD_SHARE).any(axis=0) & ~of_beat & ~still
    told = kind[gap].copy()
    told[cells.windows.wavy[gap] & ~still] = "disorganised"
    told[(told == "") & loud] = "noise"
    told[cells.no_signal[gap]] = "no_signal"
    told[told == ""] = "quiet"
    _absorb(told, round(SHORTEST_S / cells.length_s))
    starts, ends = runs(told == "quiet")
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        inner = ~of_beat[first:last]
        is_flat = flat[first:last][inner].mean() >= 0.9 if inner.any() else False
        told[first:last] = "flat" if is_flat else "pause"
    kind[gap] = told


def _absorb(told: npt.NDArray[np.object_], least: int) -> None:
    """Give short pieces (cells under `least`) the kind of the piece before, at the start that of the next, in place."""
    borders = np.flatnonzero(told[1:] != told[:-1]) + 1
    pieces = list(zip([0, *borders.tolist()], [*borders.tolist(), len(told)], strict=True))
    for low, high in pieces:
        if high - low < least and low > 0:
            told[low:high] = told[low - 1]
    if len(pieces) > 1 and pieces[0][1] < least:
        told[: pieces[0][1]] = told[pieces[0][1]]


def _listed(
    kind: npt.NDArray[np.object_],
    *,
    of_gap: IntArray,
    cells: SignalCells,
    gaps: list[tuple[float, float]],
    time: Float64Array,
    end_s: float,
) -> tuple[Stretch, ...]:
    # A beat ends a quiet stretch, but may lie within disorganised signal and artefact.
    gap = np.where(np.isin(kind, DOUBTED_KINDS), 0, of_gap)
    borders = np.flatnonzero((kind[1:] != kind[:-1]) | (gap[1:] != gap[:-1])) + 1
    result = []
    for low, high in zip([0, *borders.tolist()], [*borders.tolist(), cells.n], strict=True):
        if not kind[low]:
            continue
        start, stop = low * cells.length_s, min(high * cells.length_s, end_s)
        if of_gap[low] and (low == 0 or of_gap[low - 1] != of_gap[low] or gap[low]):
            start = max(start, gaps[of_gap[low] - 1][0])
        if of_gap[high - 1]:
            stop = min(stop, gaps[of_gap[high - 1] - 1][1])
        n_beats = int(((time > start) & (time < stop)).sum())
        constant_s = min(float(cells.still[low:high].sum()) * cells.length_s, stop - start)
        detail = _detail(str(kind[low]), cells, low, high, constant_s) + (
            f"; {n_beats} doubtful beats" if n_beats else ""
        )
        result.append(Stretch(str(kind[low]), round(start, 3), round(stop, 3), n_beats, round(constant_s, 2), detail))
    return tuple(result)


def _detail(kind: str, cells: SignalCells, low: int, high: int, constant_s: float) -> str:
    outside = ~cells.of_beat[low:high]  # of the beats at both ends
    range_mv_here = cells.range_mv[:, low:high]
    largest = float((range_mv_here[:, outside] if outside.any() else range_mv_here).max())
    if kind == "disorganised":
        return f"waves at about {cells.windows.rate(low, high):.1f} Hz, no baseline between them"
    if kind == "noise":
        return f"up to {largest:.2g} mV peak to peak"
    if kind == "no_signal":
        return "values are missing or at the limit of the converter in all leads"
    if kind == "flat" and constant_s > 0:
        return f"exactly constant for {constant_s:.1f} s: an electrode is off, or nothing was recorded"
    return f"at most {largest:.2g} mV peak to peak"
