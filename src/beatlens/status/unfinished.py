"""The page of a run that hasn't finished: what failed, the last lines of its log, what is there, and how to go on.

It is written when a run starts, so that a run that is killed leaves it, written again when a job fails, and taken away
when the run is complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent
NAME = "unfinished.html"
LAST_LINES, WIDEST, MOST_BYTES = 30, 400, 200_000
"""Lines of a log that are shown, characters of a line, and bytes of a log's end that are read."""
STAGES = (
    ("Records that can't be used", "status.html"),
    ("Who is in which split", "records.tsv"),
    ("Trained model", "model/bundle/bundle.json"),
    ("Predicted beats", "predictions/beats.parquet"),
    ("Predictions by record", "predictions/records.parquet"),
    ("New patterns", "alerts/alerts.csv"),
    ("Explained cases", "explanations/cases.csv"),
    ("Explanations, fused", "explanations/fused.tsv"),
    ("Explained cases in words", "explanations/words.csv"),
    ("Scores of predictions", "metrics/classification.csv"),
    ("Scores of explanations", "metrics/explanations.csv"),
    ("Figures of cases", "figures/cases.tsv"),
    ("Diagnoses of records", "diagnoses.html"),
    ("Summary for programs", "summary.json"),
    ("Report", "report.html"),
    ("Manifest", "manifest.json"),
)
"""What a run makes, in words, and the file that shows that it is there."""
_ERROR = re.compile(r"^\s*Error in rule (?P<rule>\w+).*:\s*$")
_FIELD = re.compile(r"^    (?P<name>\w+): (?P<value>.*)$")


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule, its output as Snakemake's log has it, its log file and that one's last lines."""

    rule: str
    output: str
    log: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """What a run makes: in words, its file, when that was made ("" if not), and whether before this run."""

    words: str
    file: str
    made: str
    earlier: bool


def failures(snakemake_log: Path, root: Path) -> list[Failure]:
    """Return the failed jobs that a log of Snakemake names, each once, the latest mention of it.

    Parameters
    ----------
    snakemake_log
        The log.
    root
        Folder that its paths start from.
    """
    found: dict[tuple[str, str], Failure] = {}
    for rule, fields in _errors(snakemake_log):
        logs = [part.strip() for part in re.sub(r"\(check log.*", "", fields.get("log", "")).split(",") if part.strip()]
        there = [log for log in logs if (root / log).is_file()]
        lines = last_lines(root / there[0]) if there else ()
        found[rule, fields.get("output", "")] = Failure(rule, fields.get("output", ""), ", ".join(logs), lines)
    return list(found.values())


def _errors(snakemake_log: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rule and the fields of each error in a log."""
    rule, fields = "", dict[str, str]()
    for line in snakemake_log.read_text(encoding="utf-8", errors="replace").splitlines():
        error, field = _ERROR.match(line), _FIELD.match(line)
        if rule and field:
            fields.setdefault(field["name"], field["value"])
            continue
        if rule and not line.startswith("    "):
            yield rule, fields
            rule = ""
        if error:
            rule, fields = error["rule"], {}
    if rule:
        yield rule, fields


def last_lines(log: Path, n: int = LAST_LINES) -> tuple[str, ...]:
    """Return the last lines of a text file, long ones cut."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MOST_BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return tuple(line if len(line) <= WIDEST else f"{line[:WIDEST]} ..." for line in lines[-n:])


def stages(results: Path, began: datetime) -> list[Stage]:
    """Return what is there of `STAGES` in a run's folder; earlier is what was made before this run began."""
    found = []
    for words, name in STAGES:
        file = results / name
        made = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.is_file() else None
        text = "" if made is None else f"{made:%Y-%m-%d %H:%M} UTC"
        found.append(Stage(words, name, text, made is not None and made < began))
    return found


def render_unfinished(
    run: str, results: Path, *, began: datetime, failed: Sequence[Failure], log: str, lines: Sequence[str]
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    run, results
        Name of the run and its folder.
    began
        When it started.
    failed
        Jobs that failed; none where the run goes on or was killed.
    log, lines
        Snakemake's log file and its last lines.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("unfinished.html.j2").render(
        run=run, began=f"{began:%Y-%m-%d %H:%M} UTC", stages=stages(results, began), failed=failed, log=log, lines=lines
    )
