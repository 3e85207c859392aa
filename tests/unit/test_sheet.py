from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.index import corpus_folder, update_sheet
from beatlens.corpora.record_sheet import SheetRow, read_sheet, shard_digest, shard_of, shard_rows, used_shards
from beatlens.corpora.registry import read_record
from beatlens.corpora.synthetic import SyntheticSettings, make_corpus, record_names
from counting import calls

OWN = {"name": "own", "role": "test", "format": "wfdb"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wfdb_record) -> Path:
    """Return a folder with data/own (three records, one in a subfolder) and results/."""
    monkeypatch.delenv("BEATLENS_DATA", raising=False)
    write_wfdb_record(tmp_path / "data" / "own", "r1", symbols=["N"])
    write_wfdb_record(tmp_path / "data" / "own", "r2")
    write_wfdb_record(tmp_path / "data" / "own" / "g1", "r3")
    return tmp_path


def update(place: Path, *corpora: dict, write: bool = True, synthetic: dict | None = None) -> list[SheetRow]:
    sheet = place / "results" / "run" / "record_sheet.tsv"
    return update_sheet(
        corpora or [OWN],
        sheet if write else None,
        place / "data",
        place / "results",
        synthetic=synthetic,
        previous=sheet,
    )


def by_record(rows: list[SheetRow]) -> dict[str, SheetRow]:
    return {row.record: row for row in rows}


def digests(rows: list[SheetRow], n: int = 4) -> list[str]:
    return [shard_digest(rows, shard, n) for shard in range(n)]


def test_rows_and_round_trip(place: Path) -> None:
    rows = update(place)
    assert [(row.record, row.path, row.files, row.reason) for row in rows] == [
        ("r3", "g1/r3", "g1/r3.hea;g1/r3.dat", ""),
        ("r1", "r1", "r1.hea;r1.dat;r1.atr", ""),
        ("r2", "r2", "r2.hea;r2.dat", ""),
    ]
    sheet = place / "results" / "run" / "record_sheet.tsv"
    assert read_sheet(sheet) == rows
    written = sheet.stat().st_mtime_ns
    assert update(place) == rows
    assert sheet.stat().st_mtime_ns == written
    assert not list(sheet.parent.glob("*.tmp"))
    sheet.write_text("corpus\trecord\nx\ty\n")
    with pytest.raises(ValueError, match="expected the columns corpus record role"):
        read_sheet(sheet)
    assert update(place) == rows


def test_only_content_changes_a_digest(place: Path) -> None:
    rows = update(place)
    assert calls(lambda: update(place))["file_digest"] == 0
    for path in (place / "data" / "own").rglob("*.*"):
        os.utime(path, ns=(1, 12345))
    touched: list[SheetRow] = []
    assert calls(lambda: touched.extend(update(place)))["file_digest"] > 0
    assert touched != rows
    assert digests(touched) == digests(rows)
    signal = place / "data" / "own" / "r2.dat"
    content = bytearray(signal.read_bytes())
    content[50] ^= 1
    signal.write_bytes(content)
    changed = update(place)
    shards = [a != b for a, b in zip(digests(changed), digests(rows), strict=True)]
    assert [k for k, differs in enumerate(shards) if differs] == [shard_of("own", "r2", 4)]


def test_new_files_are_noticed(place: Path, write_wfdb_record) -> None:
    (place / "data" / "own" / "RECORDS").write_text("r1\nr2\ng1/\n")
    (place / "data" / "own" / "g1" / "RECORDS").write_text("r3\nr9\n")
    before = by_record(update(place))
    assert {name: row.reason for name, row in before.items()} == {"r1": "", "r2": "", "r3": "", "r9": "missing_header"}
    write_wfdb_record(place / "data" / "own", "r4")  # RECORDS doesn't list it
    (place / "data" / "own" / "r2.truth.csv").write_text("lead,start_sample,end_sample,class,r_sample\n")
    after = by_record(update(place))
    assert after["r4"].reason == ""
    assert after["r2"].files == "r2.hea;r2.dat;r2.truth.csv"
    assert after["r2"].sha256 != before["r2"].sha256
    assert after["r1"] == before["r1"]


def test_a_dry_run_writes_nothing(place: Path) -> None:
    rows = update(place, write=False)
    assert len(rows) == 3
    assert not (place / "results").exists()


