"""Shards for programs that learn: signals of records that nothing may be learnt from are sealed.

Mining and training get these, so that a test record can't be opened by mistake: not for a scaler, not for a prototype,
not to choose an epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.shards import Shard

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
        if (corpus, record) not in self.opened:
            raise ValueError(
                f"{self.path}: {corpus}/{record} is sealed while a model learns; "
                f"expected a record of the splits {', '.join(LEARNING_SPLITS)}, or a noise record"
            )
        return super().row(corpus, record)


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
