"""What a report is made of, for tests: inputs of a run of two classes, and a parser of the page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beatlens.evaluate.predictions.classification import evaluate_classification
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.report.inputs import ReportInputs

ROOT = Path(__file__).parents[1]
CLASSES = ("N", "V")
NASTY = "<script>alert(1)</script>"


def folds(number: int) -> dict[str, Any]:
    return {"training_settings": {"folds": number, "rhythm_fraction": 0.3}}


def bundle() -> dict[str, Any]:
    return {
        "signal": {"fs": 200, "band_hz": [0.5, 45], "notch_hz": None, "order": 3},
        "beats": {"before_s": 0.25, "after_s": 0.4, "context": 5},
        "network": {"settings": {"name": "hybrid", "members": 3}},
        "look_alikes": {"weight": 0.8, "rhythm_classes": ["N", "S"]},
        "calibration": {"temperature": 1.1},
        "thresholds": {"confidence": 0.9, "noise": 0.5, "distance": [0.7, 0.65]},
        "provenance": {"seed": 1, "versions": {"numpy": "2"}, "corpora_digest": "abc", "training": {}} | folds(0),
        "sha256": {"weights.npz": "f" * 64},
    }


def beats(n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, n)
    p = np.clip(0.5 + 0.45 * (2 * truth - 1) + rng.normal(0, 0.3, n), 0.01, 0.99)
    record = rng.integers(0, 4, n)
    return pd.DataFrame(
        {
            "beat_id": [f"c/r{k}/{i}" for i, k in enumerate(record)],
            "corpus": "c",
            "record": [f"r{k}" for k in record],
            "patient": [f"p{k}" for k in record],
            "split": "test",
            "label": np.array(CLASSES)[truth],
            "pred": np.array(CLASSES)[(p > 0.5).astype(int)],
            "review": False,
            "p_N": 1 - p,
            "p_V": p,
        }
    )


def inputs(**changes: Any) -> ReportInputs:
    records = pd.DataFrame(
        {
            "corpus": "c",
            "record": [f"r{k}" for k in range(4)],
            "patient": [f"p{k}" for k in range(4)],
            "split": "test",
            "n_beats": 20,
            "duration_s": 30.0,
            "n_N": 10,
            "n_V": 10,
        }
    )
    status = pd.DataFrame(
        {
            "corpus": "c",
            "record": ["r0", "r1", "r2", "r3", NASTY],
            "used": [True, True, True, True, False],
            "reason": ["", "", "", "", "truncated_signal"],
            "detail": ["", "", "", "", f"{NASTY} 10 bytes"],
        }
    )
    settings = EvaluateSettings(
        bootstrap=50, level=0.95, random_draws=1, deletion_steps=2, leave_out=(), calibration_bins=10
    )
    table = beats()
    metrics, confusion = evaluate_classification(table, table.iloc[:0], CLASSES, settings, 1)
    base = ReportInputs(
        title=NASTY,
        run="demo",
        seed=1,
        classes=CLASSES,
        records=records,
        status=status,
        bundle=bundle(),
        bundle_sha256="0" * 64,
        config=(ROOT / "config" / "config.yaml").read_text(encoding="utf-8"),
        versions={"beatlens": "0"},
        metrics=metrics,
        confusion=confusion,
    )
    return replace(base, **changes)


class Page(HTMLParser):
    """Collect tags, attributes that load something, and whether tags close."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.urls: list[str] = []
        self.stack: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.urls += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag
