"""Names, paths, YAML, tables and headers that try to run code, write elsewhere, or never end."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faults.corpus import intact, read_records
from faults.ground import OWN, TINY, Ground, contents, judge_rerun
from faults.server import Server
from faults.trial import LOST, SILENT, SURVIVED, TOLD, Trial

KIND = "hostile input"
CODE = "touch executed"
LIMIT_S = 1200.0


@dataclass(frozen=True)
class Place:
    """Where an attack is prepared: the project, and a folder and a server that nobody may touch or ask."""

    ground: Ground
    project: Path
    outside: Path
    server: Server

    def config(self, old: str, new: str) -> None:
        """Change the configuration of the run."""
        file = self.project / OWN
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def record(self, name: str, folder: str = "data/own", change: Callable[[bytes], bytes] | None = None) -> None:
        """Add a record of this name, with a header that is changed."""
        for ending, content in intact(self.ground, "a02").items():
            named = content.replace(b"RECORD", os.fsencode(name))
            file = self.project / folder / f"{name}{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(change(named) if change and ending == ".hea" else named)


class Payload:
    """What runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (CODE,)


def _pickled(array: str) -> bytes:
    import numpy as np

    file = io.BytesIO()
    np.savez(file, **{array: np.array([Payload()], dtype=object)})  # type: ignore[arg-type]
    return file.getvalue()


def _weights(place: Place) -> None:
    folder = place.project / "results/tiny/model/bundle"
    content = _pickled("x")
    (folder / "weights.npz").write_bytes(content)
    value = json.loads((folder / "bundle.json").read_text())
    value["sha256"]["weights.npz"] = hashlib.sha256(content).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(value))


def _state(place: Place) -> None:
    import pickle

    training = place.project / "results/tiny/model/training"
    shutil.rmtree(training.parent)
    training.mkdir(parents=True)
    with zipfile.ZipFile(training / "state.npz", "w") as file:  # as torch writes it
        file.writestr("state/data.pkl", pickle.dumps(Payload(), protocol=2))
        file.writestr("state/version", "3\n")


def _remote(place: Place, url: str) -> None:
    text = json.dumps({"base_url": url, "remote": "own/1.0.0"})
    (place.project / "data/own/remote.json").write_text(text)
    (place.project / "data/own/RECORDS").write_text("a01\na02\na03\ngone\n")
    (place.project / "data/own/.gone.hea.part").symlink_to(place.outside / "precious.txt")
    (place.project / "data/own/gone.hea.part").symlink_to(place.outside / "precious.txt")
    place.server.files = dict.fromkeys(("RECORDS", "gone.hea", "gone.dat", "SHA256SUMS"), b"downloaded")


def _link(place: Place) -> None:
    place.record("linked")
    file = place.project / "data/own/linked.dat"
    file.rename(place.outside / "linked.dat")
    file.symlink_to(place.outside / "linked.dat")


def _pipe(place: Place, ending: str) -> None:
    place.record("pipe")
    file = place.project / f"data/own/pipe{ending}"
    file.unlink()
    os.mkfifo(file)


def _folder(place: Place, name: str) -> None:
    (place.project / "data/own").rename(place.project / "data" / name)
    place.config("role: predict", f"role: predict, folder: {json.dumps('data/' + name)}")


def _append(text: str) -> Callable[[Place], None]:
    return lambda place: place.config("run: own", f"run: own\n{text}")


def _run(name: str) -> Callable[[Place], None]:
    return lambda place: place.config("run: own", f"run: {json.dumps(name)}")


