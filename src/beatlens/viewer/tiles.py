"""A record's signal as text that a page can hold: tiles of some minutes, and an overview for longer views.

Samples are whole steps of `UNIT_MV` in 16 bits. Second differences (small, since the signal is smooth) go through
zigzag coding, low bytes before high bytes, zlib and base64: .6 to .8 bytes a sample instead of 2.7.
"""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Int16Array = npt.NDArray[np.int16]

UNIT_MV = 0.005
"""Step of a stored sample; half of it is the largest error."""
MISSING = -32768
TILE_S = 300.0
BIN_S = 1.0
"""Seconds of the overview that one minimum and one maximum stand for."""


def quantised(values: npt.NDArray[np.floating], unit: float = UNIT_MV) -> Int16Array:
    """Return values as whole steps of `unit`, cut at what 16 bits hold; `MISSING` for what isn't finite."""
    steps = np.clip(np.rint(np.nan_to_num(values, nan=0.0) / unit), -32767, 32767)
    return np.where(np.isfinite(values), steps, MISSING).astype(np.int16)


def encode(rows: Int16Array) -> str:
    """Return (n_rows, n) steps as text; `decode` in viewer.js reads it."""
    padded = np.pad(rows.astype(np.int64), ((0, 0), (2, 0)))
    second = (padded[:, 2:] - 2 * padded[:, 1:-1] + padded[:, :-2]).astype(np.uint16).view(np.int16)
    zigzag = ((second << 1) ^ (second >> 15)).view(np.uint16).ravel()
    planes = (zigzag & 255).astype(np.uint8).tobytes() + (zigzag >> 8).astype(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(planes, 6)).decode("ascii")


def decode(text: str, n_rows: int) -> Int16Array:
    """Return what `encode` was given."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8).reshape(2, n_rows, -1)
    zigzag = planes[0].astype(np.uint16) | (planes[1].astype(np.uint16) << 8)
    second = (zigzag >> 1) ^ (-(zigzag & 1).astype(np.int16)).view(np.uint16)
    first = np.cumsum(second, axis=1, dtype=np.uint16)
    return np.cumsum(first, axis=1, dtype=np.uint16).view(np.int16)


def overview(signal: FloatArray, fs: float) -> Int16Array:
    """Return the least and the greatest value of each lead in bins of `BIN_S`: (2 * n_leads, n_bins) steps.

    Row ``2 k`` is the minimum of lead k, the next its maximum. The last bin may be shorter.
    """
    size = round(BIN_S * fs)
    starts = np.arange(0, signal.shape[1], size)
    steps = quantised(signal).astype(np.int32)
    low = np.minimum.reduceat(np.where(steps == MISSING, 32767, steps), starts, axis=1)
    high = np.maximum.reduceat(steps, starts, axis=1)
    low = np.where(high == MISSING, MISSING, low)
    return np.stack([low, high], axis=1).reshape(-1, len(starts)).astype(np.int16)


def tiles(signal: FloatArray, fs: float) -> list[str]:
    """Return the tiles of a signal as text."""
    size = round(TILE_S * fs)
    return [encode(quantised(signal[:, first : first + size])) for first in range(0, signal.shape[1], size)]


def tile_scripts(signal: FloatArray, fs: float) -> list[str]:
    """Return the tiles as scripts that hand themselves to the viewer; a page can't read files in another way."""
    return [
        f"beatlens.tile({json.dumps({'name': str(number), 'data': data})});\n"
        for number, data in enumerate(tiles(signal, fs))
    ]
