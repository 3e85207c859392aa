"""A sample of each kind of fault of the campaign (`make faults`), and how the campaign judges."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("kills", "disks", "damage", "swaps", "records", "tables", "hostile", "bundles", "downloads", "environments")


@pytest.fixture(scope="module")
def campaign():
    """Return a function that imports a module of the campaign."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield lambda name: importlib.import_module(f"faults.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "faults"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def ground(campaign, made_once, finished_folder):
    """Return a sample's ground, with all that trials start from."""

    def prepare(folder):
        folder.mkdir()
        subprocess.run(["cp", "-a", str(finished_folder), str(folder / "finished")], check=True)
        campaign("ground").Ground(folder, quick=True).prepare()

    return campaign("ground").Ground(made_once("ground", prepare), quick=True)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_silent(kind, campaign, ground):
    trials = list(campaign(kind).trials(ground))
    assert trials
    assert not [trial for trial in trials if trial.outcome not in {"survived", "told"}]


def test_every_kind_is_part_of_the_campaign(campaign):
    assert campaign("__main__").KINDS == KINDS


def test_what_differs_is_silent_and_what_stays_is_lost(campaign, tmp_path):
    ground = campaign("ground")
    (tmp_path / "a").write_text("1")
    wanted = ground.contents(tmp_path)
    well = ground.Answer(0, "", 1.0)
    assert ground.judge_rerun(well, wanted, tmp_path) == ("survived", "")
    (tmp_path / ".a.host-1-0.tmp").touch()
    assert ground.judge_rerun(well, wanted, tmp_path)[0] == "lost"
    (tmp_path / ".a.host-1-0.tmp").unlink()
    (tmp_path / "a").write_text("2")
    assert ground.judge_rerun(well, wanted, tmp_path)[0] == "silent"
    assert ground.judge_rerun(ground.Answer(1, "", 1.0), wanted, tmp_path)[0] == "lost"
    assert ground.Answer(None, "", 1.0).crashed
    assert ground.Answer(-9, "", 1.0).crashed
    ours = "KeyError: 'x'\n\nThe above exception ...\nValueError: a.csv: no column x\n"
    ours += "RuleException:\nCalledProcessError in file verify.smk, line 88:\nCommand ...\nWorkflowError:\n"
    assert not ground.Answer(1, ours, 1.0).crashed
    assert ground.Answer(1, "x\nUnicodeDecodeError in file records.smk, line 3:\nTraceback:\n", 1.0).crashed


def test_the_table_counts_by_kind(campaign, tmp_path):
    trial = campaign("trial")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{trial.MARKS[0]}\nold\n{trial.MARKS[1]}\nafter\n")
    found = [trial.Trial("x", "1", "survived"), trial.Trial("x", "2", "lost"), trial.Trial("y", "1", "told")]
    assert trial.table(found).splitlines()[2:] == [
        "| x | 2 | 1 | 0 | 1 | 0 |",
        "| y | 1 | 0 | 1 | 0 | 0 |",
        "| **all** | 3 | 1 | 1 | 1 | 0 |",
    ]
    trial.fill(page, "new\n")
    assert page.read_text() == f"before\n{trial.MARKS[0]}\n\nnew\n\n{trial.MARKS[1]}\nafter\n"
