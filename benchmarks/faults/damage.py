"""Damage to each artefact of a run and to its manifest: `verify` names it, and what it prints rebuilds the file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.ground import LIMIT_S, TINY, Ground, contents
from faults.trial import LOST, SILENT, SURVIVED, TOLD, Trial

DAMAGED, EDITED, REBUILT = "damaged artefact", "edited manifest", "command that verify prints"


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    project = ground.copy("damage")
    manifest = json.loads((project / "results/tiny/manifest.json").read_text(encoding="utf-8"))
    yield from _damage_each(ground, project, manifest["artefacts"])
    yield from _edit_manifest(ground, project, manifest)
    yield from _rebuild(ground, project, manifest["artefacts"])
    shutil.rmtree(project)


def _damage_each(ground: Ground, project: Path, entries: list[dict[str, Any]]) -> Iterator[Trial]:
    from beatlens.run.manifest import check

    listed = [{**entry, "path": str(project / entry["path"])} for entry in entries]
    manifest = {"artefacts": listed, "config": ""}
    assert not list(check(manifest))
    rng = ground.random(DAMAGED)
    for number, entry in enumerate(listed[:8] if ground.quick else listed):
        file = Path(entry["path"])
        content = file.read_bytes()
        bit = rng.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        other = Path(listed[(number + 1 + rng.randrange(len(listed) - 1)) % len(listed)]["path"]).read_bytes()
        for name, change in {
            "truncated": content[: rng.randrange(len(content))],
            f"bit {bit} flipped": bytes(flipped),
            "removed": None,
            "swapped with another": other,
        }.items():
            if change == content:
                continue
            file.unlink() if change is None else file.write_bytes(change)
            named = [fault.path for fault in check(manifest)]
            file.write_bytes(content)
            outcome = (TOLD, "") if named == [entry["path"]] else (SILENT, f"named: {named}")
            yield Trial(DAMAGED, f"{file.relative_to(project)} {name}", *outcome)


def _edit_manifest(ground: Ground, project: Path, manifest: dict[str, Any]) -> Iterator[Trial]:
    path = project / "results/tiny/manifest.json"
    whole = path.read_bytes()
    rng = ground.random(EDITED)

    def edit(number: int) -> str | bytes:
        value = json.loads(whole)
        entry = value["artefacts"][rng.randrange(len(value["artefacts"]))]
        changes: list[Callable[[], Any]] = [
            lambda: entry.update(sha256="0" * 64),
            lambda: entry.update(path="../../../outside"),
            lambda: value["artefacts"].remove(entry),
            lambda: value.update(test_reads=0),
            lambda: value.update(artefacts=value["artefacts"][:1]),
            lambda: value.update(config="/tmp/other.yaml"),
        ]
        if number < len(changes):
            changes[number]()
            return json.dumps(value)
        return whole[: rng.randrange(1, len(whole))]

    for number in range(1 if ground.quick else 8):
        content = edit(number)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        answer = ground.run(project, "verify", config=TINY)
        told = answer.code != 0 and "manifest.json" in answer.said and not answer.crashed
        yield Trial(EDITED, f"change {number}", *((TOLD, "") if told else (SILENT, answer.end)))
    path.write_bytes(whole)


def _rebuild(ground: Ground, project: Path, entries: list[dict[str, Any]]) -> Iterator[Trial]:
    """Damage a file of some rules, paste what `verify` prints, and compare all results with those of before."""
    results = project / "results/tiny"
    wanted = contents(results)
    rng = ground.random(REBUILT)
    by_rule: dict[str, list[str]] = {}
    for entry in entries:
        by_rule.setdefault(entry["rule"], []).append(entry["path"])
    rules = ["write_config", *rng.sample(sorted(set(by_rule) - {"write_config"}), 0 if ground.quick else 6)]
    for rule in rules:
        file = project / rng.choice(by_rule[rule])
        file.write_bytes(file.read_bytes()[:-1])
        said = ground.run(project, "verify", config=TINY).said
        (command,) = {line.split("rebuild it: ")[1] for line in said.splitlines() if "rebuild it: " in line}
        bare = f"{Path(sys.executable).parent}:{ground.environment['PATH']}"
        answer = subprocess.run(
            command, shell=True, cwd=project, env={**ground.environment, "PATH": bare}, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        outcome = SURVIVED, ""
        if answer.returncode:
            outcome = LOST, f"{command}: {(answer.stdout + answer.stderr)[-300:]}"
        elif (found := contents(results)) != wanted:
            outcome = SILENT, f"differ: {sorted(name for name in wanted if found.get(name) != wanted[name])[:3]}"
        yield Trial(REBUILT, f"{rule}: {file.relative_to(results)}", *outcome)
