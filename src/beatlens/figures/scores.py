"""Scores of explanations beside the nulls that know nothing of the model."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from beatlens.figures.classification import empty_figure
from beatlens.figures.paper.style import ACCENT, MUTED, NULL, POSITIVE, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

METRIC_WORDS = {
    "auprc": ("AUPRC", "do large values lie on the truth?"),
    "pointing_game": ("Pointing game", "does the largest value lie on the truth?"),
    "relevance_mass": ("Relevance mass", "how much of the map lies on the truth?"),
    "decoy_mass": ("Mass on decoys", "how much lies on what was changed and means nothing? 0 is best"),
    "decoy_use": ("Use of decoys", "does the model heed them? Then it is at fault, not the explanation"),
    "decoys_used": ("Decoys used", "share of them that the model heeds"),
    "lead_auc": ("Lead AUC", "do the right leads have more?"),
    "time_auc": ("Time AUC", "do the right moments have more?"),
    "joint_auc": ("Joint AUC", "right moments of the right leads?"),
    "aup": ("AUP", "mean precision over all thresholds"),
    "aur": ("AUR", "mean recall over all thresholds"),
    "precision_at_5": ("Precision at 5", "do the five largest cells lie on the truth?"),
    "relevance_rank": ("Relevance rank", "do as many largest values as the truth has lie on it?"),
    "span_f1": ("F1 of spans", "is what is shown as spans the truth?"),
    "token_count": ("Cells", "how many hold nine tenths of the map: fewer is shorter, not truer"),
    "deletion": ("Deletion", "0: random order, 1: best order found"),
    "insertion": ("Insertion", "0: random order, 1: best order found"),
    "span_deletion": ("Deletion of spans", "what the probability loses without what is shown as spans"),
    "sensitivity_n": ("Sensitivity-n", "do sums of values go with what the model loses?"),
    "infidelity": ("Infidelity", "how far are sums of values from what the model loses? 0 is best"),
    "rhythm_share": ("Rhythm share", "how much is rhythm: neither good nor bad"),
}
"""Name and question of each metric, in the order in which they are shown."""
METRICS_WITHOUT_VERDICT = frozenset({"rhythm_share", "token_count", "aur", "decoy_use", "decoys_used"})
"""Metrics without a verdict: they are neither good nor bad, or a constant map has 1 (mean recall, read with mean
precision).
"""
TRUTHS = (
    "planted", "planted against decoys", "planted against unused decoys",
    "annotated beats", "regions, strict", "regions, lenient", "regions, strict, record label",
    "regions, lenient, record label",
)  # fmt: skip
"""Truths that explanations are held against, the surest first."""
ABSOLUTE = frozenset({"deletion_auc", "insertion_auc"})
"""Areas of which the deletion and insertion scores are the normalised form."""
ONLY_IN_TABLES = ABSOLUTE | {
    "joint_auc", "aup", "aur", "precision_at_5", "relevance_rank", "span_f1", "token_count", "span_deletion",
    "infidelity", "decoy_use", "decoys_used",
}  # fmt: skip


LEAST_SHARE = 0.5
"""Share of a score's cases that a null must have to count in the verdict."""

EDGE, LINE = 0.2, 32
"""Share of a panel at its edges in which a null's name is aligned to stay inside; characters of a line below it."""


@dataclass(frozen=True)
class Null:
    """One null of a score: by how much the score exceeds it, and over how many cases they were compared."""

    name: str
    value: float
    gain: float
    gain_lo: float
    gain_hi: float
    n: int

    @property
    def words(self) -> str:
        """Its name as text."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class ScoreRow:
    """One metric of one method over all cases, with its nulls.

    Attributes
    ----------
    method, metric, truth, value, lo, hi, n
        As in the table of scores; `n` cases.
    nulls
        Nulls that the verdict rests on: most cases have them, and they have an interval where the score has one. The
        deciding one comes first. It is the strongest; if the score exceeds all of them, it is the one whose interval of
        the gain reaches lowest.
    scarce
        The other nulls: those of few cases, or of one patient, which can't decide for all.
    """

    method: str
    metric: str
    truth: str
    value: float
    lo: float
    hi: float
    n: int
    nulls: tuple[Null, ...]
    scarce: tuple[Null, ...] = ()

    @property
    def name(self) -> str:
        """The metric's name, with the truth where there is a choice of them."""
        return metric_words(self.metric)[0] + (f", {self.truth}" if self.truth in TRUTHS else "")

    @property
    def beats_all(self) -> bool:
        """Whether the interval of the gain over each of `nulls` lies above 0."""
        return all(null.gain_lo > 0 for null in self.nulls)

    @property
    def above_all(self) -> bool:
        """Whether the gain over each of `nulls` is above 0, sure or not."""
        return all(null.gain > 0 for null in self.nulls)

    @property
    def doubt(self) -> str:
        """Why it isn't clearly above every null, "" where it is."""
        decisive = self.nulls[0]
        if self.beats_all:
            return ""
        if not self.above_all:
            return f'the null "{decisive.words}" does as well or better'
        if not decisive.gain_lo <= 0:
            return "above every null, but one patient gives no interval"
        return f'above "{decisive.words}", but the interval reaches 0'

    @property
    def left_out(self) -> str:
        """Name the nulls that have too few cases for a verdict, with their cases; "" where there is none."""
        return ", ".join(f'"{null.words}" ({null.n} of {self.n} cases)' for null in self.scarce)