def test_faults_become_rows(place: Path, write_wfdb_record) -> None:
    own = place / "data" / "own"
    write_wfdb_record(own / "g2", "r1")  # the same name in another folder
    for name in ("gone", "broken", "renamed"):
        write_wfdb_record(own, name)
    (own / "gone.dat").unlink()
    (own / "broken.hea").write_bytes(b"\xff\x00 nothing")
    (own / "renamed.hea").rename(own / "alias.hea")
    for odd in ("r 5;x", "tab\tname", "-r6"):
        (own / f"{odd}.hea").write_text(f"{odd} 1 360 10\n{odd}.dat 16\n")
    rows = {row.path: row.reason for row in update(place)}
    assert rows == {
        "g1/r3": "",
        "g2/r1": "",
        "r1": "duplicate_id",
        "r2": "",
        "gone": "missing_signal_file",
        "broken": "malformed_header",
        "alias": "header_names_another_record",
        "r 5%3bx": "unsafe_name",
        "tab%09name": "unsafe_name",
        "-r6": "missing_signal_file",
    }
    assert len(read_sheet(place / "results" / "run" / "record_sheet.tsv")) == len(rows)
    write_wfdb_record(own, "gone")  # repaired
    assert by_record(update(place))["gone"].reason == ""


def test_files_that_no_record_uses_are_listed(place: Path) -> None:
    own = place / "data" / "own"
    for name in ("night.edf", "g1/a b.XML", "table.csv", "lost.dat", "lost.mat", "r1.truth.csv", "notes.txt", "r1.qrs"):
        (own / name).write_bytes(b"0")
    before = update(place)
    strays = [row for row in before if row.reason == "not_a_record"]
    assert sorted(row.path for row in strays) == ["g1/a b.XML", "lost.dat", "lost.mat", "night.edf", "table.csv"]
    assert {row.record for row in strays} > {"night.edf", "table.csv", "lost.dat"}
    assert all(" " not in row.record and "/" not in row.record for row in strays)
    with pytest.raises(RecordFault, match=r"not_a_record: own: night\.edf: EDF is not read here; convert it to WFDB"):
        read_record(next(row for row in strays if row.path == "night.edf"), own)
    (own / "night.edf").write_bytes(b"other")
    assert digests(update(place)) != digests(before)


def test_a_folder_without_records_is_an_error_in_words(place: Path) -> None:
    own = place / "data" / "own"
    for file in [*own.rglob("*.hea"), *own.rglob("*.dat"), *own.rglob("*.atr")]:
        file.unlink()
    with pytest.raises(ValueError, match=r"own: no WFDB record in .*/own; expected headers .*; found nothing"):
        update(place)
    (own / "night.edf").touch()
    with pytest.raises(ValueError, match=r"found 1 \.edf \(EDF is not read here"):
        update(place)


def test_files_are_held_against_their_sums(place: Path) -> None:
    own = place / "data" / "own"
    before = by_record(update(place))
    names = [name for row in before.values() for name in row.file_names]
    lines = {name: hashlib.sha256((own / name).read_bytes()).hexdigest() for name in names}
    (own / "SHA256SUMS").write_text("".join(f"{digest}  ./{name}\n" for name, digest in lines.items()))
    assert by_record(update(place)) == before
    assert calls(lambda: update(place))["file_digest"] == 0  # all of them are listed, so the sheet's digests tell
    assert by_record(update(place)) == before
    time_before = (own / "r2.dat").stat().st_mtime_ns
    content = bytearray((own / "r2.dat").read_bytes())
    content[40] ^= 1
    (own / "r2.dat").write_bytes(content)
    os.utime(own / "r2.dat", ns=(time_before, time_before))
    lines["r1.dat"] = "0" * 64  # the record is unchanged since the last sheet; what it should be isn't
    (own / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in lines.items()))
    rows = by_record(update(place))
    assert rows["r1"].reason == "checksum_mismatch"
    with pytest.raises(RecordFault, match=r"checksum_mismatch.*r1\.dat has sha256 [0-9a-f]{64}, not 0{64}"):
        read_record(rows["r1"], own)
    (place / "results" / "run" / "record_sheet.tsv").unlink()
    rows = by_record(update(place))
    assert (rows["r2"].reason, rows["r3"].reason) == ("checksum_mismatch", "")