def _header(signal_file: str) -> Callable[[Place], None]:
    return lambda place: place.record("climber", change=lambda text: text.replace(b"climber.dat", signal_file.encode()))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n" for k in range(9)
)
ATTACKS: dict[str, Callable[[Place], None]] = {
    "YAML tag that runs a command": _append(f'seed: !!python/object/apply:os.system ["{CODE}"]'),
    "YAML tag of a name": _append("seed: !!python/name:os.system"),
    "YAML bomb of aliases": _append(BOMB),
    "YAML nested 5,000 deep": _append(f"classes: {'[' * 5000}{']' * 5000}"),
    "YAML key twice": _append("seed: 1\nseed: 2"),
    "10^9 made patients": lambda place: place.config(
        "corpora:",
        "synthetic: {ambulatory_patients: 1000000000}\ncorpora:\n  - {name: m, format: synthetic, role: predict}",
    ),
    "run: a path upwards": _run("../../outside/x"),
    "run: an absolute path": _run("/tmp/beatlens-outside"),
    "run: a command": _run(f"x$({CODE})"),
    "run: a line end": _run("own\n"),
    "run: a wildcard": _run("{shard}"),
    "folder: a command": lambda place: _folder(place, f"x$({CODE})"),
    "folder: quotes and a command": lambda place: _folder(place, f"it's\"; {CODE}; "),
    "folder: braces": lambda place: _folder(place, "{input}"),
    "folder: a path variable": lambda place: _folder(place, "<results>"),
    "labels: an endless device": lambda place: place.config("role: predict", "role: predict, labels: /dev/zero"),
    "record: a command": lambda place: place.record(f"$({CODE})"),
    "record: a separator and a command": lambda place: place.record(f"x; {CODE}"),
    "record: backquotes": lambda place: place.record(f"`{CODE}`"),
    "record: braces": lambda place: place.record("{input}"),
    "record: an option": lambda place: place.record("-rf"),
    "record: a line end": lambda place: place.record("x\ny"),
    "record: bytes that are no text": lambda place: place.record(os.fsdecode(b"x\xff\xfe")),
    "header: a signal file above": _header("../../../outside/precious.txt"),
    "header: an absolute signal file": _header("/etc/passwd"),
    "header: a command as signal file": _header(f"|{CODE}"),
    "header: an address as signal file": _header("http://127.0.0.1:9/x"),
    "link from the corpus to elsewhere": _link,
    "pipe as header": lambda place: _pipe(place, ".hea"),
    "pipe as signal file": lambda place: _pipe(place, ".dat"),
    "pipe as annotations": lambda place: _pipe(place, ".atr"),
    "remote.json of the user's folder, a server": lambda place: _remote(place, place.server.url),
    "remote.json of the user's folder, file://": lambda place: _remote(place, f"file://{place.outside}"),
    "pickle as weights of the bundle": _weights,
    "pickle as state of a training": _state,
}  # fmt: skip
REFUSED = ("YAML", "run:", "10^9", "labels:", "pickle as weights")
"""Beginnings of attacks that have no right result."""


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    names = list(ATTACKS)[:: 18 if ground.quick else 1]
    yield from ground.map(lambda name: _trial(ground, name), names)


def _trial(ground: Ground, name: str) -> Trial:
    number = list(ATTACKS).index(name)
    project = ground.copy(f"hostile/{number}")
    outside = project.with_name(f"outside{number}")
    shutil.rmtree(outside, ignore_errors=True)
    outside.mkdir()
    (outside / "precious.txt").write_text("precious")
    training = name.startswith("pickle as state")
    wanted = contents(project / "results/tiny")
    with Server() as server:
        place = Place(ground, project, outside, server)
        ATTACKS[name](place)
        if not training:
            shutil.rmtree(project / "results/own")
        before = _surroundings(project, outside)
        answer = ground.run(
            project,
            "results/tiny/model/bundle/bundle.json" if training else "preprocess",
            config=TINY if training else OWN,
            limit_s=LIMIT_S,
        )
        asked = dict(server.requests)
    harmed = sorted(set(before.items()) ^ set(_surroundings(project, outside).items()))
    if harmed or asked or Path("/tmp/beatlens-outside").exists():
        outcome = SILENT, f"changed outside results: {[file for file, _ in harmed][:3]}; asked: {asked}"
    elif answer.crashed:
        outcome = LOST, answer.end
    elif answer.code != 0:
        outcome = TOLD, answer.end
    elif name.startswith(REFUSED):
        outcome = SILENT, "accepted"
    elif training:
        outcome = judge_rerun(answer, wanted, project / "results/tiny")
    else:
        outcome = _judge(ground, project)
    for folder in (project, outside):
        shutil.rmtree(folder)
    return Trial(KIND, name, *outcome)


def _judge(ground: Ground, project: Path) -> tuple[str, str]:
    """Return what came of a run that ended well: the records that nobody attacked must be as they were."""
    runs = [path.parent.name for path in (project / "results").glob("*/status.tsv") if path.parent.name != "tiny"]
    if len(runs) != 1:
        return SILENT, f"runs {runs}"
    found, wanted = read_records(project, runs[0]), read_records(ground.finished, "own")
    if any(found.get(record) != expected for record, expected in wanted.items()):
        return SILENT, "records that nobody attacked differ"
    reasons = sorted({found[record].reason for record in set(found) - set(wanted)} - {""})
    return (TOLD, ";".join(reasons)) if reasons else (SURVIVED, "")


def _surroundings(project: Path, outside: Path) -> dict[str, str]:
    """Return every file that a run may not touch, with its content."""
    own = {"results", ".snakemake", "said"}
    files = [
        *outside.rglob("*"),
        *(file for file in project.rglob("*") if file.relative_to(project).parts[0] not in own),
    ]
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        for file in files
        if "__pycache__" not in file.parts
    }
