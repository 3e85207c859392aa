"""Claims: who gives files their final names, and what is removed of those who never will."""

from __future__ import annotations

import subprocess
import sys

import pytest

from beatlens.core import claims
from beatlens.core.files import atomic_directory, atomic_path, write_text


@pytest.fixture(autouse=True)
def no_claim_afterwards():
    yield
    claims.take(None)


def test_a_job_whose_log_names_another_gives_no_file_its_name(tmp_path):
    log, file, folder = tmp_path / "logs" / "job.log", tmp_path / "table.csv", tmp_path / "folder"
    claims.take(log)
    write_text(file, "mine")
    assert log.read_text(encoding="utf-8") == f"job {claims.name()}\n"
    log.write_text("job elsewhere-1-0\n", encoding="utf-8")
    with pytest.raises(claims.ReplacedError, match=r"job\.log"):
        write_text(file, "too late")
    with pytest.raises(claims.ReplacedError), atomic_directory(folder):
        pass
    log.unlink()
    with pytest.raises(claims.ReplacedError):
        write_text(file, "too late")
    assert file.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "table.csv"]


def test_a_log_goes_on_in_a_file_of_its_own(tmp_path):
    log = tmp_path / "job.log"
    with log.open("w", encoding="utf-8") as earlier:
        claims.take(log)
        earlier.write("from the orphan")
    assert "orphan" not in log.read_text(encoding="utf-8")


def test_the_next_job_removes_what_killed_ones_left_of_its_files_and_nothing_else(tmp_path):
    kept = [".table.extra.host-1-a.tmp.csv", ".tables.host-1-a.tmp.csv", ".table.host-1-a.tmp.tsv", "table.tmp.csv"]
    for name in (".table.host-1-a.tmp.csv", *kept):
        (tmp_path / name).touch()
    (tmp_path / ".folder.host-1-a.tmp" / "new").mkdir(parents=True)
    write_text(tmp_path / "table.csv", "no claim: whose they are isn't known")
    assert (tmp_path / ".table.host-1-a.tmp.csv").exists()
    claims.take(tmp_path / "job.log")
    write_text(tmp_path / "table.csv", "")
    with atomic_directory(tmp_path / "folder") as folder:
        (folder / "file").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "folder", "job.log", "table.csv"])
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_every_process_has_temporary_names_of_its_own(tmp_path):
    code = "import pathlib; from beatlens.core import claims; print(claims.temporary_of(pathlib.Path('x.npy')))"
    names = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(names) == 2
    with atomic_path(tmp_path / "x.npy") as temporary:
        assert temporary.suffix == ".npy"  # numpy adds it to any other
        temporary.touch()


def test_a_folder_that_fails_leaves_the_earlier_one(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "earlier").touch()
    with pytest.raises(FileNotFoundError), atomic_directory(folder) as new:
        (new / "half").rename(new / "other")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "earlier"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>&1 | true"])
def test_a_program_needs_no_standard_streams(tmp_path, closed):
    script = "import sys, logging, pathlib; from beatlens.core import files; from beatlens.run import programs;"
    script += "programs.open_log(pathlib.Path(sys.argv[1], 'log'));"
    script += "list(programs.progress(range(3), 3, 'items'));"
    script += "files.write_text(pathlib.Path(sys.argv[1], 'file'), 'text'); sys.stderr.write('said');"
    script += "pathlib.Path(sys.argv[1], 'end').touch()"
    command = f'"$0" -c "$1" "$2" {closed}'
    subprocess.run(["sh", "-c", command, sys.executable, script, str(tmp_path)], check=True)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "text"
    assert "items: 3 of 3" in (tmp_path / "log").read_text(encoding="utf-8")
    if "|" not in closed:
        assert (tmp_path / "end").exists()
