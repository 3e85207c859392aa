"""What engines are compared with: the whole record perturbed, hole by hole."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.baselines import fill_signal
from beatlens.shards.shard import cut_beats


def naive_signal(instance: Any, baseline: str, cells: npt.NDArray[np.bool_], edges: npt.NDArray[np.int64]) -> Any:
    """Perturb the whole record, hole by hole."""
    signal, geometry = instance.record.signal.astype(np.float64).copy(), instance.record.geometry
    for lead in range(len(instance.record.leads)):
        x, mean = instance.record.signal[lead].astype(np.float64), instance.record.signal[lead].mean(dtype=np.float64)
        off = np.zeros(len(x), dtype=bool)
        for k in np.flatnonzero(~cells[lead]):
            off[edges[k] : edges[k + 1]] = True
        if baseline == "zero":
            signal[lead, off] = 0
        elif baseline == "lead_mean" or (baseline == "interpolation" and not cells[lead].any()):
            signal[lead, off] = mean
        elif baseline == "contrast_beat":  # how it is fitted is tested below
            window = np.zeros(len(x), dtype=bool)
            window[instance.start : instance.stop] = True
            signal[lead, off] = fill_signal(instance, baseline)[lead, off[window]]
        elif baseline == "median_beat":
            median = np.median(cut_beats(instance.record.signal, instance.record.r_index, geometry)[:, lead], axis=0)
            for t in np.flatnonzero(off).tolist():
                peaks = instance.record.r_index
                r = peaks[np.lexsort((peaks, np.abs(t - peaks)))[0]]
                place = t - r + geometry.before
                signal[lead, t] = median[place] if 0 <= place < geometry.length else mean
        else:
            t = 0
            while t < len(x):
                if not off[t]:
                    t += 1
                    continue
                end = t
                while end < len(x) and off[end]:
                    end += 1
                known = [p for p in (t - 1, end) if 0 <= p < len(x)]
                signal[lead, t:end] = np.interp(np.arange(t, end), known, x[known])
                t = end
    return signal.astype(np.float32)
