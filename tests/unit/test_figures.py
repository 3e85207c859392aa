from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from beatlens.core.files import read_table, write_table
from beatlens.core.numerals import fixed
from beatlens.evaluate.predictions.classification import _cells
from beatlens.evaluate.predictions.outcomes import Outcomes, outcomes
from beatlens.explain.case.other_classes import cases_of_classes
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import AttributionMeta
from beatlens.figures.classification import confusion_figure, headline_split, patients_figure, reliability_figure
from beatlens.figures.explained_cases import FACT_COLUMNS, agreement, case_facts, case_figure, figure_name
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.margins import PAGE_MM
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import save_figure
from beatlens.figures.prototypes import prototype_figure
from beatlens.figures.scores import METRIC_WORDS, score_rows, scores_figure
from beatlens.figures.settings import LookSettings
from beatlens.figures.training import training_figure
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.report.sections.scores import Detected
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.shards.writer import ShardWriter

SCALE = PaperScale(speed_mm_s=25, gain_mm_mv=10)
CLASSES = ("N", "V", "X$y")


def words(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def confusion_table() -> pd.DataFrame:
    rows = [("N", "N", 9), ("N", "V", 1), ("V", "V", 4), ("V", "missed", 4), ("Q", "N", 2), ("none", "N", 3)]
    table = pd.DataFrame(rows, columns=["truth", "pred", "n"])
    return table.assign(split="test", scope="all")


def test_confusion_shows_shares_counts_and_every_row(tmp_path: Path) -> None:
    figure = confusion_figure(confusion_table(), CLASSES)
    text = words(figure)
    for expected in ("90 %\n9", "50 %\n4", "Q  (2)", "no beat  (3)", "X$y  (0)", "missed"):
        assert expected in text
    save_figure(figure, tmp_path / "a.svg")
    assert "No labelled beats" in words(confusion_figure(confusion_table().iloc[:0], CLASSES))


def test_headline_is_test_before_anything_else() -> None:
    assert headline_split(pd.DataFrame({"split": ["train", "test"], "scope": "all"})) == "test"
    assert headline_split(pd.DataFrame({"split": ["train", "none"], "scope": "all"})) == "none"
    assert headline_split(pd.DataFrame({"split": [], "scope": []}, dtype=object)) == ""
    assert headline_split(pd.DataFrame({"split": ["test"], "scope": "reviewed: all"})) == ""


def test_reliability_takes_labelled_beats_alone() -> None:
    table = pd.DataFrame({"label": ["N", "V", "none", ""], "pred": ["N", "N", "N", "V"], "patient": "p"})
    table = table.assign(
        corpus="c", review=False, beat_id=list("abcd"), p_N=[0.9, 0.6, 0.8, 0.1], p_V=[0.1, 0.4, 0.2, 0.9]
    )
    figure = reliability_figure(outcomes(table, ("N", "V")), "test", 10)
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[1].get_xdata(), [0.6, 0.9])
    np.testing.assert_allclose(left.lines[1].get_ydata(), [0, 1])
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0, 50])
    assert "No labelled beats" in words(reliability_figure(None, "", 10))


def test_patients_lowest_first() -> None:
    rows = [
        {"scope": f"patient:p{k}", "class": name, "metric": metric, "value": value}
        for k, macro in enumerate((0.9, 0.2))
        for name, metric, value in (
            ("all", "macro_f1", macro),
            ("N", "f1", macro),
            ("N", "support", 5),
            ("V", "support", 0),
        )
    ]
    figure = patients_figure(pd.DataFrame(rows).assign(split="test"), CLASSES)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["p1", "p0"]
    assert "0.20 (5)" in words(figure)


def test_training_history() -> None:
    history = pd.DataFrame(
        {"epoch": [1, 2], "loss": [2.0, 1.0], "train_macro_f1": [0.1, 0.5], "select_macro_f1": np.nan}
    )
    figure = training_figure(history)
    assert len(figure.axes[1].lines) == 1  # no curve for patients that aren't there
    with pytest.raises(ValueError, match="0 rows"):
        training_figure(history.iloc[:0])


