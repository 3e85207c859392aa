"""Recipes of CONTRIBUTING.md, the tutorial and how-to pages are carried out in a copy with a finished tiny run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", PAGE.partition("\n## Recipes\n")[2], flags=re.M | re.S))
ON_RECORDINGS = {"read-attention.md", "corpora.md"}
"""How-to pages that need recordings of PhysioNet, which aren't there wherever tests run."""
HOW_TO = sorted(page for page in (ROOT / "docs" / "how-to").glob("*.md") if page.name not in ON_RECORDINGS)
READ = [ROOT / "docs" / "tutorial.md", *HOW_TO]
RUN_BY_README = "make demo", "make predict "
RUN_ELSEWHERE = "beatlens review ", "beatlens compare "
"""What serves until it is stopped, and what needs two runs: tests of their own run them."""
SNIPPETS = r"^```python\n(?P<code>(?s:.*?))^```$|^```\w*\n(?s:.*?)^```$|^ {4}(?P<command>\S.*)$"
STEPS = r'^```(?P<kind>\w+) title="(?P<path>[^"]+)"\n(?P<text>(?s:.*?))^```$|^ {4}(?P<command>\S.*)$'


def change(file: Path, diff: str) -> None:
    """Apply a diff without line numbers, whose unsigned and removed lines must stand in the file once."""
    lines = [(line[:1] or " ", line[1:]) for line in diff.splitlines()]
    assert {sign for sign, _ in lines} <= set(" +-"), diff
    old, new = ("".join(f"{line}\n" for sign, line in lines if sign in signs) for signs in (" -", " +"))
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file.name}: {text.count(old)} times\n{old}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def run(project, command: str) -> str:
    """Run a command of the page in the copy; where it names no configuration, over the tiny one."""
    if command.startswith(".venv/bin/snakemake"):
        command = command.replace("--cores all", "--cores 2")
        command += "" if "--configfile" in command else " --configfile tests/workflow/tiny.yaml"
    command = re.sub("^make ", "make -o .venv/.installed ", command)
    answer = subprocess.run(
        command, shell=True, cwd=project.folder, env=project.environment, capture_output=True, text=True, timeout=1200,
        check=False,
    )  # fmt: skip
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, f"{command}\n{said[-4000:]}"
    return said


def follow(project, recipe: str) -> dict[str, str]:
    """Carry out a recipe; returns what each command said."""
    said = {}
    for step in re.finditer(STEPS, RECIPES[recipe], flags=re.M):
        if step["command"]:
            said[step["command"]] = run(project, step["command"])
            continue
        file = project.folder / step["path"]
        if step["kind"] == "diff":
            change(file, step["text"])
        else:
            assert not file.exists(), f"{file}: expected a new file"
            file.write_text(step["text"], encoding="utf-8")
    assert said
    return said


@pytest.fixture
def project(finished):
    """Return a finished tiny run with the environment and the tests beside it."""
    folder = finished.folder
    for name in ("LICENSE", "Makefile", "pyproject.toml", "models"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tests", folder / "tests", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    return finished


def passed(said: str) -> int:
    return int(re.search(r"(\d+) passed", said)[1])


def checked_by_the_linters(project) -> None:
    """Check that what a recipe writes is as `make lint` wants it."""
    tools = [".venv/bin/ruff check .", ".venv/bin/ruff format --check .", ".venv/bin/snakefmt --check workflow"]
    for tool in [*tools, "PYTHONPATH=src .venv/bin/lint-imports --no-cache --no-logo"]:
        run(project, tool)


def test_an_explainer(project):
    said = follow(project, "An explainer")
    checked_by_the_linters(project)
    assert passed(next(text for command, text in said.items() if "pytest" in command)) >= 10
    planned = dict(re.findall(r"^(\w+) +(\d+)$", said[list(said)[-1]], flags=re.M))
    assert int(planned["explain_shard"]) == 4, "two methods over two shards"
    assert not {"preprocess_shard", "train", "predict_shard"} & set(planned)


def test_a_corpus(project, write_wfdb_record):
    folder = project.folder
    shutil.copytree(folder / "results" / "corpora" / "synthetic", folder / "data" / "heart")
    for name in ("corpus.json", "SHA256SUMS"):
        (folder / "data" / "heart" / name).unlink(missing_ok=True)
    (folder / "data" / "archives").mkdir()
    time = np.arange(5000) / 500
    signal = np.exp(-0.5 * (((time + 0.4) % 0.8 - 0.4) / 0.02) ** 2) + 0.2 * np.sin(2 * np.pi * time / 0.8)
    for number in range(5):
        file = folder / "data" / "archives" / f"good{number}.npz"
        np.savez(file, signal=signal[None], fs=500.0, leads=np.array(["II"]))
    (folder / "data" / "archives" / "broken.npz").write_bytes(b"no archive")
    follow(project, "A corpus")
    checked_by_the_linters(project)
    heart = (folder / "results" / "heart" / "records.tsv").read_text(encoding="utf-8").splitlines()
    assert {"n_N", "n_S", "n_V"} <= set(heart[0].split("\t"))
    assert len(heart) > 5
    status = (folder / "results" / "archives" / "status.tsv").read_text(encoding="utf-8")
    assert re.search(r"^archives\tgood0\t.*True", status, flags=re.M), status
    assert re.search(r"^archives\tbroken\t.*unreadable", status, flags=re.M), status


def test_an_option_and_the_figure_that_uses_it(project):
    follow(project, "An option")
    refused = project.snakemake("-n", "--config", "report={rate_bins: 0}", ok=False)
    assert "report.rate_bins: 0; expected integer, >= 1" in refused
    said = follow(project, "A figure")
    checked_by_the_linters(project)
    assert (project.results / "figures" / "rates.svg").stat().st_size > 1000
    assert "Heart rates of the records" in (project.results / "report.html").read_text(encoding="utf-8")
    planned = re.findall(r"^(\w+) +\d+$", said[list(said)[-1]], flags=re.M)
    assert set(planned) <= {
        *("all", "draw_rates", "write_config", "build_report", "build_record_pages", "name_pages", "manifest", "total")
    }


def test_the_tutorial_and_how_to_pages_run_as_they_stand(project):
    ran = 0
    for page in READ:
        text = page.read_text(encoding="utf-8").replace("results/demo", "results/tiny")
        for step in re.finditer(SNIPPETS, text, flags=re.M):
            if not (step["code"] or step["command"]):
                continue  # code in another language is only shown
            if step["code"]:
                (project.folder / "snippet.py").write_text(step["code"], encoding="utf-8")
                run(project, "PYTHONPATH=src .venv/bin/python snippet.py")
            elif not step["command"].startswith((*RUN_BY_README, *RUN_ELSEWHERE)):
                run(project, step["command"])
            ran += 1
    assert ran > 10


def test_every_recipe_is_followed():
    assert set(RECIPES) == {"An explainer", "A corpus", "An option", "A figure"}
