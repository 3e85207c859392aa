"""What prediction stores of a shard, and how later stages read a record of it, so that no beat is predicted twice.

A folder of predictions of a shard holds ``beats.parquet`` and ``beats_annotated.parquet``
(`beatlens.prediction.predict`) and

- ``look_alikes.parquet``: what the network alone says of each beat that can be a look-alike: corpus, record, beat_id
  and the log probability of each group of classes of one shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beatlens.inputs.look_alikes import LookAlikes, known_look_alikes, reference_rows, shape_groups
from beatlens.inputs.network_inputs import InputSpec, scaled_beats
from beatlens.inputs.prepared_record import PreparedRecord

if TYPE_CHECKING:
    import pandas as pd

BEATS, LOOK_ALIKES = "beats.parquet", "look_alikes.parquet"
KEYS = ["corpus", "record", "beat_id"]


def evidence_columns(spec: InputSpec) -> list[str]:
    """Return a column ``log_p_<class>`` a group, its classes joined by ``+``; none where nothing is shared."""
    settings = spec.look_alikes
    if settings is None or settings.weight == 0:
        return []
    group = shape_groups(spec.classes, settings)
    members = [
        [name for name, number in zip(spec.classes, group, strict=True) if number == k] for k in range(group.max() + 1)
    ]
    return [f"log_p_{'+'.join(names)}" for names in members]


def reference_table(beats: pd.DataFrame, look_alikes: LookAlikes | None, spec: InputSpec) -> pd.DataFrame:
    """Return a record's rows of ``look_alikes.parquet``: none where nothing is shared, or for a table without beats."""
    rows = np.zeros(0, dtype=np.int64) if look_alikes is None else look_alikes.rows
    table = beats[KEYS].iloc[rows].reset_index(drop=True)
    for k, name in enumerate(evidence_columns(spec)):
        table[name] = np.zeros(0) if look_alikes is None else look_alikes.evidence[:, k]
    return table


class StoredPredictions:
    """Predictions of a shard at detected R peaks, read a record at a time.

    Parameters
    ----------
    folder
        Holds ``beats.parquet`` and ``look_alikes.parquet``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def beats(self, beats: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
        """Return columns of the predictions of a record, row by row of its `beats`.

        Raises
        ------
        ValueError
            Where the predictions are of other beats.
        """
        found = self._read(BEATS, beats, ["beat_id", *columns])
        if not np.array_equal(found["beat_id"].to_numpy(), beats["beat_id"].to_numpy()):
            raise ValueError(
                f"{self.folder / BEATS}: {len(found)} beats of {_name(beats)} that aren't the {len(beats)} of its "
                "shard; expected the same, in the same order"
            )
        return found[columns]

    def look_alikes(self, record: PreparedRecord, beats: pd.DataFrame, spec: InputSpec) -> LookAlikes | None:
        """Return among which `beats` of a record look-alikes are looked for, as they were in prediction.

        Raises
        ------
        ValueError
            Where what is stored is of other beats.
        """
        columns, settings = evidence_columns(spec), spec.look_alikes
        if settings is None or not columns:
            return None
        rows = reference_rows(len(record), settings)
        found = self._read(LOOK_ALIKES, beats, ["beat_id", *columns])
        if not np.array_equal(found["beat_id"].to_numpy(), beats["beat_id"].to_numpy()[rows]):
            raise ValueError(
                f"{self.folder / LOOK_ALIKES}: {len(found)} beats of {_name(beats)}; expected the {len(rows)} "
                "references of its shard"
            )
        waves = scaled_beats(record.signal, record.r_index[rows], record.lead_scale, record.geometry)
        evidence = np.ascontiguousarray(found[columns].to_numpy(dtype=np.float64))
        return known_look_alikes(
            evidence, rows, waves, geometry=record.geometry, classes=spec.classes, settings=settings
        )

    def _read(self, name: str, beats: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
        """Read columns of one record."""
        import pandas as pd

        first = beats.iloc[0]
        filters = [("corpus", "==", first["corpus"]), ("record", "==", first["record"])]
        return pd.read_parquet(self.folder / name, columns=columns, filters=filters)


def _name(beats: pd.DataFrame) -> str:
    return f"{beats['corpus'].iloc[0]}/{beats['record'].iloc[0]}"


__all__ = ["StoredPredictions", "evidence_columns", "reference_table"]
