"""Columns of the table of records that don't count beats: stretches, episodes and remarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beatlens.shards.stretches import KINDS, told_in_words

if TYPE_CHECKING:
    import pandas as pd

KEY = ["corpus", "record"]


def note_columns(ectopic: Sequence[str]) -> dict[str, str]:
    """Return the columns that `with_notes` adds, and what each holds."""
    return {
        "stretches": "seconds in which beats can't be told, by kind, in words; '' where there are none",
        **{f"{kind}_s": f"seconds of kind {kind}" for kind in KINDS},
        **{
            f"fastest_run_{name}": f"highest rate per minute of a run of accepted {name}, NaN without"
            for name in ectopic
        },
        "n_pauses": "pauses between accepted beats",
        "longest_pause_s": "the longest of them, 0 where there is none",
        "remarks": "codes of beatlens.core.remarks, joined by ';'",
    }


def with_notes(
    records: pd.DataFrame,
    stretches: pd.DataFrame,
    episodes: pd.DataFrame,
    remarks: pd.DataFrame,
    ectopic: Sequence[str],
) -> pd.DataFrame:
    """Add the columns `note_columns` to a table of records.

    Parameters
    ----------
    records
        corpus and record, a row a record.
    stretches
        `beatlens.shards.stretches.STRETCH_COLUMNS`.
    episodes
        `beatlens.prediction.episodes.EPISODE_COLUMNS`.
    remarks
        `beatlens.core.remarks.REMARK_COLUMNS`.
    ectopic
        Class ids whose runs are noted.
    """
    import pandas as pd

    index = pd.MultiIndex.from_frame(records[KEY])
    length = (stretches["end_s"] - stretches["start_s"]).rename("length")
    long = stretches[[*KEY, "kind", "n_beats"]].assign(length=length)
    words = {
        key: told_in_words(of_record["kind"].tolist(), of_record["length"].tolist(), int(of_record["n_beats"].sum()))
        for key, of_record in long.groupby(KEY)
    }
    columns = {"stretches": [words.get(key, "") for key in index]}
    for kind in KINDS:
        total = long[long["kind"] == kind].groupby(KEY)["length"].sum()
        columns[f"{kind}_s"] = total.reindex(index, fill_value=0.0).to_numpy()
    for name in ectopic:
        class_runs = episodes[(episodes["kind"] == "run") & (episodes["class"] == name)]
        columns[f"fastest_run_{name}"] = class_runs.groupby(KEY)["rate_per_min"].max().reindex(index).to_numpy()
    pauses = episodes[episodes["kind"] == "pause"]
    seconds = (pauses["end_s"] - pauses["start_s"]).groupby([pauses[name] for name in KEY])
    columns["n_pauses"] = seconds.size().reindex(index, fill_value=0).to_numpy()
    columns["longest_pause_s"] = seconds.max().reindex(index, fill_value=0.0).to_numpy()
    codes = remarks.groupby(KEY)["remark"].agg(lambda of_record: ";".join(sorted(set(of_record))))
    columns["remarks"] = [codes.get(key, "") for key in index]
    return records.assign(**columns)


def gather(tables: Sequence[pd.DataFrame], by: Sequence[str]) -> pd.DataFrame:
    """Join tables of shards, sorted by corpus, record and the columns `by`."""
    import pandas as pd

    filled = [table for table in tables if len(table)] or list(tables[:1])
    return pd.concat(filled, ignore_index=True).sort_values([*KEY, *by], kind="stable", ignore_index=True)
