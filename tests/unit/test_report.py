from __future__ import annotations

import base64
import hashlib
import html
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.config.load import merge
from beatlens.evaluate.predictions.classification import evaluate_classification
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.figures.explained_cases import FACT_COLUMNS
from beatlens.figures.paper.style import new_figure, save_figure
from beatlens.report.build import render_report
from beatlens.report.images import Image, Place
from beatlens.report.inputs import ReportInputs, WatchedBeats
from beatlens.report.methods import methods_text
from beatlens.report.numbers import count, interval, limit, listing, percent, score

ROOT = Path(__file__).parents[2]
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
        bootstrap=50, level=0.95, random_draws=1, deletion_steps=2, leave_out=[], calibration_bins=10
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


def facts() -> pd.DataFrame:
    row = {
        "case": "V-wrong-01", "corpus": "c", "record": "r1", "patient": NASTY, "beat_id": "c/r1/5", "r_time_s": 3.2,
        "class": "V", "probability": 0.91, "label": "none", "outcome": "wrong", "reason": "low_confidence;noise",
        "relaxed": True, "target": "beat", "rhythm_share": 0.4, "rhythm_sign": -1, "beat_share": 0.8, "outside": 0.12,
        "top_leads": "II:0.71;V1:0.29", "agreement": 0.8, "limit": 0.1, "absent": "integrated_gradients",
    }  # fmt: skip
    assert set(row) == set(FACT_COLUMNS)
    return pd.DataFrame([row])


def test_probes_of_this_model_are_shown_and_others_counted():
    base = {"test": "randomisation", "detail": "all", "metric": "spearman", "lo": -0.1, "hi": 0.1, "n_cases": 30}
    base |= {"null_name": "", "null_value": math.nan, "n_patients": 9}
    rows = [
        base | {"method": "lime", "value": 0.04, "bundle_sha256": "0" * 64},
        base | {"method": NASTY, "value": 0.77, "bundle_sha256": "1" * 64},
    ]
    page = render_report(inputs(probes=[pd.DataFrame(rows), pd.DataFrame(rows[:0])]))
    assert "Sanity and stability" in page
    assert "0.04 (−0.10 to 0.10)" in page
    assert "0.77" not in page
    assert "1 rows were made with another model" in page
    assert "Sanity and stability" not in render_report(inputs())


def attention(value: float, lo: float, share: float) -> dict[str, Any]:
    agreement = {
        "what": "attention_relevance and fused", "value": {"value": value, "lo": lo, "hi": 0.6}, "null": 0.1,
        "even": 0.2, "gain": {"value": value - 0.2, "lo": lo - 0.2, "hi": 0.4},
        "beyond_chance": share, "n_cases": 9,
    }  # fmt: skip
    known = {"correct": 0.9, "wrong": 0.7, "effect": 1.2, "p": 0.03, "n_correct": 4, "n_wrong": 3, "absent": ""}
    none = dict.fromkeys(("correct", "wrong", "effect", "p")) | {"n_correct": 1, "n_wrong": 0, "absent": NASTY}
    return {
        "n_cases": 9, "n_patients": 4, "directions": agreement | {"what": "the two directions"},
        "evidence": [agreement], "absent": ["S: never predicted among the cases"],
        "classes": [{"name": "V", "comparisons": {"entropy": known, "importance": none}}],
    }  # fmt: skip


