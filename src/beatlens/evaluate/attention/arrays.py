"""The arrays of a case's attention as a file, which figures are drawn from without the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_arrays, write_arrays
from beatlens.explain.attention.placing import TimeFrequency
from beatlens.explain.attention.weights import STREAMS
from beatlens.models.tokens import TokenMap

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AttentionArrays:
    """Weights of a case's own beat, and its maps.

    Attributes
    ----------
    weights
        Stream that asks -> (members, heads, queries, keys) shares; queries are the target beat's tokens.
    tokens
        Stream -> its tokens; seconds are from the target's R peak.
    r_s
        Time of the target's R peak in the record, in seconds.
    maps
        Method of attention -> (leads, samples) of the case window, relative.
    bands
        Method of attention -> what of it the spectrogram's tokens have, by frequency.
    """

    weights: Mapping[str, FloatArray]
    tokens: Mapping[str, TokenMap]
    r_s: float
    maps: Mapping[str, FloatArray]
    bands: Mapping[str, TimeFrequency]

    def save(self, path: str | Path) -> None:
        """Write as .npz, under a temporary name and renamed."""
        first = next(iter(self.bands.values()))
        arrays: dict[str, npt.NDArray[Any]] = {
            "r_s": np.array(self.r_s),
            "start_s": np.array(first.start_s),
            "fs": np.array(first.fs),
            "leads": np.array(first.leads, dtype=np.str_),
            "low_hz": first.low_hz,
            "high_hz": first.high_hz,
        }
        for stream in STREAMS:
            arrays[f"{stream}.weights"] = self.weights[stream].astype(np.float32)
            for field in fields(TokenMap):
                arrays[f"{stream}.tokens.{field.name}"] = np.asarray(getattr(self.tokens[stream], field.name))
        for method, values in self.maps.items():
            arrays[f"map.{method}"] = values.astype(np.float32)
            arrays[f"bands.{method}"] = self.bands[method].values.astype(np.float32)
        write_arrays(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> AttentionArrays:
        """Read what `save` wrote."""
        found = read_arrays(path)
        methods = [name.removeprefix("map.") for name in found if name.startswith("map.")]
        leads = tuple(str(lead) for lead in found["leads"])
        tokens = {}
        for stream in STREAMS:
            columns: dict[str, Any] = {field.name: found[f"{stream}.tokens.{field.name}"] for field in fields(TokenMap)}
            tokens[stream] = TokenMap(**columns | {"reach_s": float(columns["reach_s"])})
        return cls(
            {stream: found[f"{stream}.weights"] for stream in STREAMS},
            tokens,
            float(found["r_s"]),
            {method: found[f"map.{method}"] for method in methods},
            {
                method: TimeFrequency(
                    found[f"bands.{method}"].astype(np.float64),
                    found["low_hz"],
                    found["high_hz"],
                    leads,
                    float(found["fs"]),
                    float(found["start_s"]),
                )
                for method in methods
            },
        )
