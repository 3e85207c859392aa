"""One explained case: its figure, and the facts that stand beside it in the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from beatlens.core.numerals import fixed
from beatlens.core.record import DECOY
from beatlens.evaluate.attention.alignment import Agreement
from beatlens.explain.settings import OF_ATTENTION
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.overlay import PLAIN, UNIT_S, draw_overlay, truth_legend
from beatlens.figures.paper.page import explained_page
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import MUTED, styled
from beatlens.figures.settings import LookSettings

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.explain.result.attribution import Attribution
    from beatlens.shards.shard import BeatGeometry, Shard

Array = npt.NDArray[np.float64]

FACT_COLUMNS = {
    "case": "case id, the name of its figure",
    "corpus": "corpus name",
    "record": "record name",
    "patient": "patient id",
    "target": "beat or window",
    "beat_id": "the beat whose prediction is explained; of a window the one that most likely has the class",
    "r_time_s": "its R peak in seconds",
    "class": "predicted class, which the attribution is for",
    "probability": "its calibrated probability",
    "label": "truth, '' unknown, 'none' for no beat",
    "outcome": "correct, wrong, review or unlabelled",
    "reason": "why the beat went to review",
    "relaxed": "picked below the least probability, for want of better",
    "rhythm_share": "share of the rhythm in the fused attribution, NaN where it was no player",
    "rhythm_sign": "1 for, -1 against the class, 0 neither",
    "beat_share": "share of the signal's mass inside the target beat, NaN for a window",
    "outside": "share of the signal's mass outside the figure",
    "top_leads": "leads with the most mass and their share, as in 'II:0.71;V1:0.29'",
    "agreement": "mean rank correlation between the methods, NaN with fewer than two",
    "limit": "value per unit at which colour is full",
    "absent": "methods that don't apply to the case, joined by ;",
}
MATCH_S = 0.15
LEARNT_FROM = ("train", "select", "calibrate")
UNCHECKED = "Attention that no perturbation was held against: what the network reads, not why it answers"


def figure_name(case: str, method: str) -> str:
    """Return the name of a case's figure: the case itself for what is fused, with the method for any other."""
    return case if method == "fused" else f"{case}_{method}"


def case_figure(
    case: Mapping[str, Any],
    beats: pd.DataFrame,
    shard: Shard,
    *,
    fused: Attribution,
    limit: float,
    scale: PaperScale,
    look: LookSettings = PLAIN,
    note: str = "",
) -> tuple[EcgFigure, float]:
    """Draw one case: the stretch that the model saw, its beats, and an attribution over the signal.

    Parameters
    ----------
    case
        Row of the table of cases.
    beats
        Predictions of the case's record.
    shard
        Holds the record.
    fused
        The attribution: the fused one, or that of a method.
    limit
        Value at which colour is full, shared by the report.
    scale
        Paper scale.
    look
        How the figure looks.
    note
        What stands below, as `attention_note`.

    Returns
    -------
    figure, outside
        The drawn figure, and the share of the attribution's mass that it doesn't show.

    Raises
    ------
    ValueError
        Where the attribution is of another record or beat, or the beat isn't among the predictions.
    """
    found = {key: getattr(fused.meta, key) for key in ("corpus", "record", "beat_id")}
    if any(case[key] != value for key, value in found.items()):
        raise ValueError(f"case {case['case']} of {case['beat_id']} with an attribution of {found}")
    row = shard.row(case["corpus"], case["record"])
    leads = shard.leads(case["corpus"], case["record"])
    shown = tuple(lead for lead in leads if lead in fused.leads)
    first, stop = max(0, round(case["start_s"] * row.fs)), min(row.n_samples, round(case["end_s"] * row.fs))
    signal = shard.signal(case["corpus"], case["record"])[[leads.index(lead) for lead in shown], first:stop]
    beat = target_beat(case, beats)
    inside = beats[(beats["r_time_s"] >= case["start_s"]) & (beats["r_time_s"] < case["end_s"])]
    position = int(np.flatnonzero((inside["beat_id"] == case["beat_id"]).to_numpy())[0])
    with styled():
        strip = Strip(np.array(signal), shown, float(row.fs), first / row.fs)
        figure = explained_page(strip, fused, scale=scale, look=look, moment_s=float(beat["r_time_s"]))
        window = case["target"] == "window"
        figure.mark_beats(inside["r_time_s"].tolist(), inside["pred"].tolist(), None if window else position)
        if window:
            figure.mark_stretch(case["window_start_s"], case["window_end_s"])
            place = f"from {case['window_start_s']:g} to {case['window_end_s']:g} s: {case['class']} found"
        else:
            place = f"at {beat['r_time_s']:.1f} s: called {beat['pred']}"
            place += f", explained as {case['class']}" if case["class"] != beat["pred"] else ""
        figure.title(
            f"{case['record']} {place} (p {fixed(case['probability'], 2)})",
            verdict(case["outcome"], case["label"]) + _rhythm(fused) + _method(fused),
        )
        spans = _planted(shard, case, float(beat["r_time_s"]), row.fs_file)
        decoys = [span for span in spans if span["label"].startswith(DECOY)]
        for span in spans:
            lead, start_s, end_s = span["lead"], span["start_s"], span["end_s"]
            if span in decoys:
                kind = span["label"].removeprefix(DECOY)
                figure.mark_span(lead, start_s, end_s, MUTED, above=True, text=kind[0])
            else:
                figure.mark_span(lead, start_s, end_s)
        for text in (*_seen(case, beat), *filter(None, [note])):
            figure.note(text)
        if spans:
            truth_legend(figure, decoys="decoys" if decoys else "")
        if fused.meta.absent:
            figure.note(f"No map: {fused.meta.absent}")
            return figure, 0.0
        return figure, draw_overlay(figure, fused, limit, look)


