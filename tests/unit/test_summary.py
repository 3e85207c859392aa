"""The page of records left out, and the summary of a run."""

from __future__ import annotations

import json

import pandas as pd

from beatlens.core.record_faults import REASONS
from beatlens.run.summary import SummaryTables, summarise
from beatlens.status.page import ADVICE, render_status


def test_every_reason_comes_with_what_to_do() -> None:
    assert sorted(set(REASONS) - set(ADVICE)) == []


def status_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "corpus": "c",
            "record": ["a", "b", "<i>", "night.edf"],
            "role": "predict",
            "used": [True, False, False, False],
            "reason": ["", "flat", "flat", "not_a_record"],
            "detail": ["", "leads II are constant", "V1", "EDF"],
        }
    )


def test_the_page_names_file_reason_and_what_to_do() -> None:
    page = render_status(status_table(), {("c", "b"): "sub/b"}, "r")
    assert "1 of 3 records can be used; beside them 1 file can't be read as a record" in page
    for text in ("sub/b", REASONS["flat"], ADVICE["flat"], "leads II are constant", "c/&lt;i&gt;"):
        assert text in page
    assert "<i>" not in page
    assert "Every record can be used" in render_status(status_table().iloc[:1], {}, "r")
    assert "No record was found" in render_status(status_table().iloc[:0], {}, "r")


def test_the_summary_counts_what_stands_in_the_tables() -> None:
    predicted = pd.DataFrame({"pred": ["N;V", "N", ""], "n_review": [2, 0, 0], "n_beats": [5, 4, 0]})
    metrics = pd.DataFrame(
        [
            ("test", "all", "all", "macro_f1", 0.5, 0.4, 0.6, 9),
            ("test", "all", "V", "f1", float("nan"), float("nan"), float("nan"), 0),
            ("test", "patient:1", "all", "macro_f1", 0.1, 0.1, 0.1, 3),
        ],
        columns=["split", "scope", "class", "metric", "value", "lo", "hi", "n"],
    )
    tables = SummaryTables(
        records=pd.DataFrame(
            {"corpus": "c", "patient": ["p", "p"], "split": "none", "n_beats": [5, 4], "duration_s": [10.0, 5.5]}
        ),
        status=status_table(),
        beats=pd.DataFrame(
            {"pred": ["N", "N", "V"], "review": [True, False, True], "reason": ["noise;low_confidence", "", "noise"]}
        ),
        strips=predicted,
        record_predictions=predicted,
        stretches=pd.DataFrame({"kind": ["flat", "flat"], "start_s": [0.0, 5.0], "end_s": [1.5, 7.0]}),
        episodes=pd.DataFrame({"kind": ["run", "pause"], "class": ["V", ""]}),
        remarks=pd.DataFrame({"corpus": "c", "record": ["a", "a"], "remark": ["unlike:leads", "too_few_beats"]}),
        alerts=pd.DataFrame({"alert": []}),
        clusters=pd.DataFrame({"cluster": [1]}),
        cases=pd.DataFrame({"outcome": ["correct", "wrong", "correct"]}),
        metrics=metrics,
    )
    found = summarise(tables, "r", ("N", "V"))
    json.dumps(found, allow_nan=False)
    assert found["records"]["n"] == 3
    assert found["records"]["left_out"] == {"flat": 2}
    assert found["records"]["not_records"] == 1
    assert found["records"]["remarks"] == {"unlike:leads": 1, "too_few_beats": 1}
    assert found["records"]["splits"] == {"none": {"records": 2, "patients": 1, "beats": 9, "duration_s": 15.5}}
    assert found["strips"] == {"n": 3, "with_class": {"N": 2, "V": 1}, "in_review": 1, "without_beats": 1}
    assert found["beats"]["by_reason"] == {"noise": 2, "low_confidence": 1}
    assert (found["beats"]["review"], found["beats"]["review_share"]) == (2, 0.666667)
    assert found["stretches"] == {"flat": {"n": 2, "seconds": 3.5}}
    assert found["episodes"] == {"run": {"V": 1}, "pause": {"": 1}}
    assert found["cases"] == {"n": 3, "by_outcome": {"correct": 2, "wrong": 1}}
    scores = found["scores"]["test"]["all"]
    assert scores["macro_f1"] == {"value": 0.5, "lo": 0.4, "hi": 0.6, "n": 9}
    assert scores["f1_V"]["value"] is None