def library(n: int) -> PrototypeLibrary:
    waves = np.zeros((n, 2, 130), np.float32)
    waves[:, :, 50] = 1.0
    present = np.ones((n, 2), bool)
    present[:1, 0] = False
    bank = PrototypeBank(
        waves * present[:, :, None], present, ("II", "V1"), CLASSES, np.array(["N"] * n), np.array(["c/p"] * n),
        np.array([f"c/r/{k}" for k in range(n)]), 3,
    )  # fmt: skip
    return PrototypeLibrary(bank, pd.DataFrame(), waves, np.full((n, 2), 1.5, np.float32), 200.0, 50)


def test_prototypes_are_to_scale_in_millivolts() -> None:
    figure = prototype_figure(library(14), CLASSES, SCALE)
    traces = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 130]
    assert len(traces) == 27  # 14 prototypes of two leads, one without lead II
    assert np.ptp(traces[0].get_ydata()) == pytest.approx(15)  # 1.5 mV
    assert np.ptp(traces[0].get_xdata()) == pytest.approx(129 / 200 * 25)
    assert "no prototype found" in words(figure)
    assert "No prototypes" in words(prototype_figure(library(0), CLASSES, SCALE))


def score_table(gain: float) -> pd.DataFrame:
    row = {"scope": "all", "class": "", "method": "lime", "truth": "", "value": 0.6, "lo": 0.5, "hi": 0.7, "n": 4}
    nulls = [("random", 0.1, 0.5), ("target_beat", 0.6 - gain, gain)]
    return pd.DataFrame(
        [
            {
                **row,
                "metric": "auprc",
                "null_name": name,
                "null_value": value,
                "gain": g,
                "gain_lo": g - 0.05,
                "gain_hi": g,
            }
            for name, value, g in nulls
        ]
    )


def test_a_score_is_judged_by_its_strongest_null() -> None:
    (row,) = score_rows(score_table(0.1))
    assert row.nulls[0].name == "target_beat"
    assert row.beats_all
    (row,) = score_rows(score_table(0.01))
    assert row.above_all
    assert not row.beats_all
    assert not score_rows(score_table(-0.1))[0].above_all
    assert "target beat" in words(scores_figure(score_table(0.1)))
    assert "No explained cases" in words(scores_figure(score_table(0.1).iloc[:0]))


def test_scores_above_one_and_their_intervals_are_in_the_picture() -> None:
    """A map that beats the greedy search has an insertion above 1."""
    table = score_table(0.1).assign(metric="insertion", value=1.22, hi=1.41, lo=-0.2)
    low, high = scores_figure(table).axes[0].get_xlim()
    assert low < -0.2
    assert 1.41 < high < 1.5
    assert scores_figure(score_table(0.1)).axes[0].get_xlim()[1] == pytest.approx(1.03)


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    row: dict[str, Any] = {
        "corpus": "c", "record": "r", "patient": "p", "role": "test", "leads": "II;V1", "fs": 200.0, "fs_file": 360.0,
        "duration_s": 10.0, "lead_scale": "1;1", "dx": "", "labelled": True,
    }  # fmt: skip
    truth = [
        {"corpus": "c", "record": "r", "lead": "V1", "start_s": 4.95, "end_s": 5.1, "label": "V", "r_sample": 1800},
        {"corpus": "c", "record": "r", "lead": "II", "start_s": 3.9, "end_s": 4.1, "label": "V", "r_sample": 1440},
    ]
    with ShardWriter(tmp_path / "0of1") as writer:
        signal = np.random.default_rng(0).normal(0, 0.2, (2, 2000)).astype(np.float32)
        writer.add(row, signal, pd.DataFrame({"beat_id": []}), pd.DataFrame({"beat_id": []}), truth)
    return Shard(tmp_path / "0of1")


