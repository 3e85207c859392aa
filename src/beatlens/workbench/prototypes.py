"""The prototypes of a run: narrowed to a class, looked at one by one, drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.prototypes.library import PrototypeLibrary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Prototypes:
    """Real beats that stand for the classes, each with the cluster of training beats behind it.

    Attributes
    ----------
    library
        Waves, medians and scales by prototype and lead.
    """

    library: PrototypeLibrary

    @classmethod
    def of_run(cls, folder: Path) -> Prototypes:
        """Read those of a folder of results."""
        prototypes = folder / "prototypes"
        return cls(PrototypeLibrary.load(prototypes / "library.csv", prototypes / "waves.npz"))

    def __len__(self) -> int:
        """Return the number of prototypes."""
        return len(self.library.bank)

    @property
    def table(self) -> pd.DataFrame:
        """A row a prototype: class, patient, beat_id, size and purity of its cluster, and more."""
        return self.library.table

    def of(self, label: str) -> Prototypes:
        """Return those of one class.

        Raises
        ------
        ValueError
            For a class without a prototype.
        """
        library = self.library
        bank = library.bank
        rows = np.flatnonzero(bank.labels == label)
        if not len(rows):
            known = ", ".join(sorted(set(bank.labels.tolist())))
            raise ValueError(f"class {label!r}: no prototype; expected one of {known}")
        of_class = replace(
            bank,
            waves=bank.waves[rows],
            present=bank.present[rows],
            labels=bank.labels[rows],
            patients=bank.patients[rows],
            beat_ids=bank.beat_ids[rows],
        )
        table = library.table.iloc[rows].reset_index(drop=True)
        return Prototypes(
            replace(library, bank=of_class, table=table, median=library.median[rows], scale=library.scale[rows])
        )

    def describe(self, prototype: int) -> dict[str, Any]:
        """Return what is known of one prototype: its row of `table`, its wave and its cluster's median.

        Parameters
        ----------
        prototype
            Row of `table`, from 0.

        Returns
        -------
        dict
            The row, and ``wave_mv`` and ``median_mv``: (n_samples,) mV by lead.

        Raises
        ------
        ValueError
            For a row that isn't there.
        """
        library = self.library
        if not 0 <= prototype < len(self):
            raise ValueError(f"prototype {prototype}; expected 0 to {len(self) - 1}")
        value: dict[str, Any] = library.table.iloc[prototype].to_dict()
        present = np.flatnonzero(library.bank.present[prototype])
        scale = library.scale[prototype]
        for name, waves in (("wave_mv", library.bank.waves), ("median_mv", library.median)):
            value[name] = {library.bank.leads[k]: waves[prototype, k] * scale[k] for k in present}
        return value

    def plot(self, label: str, speed_mm_s: float = 25.0, gain_mm_mv: float = 10.0) -> Figure:
        """Draw those of one class on ECG paper, with the medians of their clusters.

        Raises
        ------
        ValueError
            For a class without a prototype.
        """
        from beatlens.figures.paper.scale import PaperScale
        from beatlens.figures.prototypes import prototype_figure

        self.of(label)  # an error for a class without a prototype
        scale = PaperScale(speed_mm_s, gain_mm_mv)
        return prototype_figure(self.library, self.library.bank.classes, scale, label)
