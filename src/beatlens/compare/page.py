"""The page of two compared runs, and the tables beside it."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from beatlens.compare.drawing import ChangedBeats
from beatlens.compare.paired_scores import paired_scores
from beatlens.compare.pairs import Pairs, pair_beats
from beatlens.compare.runs import ComparedRun, common_records
from beatlens.core.files import write_table, write_text
from beatlens.core.record_faults import safe_name
from beatlens.figures.paper.style import MM_PER_INCH, save_figure

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent
N_DRAWN, N_LISTED = 10, 200
METRIC_WORDS = {"macro_f1": "macro F1", "f1": "F1", "review_rate": "share in review"}


def write_comparison(before: Path, after: Path, output: Path | None = None) -> Path:
    """Compare two runs and write compare.html, changes.csv, scores.csv and confusion.csv.

    Parameters
    ----------
    before, after
        Folders of finished runs.
    output
        Folder to write; ``<after>/compared/<name of before>`` where None.

    Returns
    -------
    Path of the page.

    Raises
    ------
    ValueError
        Where a folder is no run, or the two can't be compared (`beatlens.compare.runs.common_records`).
    """
    import pandas as pd

    first, second = ComparedRun.open(before), ComparedRun.open(after)
    records = common_records(first, second)
    pairs = pair_beats(first, second, records)
    held_out = records & first.held_out() & second.held_out()
    scores = paired_scores(first, second, held_out)
    folder = output or after / "compared" / safe_name(before.resolve().name, "run")
    counts = pairs.confusion(first.classes)
    rows = [
        {"before": one, "after": other, "n": int(counts[i, j])}
        for i, one in enumerate(first.classes)
        for j, other in enumerate(first.classes)
    ]
    write_table(folder / "changes.csv", pairs.changed().drop(columns="changed"))
    write_table(folder / "scores.csv", scores)
    write_table(folder / "confusion.csv", pd.DataFrame(rows))
    page = folder / "compare.html"
    write_text(page, render(first, second, pairs, scores=scores, n_records=len(records), n_scored=len(held_out)))
    return page


def render(
    before: ComparedRun, after: ComparedRun, pairs: Pairs, *, scores: pd.DataFrame, n_records: int, n_scored: int
) -> str:
    """Return the page as HTML; names are escaped, and it holds neither scripts nor anything to load.

    Parameters
    ----------
    before, after, pairs, scores
        The runs, their beats and scores.
    n_records, n_scored
        Records that both have, and those of them that are scored.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    changed = pairs.changed()
    counts = pairs.confusion(before.classes)
    by_record = changed.groupby(["corpus", "record"], sort=False).size().sort_values(ascending=False, kind="stable")
    review = [int(pairs.table[f"{side}_review"].sum()) for side in ("before", "after")]
    return environment.get_template("compare.html.j2").render(
        before=before,
        after=after,
        only_in=[len(run.records) - n_records for run in (before, after)],
        n_records=n_records,
        n_scored=n_scored,
        given=" and ".join(run.name for run in (before, after) if not run.bundle),
        n_pairs=len(pairs.table),
        n_changed=len(changed),
        pairs=pairs,
        review=review,
        counts=[
            (name, [int(n) for n in row], place)
            for place, (name, row) in enumerate(zip(before.classes, counts, strict=True))
        ],
        verdict=_verdict(scores),
        level=f"{100 * after.evaluate.level:g} %",
        scores=[_score_row(row) for row in scores.to_dict("records")],
        drawings=_drawings(after, before, pairs),
        records=[(corpus, record, int(n)) for (corpus, record), n in by_record.head(N_LISTED).items()],
        n_records_changed=len(by_record),
        changes=changed.head(N_LISTED).to_dict("records"),
        n_listed=N_LISTED,
    )


def _verdict(scores: pd.DataFrame) -> str:
    """Say whether the macro F1 differs by more than chance."""
    row = scores[(scores["class"] == "all") & (scores["metric"] == "macro_f1")]
    if not len(row):
        return ""
    value, lo, hi = (float(row[name].iloc[0]) for name in ("difference", "difference_lo", "difference_hi"))
    if lo != lo:
        return "One patient gives no interval, so whether the macro F1 changed by more than chance isn't known."
    told = f"{value:+.3f} ({lo:+.3f} to {hi:+.3f})"
    if lo > 0 or hi < 0:
        return f"On test patients the macro F1 is {'higher' if value > 0 else 'lower'}: {told}."
    return f"On test patients the macro F1 differs by {told}, which how patients differ could explain alone."


def _score_row(row: dict[str, Any]) -> dict[str, Any]:
    def told(name: str, sign: str = "") -> str:
        value, lo, hi = (float(row[column]) for column in (name, f"{name}_lo", f"{name}_hi"))
        if value != value:
            return "not known"
        return f"{value:{sign}.3f}" + (f" ({lo:{sign}.3f} to {hi:{sign}.3f})" if lo == lo else "")

    lo, hi = float(row["difference_lo"]), float(row["difference_hi"])
    return {
        "label": row["class"],
        "metric": METRIC_WORDS.get(row["metric"], row["metric"]),
        "before": told("before"),
        "after": told("after"),
        "difference": told("difference", "+"),
        "sure": lo > 0 or hi < 0,
        "n": row["n"],
        "n_patients": row["n_patients"],
    }


def _drawings(after: ComparedRun, before: ComparedRun, pairs: Pairs) -> list[dict[str, Any]]:
    """Draw the largest changes, from the signals of the later run, else of the earlier one."""
    sources = [ChangedBeats(run.folder, pairs.table) for run in (after, before)]
    result = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, beat in enumerate(pairs.changed().head(N_DRAWN).itertuples()):
            drawn: dict[str, Any] = {"beat": beat, "uri": "", "width_mm": 0}
            figure = sources[0].draw(beat) or sources[1].draw(beat)
            if figure is not None:
                path = Path(scratch, f"{number}.svg")
                save_figure(figure, path)
                drawn["uri"] = "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
                drawn["width_mm"] = round(float(figure.get_size_inches()[0]) * MM_PER_INCH, 3)
            result.append(drawn)
    return result