CASE: dict[str, Any] = {
    "case": "V-correct-01", "corpus": "c", "record": "r", "patient": "p", "beat_id": "c/r/1800", "class": "V",
    "outcome": "correct", "label": "V", "probability": 0.97, "relaxed": False, "start_s": 3.0, "end_s": 7.0,
    "target": "beat", "window_start_s": 5.0, "window_end_s": 5.0,
}  # fmt: skip
BEATS = pd.DataFrame(
    {
        "beat_id": ["c/r/1440", "c/r/1800", "c/r/2160"], "r_time_s": [4.0, 5.0, 6.0], "pred": ["N", "V", "N"],
        "reason": ["", "noise", ""],
    }
)  # fmt: skip


def attribution(values: np.ndarray, rhythm: float | None = 0.5, **meta: Any) -> Attribution:
    base = {"case": "V-correct-01", "corpus": "c", "record": "r", "beat_id": "c/r/1800", "target": "beat"}
    base |= {"case_class": "V", "method": "fused", "units": "relative", "rhythm": rhythm}
    share = None if rhythm is None else abs(rhythm) / (abs(rhythm) + np.abs(values).sum())
    own = AttributionMeta(**base | {"rhythm_share": share} | meta)
    return Attribution(values.astype(np.float32), ("II", "V1"), 200.0, 3.0, own)


def planted() -> np.ndarray:
    values = np.zeros((2, 800))
    values[1, 380:420] = 0.01  # V1, 4.9 to 5.1 s
    values[0, 0:10] = 0.01
    return values


def test_case_figure_shows_the_target_and_only_its_truth(shard: Shard) -> None:
    figure, outside = case_figure(CASE, BEATS, shard, fused=attribution(planted()), limit=0.1, scale=SCALE)
    assert outside == 0
    text = words(figure.figure)
    assert "called V (p 0.97)" in text
    assert "right, truth V" in text
    assert "rhythm holds 50 % of the explanation" in text
    assert "planted truth" in text
    bars = [line for line in figure.axes.lines if line.get_color() == "#11724f"]
    assert len(bars) == 2  # the target's span and its key; not the neighbour's
    spans = np.ptp(bars[0].get_xdata())
    assert spans == pytest.approx(0.15 * 25)
    assert "asked for by name" not in text
    named, _ = case_figure(
        {**CASE, "named": True},
        BEATS.assign(split="train"),
        shard,
        fused=attribution(planted()),
        limit=0.1,
        scale=SCALE,
    )
    assert "asked for by name" in words(named.figure)
    assert "the model learnt from this patient" in words(named.figure)
    with pytest.raises(ValueError, match="attribution of"):
        case_figure({**CASE, "record": "other"}, BEATS, shard, fused=attribution(planted()), limit=0.1, scale=SCALE)
    with pytest.raises(ValueError, match="0 predictions of beat"):
        case_figure(CASE, BEATS.iloc[:1], shard, fused=attribution(planted()), limit=0.1, scale=SCALE)


def test_a_window_is_marked_with_all_truth_of_its_class(shard: Shard) -> None:
    case = {**CASE, "target": "window", "window_start_s": 3.5, "window_end_s": 6.5}
    figure, _ = case_figure(case, BEATS, shard, fused=attribution(planted()), limit=0.1, scale=SCALE)
    assert "from 3.5 to 6.5 s: V found" in words(figure.figure)
    assert len([line for line in figure.axes.lines if line.get_color() == "#11724f"]) == 3
    widths = [np.ptp(line.get_xdata()) for line in figure.axes.lines if len(line.get_xdata()) == 4]
    assert pytest.approx(3.0 * 25) in widths
    geometry = BeatGeometry.from_seconds(200.0, 0.25, 0.4)
    assert math.isnan(
        case_facts(case, BEATS, attribution(planted()), methods={}, geometry=geometry, outside=0.0, limit=0.1)[
            "beat_share"
        ]
    )


