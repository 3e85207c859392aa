"""The manifest of a run: every artefact with its sha256, and the check that finds damaged ones.

Snakemake notices a missing or outdated file, but not one that changed after its job was done. The manifest lists each
artefact with its size, digest and rule; `check` compares, and each fault comes with the command that rebuilds the file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from beatlens import __version__
from beatlens.core.files import atomic_path, read_json, sha256_of, write_text

PACKAGES = (
    "snakemake",
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "wfdb",
    "neurokit2",
    "sleepecg",
    "pyarrow",
    "matplotlib",
    "jinja2",
    "jsonschema",
)
TEST_READERS = ("evaluate_classification", "evaluate_explanations")
"""Rules that compare with the labels or the truth of the test split."""
NO_SCORES = ("leaks.csv",)
"""Outputs of these rules that don't tell how well the test split is classified."""

GIVEN = "given_bundle"
"""Rule of the files that the configuration names and no rule makes."""

PYTHON = Path(sys.executable)
SOURCES = Path(__file__).parents[2]
VERIFY = SOURCES.with_name("scripts") / "verify.py"

READ_COLUMNS = ("rule", "path", "sha256", "commit")
INDEX_COLUMNS = ("file", "bytes", "sha256")


@dataclass(frozen=True)
class Fault:
    """An artefact that isn't what the manifest says.

    Attributes
    ----------
    path
        The file.
    problem
        What is wrong with it.
    rule
        The rule that made it.
    command
        The command that rebuilds it.
    """

    path: str
    problem: str
    rule: str
    command: str


