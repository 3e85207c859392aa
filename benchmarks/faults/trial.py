"""What a trial is, how it is judged, and the table of a campaign."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SURVIVED, TOLD, LOST, SILENT = "survived", "told", "lost", "silent"
MARKS = ("<!-- figures of the campaign -->", "<!-- end of the figures -->")
OUTCOMES = {
    SURVIVED: "the right result, at once or after the same command again, bit for bit",
    TOLD: "refused or listed with a reason, and nothing else harmed",
    LOST: "work or a record lost without a reason, a crash, or no end in time",
    SILENT: "a wrong result, a file written or code run, without a word",
}


@dataclass(frozen=True)
class Trial:
    """One fault and what came of it.

    Attributes
    ----------
    kind
        Kind of fault, a row of the table.
    name
        Which fault it was, so that it can be repeated.
    outcome
        One of `OUTCOMES`.
    detail
        What was seen.
    """

    kind: str
    name: str
    outcome: str
    detail: str = ""


def write_trials(path: Path, trials: Iterable[Trial]) -> None:
    """Write trials as lines of JSON."""
    path.write_text("".join(json.dumps(asdict(trial)) + "\n" for trial in trials), encoding="utf-8")


def read_trials(path: Path) -> list[Trial]:
    """Read trials."""
    return [Trial(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def table(trials: Sequence[Trial]) -> str:
    """Return the figures as a Markdown table, a row a kind."""
    header = ["kind", "tried", *OUTCOMES]
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    for kind in [*dict.fromkeys(trial.kind for trial in trials), ""]:
        of_kind = [trial.outcome for trial in trials if trial.kind == kind or not kind]
        counts = [len(of_kind), *(of_kind.count(outcome) for outcome in OUTCOMES)]
        lines.append(f"| {kind or '**all**'} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines) + "\n"


def fill(page: Path, text: str) -> None:
    """Put a table in the place of the page's last one, between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"{MARKS[0]}\n")
    _, mark, after = rest.partition(MARKS[1])
    if not mark:
        raise ValueError(f"{page}: no lines {' and '.join(MARKS)}; expected them around the table")
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n{MARKS[1]}{after}", encoding="utf-8")