def test_a_beat_is_drawn_for_another_class_and_by_one_method(shard: Shard) -> None:
    beats = BEATS.assign(p_N=0.02, p_V=0.97, p_S=0.01)
    table = cases_of_classes(pd.DataFrame([{**CASE, "target": "beat"}, {**CASE, "target": "window"}]), beats, "NSV")
    assert table["case"].tolist() == [f"{CASE['case']}_as_N", f"{CASE['case']}_as_S"]  # neither V nor the window
    assert table["probability"].tolist() == [0.02, 0.01]
    case = table.to_dict("records")[0]
    lime = attribution(planted(), case=case["case"], case_class="N", method="lime", units="logit")
    figure, _ = case_figure(
        case, BEATS, shard, fused=lime, limit=0.1, scale=SCALE, look=LookSettings(colour_map="viridis")
    )
    assert "called V, explained as N (p 0.02)" in words(figure.figure)
    assert "·  lime" in words(figure.figure)
    assert figure_name(case["case"], "lime") == f"{CASE['case']}_as_N_lime"


def test_case_facts() -> None:
    geometry = BeatGeometry.from_seconds(200.0, 0.25, 0.4)
    fused = attribution(planted(), rhythm=-0.5)
    found = case_facts(CASE, BEATS, fused, methods={"a": fused, "b": fused}, geometry=geometry, outside=0.0, limit=0.1)
    assert list(found) != []
    assert set(found) == set(FACT_COLUMNS)
    assert found["beat_share"] == pytest.approx(0.8)
    assert found["top_leads"] == "V1:0.80;II:0.20"
    assert found["rhythm_sign"] == -1
    assert found["reason"] == "noise"
    assert found["agreement"] == pytest.approx(1.0)
    empty = case_facts(
        CASE, BEATS, attribution(np.zeros((2, 800)), None), methods={}, geometry=geometry, outside=0.0, limit=0.1
    )
    assert empty["top_leads"] == ""
    assert math.isnan(empty["beat_share"])
    assert math.isnan(empty["rhythm_share"])


def test_agreement_between_methods() -> None:
    one = attribution(planted())
    assert agreement({"a": one, "b": attribution(-planted())}) == pytest.approx(-1.0, abs=0.2)
    assert math.isnan(agreement({"a": one}))
    assert math.isnan(agreement({"a": one, "b": attribution(np.zeros((2, 800)))}))


