"""Downloads from a server that breaks off, errs, lies or never ends."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.corpus import read_records
from faults.ground import Answer, Ground
from faults.server import Server
from faults.trial import LOST, SILENT, SURVIVED, TOLD, Trial

KIND = "faulty download"
LIMIT_S = 1200.0
CONFIG = """\
run: far
bundle: results/tiny/model/bundle
allow_made_bundle: true
shards: 1
max_bad_fraction: 1.0
corpora:
  - {{name: far, format: wfdb, role: predict, remote: own/1.0.0, base_url: "{url}"}}
"""
Fault = Callable[[Server, Path], None]


def _wrong(server: Server, _: Path) -> None:
    server.files["a02.dat"] = server.files["a02.dat"][::-1]


def _sums(text: Callable[[str], str]) -> Fault:
    def change(server: Server, _: Path) -> None:
        server.files["SHA256SUMS"] = text(server.files["SHA256SUMS"].decode()).encode()

    return change


def _records(text: str) -> Fault:
    def change(server: Server, _: Path) -> None:
        server.files["RECORDS"] += text.encode()

    return change


def _statuses(*statuses: int, retry_after: int | None = None) -> Fault:
    def change(server: Server, _: Path) -> None:
        server.statuses["a02.dat"] = list(statuses)
        server.retry_after = retry_after

    return change


def _both(*faults: Fault) -> Fault:
    def change(server: Server, project: Path) -> None:
        for fault in faults:
            fault(server, project)

    return change


FAULTS: dict[str, Fault] = {
    "none": lambda server, project: None,
    "answers that break off": lambda server, project: server.cuts.update({"a02.dat": [5000, 7000]}),
    "errors, then the file": _statuses(500, 503),
    "too many requests, then the file": _statuses(429, 429, retry_after=2),
    "errors without end": _statuses(*[503] * 50),
    "a file that isn't there": lambda server, project: server.files.__delitem__("a02.dat"),
    "wrong content": _wrong,
    "a list of sums cut in half": _both(_wrong, _sums(lambda text: text[: len(text) // 2])),
    "sums in capital letters": _sums(lambda text: re.sub(r"^\S+", lambda sum_: sum_[0].upper(), text, flags=re.M)),
    "an unsafe record": _records("../../../outside\n"),
    "a record with a command": _records("$(touch executed)\n"),
    "a list of records without end": lambda server, project: server.endless.add("RECORDS"),
    "a signal file without end": lambda server, project: server.endless.add("a02.dat"),
    "a header that names a file above": lambda server, project: server.files.update(
        {"a02.hea": server.files["a02.hea"].replace(b"a02.dat", b"../a02.dat")}
    ),
}


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    yield from ground.map(lambda name: _trial(ground, name), list(FAULTS)[1:2] if ground.quick else list(FAULTS))


def _trial(ground: Ground, name: str) -> Trial:
    project = ground.copy(f"download {list(FAULTS).index(name)}")
    with Server() as server:
        server.files = {file.name: file.read_bytes() for file in (ground.finished / "data/own").iterdir()}
        server.files["RECORDS"] = b"a01\na02\na03\n"
        server.files["SHA256SUMS"] = "".join(
            f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in sorted(server.files.items())
        ).encode()
        whole = dict(server.files)
        FAULTS[name](server, project)
        (project / "far.yaml").write_text(CONFIG.format(url=server.url), encoding="utf-8")
        answer = ground.run(project, "preprocess", config="far.yaml", limit_s=LIMIT_S)
        outcome = _judge(ground, project, answer)
        if outcome[0] == TOLD:  # the server is well again: the same command must take what it can have now
            server.files, server.statuses, server.cuts, server.endless = whole, {}, {}, set()
            again = ground.run(project, "preprocess", config="far.yaml", limit_s=LIMIT_S)
            found = read_records(project, "far") if again.code == 0 else {}
            out = [name for name in read_records(ground.finished, "own") if name not in found or found[name].reason]
            if out:
                outcome = LOST, f"{outcome[1]}; after the outage without {out}: {again.end}"
    if (project / "executed").exists():
        outcome = SILENT, "code was run"
    shutil.rmtree(project)
    return Trial(KIND, name, *outcome)


def _judge(ground: Ground, project: Path, answer: Answer) -> tuple[str, str]:
    if answer.crashed:
        return LOST, answer.end
    if answer.code != 0:
        return TOLD, answer.end
    found, wanted = read_records(project, "far"), read_records(ground.finished, "own")
    reasons = [f"{record}: {entry.reason}" for record, entry in found.items() if entry.reason]
    for record, expected in wanted.items():
        if record not in found:
            return LOST, f"{record} is neither used nor listed"
        if not found[record].reason and found[record].digest != expected.digest:
            return SILENT, f"{record} differs"
    return (TOLD, "; ".join(reasons)) if reasons else (SURVIVED, "")
