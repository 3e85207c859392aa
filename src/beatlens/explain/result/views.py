"""Views of an attribution: spans, lead scores, top leads, and the payload JSON that carries them to other programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import CASE, SPREAD, AttributionMeta, PlayerValues

SPAN_SHARE = 0.1
"""A span is a run of samples above this share of the largest positive value."""

PAYLOAD_KEYS = (
    "mat_path",
    "target_label",
    "method_label",
    "page_seconds",
    "perlead_spans",
    "lead_scores",
    "top5_leads",
)


class Span(NamedTuple):
    """A stretch that speaks for the target: times in the record in seconds, and the values' sum inside."""

    start_s: float
    end_s: float
    weight: float


def lead_spans(attribution: Attribution, share: float = SPAN_SHARE) -> dict[str, list[Span]]:
    """Return the spans of each lead.

    A span is a maximal run of samples whose value is at least `share` of the largest positive value of all leads; its
    weight is the sum of the values inside. Without positive values there are no spans.
    """
    result: dict[str, list[Span]] = {}
    largest = float(attribution.values.max(initial=0.0))
    for lead, row in zip(attribution.leads, attribution.values, strict=True):
        above = np.concatenate([[False], (row >= share * largest) & (row > 0), [False]])
        change = np.flatnonzero(np.diff(above.astype(np.int8)))
        result[lead] = [
            Span(
                attribution.start_s + float(first) / attribution.fs,
                attribution.start_s + float(last) / attribution.fs,
                float(row[first:last].sum(dtype=np.float64)),
            )
            for first, last in zip(change[::2], change[1::2], strict=True)
        ]
    return result


def lead_scores(attribution: Attribution) -> dict[str, float]:
    """Return the sum of the positive values of each lead."""
    scores = np.maximum(attribution.values, 0).sum(axis=1, dtype=np.float64)
    return dict(zip(attribution.leads, scores.tolist(), strict=True))


def top_leads(attribution: Attribution, count: int = 5) -> list[str]:
    """Return the leads of highest score, those of score 0 left out; equal scores in the record's order."""
    scores = lead_scores(attribution)
    ranked = sorted(scores, key=lambda lead: -scores[lead])
    return [lead for lead in ranked[:count] if scores[lead] > 0]


def to_payload(attribution: Attribution, mat_path: str) -> dict[str, Any]:
    """Return the payload JSON object of an attribution.

    Parameters
    ----------
    attribution
        What is exported.
    mat_path
        Path of the record, as the reader is to open it.
    """
    meta = attribution.meta
    return {
        "mat_path": mat_path,
        "target_label": meta.case_class,
        "method_label": meta.method,
        "page_seconds": attribution.values.shape[1] / attribution.fs,
        "perlead_spans": {lead: [list(span) for span in spans] for lead, spans in lead_spans(attribution).items()},
        "lead_scores": lead_scores(attribution),
        "top5_leads": top_leads(attribution),
    }


def from_payload(payload: Mapping[str, Any], like: Attribution, mat_path: str) -> Attribution:
    """Rebuild an attribution in relative units from a payload; each span's weight is spread evenly over it.

    Parameters
    ----------
    payload
        What `to_payload` gave, or another program.
    like
        An attribution of the same case: grid, leads and identity. How it came about isn't the payload's.
    mat_path
        The record it must be for.

    Raises
    ------
    ValueError
        For missing keys, another record, another class, an unknown lead or a span outside the window.
    """
    missing = [key for key in PAYLOAD_KEYS if key not in payload]
    if missing:
        raise ValueError(f"payload without {missing}; expected the keys {PAYLOAD_KEYS}")
    if payload["mat_path"] != mat_path or payload["target_label"] != like.meta.case_class:
        raise ValueError(
            f"payload for {payload['mat_path']!r}, class {payload['target_label']!r}; "
            f"expected {mat_path!r}, class {like.meta.case_class!r}"
        )
    n_samples = like.values.shape[1]
    values = np.zeros((len(like.leads), n_samples), dtype=np.float64)
    for lead, spans in payload["perlead_spans"].items():
        if lead not in like.leads:
            raise ValueError(f"payload of {mat_path!r}: lead {lead!r}; expected one of {like.leads}")
        for start_s, end_s, weight in spans:
            first, last = (round((time - like.start_s) * like.fs) for time in (start_s, end_s))
            if not 0 <= first < last <= n_samples:
                raise ValueError(f"payload of {mat_path!r}: span {start_s}-{end_s} s of {lead} is outside the window")
            values[like.leads.index(lead), first:last] += weight / (last - first)
    meta = AttributionMeta(
        **{name: getattr(like.meta, name) for name in CASE},
        method=payload["method_label"],
        units="relative",
        spread=SPREAD,
        players=PlayerValues("spans"),
    )
    return Attribution(values.astype(np.float32), like.leads, like.fs, like.start_s, meta)
