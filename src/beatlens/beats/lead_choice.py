"""Which leads of a record are used: by their names, and by amplitudes that a body can give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import names_for
from beatlens.core.record import Finding, Record, RecordFault
from beatlens.signals.quality import qrs_amplitude

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

IMPLAUSIBLE = "implausible_amplitude"
MIN_BEATS = 3
"""Fewest beats that are judged by their amplitudes alone: one artefact could be the median of fewer."""
QUIET_MV = 1.0
"""Median distance of an ECG from its median. With fewer beats, a lead is implausible where it is beyond this as well,
to which a single artefact doesn't bring it."""
HIGHEST_MV = 30.0
"""Largest plausible amplitude of a lead's QRS complexes. It is up to 5.1 mV in 150 records of 12 leads (CPSC, Georgia,
Ningbo, PTB-XL), and up to 12 mV in a copy of PTB-XL whose gain is off by a factor of 5, of which the remark
`unlike:amplitude` tells. A/D units taken for mV are off by 100 and more."""
LOWEST_MV = 0.02
"""Least plausible amplitude of the lead with the largest QRS complexes. It is .2 mV at least in those records; volts
taken for mV are off by 1000. One lead alone may be smaller: it is off, or at right angles to the heart's axis."""
MOST_OFFSET_MV = 1e4
"""How far a whole lead may lie from 0. Electrodes give up to 300 mV, converters a few volts; at 10 V single precision
still tells 1 µV."""
CLEAR = 8.0
"""Ratio of QRS amplitude to the median |mV| from which on a small signal is a heart's: noise gives 4.7 at most."""


def choose_leads(record: Record, wanted: Sequence[str], every: bool = False) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the configured leads of a record in file order, checked.

    Parameters
    ----------
    record
        The record.
    wanted
        Lead names of the configuration.
    every
        Keep all leads whatever their names (noise records).

    Returns
    -------
    signal
        (n_leads, n_samples) mV at the file's rate.
    leads
        Their names by `beatlens.core.leads.names_for`; of two leads of one name the first is kept.

    Raises
    ------
    RecordFault
        ``zero_length``, ``unknown_leads``, ``all_nan``, ``flat`` or ``implausible_amplitude``.
    """
    where = f"{record.corpus}/{record.name}"
    if record.signal.shape[1] == 0:
        raise RecordFault("zero_length", f"{where} has no samples")
    names = names_for(record.leads, wanted)
    kept = [k for k, name in enumerate(names) if names.index(name) == k and (every or name in wanted)]
    if not kept:
        raise RecordFault("unknown_leads", f"{where} has leads {list(record.leads)}; expected some of {list(wanted)}")
    signal = record.signal if len(kept) == len(names) else record.signal[kept]
    finite = np.isfinite(signal)
    if not finite.any():
        raise RecordFault("all_nan", f"{where}: no finite sample in leads {[names[k] for k in kept]}")
    highest = signal.max(axis=1, where=finite, initial=-np.inf)
    lowest = signal.min(axis=1, where=finite, initial=np.inf)
    if not (highest > lowest).any():
        raise RecordFault("flat", f"{where}: leads {[names[k] for k in kept]} are constant")
    for k, low, high in zip(kept, lowest, highest, strict=True):
        if low <= high and (low > MOST_OFFSET_MV or high < -MOST_OFFSET_MV):
            expected = f"expected within {MOST_OFFSET_MV:g} mV of 0; the baseline in the header is probably wrong"
            raise RecordFault(IMPLAUSIBLE, f"{where}: {names[k]} lies between {low:g} and {high:g} mV; {expected}")
    return signal, tuple(names[k] for k in kept)


def plausible_leads(
    record: Record, leads: tuple[str, ...], signal: FloatArray, r_index: IntArray, *, fs: float, raw: FloatArray
) -> tuple[BoolArray, Finding | None]:
    """Tell which leads have amplitudes that a body gives, and what is to be said of the others.

    Parameters
    ----------
    record
        The record.
    leads
        (n_leads,) their names.
    signal
        (n_leads, n_samples) conditioned mV.
    r_index
        (n_beats,) R peaks in samples of `signal`.
    fs
        Rate of `signal` in Hz.
    raw
        (n_leads, n_raw_samples) mV as the record has them, NaN where there is no value.

    Raises
    ------
    RecordFault
        ``implausible_amplitude`` where no lead has.
    """
    everywhere = np.ones(len(leads), dtype=bool)
    if not len(r_index):
        return everywhere, None
    amplitude = qrs_amplitude(signal, r_index, fs)
    few = len(r_index) < MIN_BEATS
    plausible: BoolArray = np.asarray(amplitude <= HIGHEST_MV)
    if few:
        known = np.nan_to_num(raw)
        plausible |= np.median(np.abs(known - np.median(known, axis=1, keepdims=True)), axis=1) <= QUIET_MV
    largest = int(amplitude.argmax())
    if amplitude[largest] < LOWEST_MV and not few:
        plausible[:] = amplitude[largest] < CLEAR * np.median(np.abs(signal[largest]))
    if plausible.all():
        return everywhere, None
    told = ", ".join(f"{leads[k]} {amplitude[k]:.3g} mV" for k in np.flatnonzero(~plausible))
    expected = f"expected {LOWEST_MV:g} to {HIGHEST_MV:g} mV; the gain or the unit in the file is probably wrong"
    if not plausible.any():
        raise RecordFault(IMPLAUSIBLE, f"{record.corpus}/{record.name}: QRS complexes of {told}; {expected}")
    return plausible, Finding(IMPLAUSIBLE, f"left out, with QRS complexes of {told}; {expected}")