def attention_note(folder: str | Path | None, case: str, method: str) -> str:
    """Say how far a map of attention agrees with perturbation evidence, "" for a map of another method.

    Parameters
    ----------
    folder
        ``attention/cases``; it has what is known for the predicted class of a case.
    case, method
        The case, and whose map is drawn.
    """
    if method not in OF_ATTENTION:
        return ""
    file = None if folder is None else Path(folder) / f"{case}.json"
    if file is None or not file.is_file():
        return UNCHECKED
    found = json.loads(file.read_text(encoding="utf-8"))["evidence"][method]
    if not found:
        return UNCHECKED
    name = "fused" if "fused" in found else min(found)
    one = Agreement.from_json(found[name])
    verb, what = "Agrees" if one.beyond_chance else "Does not agree", "perturbation" if name == "fused" else name
    if not np.isfinite(one.value):
        return f"Nothing can be told beside {what}: one of the two is the same everywhere"
    numbers = f"r {fixed(one.value, 2)}, chance < {fixed(one.null_high, 2)}, even attention {fixed(one.even, 2)}"
    return f"{verb} with {what}: {numbers}"


def verdict(outcome: str, label: str) -> str:
    """Say in words what became of a prediction."""
    several = ", ".join("no beat" if name == "none" else name for name in label.split(";"))
    truth = {"": "truth unknown", "none": "truth: no beat here"}.get(label, f"truth {several}")
    said = {"correct": "right", "wrong": "wrong", "review": "sent to review", "unlabelled": "accepted"}
    return f"{said.get(outcome, outcome)}, {truth}"


def _rhythm(fused: Attribution) -> str:
    """Say how much of the explanation isn't in the signal."""
    share = fused.rhythm_share
    return "" if share is None else f"  ·  rhythm holds {100 * share:.0f} % of the explanation"


def _method(attribution: Attribution) -> str:
    """Name the method where it isn't what is fused."""
    return "" if attribution.meta.method == "fused" else f"  ·  {attribution.meta.method}"


def _seen(case: Mapping[str, Any], beat: Mapping[str, Any]) -> list[str]:
    """Say whether a person asked for the case, and whether the model learnt from its patient."""
    learnt = ["the model learnt from this patient"] if beat.get("split") in LEARNT_FROM else []
    return (["asked for by name"] if case.get("named") else []) + learnt


