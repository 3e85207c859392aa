"""The contracts every stage shares: names, seeds, atomic files, shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens.core.files import (
    atomic_directory,
    atomic_path,
    read_arrays,
    read_table,
    write_arrays,
    write_json,
    write_table,
)
from beatlens.core.leads import UNKNOWN_LEAD_ID, canonical_lead, lead_id
from beatlens.core.record import Record, RecordFault, check_name
from beatlens.core.seeds import derive_seed
from beatlens.run.programs import named_path, progress
from beatlens.shards.shard import BEAT_COLUMNS, BeatGeometry, Shard, cut_beats
from beatlens.shards.writer import ShardWriter


@pytest.mark.parametrize(
    ("given", "expected"),
    [("MLII", "II"), ("AVR", "aVR"), ("lead ii", "II"), ("ECG1", "ECG1"), ("v5", "V5"), ("MCL1", "V1"), ("ECG", "ECG")],
)
def test_lead_names_of_recorders_are_understood(given: str, expected: str) -> None:
    assert canonical_lead(given) == expected


def test_v1_and_v6_and_unknown_have_ids_of_their_own() -> None:
    assert len({lead_id("V1"), lead_id("V6"), lead_id("Resp")}) == 3
    assert lead_id("Resp") == UNKNOWN_LEAD_ID


@pytest.mark.parametrize("name", ["../100", "a/b", "", ".hidden", "a b", "x" * 200, "a\n"])
def test_names_that_could_leave_the_results_folder_are_refused(name: str) -> None:
    with pytest.raises(RecordFault) as caught:
        check_name(name, "record")
    assert caught.value.reason == "unsafe_path"


def test_seeds_depend_on_every_part_and_its_boundaries() -> None:
    seeds = {derive_seed(1, "ab", "c"), derive_seed(1, "a", "bc"), derive_seed(2, "ab", "c"), derive_seed(1, "abc")}
    assert len(seeds) == 4
    assert derive_seed(1, "mitdb/100", "lime") == derive_seed(1, "mitdb/100", "lime")


def write_half(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")


def fill_half(folder: Path) -> None:
    with atomic_directory(folder) as temporary:
        (temporary / "half").touch()
        raise RuntimeError("killed")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_half(path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    with pytest.raises(RuntimeError):
        fill_half(tmp_path / "folder")
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "kept", "table.tsv"]


def test_records_named_by_numbers_stay_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"record": ["100", "007"], "reason": ["", "flat"], "value": [1.5, np.nan]})
    for ending in ("tsv", "csv", "parquet"):
        write_table(tmp_path / f"t.{ending}", table)
        read = read_table(tmp_path / f"t.{ending}")
        assert read["record"].tolist() == ["100", "007"]
        assert read["reason"].tolist() == ["", "flat"]
        assert np.isnan(read["value"][1])


def test_objects_and_nan_never_reach_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Python objects"):
        write_arrays(tmp_path / "a.npz", {"a": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    write_arrays(tmp_path / "a.npz", {"a": np.arange(3)})
    assert read_arrays(tmp_path / "a.npz")["a"].tolist() == [0, 1, 2]


def test_a_named_path_needs_both_parts() -> None:
    assert named_path("lime=a/b") == ("lime", Path("a/b"))
    with pytest.raises(Exception, match="NAME=PATH"):
        named_path("lime")


def test_progress_passes_items_on_and_logs_the_last(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert list(progress(iter("abc"), 3, "records")) == ["a", "b", "c"]
    assert "records: 3 of 3" in caplog.text


def beats_at(record: str, r_index: list[int]) -> pd.DataFrame:
    table = pd.DataFrame({name: [""] * len(r_index) for name in BEAT_COLUMNS})
    table["corpus"], table["record"] = "made", record
    table["beat_id"] = [f"made/{record}/{r}" for r in r_index]
    table["r_index"] = np.array(r_index, dtype=np.int64)
    return table


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path / "shard") as writer:
        for record, leads in (("two", "II;V1"), ("one", "V1")):
            row = {
                "corpus": "made", "record": record, "patient": record, "role": "train", "leads": leads, "fs": 200.0,
                "fs_file": 360.0, "duration_s": 5.0, "lead_scale": ";".join("1.5" for _ in leads.split(";")), "dx": "",
                "labelled": False,
            }  # fmt: skip
            signal = rng.normal(size=(len(leads.split(";")), 1000)).astype(np.float32)
            writer.add(row, signal, beats_at(record, [10, 500, 995]), beats_at(record, []), [])
            writer.set_status("made", record, "train")
        writer.set_status("made", "bad", "train", "flat", "all\nzero")
    return Shard(tmp_path / "shard")


def test_waveforms_follow_the_rows_asked_for_and_absent_leads_are_nan(shard: Shard) -> None:
    geometry = BeatGeometry.from_seconds(200, 0.25, 0.4)
    rows = shard.beats().iloc[[4, 0, 5, 2]]  # records mixed, order turned
    waves = shard.waveforms(rows, ["V1", "aVR", "II"], geometry)
    assert np.isnan(waves[:, 1]).all()
    assert np.isnan(waves[[0, 2], 2]).all()
    assert np.isfinite(waves[[1, 3], 2]).all()
    assert (waves[0, 0] == shard.signal("made", "one")[0, 450:580]).all()
    padded = waves[3, 0]  # R at 995 of 1000: what lies beyond repeats the last sample
    assert (padded[55:] == shard.signal("made", "two")[1, -1]).all()


def test_a_shard_at_another_rate_is_refused(shard: Shard) -> None:
    with pytest.raises(ValueError, match=r"200\.0 Hz; expected 360\.0 Hz"):
        shard.waveforms(shard.beats(), ["II"], BeatGeometry.from_seconds(360, 0.25, 0.4))


def test_status_keeps_one_line_a_record(shard: Shard) -> None:
    assert shard.status["used"].tolist() == [True, True, False]
    assert shard.status["detail"].tolist() == ["", "", "all zero"]
    with pytest.raises(KeyError, match="made/bad"):
        shard.row("made", "bad")


def test_a_shard_that_breaks_off_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path / "s"):
        raise RuntimeError("killed")
    assert list((tmp_path / "s").iterdir()) == []


def test_cut_beats_against_a_plain_loop() -> None:
    signal = np.arange(20, dtype=np.float32).reshape(1, 20)
    geometry = BeatGeometry(100.0, 3, 4)
    expected = [[[signal[0, min(max(r + k, 0), 19)] for k in range(-3, 4)]] for r in (0, 7, 19)]
    assert cut_beats(signal, np.array([0, 7, 19]), geometry).tolist() == expected


def test_a_record_needs_a_name_for_each_lead() -> None:
    with pytest.raises(ValueError, match="2 lead names"):
        Record("c", "r", "p", np.zeros((1, 5), np.float32), 100.0, ("I", "II"))
