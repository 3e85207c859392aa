"""The one type every explanation method returns: signed values over leads and samples, with how they came about."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from beatlens.core.files import atomic_path
from beatlens.explain.result.metadata import AttributionMeta

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Attribution:
    """A dense signed attribution over the case window.

    Attributes
    ----------
    values
        (n_leads, n_samples) float32. What a sample adds to the target, in ``meta.units``; summed over the samples
        of a player it gives the player's value (``meta.spread``).
    leads
        Lead names, in the record's order.
    fs
        Rate in Hz.
    start_s
        Time of the first sample in the record, in seconds.
    meta
        How it came about. Empty, one-sided and all-zero attributions are legal.
    """

    values: FloatArray
    leads: tuple[str, ...]
    fs: float
    start_s: float
    meta: AttributionMeta

    def __post_init__(self) -> None:
        name = self.meta.name
        if self.values.ndim != 2 or self.values.shape[0] != len(self.leads):
            raise ValueError(f"{name}: values {self.values.shape}; expected ({len(self.leads)} leads, samples)")
        if len(set(self.leads)) != len(self.leads):
            raise ValueError(f"{name}: leads {self.leads}; expected each name once")
        if not np.isfinite(self.values).all():
            count = int((~np.isfinite(self.values)).sum())
            raise ValueError(f"{name}: {count} values that are not finite; expected finite numbers")
        if not (self.fs > 0 and math.isfinite(self.start_s)):
            raise ValueError(f"{name}: fs {self.fs} Hz, start {self.start_s} s; expected fs > 0 and a finite start")

    @property
    def rhythm(self) -> float | None:
        """Value of the rhythm player, or None."""
        return self.meta.rhythm

    @property
    def rhythm_share(self) -> float | None:
        """Share of the rhythm player in the absolute mass (0 to 1), or None where rhythm was no player."""
        return self.meta.rhythm_share

    @property
    def unassigned(self) -> float:
        """Value of the players that were pooled and have no place, 0 where there are none."""
        return self.meta.unassigned or 0.0

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """(n_samples,) time of each sample in the record, in seconds."""
        return self.start_s + np.arange(self.values.shape[1]) / self.fs

    def save(self, path: str | Path) -> None:
        """Write the attribution as .npz, under a temporary name and renamed."""
        with atomic_path(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the .npz as bytes, the same bytes for the same attribution."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            values=np.ascontiguousarray(self.values, dtype=np.float32),
            leads=np.array(self.leads, dtype=np.str_),
            fs=np.float64(self.fs),
            start_s=np.float64(self.start_s),
            metadata=np.array(json.dumps(self.meta.to_json(), sort_keys=True, allow_nan=False)),
        )
        return buffer.getvalue()

    @classmethod
    def load(cls, path: str | Path) -> Attribution:
        """Read an attribution; ValueError where a value is missing or not finite."""
        with np.load(path, allow_pickle=False) as archive:
            missing = {"values", "leads", "fs", "start_s", "metadata"} - set(archive.files)
            if missing:
                raise ValueError(f"{path}: no array {sorted(missing)}; expected an attribution")
            try:
                return cls(
                    archive["values"],
                    tuple(str(name) for name in archive["leads"]),
                    float(archive["fs"]),
                    float(archive["start_s"]),
                    AttributionMeta.from_json(json.loads(str(archive["metadata"]))),
                )
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None


def rhythm_share(values: npt.ArrayLike, rhythm: float | None, unassigned: float) -> float | None:
    """Return the rhythm player's share of the absolute mass, that of no place (`unassigned`) included.

    None without that player, 0 where all mass is 0.
    """
    if rhythm is None:
        return None
    total = float(np.abs(np.asarray(values, dtype=np.float64)).sum()) + abs(rhythm) + abs(unassigned)
    return abs(rhythm) / total if total > 0 else 0.0