def test_attention_is_shown_with_what_speaks_against_it():
    assert "Attention relevance and" not in render_report(inputs())
    probe = {"test": "randomisation", "detail": "all", "metric": "spearman", "lo": 0.7, "hi": 0.9, "n_cases": 30}
    probe |= {"method": "attention", "value": 0.81, "null_name": "", "null_value": math.nan, "bundle_sha256": "0" * 64}
    page = render_report(inputs(attention=attention(0.12, -0.1, 0.05), probes=[pd.DataFrame([probe])]))
    assert "None of it agrees with perturbation evidence beyond chance" in page
    assert "Attention relevance and fused: do not agree beyond chance. Mean rank correlation 0.12" in page
    assert "attention fails weight randomisation: its maps and those of random networks" in page
    assert "attention rollout: weight randomisation was not tested" in page
    assert "S: never predicted among the cases" in page
    assert "alert(1)" in page
    assert NASTY not in page
    page = render_report(inputs(attention=attention(0.5, 0.3, 0.6)))
    assert "Some of it agrees with perturbation evidence" in page
    assert "Attention relevance and fused: agree. Mean rank correlation 0.50 (0.30 to 0.60), chance 0.10, even" in page


def test_watched_beats_are_told_with_what_is_absent_and_other_drawings_stand_beside_their_case() -> None:
    image = Image("data:image/png;base64,", 100.0)
    rows = [
        {"method": "hirescam", "epoch": epoch, "magnitude": 0.1 * epoch, "entropy": 0.9, "correlation_last": r}
        for epoch, r in ((1, 0.2), (2, 0.95), (3, 1.0))
    ]
    beats = WatchedBeats({"V_1": image, "V_1_attention_relevance": image}, "select", 3, 1, (f"S: there is no {NASTY}",))
    page = render_report(inputs(drift=pd.DataFrame(rows), watched=beats))
    assert "3 beats of 1 patient, from whom the network doesn&#39;t learn, were explained" in page
    assert "their magnitude rose from 0.1 to 0.3 and their entropy stayed at 0.9" in page
    assert "From epoch 2 on they correlate with those of the last epoch by 0.90 or more" in page
    assert "Absent: S: there is no &lt;script&gt;" in page
    assert "<summary>V_1</summary>" in page
    assert "<summary>V_1, attention relevance</summary>" in page
    assert "while it learnt" not in render_report(inputs())
    cases = dict.fromkeys(("V-wrong-01", "V-wrong-01_lime", "V-wrong-01_as_N"), image)
    page = render_report(inputs(facts=facts(), cases=cases))
    assert [text.split("<")[0] for text in page.split("<summary>")[1:3]] == ["LIME", "explained as N, all methods"]


def test_a_leak_is_said_above_the_scores_and_checks_that_passed_are_counted():
    row = {"check": "patients", "question": "Is a patient in two splits?", "verdict": "passed", "detail": "9 patients"}
    found = row | {"check": "twins", "verdict": "leak", "detail": NASTY}
    page = render_report(inputs(leaks=pd.DataFrame([row, found])))
    assert "may have leaked: twins" in page
    assert "1 of 2 checks for leaks passed" in page
    assert NASTY not in page
    page = render_report(inputs(leaks=pd.DataFrame([row])))
    assert "may have leaked" not in page
    assert "1 of 1 checks for leaks passed" in page
    assert "checks for leaks" not in render_report(inputs())