def test_chosen_records_and_missing_corpus(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row.record for row in update(place, {**OWN, "records": ["r1", "r3"]})] == ["r3", "r1"]
    with pytest.raises(ValueError, match=r"records \['r8'\] aren't in the corpus"):
        update(place, {**OWN, "records": ["r1", "r8"]})
    with pytest.raises(ValueError, match=r"no folder .*data/nowhere .*BEATLENS_DATA"):
        update(place, {**OWN, "name": "nowhere"})
    with pytest.raises(ValueError, match="format 'edf'; expected one of"):
        update(place, {**OWN, "format": "edf"})
    monkeypatch.setenv("BEATLENS_DATA", str(place / "data"))
    assert corpus_folder(OWN, "elsewhere", "results") == place / "data" / "own"
    anywhere = {**OWN, "name": "mine", "folder": str(place / "data" / "own")}
    assert corpus_folder(anywhere, "elsewhere", "results") == place / "data" / "own"
    assert {row.record for row in update(place, anywhere)} == {"r1", "r2", "r3"}


def test_waits_for_the_lock_then_says_so(place: Path, resize: Callable[[str, object], None]) -> None:
    update(place)
    resize("LOCK_TIMEOUT_S", 0.2)
    with (place / "results" / "run" / "record_sheet.tsv.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match=r"record_sheet\.tsv\.lock: another process"):
            update(place)
    assert len(update(place)) == 3


@pytest.fixture
def small(config) -> dict:
    return {**config["synthetic"], "ambulatory_patients": 2, "ambulatory_s": 30, "clinical_patients": 1}


def test_made_corpus_has_one_digest_before_and_after_it_is_made(place: Path, small: dict, write_wfdb_record) -> None:
    corpus = {"name": "made", "role": "train", "format": "synthetic"}
    folder = place / "results" / "corpora" / "made"

    def rows(settings: dict = small) -> list[SheetRow]:
        return update(place, corpus, synthetic=settings)

    before = rows()
    assert [row.record for row in before] == sorted(record_names(SyntheticSettings(**small)))
    make_corpus(folder, SyntheticSettings(**small))
    made = rows()
    assert digests(made) == digests(before)
    assert calls(rows)["file_digest"] == 0
    assert rows() == made
    assert all(row.files.count(";") == 3 for row in made)
    assert digests(rows({**small, "seed": 99})) != digests(before)
    assert digests(rows()) == digests(before)

    write_wfdb_record(folder, "own1")
    name = made[0].record
    (folder / f"{name}.truth.csv").write_text("lead,start_sample,end_sample,class,r_sample\n")
    damaged = rows()
    assert {row.record: row.reason for row in damaged if row.reason} == {name: "checksum_mismatch"}
    changed = [shard for shard, (a, b) in enumerate(zip(digests(damaged), digests(before), strict=True)) if a != b]
    assert changed == sorted({shard_of("made", "own1", 4), shard_of("made", name, 4)})
    (folder / "corpus.json").unlink()  # about to be made anew
    assert not any(row.reason for row in rows())


def test_shards() -> None:
    rows = [SheetRow("c", f"r{k}", "test", "wfdb", f"r{k}", "", 0, "", f"{k:x}", "") for k in range(200)]
    parts = [shard_rows(rows, shard, 7) for shard in range(7)]
    assert sorted(row.record for part in parts for row in part) == sorted(row.record for row in rows)
    assert max(map(len, parts)) < 2 * min(map(len, parts))
    assert used_shards(rows[:1], 7) == [shard_of("c", "r0", 7)]
    assert digests(rows[::-1]) == digests(rows)
    assert digests([*rows[1:], rows[0]._replace(reason="flat")]) != digests(rows)
    with pytest.raises(ValueError, match="shard 7 of 7"):
        shard_rows(rows, 7, 7)


def test_reading_a_sheet_imports_the_standard_library_alone() -> None:
    code = "import sys, beatlens.corpora.index, beatlens.corpora.downloads.download; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    modules = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "wfdb", "yaml"} & set(modules.stdout.split())


def test_an_unchanged_record_costs_a_few_calls_and_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BEATLENS_DATA", raising=False)
    few, many = 100, 400
    work = {}
    for n in (few, many):
        folder = tmp_path / str(n) / "data" / "own"
        folder.mkdir(parents=True)
        for k in range(n):
            (folder / f"r{k}.hea").write_text(f"r{k} 1 100 2\nr{k}.dat 16 200 11 0 0 0 0 II\n")
            (folder / f"r{k}.dat").write_bytes(b"abcd")
        assert len(update(tmp_path / str(n))) == n
        work[n] = calls(lambda place=tmp_path / str(n): update(place))
    assert work[many]["file_digest"] == 0
    assert work[many]["open"] == work[few]["open"]
    assert work[many].total() < 1.2 * many / few * work[few].total()  # quadratic work would be 16 times as much
    assert work[many].total() < 300 * many