def score_rows(metrics: pd.DataFrame, scope: str = "all", name: str = "") -> list[ScoreRow]:
    """Gather the rows of one scope: a metric and method each, metrics in the order of `METRIC_WORDS`.

    Parameters
    ----------
    metrics
        Table of the scores of explanations, a row a null.
    scope, name
        Scope, and the class for the scope ``class``.
    """
    table = metrics[(metrics["scope"] == scope) & (metrics["class"] == name)]
    order = {metric: k for k, metric in enumerate(METRIC_WORDS)}
    rows = []
    for key, part in table.groupby(["metric", "truth", "method"], sort=False):
        # A null that few cases have is compared with the score over these cases alone.
        first: Any = part.iloc[int(part["n"].to_numpy().argmax())]
        found = [
            Null(str(r.null_name), float(r.null_value), float(r.gain), float(r.gain_lo), float(r.gain_hi), int(r.n))
            for r in part.itertuples(index=False)
        ]
        value, lo, hi, n = (float(first[name]) for name in ("value", "lo", "hi", "n"))
        one_patient = not math.isfinite(lo)
        counted = [
            null
            for null in found
            if null.n >= LEAST_SHARE * n and math.isfinite(null.gain) and (one_patient or math.isfinite(null.gain_lo))
        ]
        scarce = tuple(null for null in found if counted and null not in counted)
        rows.append(ScoreRow(key[2], key[0], key[1], value, lo, hi, int(n), _ordered(counted or found), scarce))
    truths = {truth: k for k, truth in enumerate(TRUTHS)}
    return sorted(
        rows,
        key=lambda row: (
            truths.get(row.truth, len(truths)),
            order.get(row.metric, len(order)),
            row.name,
            row.method == "fused",
            row.method,
        ),
    )


def _ordered(nulls: Sequence[Null]) -> tuple[Null, ...]:
    """Put the deciding null first: that of the least gain or, if the score exceeds all, that of the lowest interval."""
    unsure = all(null.gain > 0 for null in nulls) and any(null.gain_lo <= 0 for null in nulls)

    def key(null: Null) -> tuple[float, str]:
        rank = null.gain_lo if unsure else null.gain
        return math.inf if math.isnan(rank) else rank, null.name

    return tuple(sorted(nulls, key=key))


def metric_words(metric: str) -> tuple[str, str]:
    """Return a metric's name and the question that it answers."""
    return METRIC_WORDS.get(metric, (metric.replace("_", " "), ""))


def scores_figure(metrics: pd.DataFrame) -> Figure:
    """Draw each metric over all cases: the methods with their intervals, and grey ticks where the nulls lie."""
    rows = [
        row
        for row in score_rows(metrics)
        if math.isfinite(row.value) and row.metric not in ONLY_IN_TABLES and not row.truth.startswith("regions")
    ]
    names = list(dict.fromkeys(row.name for row in rows))
    if not names:
        return empty_figure("No explained cases: there are no scores to show.")
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    methods = max(sum(row.name == name for row in rows) for name in names)
    with styled():
        figure = new_figure(70 * columns, (26 + 9 * methods) * lines, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False)
        for k, axes in enumerate(grid.ravel()):
            if k < len(names):
                _panel(axes, [row for row in rows if row.name == names[k]])
            else:
                axes.axis("off")
        return figure


def _panel(axes: Axes, rows: Sequence[ScoreRow]) -> None:
    metric = rows[0].metric
    shown = [v for row in rows for v in (row.value, row.lo, row.hi, *(n.value for n in row.nulls)) if math.isfinite(v)]
    low, high = min(0.0, *shown) - 0.03, max(1.0, *shown) + 0.03
    for k, row in enumerate(rows):
        y = len(rows) - 1 - k
        finite = [null for null in row.nulls if math.isfinite(null.value)]
        axes.scatter([null.value for null in finite], [y] * len(finite), marker="|", s=70, color=NULL, linewidth=1.4)
        if finite:
            place = (finite[0].value - low) / (high - low)
            side = "left" if place < EDGE else "right" if place > 1 - EDGE else "center"
            axes.text(finite[0].value, y + 0.24, finite[0].words, fontsize=6, color=MUTED, ha=side)
        colour = ACCENT if row.beats_all or metric in METRICS_WITHOUT_VERDICT else POSITIVE
        if math.isfinite(row.lo):
            axes.plot([row.lo, row.hi], [y, y], color=colour, linewidth=1.6, alpha=0.6)
        filled = colour if row.beats_all or metric in METRICS_WITHOUT_VERDICT else "white"
        axes.scatter([row.value], [y], s=26, color=filled, edgecolor=colour, zorder=3, linewidth=1.4)
    axes.set(xlim=(low, high), ylim=(-0.5, len(rows) - 0.35))
    axes.set_yticks(range(len(rows)), [row.method for row in reversed(rows)])
    axes.set_title(rows[0].name, fontsize=9 if len(rows[0].name) < 24 else 7.5)
    axes.set_xlabel(textwrap.fill(metric_words(metric)[1], LINE), fontsize=7, color=MUTED)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
