"""The tables of a run's records, gathered from its shards: what the used ones hold, and why others aren't used."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.shards.patients import patient_key
from beatlens.shards.shard import REVIEWED, STATUS_COLUMNS, Shard

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

RECORD_TABLE_COLUMNS = (
    "corpus",
    "record",
    "patient",
    "role",
    "split",
    "n_beats",
    "duration_s",
    "leads",
    "fs",
    "dx",
    "labelled",
    "weak_label",
    "database",
    "age",
    "sex",
    "strat_fold",
)
"""Columns of records.tsv, followed by ``n_<class>``; ``fs`` is the record file's rate in Hz.

``n_<class>`` counts annotated beats, and detected ones whose label a reviewer gave. For a record that has one label as
a whole, it counts the detected beats.
"""


COUNTED_ROLES = ("train", "test", "noise")
"""Roles whose unusable records count in ``max_bad_fraction``. Records to predict don't depend on each other."""
NOT_A_RECORD = "not_a_record"
"""Reason of files that lie in a corpus folder beside its records; they count as no record."""
MALFORMED_TABLE = "malformed_table"
"""Reason of a table of strips that can't be read. It is one row, whatever records it holds."""


class UnusableRecords(ValueError):
    """Too few records of a run can be used."""


def gather_status(shards: Sequence[Path]) -> pd.DataFrame:
    """Return the status table of all shards (`beatlens.shards.shard.STATUS_COLUMNS`), sorted by record."""
    import pandas as pd

    empty = pd.DataFrame(columns=list(STATUS_COLUMNS))
    parts = [status for path in shards if len(status := Shard(path).status)]
    return pd.concat(parts or [empty], ignore_index=True).sort_values(["corpus", "record", "reason"], ignore_index=True)


def gather(shards: Sequence[Path], classes: Sequence[str]) -> pd.DataFrame:
    """Return the record table of all shards, its split still empty, sorted by record.

    Parameters
    ----------
    shards
        Shard directories.
    classes
        Classes whose beats are counted.

    Raises
    ------
    ValueError
        Where two shards hold the same record.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for path in shards:
        shard = Shard(path)
        beats = shard.beats("detected")
        detected = beats.groupby(["corpus", "record"]).size()
        known = [shard.beats("annotated"), beats[beats["label_source"].isin(["record", REVIEWED])]]
        counts = pd.concat([table[["corpus", "record", "label"]] for table in known]).value_counts()
        absent = set(RECORD_TABLE_COLUMNS) - {"split", "n_beats"} - set(shard.records)
        if absent:
            raise ValueError(f"{path}: records without {sorted(absent)}; expected a shard of this version's preprocess")
        for row in shard.records.itertuples(index=False):
            key = (row.corpus, row.record)
            listed = {name: getattr(row, name) for name in RECORD_TABLE_COLUMNS if name in shard.records}
            listed |= {"split": "", "n_beats": int(detected.get(key, 0)), "fs": row.fs_file}
            rows.append(listed | {f"n_{label}": int(counts.get((*key, label), 0)) for label in classes})
    columns = [*RECORD_TABLE_COLUMNS, *(f"n_{label}" for label in classes)]
    records = pd.DataFrame(rows, columns=columns).sort_values(["corpus", "record"], ignore_index=True)
    twice = records[records.duplicated(["corpus", "record"])]
    if len(twice):
        names = [f"{row.corpus}/{row.record}" for row in twice.itertuples()]
        raise ValueError(f"{names[:5]} are in more than one shard; expected each record once")
    return records


def split_listing(records: pd.DataFrame) -> dict[str, list[str]]:
    """Return the ``corpus/patient`` of each split, sorted."""
    return {
        str(split): sorted(
            {patient_key(*patient) for patient in zip(of_split["corpus"], of_split["patient"], strict=True)}
        )
        for split, of_split in records[records["role"] != "noise"].groupby("split")
    }


def records_digest(records: pd.DataFrame) -> str:
    """Return a sha256 over records, patients, splits and numbers of beats."""
    columns = ["corpus", "record", "patient", "role", "split", "n_beats", "duration_s"]
    rows = records.sort_values(["corpus", "record"])[columns]
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()


def check_complete(status: pd.DataFrame, sheet: Iterable[tuple[str, str]]) -> None:
    """Raise where the status table doesn't hold exactly the records (corpus, record) of the sheet.

    Raises
    ------
    ValueError
        Naming the records that are missing or too many. Then the shards are of another sheet or another number of
        shards.
    """
    found, wanted = set(zip(status["corpus"], status["record"], strict=True)), set(sheet)
    missing, extra = sorted(wanted - found), sorted(found - wanted)
    if missing or extra:
        raise ValueError(
            f"shards and record sheet differ: {len(missing)} records of the sheet are in no shard {missing[:5]}, "
            f"{len(extra)} of the shards aren't in the sheet {extra[:5]}"
        )


def check_usable(status: pd.DataFrame, max_bad_fraction: float, listed_in: str) -> None:
    """Raise where too many records of the roles `COUNTED_ROLES` can't be used, a table of them, or none is left at all.

    Parameters
    ----------
    status
        Status table, one row a record.
    max_bad_fraction
        Largest share of unusable records.
    listed_in
        Where they are all listed, in words.

    Raises
    ------
    UnusableRecords
        Naming the share and the most frequent reasons, with counts and examples.
    """
    status = status[status["reason"] != NOT_A_RECORD]
    used = status["used"].astype(bool)
    if not (used & (status["role"] != "noise")).any():
        if not len(status):
            raise UnusableRecords(
                "no record was found; expected WFDB records (a header .hea each) or tables of strips in the folders of "
                f"the corpora. What else lies there is listed in {listed_in}"
            )
        raise UnusableRecords(
            f"none of {len(status)} records can be used: {_worst(status[~used])}. All are listed in {listed_in}"
        )
    counted = status["role"].isin(COUNTED_ROLES)
    bad, n = status[counted & ~used], int(counted.sum())
    tables = bad[bad["reason"] == MALFORMED_TABLE]
    if len(tables):
        raise UnusableRecords(
            f"{_worst(tables)}. How many records such a table holds isn't known: correct it, or take it out. "
            f"All records are listed in {listed_in}"
        )
    if len(bad) > max_bad_fraction * n:
        raise UnusableRecords(
            f"{len(bad)} of {n} records can't be used: {_worst(bad)}. At most {max_bad_fraction:.0%} are allowed "
            f"(max_bad_fraction). All are listed in {listed_in}"
        )
    if not used.all():
        logger.warning("%d of %d records can't be used: %s", (~used).sum(), len(status), _worst(status[~used]))


def _worst(bad: pd.DataFrame) -> str:
    """Name the most frequent reasons of unusable records, with counts and examples."""
    worst = []
    for reason, count in bad["reason"].value_counts().head(3).items():
        rows = bad[bad["reason"] == reason].head(3)
        examples = ", ".join(f"{row.corpus}/{row.record}" for row in rows.itertuples())
        worst.append(f"{reason} ({count}: {examples}), such as: {rows['detail'].iloc[0]}")
    return "; ".join(worst)
