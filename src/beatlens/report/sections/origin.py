"""The report's first words on the model: what it learnt from, and whether that was a heart at all."""

from __future__ import annotations

from typing import Any

import yaml

from beatlens.prediction.origin import Origin, Score, in_words, real_corpora
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, listing, plural


def origin_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return what the model learnt from, and a warning where made records are all it knows of real ones.

    None where the bundle doesn't say.
    """
    if not inputs.bundle.get("origin"):
        return None
    origin = Origin.from_json(inputs.bundle["origin"])
    taught = [corpus for corpus in origin.corpora if not corpus.noise]
    real = real_corpora(yaml.safe_load(inputs.config)["corpora"])
    records, patients = sum(corpus.records for corpus in taught), sum(corpus.patients for corpus in taught)
    return {
        "warning": (
            f"The model has seen made records alone. What it says of the recordings of {listing(real)} means nothing."
            if origin.made and real
            else ""
        ),
        "kind": plural(records, "made record" if origin.made else "real recording"),
        "patients": plural(patients, "patient"),
        "corpora": [corpus.words() for corpus in origin.corpora],
        "beats": listing(f"{count(n)} {name}" for name, n in origin.beats),
        "leads": listing(f"{lead} ({n})" for lead, n in origin.leads),
        "rates": listing(f"{rate} Hz ({n})" for rate, n in origin.rates_hz),
        "f1": [f"{score.name} {in_words(score)}" for score in _metric(origin, "f1")],
        "scores": [
            {
                "name": f1.name,
                "f1": in_words(f1),
                "precision": in_words(precision),
                "recall": in_words(recall),
                "beats": count(f1.n),
            }
            for f1, precision, recall in zip(
                *(_metric(origin, name) for name in ("f1", "precision", "recall")), strict=True
            )
        ],
    }


def _metric(origin: Origin, name: str) -> list[Score]:
    return [score for score in origin.scores if score.metric == name]
