"""Tables of predictions of several shards as one, independent of how records were dealt to shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def join(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join the predictions of shards, sorted by corpus, record and R sample.

    Raises
    ------
    ValueError
        Where the columns differ or a beat id occurs twice.
    """
    import pandas as pd

    columns = [list(table.columns) for table in tables]
    if any(names != columns[0] for names in columns):
        raise ValueError(
            f"shards with different columns: {sorted({tuple(names) for names in columns})}; expected one set"
        )
    filled = [table for table in tables if len(table)] or [tables[0]]
    devices = sorted({str(table.attrs["device"]) for table in filled if "device" in table.attrs})
    bare = []
    for table in filled:
        plain = table.copy()
        plain.attrs = {}
        bare.append(plain)
    result = pd.concat(bare, ignore_index=True)
    twice = result.loc[result["beat_id"].duplicated(), "beat_id"]
    if len(twice):
        raise ValueError(f"{len(twice)} beats occur twice, the first is {twice.iloc[0]}; expected each in one shard")
    if len(result) != sum(len(table) for table in tables):
        raise AssertionError(f"{len(result)} joined beats of {sum(len(table) for table in tables)}")
    result = result.sort_values(["corpus", "record", "r_sample"], kind="stable").reset_index(drop=True)
    result.attrs["device"] = ";".join(devices)
    return result
