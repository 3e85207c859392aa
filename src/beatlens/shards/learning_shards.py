"""Shards for programs that learn: records that nothing may be learnt from are sealed and can't be read.

Mining and training get these shards, so no scaler, prototype or epoch can rest on a test record by mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

LEARNING_SPLITS = ("train", "select", "calibrate")


class SealedShard(Shard):
    """A shard that opens only some of its records.

    Parameters
    ----------
    path
        Shard directory.
    opened
        ``(corpus, record)`` that may be read.
    """

    def __init__(self, path: str | Path, opened: Iterable[tuple[str, str]]) -> None:
        super().__init__(path)
        self.opened = frozenset(opened)

    def row(self, corpus: str, record: str) -> Any:
        """Return a record's row, on which its signal, leads and scales rest.

        Raises
        ------
        ValueError
            For a sealed record.
        """
        self._refuse_sealed(corpus, record)
        return super().row(corpus, record)

    def beats_of(self, corpus: str, record: str, peaks: str = "detected") -> pd.DataFrame:
        """Return a record's rows of the beat table, labels and RR intervals among them.

        Raises
        ------
        ValueError
            For a sealed record.
        """
        self._refuse_sealed(corpus, record)
        return super().beats_of(corpus, record, peaks)

    def beats(self, peaks: str = "detected", columns: list[str] | None = None) -> pd.DataFrame:
        """Refuse, as `beat_groups` does: a whole table holds sealed records.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"{self.path}: a whole beat table while a model learns; expected beats_of an opened record")

    def beat_groups(self, peaks: str = "detected") -> Iterator[pd.DataFrame]:
        """Refuse, as `beats` does."""
        return iter([self.beats(peaks)])

    def _refuse_sealed(self, corpus: str, record: str) -> None:
        if (corpus, record) not in self.opened:
            raise ValueError(
                f"{self.path}: {corpus}/{record} is sealed while a model learns; "
                f"expected a record of the splits {', '.join(LEARNING_SPLITS)}, or a noise record"
            )


def sealed(paths: Iterable[Path], records: pd.DataFrame) -> list[SealedShard]:
    """Return shards that open the noise records, and of the others only those of the splits `LEARNING_SPLITS`.

    Parameters
    ----------
    paths
        Shard directories.
    records
        The table ``records.tsv``.
    """
    chosen = records[records["split"].isin(LEARNING_SPLITS) | (records["role"] == "noise")]
    opened = list(zip(chosen["corpus"], chosen["record"], strict=True))
    return [SealedShard(path, opened) for path in paths]
