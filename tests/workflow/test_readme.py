"""Every command of README.md is run as it stands there, over a tiny run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

EXCEPTIONS = {
    r"make test": "it would run this test",
    r"BEATLENS_DATA=.*": "MIT-BIH is a download",
    r"\.venv/bin/pip install .*": "an installation",
    r".* --workflow-profile profiles/slurm .*": "needs a cluster",
    r"\.venv/bin/beatlens review .*": "serves until it is stopped; tests/workflow/test_review.py",
    r"\.venv/bin/beatlens compare .*": "two runs of the reader; tests/unit/test_compare.py",
    r"\.venv/bin/beatlens explain .* --run .*": "a beat of the demo; tests/workflow/test_api.py",
    r"\.venv/bin/snakemake sanity": "hundreds of explanations, by networks that it trains",
}
"""Commands that aren't run (as whole regular expressions), and why."""
TINY = "--configfile tests/workflow/tiny.yaml"
"""Stands before a configuration that a command of Snakemake names, or where it names none; the run is then `tiny`."""
DEMO = "$(BIN)/snakemake --cores $(CORES)\n"
"""The recipe of `make demo`, which names no configuration; a second one finds nothing to be done."""
STAND_INS = {
    "results/demo": "results/tiny",
    "/where/my recordings/lie/100": "data/my_recordings/c01_1",
    "/where/my recordings/lie": "data/my_recordings",
    "run: mine": "run: my_recordings",
    "name: mine": "name: my_recordings",
}
"""What the page takes for granted: the demo's results, and a folder of the reader's recordings.

The page's own configuration becomes that of `make predict` with what the page says put in, so that its run is there.
"""


def steps() -> list[tuple[str, str]]:
    """Return the page's commands and code in order: (language, text), commands in the language ""."""
    fenced = r"^```(?P<language>\w*)\n(?P<code>(?s:.*?))^```$"
    indented = r"(?<=\n\n)(?P<block>(?: {4}.+\n)+)"
    inline = r"(?<!`)`(?P<inline>\.venv/bin/\w+\s[^`]+)`"  # with arguments: the others are only spoken of
    found = []
    for match in re.finditer(f"{fenced}|{indented}|{inline}", README, flags=re.M):
        if match["code"] is not None:
            found.append((match["language"], match["code"]))
        elif match["inline"]:
            found.append(("", " ".join(match["inline"].split())))
        else:
            found += [("", line.split("  #")[0].strip()) for line in match["block"].splitlines()]
    return found


COMMANDS = [text for language, text in steps() if language == ""]


def test_the_page_has_commands_and_every_exception_is_one_of_them():
    assert len(COMMANDS) > 10
    assert all(command.startswith((".venv/bin/", "make ", "BEATLENS_DATA=")) for command in COMMANDS)
    stale = [name for name in EXCEPTIONS if not any(re.fullmatch(name, command) for command in COMMANDS)]
    assert not stale


@pytest.fixture
def checkout(finished):
    """Return a finished tiny run with an environment as `make .venv` leaves it, but for what the package needs."""
    folder = finished.folder
    for name in ("Makefile", "README.md", "LICENSE", "pyproject.toml", "models"):
        source = ROOT / name
        if source.exists():
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    makefile = (folder / "Makefile").read_text(encoding="utf-8").replace("--configfile", TINY)
    (folder / "Makefile").write_text(makefile.replace(DEMO, f"{DEMO[:-1]} {TINY}\n"), encoding="utf-8")
    venv.create(folder / ".venv", with_pip=False)
    (folder / ".venv" / ".installed").touch()
    packages = folder / ".venv" / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (packages / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    script = folder / ".venv" / "bin" / "snakemake"
    body = "import sys\nfrom snakemake.cli import main\nsys.exit(main())\n"
    script.write_text(f"#!{folder}/.venv/bin/python\n{body}", encoding="utf-8")
    script.chmod(0o755)
    recipe = subprocess.run(
        ["make", "-n", "-W", "envs/requirements.txt", ".venv"], cwd=folder, capture_output=True, text=True, check=True
    )
    (install,) = [line for line in recipe.stdout.splitlines() if "--editable" in line]
    subprocess.run(install, shell=True, cwd=folder, env=finished.environment, check=True)
    assert (folder / ".venv" / "bin" / "beatlens").exists()
    own = folder / "data" / "my_recordings"
    own.mkdir(parents=True)
    for file in (folder / "results" / "corpora" / "synthetic").glob("c01_*"):
        if file.suffix in {".hea", ".dat"}:
            shutil.copy2(file, own)
    return finished


def adapted(command: str) -> str:
    """Return a command with the tiny configuration, and what stands for the demo and the reader's recordings."""
    for word, other in STAND_INS.items():
        command = command.replace(word, other)
    if command.startswith(".venv/bin/snakemake"):
        named = "--configfile " in command
        command = command.replace("--configfile", TINY) if named else f"{command} {TINY}"
    return command


def test_every_command_runs_as_it_stands(checkout):
    folder = checkout.folder
    for language, text in steps():
        if language == "yaml":
            name = re.match(r"# (\S+\.yaml)\n", text)
            made = (folder / "results" / "my_recordings" / "predict.yaml").read_text(encoding="utf-8")
            told = yaml.safe_dump(yaml.safe_load(made) | yaml.safe_load(adapted(text)))
            (folder / (name[1] if name else "my.yaml")).write_text(told, encoding="utf-8")
            continue
        assert language in {"", "python"}, f"code in {language}: say how it is run here"
        if language == "" and any(re.fullmatch(pattern, text) for pattern in EXCEPTIONS):
            continue
        command = [str(folder / ".venv/bin/python"), "-c", adapted(text)] if language else adapted(text)
        answer = subprocess.run(
            command, shell=not language, cwd=folder, env=checkout.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=1200, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, f"{text}\n{(answer.stdout + answer.stderr)[-4000:]}"
    for made in ("beat.svg", "beats.csv", "strip.pdf", "seeds.csv", "similar.csv", "N.png", "report.zip"):
        assert (folder / made).stat().st_size > 0


def test_no_page_names_snakemake_without_its_environment():
    pages = [ROOT / "README.md", ROOT / "config" / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        bare = re.findall(r"(?:^ {4}|`)snakemake .*", page.read_text(encoding="utf-8"), flags=re.M)
        assert not bare, f"{page.name}: {bare}"