def explanation_scores(gain_lo: float) -> pd.DataFrame:
    rows = []
    for scope, name in (("all", ""), ("class", "V")):
        for null, low in (("random", 0.3), ("target_beat", gain_lo)):
            rows.append(
                {
                    "scope": scope, "case": "", "record": "", "class": name, "method": "fused", "metric": "auprc",
                    "truth": "planted", "value": 0.9, "null_name": null, "null_value": 0.5, "lo": 0.8, "hi": 1.0,
                    "gain": low + 0.05, "gain_lo": low, "gain_hi": low + 0.1, "n": 3,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


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


def test_page_is_self_contained_and_escapes(tmp_path: Path) -> None:
    save_figure(new_figure(100, 10), tmp_path / "a.svg")
    image = Place(tmp_path, embed=True).image(tmp_path / "a.svg")
    assert image.width_mm == pytest.approx(100, abs=0.01)
    text = render_report(
        inputs(
            figures={"confusion": image},
            facts=facts(),
            cases={"V-wrong-01": image},
            explanation_metrics=explanation_scores(0.1),
        )
    )
    page = Page(text)
    assert not page.stack
    assert page.tags.count("script") == 1, "its own, which the policy names"
    code = re.search("<script>(.*)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = html.unescape(re.search('Policy" content="([^"]*)"', text)[1])
    assert policy.startswith("default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; ")
    assert f"script-src 'sha256-{digest}'; base-uri 'none'" in policy
    assert "link" not in page.tags
    beside = {"status.html", "explanations/fused/V-wrong-01.npz"}
    assert all(url.startswith(("#", "data:image/")) or url in beside for url in page.urls)
    assert page.tags.count("img") == 2
    assert "&lt;script&gt;" in text
    assert "Research software, not a medical device" in text
    assert "truncated_signal" in text
    assert "width:100.00mm" in text


def test_a_method_that_does_not_apply_to_a_case_is_named() -> None:
    scores = explanation_scores(0.1)
    page = render_report(inputs(facts=facts(), explanation_metrics=scores))
    assert "Without integrated gradients: see Methods." in page
    assert "Integrated gradients don&#39;t apply to 1 of 1 cases, where their values lack too much" in page
    none = facts().assign(absent=float("nan"))  # as a column without text is read
    page = render_report(inputs(facts=none, explanation_metrics=scores))
    assert "Without" not in page
    assert "apply to" not in page


def test_case_is_told_in_words() -> None:
    text = render_report(inputs(facts=facts()))
    for words in (
        "Called V with probability 0.91; wrong, truth: no beat here.",
        "Review because: low confidence and the noise gate calls it noise.",
        "speaking against V",
        "II 71\u00a0% and V1 29\u00a0%",
        "12\u00a0% lies outside the figure",
        "agree well (rank correlation 0.80)",
        "Its probability is below the limit for cases",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("gain_lo", "expected"), [(0.1, "are clearly above every null"), (-0.2, "does as well or better")]
)
def test_says_whether_explanations_beat_their_nulls(gain_lo: float, expected: str) -> None:
    assert expected in render_report(inputs(explanation_metrics=explanation_scores(gain_lo)))


def test_says_when_the_classifier_does_not_beat_a_constant() -> None:
    """Every patient called N throughout: macro F1 is that of the constant guess."""
    table = beats().assign(pred="N")
    settings = EvaluateSettings(
        bootstrap=50, level=0.95, random_draws=1, deletion_steps=2, leave_out=[], calibration_bins=10
    )
    metrics, _ = evaluate_classification(table, table.iloc[:0], CLASSES, settings, 1)
    text = render_report(inputs(metrics=metrics))
    assert "no better than" in text
    assert "F1 is below 0.50 for V: don't rely on it." in text


def test_the_review_rule_is_told_whole_and_on_whom_its_limits_were_fitted() -> None:
    own = bundle() | {"thresholds": {"confidence": 0.9996, "noise": 0.5, "distance": [0.7, 0.65]}}
    text = render_report(inputs(bundle=own))
    assert "calibrated probability is below 0.9996, its noise probability is above 0.50" in text
    assert "limit of its predicted class (N 0.70, V 0.65)" in text
    assert "or if quality rules doubt more than half of its leads" in text
    assert text.count("patients of the split calibrate, which took no part in training") == 2
    sure = render_report(
        inputs(bundle=own | {"thresholds": {"confidence": 0.0, "noise": 0.5, "distance": [0.7, 0.65]}})
    )
    assert "goes to review if its noise probability is above 0.50" in sure
    assert "No probability is too small" in sure
    crossed = render_report(inputs(bundle=own | {"provenance": own["provenance"] | folds(3)}))
    assert crossed.count("the training patients, each run through a network that was trained without that patient") == 2
    assert "took no part in training" not in crossed


def explanation_paragraph(**explain: Any) -> str:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    return next(text for text in methods_text(merge(config, {"explain": explain}), bundle()) if "Fusion" in text)


def test_simulated_rhythms_are_told_where_there_were_some() -> None:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    assert "In training 30 % of the runs of N beats had a simulated rhythm" in methods_text(config, bundle())[1]
    without = bundle()
    without["provenance"]["training_settings"]["rhythm_fraction"] = 0.0
    assert "simulated" not in "".join(methods_text(config, without))


def test_the_members_of_the_network_are_told_where_there_are_several() -> None:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    assert (
        "the similarity to prototypes, the mean of 3 that learnt side by side, gives"
        in methods_text(config, bundle())[1]
    )
    alone = bundle()
    alone["network"]["settings"]["members"] = 1
    assert "the similarity to prototypes gives each class" in methods_text(config, alone)[1]


def test_methods_are_told_as_they_are_set() -> None:
    text = explanation_paragraph()
    assert "LIME [3] and KernelSHAP [4] switch off sets of whole beats, of whole beats in single leads" in text
    assert "12 strongest segments of 70 ms over all leads, and the mean of the three is taken" in text
    assert "the median beat of another class" in text
    assert "contrast_beat" not in text
    text = explanation_paragraph(methods=["integrated_gradients", "gradcam"], players="leads", baseline="interpolation")
    assert "64 points between the lead's mean and the signal" in text
    assert "Grad-CAM weighs the last feature map" in text
    for word in ("switch", "50 ms", "LIME", "whole beats", "A part's value"):
        assert word not in text
    text = explanation_paragraph(methods=["lime", "occlusion"], players="leads", lead_off="absent")
    assert "LIME [3] switches off sets of whole leads. Occlusion switches off one part at a time: whole leads." in text
    assert "one that the record lacks" in text


def test_scores_by_strip_are_shown_and_weak_labels_called_so() -> None:
    rows = [
        {"level": level, "class": name, "metric": metric, "value": 0.31, "lo": 0.2, "hi": 0.4, "n": 77}
        for level in ("strip", "record")
        for name in CLASSES
        for metric in ("sensitivity", "specificity", "precision", "f1", "auroc", "baseline_f1")
    ]
    weak = {"level": "record", "class": "all", "metric": "weak_labels", "value": 0.25, "n": 9}
    table = pd.DataFrame([*rows, weak]).assign(split="test")
    text = render_report(inputs(presence=table))
    assert "<b>Weak labels:</b> 25" in text
    assert text.count("<td>77</td>") == 2 * len(CLASSES)
    table.loc[table["metric"] == "weak_labels", "value"] = 0.0
    assert "Weak labels" not in render_report(inputs(presence=table))


def test_one_patient_has_no_interval_to_speak_of() -> None:
    table = beats().assign(record="r0", patient="p0", pred=lambda rows: rows["label"])
    settings = EvaluateSettings(
        bootstrap=50, level=0.95, random_draws=1, deletion_steps=2, leave_out=[], calibration_bins=10
    )
    metrics, _ = evaluate_classification(table, table.iloc[:0], CLASSES, settings, 1)
    explained = explanation_scores(0.1).assign(lo=math.nan, hi=math.nan, gain_lo=math.nan, gain_hi=math.nan)
    text = render_report(inputs(metrics=metrics, explanation_metrics=explained))
    assert "one patient gives no interval that could exclude that guess" in text
    assert "AUPRC, planted (above every null, but one patient gives no interval)" in text
    assert "the interval reaches 0" not in text
    assert "the interval does not exclude" not in text
    wide = explanation_scores(0.1)
    wide.loc[wide["null_name"] == "random", ["gain_lo", "gain"]] = [-0.01, 0.5]
    assert "(above &#34;random&#34;, but the interval reaches 0)" in render_report(inputs(explanation_metrics=wide))


def test_an_ecg_keeps_its_scale_whatever_the_page(tmp_path: Path) -> None:
    save_figure(new_figure(400, 10), tmp_path / "a.svg")
    image = Place(tmp_path, embed=True).image(tmp_path / "a.svg")
    text = render_report(inputs(figures={"confusion": image}, facts=facts(), cases={"V-wrong-01": image}))
    assert text.count('<figure class="ecg" tabindex="0"><img') == 1
    screen = text.partition("@media print")[0]
    assert ".ecg { overflow-x: auto; }" in screen
    assert ".ecg img { max-width: none; }" in screen


def test_a_run_without_labels_or_cases() -> None:
    predictions = pd.DataFrame({"split": ["none"], "n_beats": [10], "n_review": [3], "n_N": [7], "n_V": [0]})
    text = render_report(inputs(metrics=None, record_predictions=predictions))
    assert "scores are of records with labels in corpora of the role train or test" in text
    assert "None of these beats has a label" not in text, "a corpus to predict may have some"
    assert "No case was explained" in text
    assert "How well the classes are told apart" not in text
    assert not Page(text).stack


def test_the_page_names_stretches_runs_and_remarks_and_says_nothing_where_there_are_none() -> None:
    row = {"corpus": "c", "record": "r0", "split": "none", "n_beats": 9, "n_review": 2, "n_N": 5, "n_V": 2}
    seconds = dict.fromkeys(("no_signal_s", "noise_s", "pause_s"), 0.0) | {"flat_s": 4.0, "disorganised_s": 8.0}
    told = "12 s without a beat: 4 s flat, 8 s fast disorganised signal"
    noted = pd.DataFrame([row | seconds | {"stretches": told, "remarks": "too_few_beats"}])
    runs = [
        ("run", 3, 0, 170.0, 2.0),
        ("run", 9, 0, 200.0, 12.3),
        ("run", 40, 0, 60.0, 50.0),
        ("possible_run", 4, 1, 180.0, 30.0),
    ]
    episodes = pd.DataFrame(
        [
            {
                "corpus": "c", "record": "r0", "kind": kind, "class": "V", "start_s": start, "end_s": start + 3.0,
                "n_beats": n, "n_review": review, "rate_per_min": rate,
            }
            for kind, n, review, rate, start in runs
        ]
    )  # fmt: skip
    remarks = pd.DataFrame([("c", NASTY, "too_few_beats", "no beat")], columns=["corpus", "record", "remark", "detail"])
    text = render_report(inputs(metrics=None, record_predictions=noted, episodes=episodes, remarks=remarks))
    assert not Page(text).stack
    assert told in text
    places = [text.index(f"run of {n} V at") for n in (9, 3, 40, 4)]
    assert places == sorted(places), "fast runs first, then slow ones, then possible ones"
    assert "run of 9 V at 200/min from 12.3 s" in text
    assert "3 runs, 1 possible run" in text
    assert "fewer beats than a context needs" in text
    assert NASTY not in text
    bare = noted.assign(stretches="", disorganised_s=0.0)
    assert "Record by record" not in render_report(
        inputs(metrics=None, record_predictions=bare, episodes=episodes[:0], remarks=remarks[:0])
    )


def test_numbers() -> None:
    assert score(float("nan")) == "–"
    assert score(-0.001) == "0.00"
    assert interval(0.5, float("nan"), 1.0) == "0.50"
    assert interval(0.5, -0.25, 1.0) == "0.50 (−0.25 to 1.00)"
    assert percent(0.034) == "3.4\u00a0%"
    assert percent(1.0) == "100\u00a0%"
    assert count(12345) == "12\u2009345"
    assert listing(["a", "b", "c"]) == "a, b and c"
    values = {
        0.9: "0.90",
        0.9996: "0.9996",
        0.99499: "0.995",
        1.0: "1.00",
        0.0: "0.00",
        0.00012: "0.00012",
        1.37: "1.37",
    }
    assert {value: limit(value) for value in values} == values


def test_programs_do_not_import_torch() -> None:
    names = [
        "evaluate_classification", "draw_model", "draw_alerts", "draw_classification", "draw_cases",
        "draw_explanations", "build_report",
    ]  # fmt: skip
    programs = [str(ROOT / "scripts" / f"{name}.py") for name in names]
    code = (
        f"import runpy, sys\nfor path in {programs!r}: runpy.run_path(path, run_name='loaded')\n"
        "import beatlens.figures.explained_cases, beatlens.report.build\n"
        "print([m for m in ('torch', 'sklearn', 'neurokit2', 'wfdb', 'matplotlib.pyplot') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "src")}, check=True
    )
    assert result.stdout.strip() == "[]"


SPEAKS_OF = {
    "curves of macro F1": "training",
    "Unseen patients are those of the split select": "training",
    "these beats of training patients": "prototypes",
    "dots lie on the dashed line": "reliability",
    "dot lies clear of the grey ticks": "scores",
}


def test_no_text_speaks_of_a_figure_that_is_not_there(tmp_path: Path) -> None:
    """Each of `SPEAKS_OF` needs its figure, and what is said of splits, labels and scores needs these."""
    save_figure(new_figure(100, 10), tmp_path / "a.svg")
    image = Place(tmp_path, embed=True).image(tmp_path / "a.svg")
    records = pd.concat([inputs().records, inputs().records.assign(split="select", patient="other")])
    whole = inputs(
        records=records, explanation_metrics=explanation_scores(0.1),
        figures=dict.fromkeys(SPEAKS_OF.values(), image),
    )  # fmt: skip
    page = render_report(whole)
    assert [phrase for phrase in SPEAKS_OF if phrase not in page] == []
    assert "No patient is in two of the splits" in page
    page = render_report(replace(whole, figures={}))
    assert [phrase for phrase in SPEAKS_OF if phrase in page] == []
    one_curve = render_report(replace(whole, records=inputs().records))
    assert "curves of macro F1" not in one_curve
    assert "Unseen patients" not in one_curve


def test_a_run_with_a_given_bundle_is_told_what_it_has_and_no_more() -> None:
    predictions = pd.DataFrame({"split": ["none"], "n_beats": [10], "n_review": [3], "n_N": [7], "n_V": [0]})
    records = inputs().records.assign(split="none", n_N=0, n_V=0)
    text = render_report(inputs(records=records, metrics=None, confusion=None, record_predictions=predictions))
    for phrase in (
        *SPEAKS_OF,
        "each score rests on",
        "Class columns",
        "two of the splits",
        "Precision, recall",
        "Deletion",
    ):
        assert phrase not in text, phrase
    assert "A beat goes to review if" in text
    assert "these records aren't scored" in text
    assert "The bundle was given: it was trained elsewhere" in text


def test_error_is_of_detected_beats_and_missed_ones_are_told_apart() -> None:
    cells = [("N", "N", 90), ("N", "V", 6), ("V", "missed", 4), ("none", "N", 50), ("V", "V", 0)]
    table = pd.DataFrame(cells, columns=["truth", "pred", "n"]).assign(split="test", scope="all")
    accepted = table.assign(scope="accepted", n=[90, 2, 0, 50, 0])
    text = render_report(inputs(confusion=pd.concat([table, accepted])))
    assert "is <b>2.2\u00a0%</b>, among all detected beats 6.2\u00a0%" in text
    assert "4.0\u00a0% of the beats (4) were not detected" in text
    assert "all detected beats: 6.2\u00a0%; not detected: 4.0\u00a0%" in text


def test_a_null_that_few_cases_have_is_named_and_decides_nothing() -> None:
    table = explanation_scores(0.1).assign(n=17)
    few = table.iloc[:1].assign(null_name="wrong_class", n=3, gain_lo=math.nan, gain_hi=math.nan, value=0.2)
    text = render_report(inputs(explanation_metrics=pd.concat([few, table])))
    assert "are clearly above every null" in text
    assert "for AUPRC, planted &#34;wrong class&#34; (3 of 17 cases)" in text
