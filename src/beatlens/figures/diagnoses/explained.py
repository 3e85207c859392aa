"""An explained diagnosis: four columns of three leads and a rhythm strip on ECG paper, and what speaks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.core.numerals import fixed
from beatlens.core.record import DECOY
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.overlay import PLAIN, draw_overlay, truth_legend
from beatlens.figures.paper.page import Usual, explained_page
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import styled
from beatlens.figures.settings import LookSettings

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.explain.result.attribution import Attribution
    from beatlens.shards.shard import Shard

SHOWN_S = 10.0
"""Seconds that a page shows: the printed electrocardiogram."""
VERDICTS = {
    "correct": "the record is labelled with it",
    "wrong": "the record isn't labelled with it",
    "review": "sent to review",
    "unlabelled": "not known whether the record has it",
}
FACT_COLUMNS = {
    "case": "case id, the name of its figure",
    "corpus": "corpus name",
    "record": "record name",
    "database": "part of the corpus",
    "diagnosis": "its id",
    "name": "its name",
    "probability": "calibrated",
    "outcome": "correct, wrong, review or unlabelled",
    "relaxed": "below the least probability, for want of better",
    "rhythm_share": "share of the rhythm in the fused attribution, NaN where it was no player",
    "rhythm_sign": "1 for, -1 against the diagnosis, 0 neither",
    "top_leads": "leads with the most mass and their share, as in 'II:0.71;V1:0.29'",
    "outside": "share of the signal's mass outside the figure",
}


def diagnosis_figure(
    case: Mapping[str, Any],
    shard: Shard,
    attribution: Attribution,
    *,
    truth: pd.DataFrame,
    limit: float,
    scale: PaperScale,
    look: LookSettings = PLAIN,
) -> tuple[EcgFigure, float]:
    """Draw one explained diagnosis.

    Parameters
    ----------
    case
        Row of the table of cases.
    shard
        Holds the record.
    attribution
        What is laid over the signal.
    truth
        Planted spans that make the diagnosis; empty for recorded signals.
    limit
        Value at which colour is full, shared by the report.
    scale, look
        As for `beatlens.figures.explained_cases.case_figure`.

    Returns
    -------
    figure, outside
        The drawn figure, and the share of the attribution's mass that it doesn't show.

    Raises
    ------
    ValueError
        Where the attribution is of another case.
    """
    meta = attribution.meta
    if (meta.case, meta.corpus, meta.record) != (case["case"], case["corpus"], case["record"]):
        raise ValueError(f"case {case['case']} with an attribution of {meta.corpus}/{meta.record}, case {meta.case}")
    leads = shard.leads(case["corpus"], case["record"])
    shown = tuple(lead for lead in leads if lead in attribution.leads)
    start_s = fullest_stretch(attribution)
    first = round(start_s * attribution.fs)
    signal = shard.signal(case["corpus"], case["record"])[[leads.index(lead) for lead in shown]]
    part = signal[:, first : first + round(SHOWN_S * attribution.fs)]
    with styled():
        strip = Strip(np.array(part), shown, attribution.fs, start_s)
        usual = Usual("4x3+1" if len(shown) == 12 else "auto", simultaneous=False)
        figure = explained_page(strip, attribution, scale=scale, look=look, usual=usual)
        times = shard.beats_of(case["corpus"], case["record"])["r_time_s"].tolist()
        figure.mark_beats(times, [""] * len(times))
        share = meta.rhythm_share
        words = [VERDICTS[case["outcome"]]]
        words += [] if share is None else [f"rhythm holds {100 * share:.0f} % of the explanation"]
        words += [] if meta.method == "fused" else [meta.method]
        name = case["name"][:1].upper() + case["name"][1:]
        figure.title(f"{name} (p {fixed(case['probability'], 2)}): {case['record']}", "  ·  ".join(words))
        for span in truth.itertuples():
            if not span.label.startswith(DECOY):
                figure.mark_span(span.lead, span.start_s, span.end_s)
        if len(truth):
            truth_legend(figure)
        return figure, draw_overlay(figure, attribution, limit, look)


def fullest_stretch(attribution: Attribution) -> float:
    """Return where the `SHOWN_S` that hold most of an attribution's mass begin, in whole seconds of the record."""
    fs, mass = attribution.fs, np.abs(attribution.values.astype(np.float64)).sum(axis=0)
    total = np.concatenate([[0.0], np.cumsum(mass)])
    starts = np.arange(0, max(1, len(mass) - round(SHOWN_S * fs) + 1), round(fs))
    ends = np.minimum(starts + round(SHOWN_S * fs), len(mass))
    return float(starts[int(np.argmax(total[ends] - total[starts]))] / fs)


def diagnosis_facts(case: Mapping[str, Any], attribution: Attribution, outside: float) -> dict[str, Any]:
    """Return what the report says of an explained diagnosis: values for `FACT_COLUMNS`."""
    by_lead = np.abs(attribution.values.astype(np.float64)).sum(axis=1)
    total, order = float(by_lead.sum()), np.argsort(-by_lead, kind="stable")[:3]
    rhythm, share = attribution.rhythm, attribution.rhythm_share
    return {
        **{name: case[name] for name in list(FACT_COLUMNS)[:9]},
        "rhythm_share": np.nan if share is None else share,
        "rhythm_sign": 0 if rhythm is None else int(np.sign(rhythm)),
        "top_leads": ";".join(f"{attribution.leads[k]}:{by_lead[k] / total:.2f}" for k in order if by_lead[k] > 0),
        "outside": outside,
    }