def target_beat(case: Mapping[str, Any], beats: pd.DataFrame) -> Mapping[str, Any]:
    """Return the predictions' row of a case's beat, found by its id."""
    rows = beats[beats["beat_id"] == case["beat_id"]]
    if len(rows) != 1:
        raise ValueError(f"case {case['case']}: {len(rows)} predictions of beat {case['beat_id']}; expected one")
    return dict(rows.iloc[0])


def _planted(shard: Shard, case: Mapping[str, Any], r_time_s: float, fs_file: float) -> list[dict[str, Any]]:
    """Return the planted truth and decoys of the beat, or of the class in the window; only drawn, never used."""
    truth = shard.truth
    of_record = truth[(truth["corpus"] == case["corpus"]) & (truth["record"] == case["record"])]
    times = of_record["r_sample"].to_numpy(dtype=np.float64) / fs_file
    near = np.abs(times - r_time_s) <= MATCH_S
    if case["target"] == "window":
        inside = (times >= case["window_start_s"]) & (times < case["window_end_s"])
        near = inside & (of_record["label"] == case["class"]).to_numpy()
    spans: list[dict[str, Any]] = of_record[near].to_dict("records")
    return spans


def case_facts(
    case: Mapping[str, Any],
    beats: pd.DataFrame,
    fused: Attribution,
    *,
    methods: Mapping[str, Attribution],
    geometry: BeatGeometry,
    outside: float,
    limit: float,
) -> dict[str, Any]:
    """Return what the report says of a case: values for `FACT_COLUMNS`.

    Parameters
    ----------
    case, beats, fused
        As in `case_figure`.
    methods
        Attribution of each method that was fused.
    geometry
        Extent of a beat.
    outside, limit
        Share of the mass outside the figure, and the value of full colour.
    """
    beat = target_beat(case, beats)
    mass = np.abs(fused.values.astype(np.float64))
    by_lead, total = mass.sum(axis=1), float(mass.sum())
    order = np.argsort(-by_lead, kind="stable")[:3]
    relative = fused.times_s - beat["r_time_s"]
    within = (relative >= -geometry.before / geometry.fs) & (relative < geometry.after / geometry.fs)
    rhythm = fused.rhythm
    return {
        **{
            name: case[name]
            for name in ("case", "corpus", "record", "patient", "target", "beat_id", "class", "outcome")
        },
        "label": case["label"],
        "probability": float(case["probability"]),
        "relaxed": bool(case["relaxed"]),
        "r_time_s": float(beat["r_time_s"]),
        "reason": beat["reason"],
        "rhythm_share": np.nan if fused.rhythm_share is None else fused.rhythm_share,
        "rhythm_sign": 0 if rhythm is None else int(np.sign(rhythm)),
        "beat_share": float(mass[:, within].sum() / total) if total > 0 and case["target"] == "beat" else np.nan,
        "outside": outside,
        "top_leads": ";".join(
            f"{fused.leads[k]}:{by_lead[k] / total:.2f}" for k in order if total > 0 and by_lead[k] > 0
        ),
        "agreement": agreement(methods),
        "limit": limit,
        "absent": ";".join(sorted(name for name, attribution in methods.items() if attribution.meta.absent)),
    }


def agreement(methods: Mapping[str, Attribution]) -> float:
    """Mean Spearman rank correlation between methods, over cells of `UNIT_S` in each lead; NaN with fewer than two.

    A method whose cells are all equal has no ranks; its correlations are left out.
    """
    cells = [_cells(attribution) for _, attribution in sorted(methods.items())]
    values = [
        float(spearmanr(one, other).statistic)
        for one, other in combinations(cells, 2)
        if np.ptp(one) > 0 and np.ptp(other) > 0
    ]
    return float(np.mean(values)) if values else np.nan


def _cells(attribution: Attribution) -> Array:
    size = max(1, round(UNIT_S * attribution.fs))
    order = np.argsort(attribution.leads)
    edges = np.arange(0, attribution.values.shape[1], size)
    sums: Array = np.add.reduceat(attribution.values[order].astype(np.float64), edges, axis=1)
    return sums.ravel()