def folder_files(folder: Path) -> list[Path]:
    """Return the files below a folder, sorted by relative path, without hidden ones."""
    found = (file for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def write_index(folder: Path, output: Path) -> None:
    """Write the names, sizes and digests of a folder's files as TSV (`INDEX_COLUMNS`): the folder's content in a file.

    Raises
    ------
    ValueError
        Where there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder; expected the folder to index")
    rows = [(str(file.relative_to(folder)), file.stat().st_size, sha256_of(file)) for file in folder_files(folder)]
    _write_rows(output, INDEX_COLUMNS, rows)


def build(artefacts: Mapping[str, Sequence[Path]], run: str, folder: Path, root: Path) -> dict[str, Any]:
    """Return the manifest of a run.

    Parameters
    ----------
    artefacts
        Files and folders by the rule that made them. An index (`write_index`) stands for the folder beside it.
    run
        Name of the run.
    folder
        Its results: holds run_config.yaml, benchmarks/, and test_reads.tsv, which grows with new test results.
    root
        The project, for the commit.
    """
    entries = []
    for rule, paths in artefacts.items():
        for target in paths:
            beside = target.with_suffix("")
            files = [target, *(folder_files(beside) if target.suffix == ".tsv" and beside.is_dir() else [])]
            for file in files:
                entry = {"path": file.as_posix(), "target": target.as_posix(), "rule": rule}
                entries.append(entry | {"bytes": file.stat().st_size, "sha256": sha256_of(file)})
    commit = git_commit(root)
    content = {
        "run": run,
        "config": (folder / "run_config.yaml").as_posix(),
        "run_config": (folder / "run_config.yaml").read_text(encoding="utf-8"),
        "beatlens": __version__,
        "commit": commit,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": package_versions(PACKAGES),
        "training_device": training_device(artefacts),
        "jobs": read_benchmarks(folder / "benchmarks"),
        "test_reads": note_reads(folder / "test_reads.tsv", entries, commit),
        "artefacts": entries,
    }
    return content | {"sha256": digest(content)}


def digest(manifest: Mapping[str, Any]) -> str:
    """Return the sha256 of a manifest's content beside its own digest."""
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def training_device(artefacts: Mapping[str, Sequence[Path]]) -> str | None:
    """Return where the network was trained, as its bundle says; None without a bundle of beats."""
    bundles = [path for rule in ("make_bundle", GIVEN) for path in artefacts.get(rule, ()) if path.suffix == ".json"]
    found = [value["provenance"]["training_device"] for value in map(read_json, bundles) if "provenance" in value]
    return str(found[0]) if found else None


def read_benchmarks(folder: Path) -> dict[str, dict[str, float]]:
    """Return wall seconds and peak memory in MB of each job, as Snakemake measured them."""
    jobs = {}
    for file in folder_files(folder):
        with file.open(encoding="utf-8", newline="") as lines:
            row = next(csv.DictReader(lines, delimiter="\t"))
        job = file.relative_to(folder).with_suffix("").as_posix()
        jobs[job] = {key: float(row[key]) for key in ("s", "max_rss") if row[key] not in {"NA", "-"}}
    return jobs


def note_reads(table: Path, entries: Iterable[Mapping[str, Any]], commit: str | None) -> int:
    """Add new results on the test split to the table of reads, and return how many there were so far.

    The same result computed again tells nothing new about the test patients, so a read counts once a digest.
    """
    rows: list[tuple[str, ...]] = []
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            rows = [tuple(row) for row in csv.reader(file, delimiter="\t")][1:]
    known = {row[:3] for row in rows}
    for entry in entries:
        key = (entry["rule"], entry["path"], entry["sha256"])
        if entry["rule"] in TEST_READERS and Path(entry["path"]).name not in NO_SCORES and key not in known:
            rows.append((*key, commit or ""))
    _write_rows(table, READ_COLUMNS, rows)
    return len(rows)


def check(manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield every artefact that is missing or differs from the manifest, paths relative to the working directory."""
    for entry in manifest["artefacts"]:
        file = Path(entry["path"])
        problem = ""
        if not file.is_file():
            problem = "missing"
        elif file.stat().st_size != entry["bytes"]:
            problem = f"{file.stat().st_size} bytes, expected {entry['bytes']}"
        elif (found := sha256_of(file)) != entry["sha256"]:
            problem = f"sha256 {found[:12]}..., expected {entry['sha256'][:12]}..."
        if problem:
            yield Fault(entry["path"], problem, entry["rule"], rebuild_command(manifest, entry))


def rebuild_command(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return the command, for a shell, that makes an artefact again and then whatever has to follow."""
    if entry["rule"] == GIVEN:
        return "put it back: the configuration names it (key bundle), and no rule makes it"
    if entry["path"] == manifest["config"]:
        restore = ["--manifest", _beside_config(manifest), "--restore-config"]
        return shlex.join(["env", f"PYTHONPATH={_plain(SOURCES)}", _plain(PYTHON), _plain(VERIFY), *restore])
    command = [*snakemake_command(), "--configfile", manifest["config"]]
    return f"{shlex.join([*command, '--force', entry['target']])} && {shlex.join(command)}"


def restore_config(manifest: Mapping[str, Any]) -> Path:
    """Write the run's configuration as the manifest holds it; every other command needs it."""
    path = Path(manifest["config"])
    write_text(path, manifest["run_config"])
    return path


def snakemake_command() -> list[str]:
    """Return how Snakemake is called here: by the environment's own program, where there is one."""
    program = PYTHON.with_name("snakemake")
    return [_plain(program)] if program.exists() else ["snakemake"]


def _plain(path: Path) -> str:
    """Return a path as it is typed here: relative where it lies below the working directory."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _beside_config(manifest: Mapping[str, Any]) -> str:
    return Path(manifest["config"]).with_name("manifest.json").as_posix()


def read(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises
    ------
    ValueError
        Where there is none yet, it is damaged or was edited, or it lists files outside its own folder.
    """
    config = path.with_name("run_config.yaml")
    again = [*snakemake_command(), *(["--configfile", str(config)] if config.exists() else [])]
    anew = f"make it again: {shlex.join([*again, '--force', str(path)])}"
    if not path.exists():
        raise ValueError(f"{path}: no manifest; it is written at the end of a run: {shlex.join(again)}")
    try:
        manifest = dict(read_json(path))
        entries = manifest["artefacts"]
        inside = [
            manifest["config"],
            *(entry[key] for entry in entries if entry["rule"] != GIVEN for key in ("path", "target")),
        ]
        outside = [name for name in inside if not _lies_below(Path(name), path.parent)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: damaged ({error}); {anew}") from error
    if not entries:
        raise ValueError(f"{path}: lists no artefact; {anew}")
    if manifest.get("sha256") != digest(manifest):
        raise ValueError(f"{path}: changed since it was written (its own sha256 differs); {anew}")
    if outside:
        raise ValueError(f"{path}: lists {outside[0]!r}; expected files below {path.parent}; {anew}")
    return manifest


def _lies_below(path: Path, folder: Path) -> bool:
    return ".." not in path.parts and path.absolute().is_relative_to(folder.absolute())


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages, without importing them."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit(root: Path) -> str | None:
    """Return the commit of the project, with ``-dirty`` where files differ from it; None outside a repository."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def _write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
