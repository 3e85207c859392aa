"""Tables written and read part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens.core.files import TableWriter, read_table
from beatlens.shards.shard import BEAT_TABLES, Shard


def rows_of(record: str, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "corpus": np.full(n, "c", dtype=object),
            "record": np.full(n, record, dtype=object),
            "r_sample": np.arange(n, dtype=np.int64),
            "score": np.linspace(0, 1, n).astype(np.float32),
            "matched": np.arange(n) % 2 == 0,
        }
    )


@pytest.fixture
def parts() -> list[pd.DataFrame]:
    return [rows_of(record, n) for record, n in (("b", 0), ("d", 7), ("a", 3), ("e", 0), ("c", 12), ("f", 1))]


@pytest.mark.parametrize("group_rows", [1, 8, 1000])
def test_a_table_of_parts_is_the_joined_table(
    tmp_path: Path, parts: list[pd.DataFrame], group_rows: int, resize: Callable[[str, object], None]
) -> None:
    resize("GROUP_ROWS", group_rows)
    parts[0].attrs = {"device": "cpu"}
    path = tmp_path / BEAT_TABLES["detected"]
    with TableWriter(path) as writer:
        for part in parts:
            writer.add(part)
        assert not path.exists()
    whole = pd.concat([part for part in parts if len(part)], ignore_index=True)
    found = read_table(path)
    pd.testing.assert_frame_equal(found, whole, check_exact=True)
    assert found.attrs == {"device": "cpu"}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]

    shard = Shard(tmp_path)
    groups = list(shard.beat_groups())
    assert len(groups) == {1: 4, 8: 3, 1000: 1}[group_rows]
    pd.testing.assert_frame_equal(pd.concat(groups, ignore_index=True), whole, check_exact=True)
    assert shard.beat_records() == [("c", "d"), ("c", "a"), ("c", "c"), ("c", "f")]
    for part in (parts[4], parts[1], parts[5], parts[2]):  # in another order than they were written
        own = shard.beats_of("c", part["record"].iloc[0])
        pd.testing.assert_frame_equal(own, part, check_exact=True)
    assert not len(shard.beats_of("c", "b"))


def test_a_table_without_rows_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / BEAT_TABLES["detected"]
    with TableWriter(path) as writer:
        writer.add(rows_of("a", 0))
    found = read_table(path)
    pd.testing.assert_frame_equal(found, rows_of("a", 0))
    assert Shard(tmp_path).beat_records() == []
    assert [len(group) for group in Shard(tmp_path).beat_groups()] == [0]


@pytest.mark.parametrize("change", [{"score": None}, {"more": 1}])
def test_a_part_with_other_columns_is_refused(tmp_path: Path, change: dict[str, int | None]) -> None:
    other = rows_of("b", 2)
    for name, value in change.items():
        other = other.drop(columns=name) if value is None else other.assign(**{name: value})
    with TableWriter(tmp_path / "t.parquet") as writer:
        writer.add(rows_of("a", 3))
        with pytest.raises(ValueError, match="a part with the columns"):
            writer.add(other)
    assert read_table(tmp_path / "t.parquet")["record"].tolist() == ["a"] * 3


def test_a_table_broken_off_leaves_nothing(tmp_path: Path, resize: Callable[[str, object], None]) -> None:
    resize("GROUP_ROWS", 1)

    def broken_off() -> None:
        with TableWriter(tmp_path / "t.parquet") as writer:
            writer.add(rows_of("a", 3))
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        broken_off()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="no part"), TableWriter(tmp_path / "t.parquet"):
        pass
    assert list(tmp_path.iterdir()) == []
