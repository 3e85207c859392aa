"""`make predict`: what is written for a folder of recordings, and what is said where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from beatlens.config.own_recordings import overlay, run_name, write_overlay

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("recordings", "recordings"),
        ("/data/My recordings (May)", "My_recordings_May"),
        ("x/.hidden", "hidden"),
        ("a_b-c.1", "a_b-c.1"),
        ("心電図", "recordings"),
        ("-" * 3 + "y" * 200, "y" * 60),
    ],
)
def test_names_of_folders_become_names_of_runs(folder, name):
    assert run_name(Path(folder)) == name


def test_a_folder_is_predicted_where_it_lies(tmp_path, write_wfdb_record):
    folder = tmp_path / "my recordings"
    with pytest.raises(ValueError, match="my recordings: no such folder"):
        overlay(folder, "x", "b")
    folder.mkdir()
    (folder / "table.csv").write_text("wave\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"my recordings: no recording; expected WFDB records.*1 \.csv.*Your own recordings"
    ):
        overlay(folder, "x", "b")
    write_wfdb_record(folder / "below", "r1")
    with pytest.raises(ValueError, match="NAME=../x: expected letters"):
        overlay(folder, "../x", "b")
    value = overlay(folder, "mine", "models/mitdb")
    assert value["corpora"] == [{"name": "mine", "format": "wfdb", "role": "predict", "folder": str(folder)}]
    path = write_overlay(value, tmp_path / "results")
    assert path == tmp_path / "results" / "mine" / "predict.yaml"
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == value
    assert write_overlay(value, tmp_path / "results") == path, "the same folder again goes on"


def test_a_run_of_something_else_is_never_written_over(tmp_path, write_wfdb_record):
    for place in ("one", "two"):
        write_wfdb_record(tmp_path / place / "ecg", "r1")
    write_overlay(overlay(tmp_path / "one" / "ecg", "ecg", "b"), tmp_path)
    with pytest.raises(ValueError, match="ecg is there already and belongs to another run; name this one"):
        write_overlay(overlay(tmp_path / "two" / "ecg", "ecg", "b"), tmp_path)
    (tmp_path / "demo").mkdir()
    with pytest.raises(ValueError, match="demo is there already"):
        write_overlay(overlay(tmp_path / "one" / "ecg", "demo", "b"), tmp_path)


@pytest.mark.parametrize("folder", ["", "no such folder", "it's"])
def test_make_passes_any_name_on_and_says_what_is_wrong(folder, tmp_path):
    for name in ("Makefile", "scripts", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    program = tmp_path / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "envs").mkdir()
    for name in ("envs/requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / ".venv" / ".installed").touch()
    command = ["make", "predict", f"FOLDER={folder}"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    expected = f"{folder}: no such folder" if folder else "make predict FOLDER=...: expected the folder"
    assert expected in answer.stderr
    assert "Traceback" not in answer.stderr
