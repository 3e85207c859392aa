"""The prototype library: one row a prototype for people, one array file for the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_arrays, read_table, write_arrays, write_table
from beatlens.inputs.prototype_bank import PrototypeBank

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]

LIBRARY_COLUMNS = {
    "prototype": "number, the row of waves.npz",
    "class": "class id",
    "beat_id": "the real beat that the prototype is",
    "corpus": "corpus name",
    "record": "record name",
    "patient": "patient id",
    "leads": "leads that the prototype has, joined by ';'",
    "size": "beats of its patient and class in its cluster",
    "share": "size over all beats of its patient and class",
    "neighbours": "training beats of other patients, any label, whose nearest prototype it is",
    "purity": "share of those neighbours with its label, NaN without neighbours",
    "purity_lo": "lower end of the 95 % Wilson interval",
    "purity_hi": "upper end",
    "noise_ratio": "share of training beats nearest to it that are annotated noise or doubted by a quality rule",
    "label_mix": "labels of the neighbours with their counts, most frequent first, as in 'N:12;V:1'",
    "mean_rr_before_s": "mean RR interval before the beats of the cluster",
    "mean_rr_after_s": "mean RR interval after them",
    "examples": "up to 5 beat ids of the cluster, nearest to its centre first, joined by ';'",
}


@dataclass(frozen=True)
class PrototypeLibrary:
    """A prototype bank, with a table of what is known of each prototype.

    Attributes
    ----------
    bank
        Prototypes as the network sees them.
    table
        One row a prototype (`LIBRARY_COLUMNS`).
    median
        (P, L, T) median wave of each prototype's cluster, scaled, 0 in absent leads.
    scale
        (P, L) mV: wave times scale is the beat in mV.
    fs, before
        Rate in Hz and samples before R of the waves.
    """

    bank: PrototypeBank
    table: pd.DataFrame
    median: FloatArray
    scale: FloatArray
    fs: float
    before: int

    def save(self, library: str | Path, waves: str | Path) -> None:
        """Write the table and the arrays."""
        write_table(library, self.table[list(LIBRARY_COLUMNS)])
        arrays: dict[str, npt.NDArray[Any]] = self.bank.to_arrays()
        arrays |= {
            "median": self.median,
            "scale": self.scale,
            "fs": np.array(self.fs),
            "before": np.array(self.before),
        }
        write_arrays(waves, arrays)

    @classmethod
    def load(cls, library: str | Path, waves: str | Path) -> PrototypeLibrary:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            Where table and arrays aren't of the same prototypes.
        """
        import pandas as pd

        table = read_table(library)
        missing = [name for name in LIBRARY_COLUMNS if name not in table]
        if missing:
            raise ValueError(f"{library}: no columns {missing}; expected {list(LIBRARY_COLUMNS)}")
        arrays = read_arrays(waves)
        bank = PrototypeBank.from_arrays(arrays)
        if table["beat_id"].tolist() != bank.beat_ids.tolist():
            raise ValueError(
                f"{library} and {waves} hold other prototypes ({len(table)} and {len(bank)}); expected one"
            )
        for name in ("purity", "purity_lo", "purity_hi", "noise_ratio"):
            table[name] = pd.to_numeric(table[name], errors="coerce")
        return cls(bank, table, arrays["median"], arrays["scale"], float(arrays["fs"]), int(arrays["before"]))


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson 1927); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def label_mix(labels: Sequence[str]) -> str:
    """Return labels with their counts, most frequent first, ties by name: ``"N:12;V:1"``."""
    names, counts = np.unique(np.array(labels, dtype=np.str_), return_counts=True)
    order = sorted(zip(-counts, names.tolist(), strict=True))
    return ";".join(f"{name}:{-count}" for count, name in order)