def cut_off(figure: Figure) -> list[str]:
    """Return the texts of a figure that reach beyond it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole = figure.bbox
    ticks = [label for axes in figure.axes for label in axes.get_xticklabels()]  # also of ticks beyond the axis
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in ticks]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]
    return [text for text, box in boxes if box.x0 < whole.x0 - 1 or box.x1 > whole.x1 + 1 or box.y0 < whole.y0 - 1]


def outcomes_of(n: int) -> Outcomes:
    """Return outcomes with wrong, missed, made-up and reviewed beats among them."""
    rng = np.random.default_rng(5)
    truth, p = rng.integers(0, 2, n), rng.uniform(0.02, 0.98, n)
    label = np.where(rng.random(n) < 0.1, "none", np.array(["N", "V"])[truth])
    pred = np.array(["N", "V"])[(p > 0.5).astype(int)]
    missed = (rng.random(n) < 0.1) & (label != "none")
    table = pd.DataFrame({"corpus": "c", "label": label, "pred": np.where(missed, "missed", pred), "p_N": 1 - p})
    table = table.assign(
        p_V=p, review=(rng.random(n) < 0.3) & ~missed, patient="p", beat_id=[f"b{k}" for k in range(n)]
    )
    table.loc[missed, ["p_N", "p_V"]] = np.nan
    return outcomes(table, ("N", "V"))


def test_no_text_is_cut_off_and_none_lies_where_a_curve_may_cross_it() -> None:
    tables = [score_table(0.1).assign(metric=metric) for metric in METRIC_WORDS]
    scores = scores_figure(pd.concat(tables, ignore_index=True).assign(truth="annotated beats"))
    three = scores_figure(pd.concat([table for table in tables if table["metric"][0] in {"deletion", "sensitivity_n"}]))
    reliability = reliability_figure(outcomes_of(300), "calibrate", 10)
    for figure in (scores, three, reliability, confusion_figure(confusion_table(), CLASSES)):
        assert cut_off(figure) == []
    for axes in reliability.axes:
        assert all(text.get_position()[1] < 0 for text in axes.texts)


def test_the_error_in_words_is_that_of_the_risk_figure() -> None:
    rows = outcomes_of(300)
    cells = pd.DataFrame(_cells(rows)).assign(split="test", scope="all")
    cells = pd.concat(
        [cells, pd.DataFrame(_cells(rows.subset(~rows.review & ~rows.missed))).assign(split="test", scope="accepted")]
    )
    found, accepted = (Detected.of(cells, "test", scope, ("N", "V")) for scope in ("all", "accepted"))
    right = reliability_figure(rows, "test", 10).axes[1]
    assert right.lines[0].get_ydata()[-1] == pytest.approx(100 * found.error)
    ((_, dot),) = right.collections[0].get_offsets()
    assert dot == pytest.approx(100 * accepted.error)
    assert found.missed == int(rows.missed.sum()) > 0
    assert found.found + found.missed == int((rows.truth < 2).sum())


def test_a_verdict_rests_on_nulls_that_most_cases_have_and_names_the_others() -> None:
    """Seventeen cases lie well above two nulls; a third was compared in three cases of one patient."""
    row = {"scope": "all", "class": "", "method": "fused", "truth": "", "metric": "deletion", "value": 0.8, "lo": 0.7}
    few = {"null_name": "wrong_class", "null_value": 0.1, "value": 0.2, "n": 3, "gain": 0.1, "gain_lo": math.nan}
    nulls = [few, {"null_name": "random", "null_value": 0.45, "gain": 0.35, "gain_lo": 0.14, "n": 17}]
    (found,) = score_rows(pd.DataFrame([row | {"hi": 0.9, "gain_hi": 0.43} | null for null in nulls]))
    assert (found.value, found.n) == (0.8, 17)
    assert found.beats_all
    assert found.nulls[0].name == "random"
    assert found.left_out == '"wrong class" (3 of 17 cases)'
    unsure = {"null_name": "change", "null_value": 0.4, "gain": 0.4, "gain_lo": -0.1, "n": 12}
    (found,) = score_rows(pd.DataFrame([row | {"hi": 0.9, "gain_hi": 0.9} | null for null in (*nulls, unsure)]))
    assert not found.beats_all
    assert found.nulls[0].name == "change", "the null shown is the one that the verdict rests on"
    assert found.doubt == 'above "change", but the interval reaches 0'


def test_no_number_is_minus_zero(tmp_path: Path) -> None:
    assert [fixed(value, 2) for value in (-0.0, -0.001, -0.006, 0.004)] == ["0.00", "0.00", "−0.01", "0.00"]
    assert fixed(-0.4, 0) == "0"
    table = pd.DataFrame({"beat_id": ["a"], "p_N": np.array([-0.0], np.float32), "gain": [-0.0], "n": [0]})
    for name in ("t.csv", "t.parquet", "t.tsv"):
        write_table(tmp_path / name, table)
        back = read_table(tmp_path / name)
        assert not np.signbit(back["p_N"]).any()
        assert not np.signbit(back["gain"]).any()
    assert back.dtypes["n"] == np.int64
    assert np.signbit(table["gain"]).all(), "the caller's table stays as it is"


def test_windows_of_twelve_leads_fit_the_page(shard: Shard) -> None:
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    for seconds, columns in ((4, 2), (10, 1), (12, 1)):
        figure = EcgFigure(Strip(np.zeros((12, seconds * 200), np.float32), leads, 200.0, 0.0), SCALE)
        assert 1 + max(panel.column for panel in figure.panels) == columns
        assert figure.size_mm[0] <= PAGE_MM
