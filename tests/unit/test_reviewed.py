"""Tables of decisions: what is a row of one, what follows from several, and the labels that beats get."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.beats.beat_table import beat_table
from beatlens.beats.reviewed_labels import apply_reviewed
from beatlens.beats.settings import BeatSettings
from beatlens.config.load import ConfigError, load_config
from beatlens.core.remarks import REMARKS
from beatlens.corpora.reviewed import COLUMNS, ReviewedRecord, latest, read_decisions, read_reviewed
from beatlens.evaluate.predictions.classification import evaluate_classification
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.inputs.labelled_records import gate_labels
from beatlens.prediction.origin import origin_of
from beatlens.report.sections.reviewed import reviewed_section

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
NOON, LATER = "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+00:00"


def row(beat: str = "c/r/100", **changes: str) -> dict[str, str]:
    base = {"decision": "accepted", "label": "N", "pred": "N", "reviewer": "ann", "time": NOON, "run": "first"}
    return {"beat_id": beat, **base, "bundle_sha256": "a" * 64, "note": ""} | changes


def corrected(label: str, beat: str = "c/r/100", **changes: str) -> dict[str, str]:
    return row(beat, decision="corrected", label=label, **changes)


def unsure(beat: str = "c/r/100", **changes: str) -> dict[str, str]:
    return row(beat, **{"decision": "unsure", "label": "", **changes})


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "more"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(beat="c/r"), "line 3: beat_id 'c/r'; expected corpus/record/r_sample"),
        (row(decision="yes"), "decision 'yes'; expected one of accepted, corrected, unsure"),
        (row(label="V"), "label 'V'; expected the predicted class, 'N'"),
        (corrected("N"), "label 'N'; expected another class than the predicted one"),
        (corrected("<b>"), "label '<b>'; expected another class"),
        (unsure(label="N"), "label 'N'; expected nothing where the decision is unsure"),
        (row(reviewer=""), "reviewer ''; expected a name"),
        (row(time="31.1.2026"), "time '31.1.2026'; expected a moment in UTC"),
        (row(time="2026-01-31T12:00:00+01:00"), "expected a moment in UTC"),
        (row(run="../x"), "run '../x'; expected the name of a run"),
        (row(bundle_sha256="abc"), "bundle_sha256 'abc'; expected a sha256"),
        (row(note="x" * 1001), "expected at most 1000 characters"),
    ],
)
def test_a_row_that_is_no_decision_is_refused_with_its_line(tmp_path: Path, bad: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=r"reviewed\.csv line 3: ") as error:
        read_decisions(write(tmp_path / "reviewed.csv", row(), bad))
    assert words in str(error.value)


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("beat_id,label\nc/r/1,N\n")
    with pytest.raises(ValueError, match="bundle_sha256"):
        read_decisions(path)


def test_a_reviewer_may_change_their_mind_and_two_things_at_once_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", corrected("V", time=LATER), row(), row(reviewer="bob"), row("c/r/20"))
    kept = [(decision.beat_id, decision.reviewer, decision.label) for decision in latest(read_decisions(path))]
    assert kept == [("c/r/20", "ann", "N"), ("c/r/100", "ann", "V"), ("c/r/100", "bob", "N")]
    again = write(tmp_path / "b.csv", row(), corrected("V"))
    with pytest.raises(ValueError, match="c/r/100: ann decided accepted N and corrected V"):
        latest(read_decisions(again))


def test_a_beat_is_labelled_where_all_who_decided_named_one_class(tmp_path: Path) -> None:
    ann = write(
        tmp_path / "ann.csv",
        *(row("c/r/1"), row("c/r/2"), unsure("c/r/3"), corrected("none", "c/r/4"), row("c/q/5"), row("d/r/6")),
    )
    bob = write(
        tmp_path / "bob.csv",
        *(row("c/r/1", reviewer="bob"), corrected("V", "c/r/2", reviewer="bob"), row("c/r/7", reviewer="bob")),
        *(unsure("c/r/7", reviewer="eve"), unsure("c/r/3", reviewer="bob")),
    )
    assert read_reviewed([ann, bob], "c") == {
        "r": ReviewedRecord({1: "N", 4: "none"}, disputed=(2, 7), unsure=(3,)),
        "q": ReviewedRecord({5: "N"}),
    }
    with pytest.raises(ValueError, match=r"decisions on beats of \['c/q', 'c/r', 'd/r'\] alone; expected some on e"):
        read_reviewed([ann], "e")


def test_decisions_on_records_that_are_not_there_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = write(tmp_path / "ann.csv", row("c/r/1"), row("c/q/5"))
    assert list(read_reviewed([table], "c", {"r"})) == ["r"]
    assert "c/q" in caplog.text
    caplog.clear()
    assert read_reviewed([table], "c", {"z"}) == {}, "all of the corpus, none of the run"
    assert "c/q" in caplog.text
    assert "c/r" in caplog.text
    assert read_reviewed([write(tmp_path / "taken_back.csv")], "c") == {}


def beats(labels: list[str], source: str, noise: bool = False) -> pd.DataFrame:
    """Return a record's detected beats at 100, 200, ...; those of an annotated record are matched."""
    n = len(labels)
    table = beat_table(
        corpus="c",
        record="r",
        patient="p",
        r_sample=100 * np.arange(1, n + 1),
        fs_file=100.0,
        fs=100.0,
        n_samples=100 * (n + 1),
        labels=labels,
        symbols=[""] * n,
        labelled=source == "beat",
        partner=np.full(n, -1),
        annotated_noise=np.full(n, noise),
        settings=BeatSettings.read(CONFIG["beats"]),
    )
    return table.assign(label_source=source)


DECIDED = ReviewedRecord({100: "V", 200: "N"}, disputed=(300,), unsure=(400,))


@pytest.mark.parametrize(
    ("labels", "source", "expected", "codes"),
    [
        (["", "", "", ""], "", ["V reviewed", "N reviewed", " ", " "], ["reviewers_disagree"]),
        (
            ["S", "S", "S", "S"],
            "record",
            ["V reviewed", "N reviewed", "S record", "S record"],
            ["reviewers_disagree"],
        ),
        (
            ["V", "S", "S", "N"],
            "beat",
            ["V beat", "S beat", "S beat", "N beat"],
            ["reviewed_against_annotations", "reviewers_disagree"],
        ),
        (
            ["none", "", "N", "N"],
            "beat",
            ["none beat", "N reviewed", "N beat", "N beat"],
            ["reviewed_against_annotations", "reviewers_disagree"],
        ),
    ],
)
def test_what_wins_where_annotations_and_reviewers_speak_of_one_beat(
    labels: list[str], source: str, expected: list[str], codes: list[str]
) -> None:
    table, findings = apply_reviewed(beats(labels, source), DECIDED)
    assert [
        f"{label} {origin}" for label, origin in zip(table["label"], table["label_source"], strict=True)
    ] == expected
    assert [finding.remark for finding in findings] == codes
    assert set(codes) <= set(REMARKS)


def test_a_strip_called_noise_has_a_beat_where_a_reviewer_says_so() -> None:
    table, _ = apply_reviewed(beats([""] * 4, "record", noise=True), DECIDED)
    assert table["annotated_noise"].tolist() == [False, False, True, True]
    np.testing.assert_array_equal(gate_labels(table), [0, 0, 1, 1])


def test_a_beat_that_is_none_teaches_no_class_and_no_noise() -> None:
    table, _ = apply_reviewed(beats([""] * 4, ""), ReviewedRecord({100: "none", 200: "N"}))
    assert np.isnan(gate_labels(table)[0])
    assert gate_labels(table)[1] == 0


def test_decisions_of_another_recording_are_not_used() -> None:
    """Half of the ids or more must be of beats; one that fits by chance gives no label."""
    untouched = beats([""] * 4, "")
    some, findings = apply_reviewed(untouched, ReviewedRecord({100: "V", 200: "V", 333: "V"}, unsure=(444,)))
    assert some["label"].tolist() == ["V", "V", "", ""]
    assert [finding.remark for finding in findings] == ["reviewed_elsewhere"]
    assert "2 of 4" in findings[0].detail
    assert "at sample 333" in findings[0].detail
    none, findings = apply_reviewed(untouched, ReviewedRecord({100: "V", 222: "V", 333: "V"}))
    pd.testing.assert_frame_equal(none, untouched)
    assert "none is used" in findings[0].detail
    empty = untouched.iloc[:0]
    assert apply_reviewed(empty, DECIDED)[0].equals(empty)


def predicted(labels: list[str], sources: list[str], pred: list[str]) -> pd.DataFrame:
    n = len(labels)
    table = pd.DataFrame({"beat_id": [f"c/r{k % 3}/{k}" for k in range(n)], "corpus": "c"})
    table["record"] = table["patient"] = [f"r{k % 3}" for k in range(n)]
    table["split"], table["review"], table["matched"] = "test", False, True
    table["label"], table["label_source"], table["pred"] = labels, sources, pred
    return table.assign(p_N=np.equal(pred, "N") * 1.0, p_V=np.equal(pred, "V") * 1.0)


def test_reviewed_labels_are_scored_apart() -> None:
    settings = EvaluateSettings.read(CONFIG["evaluate"] | {"bootstrap": 20})
    table = predicted(["N", "V", "N", "V", "V"], ["beat"] * 3 + ["reviewed"] * 2, ["N", "N", "N", "V", "V"])
    scores: dict[Any, Any] = {}
    for name, part in (("all", table), ("annotated alone", table.iloc[:3])):
        metrics, confusion = evaluate_classification(part, table.iloc[:0], ["N", "V"], settings, 1)
        scores[name] = metrics
        assert confusion.groupby("scope")["n"].sum()["all"] == 3
    accuracy = scores["all"][scores["all"]["metric"] == "accuracy"].set_index("scope")["value"]
    assert accuracy["all"] == pytest.approx(2 / 3)
    assert accuracy["reviewed: all"] == 1
    apart = scores["all"][~scores["all"]["scope"].str.startswith("reviewed: ")].reset_index(drop=True)
    pd.testing.assert_frame_equal(apart, scores["annotated alone"])


def test_the_report_counts_reviewed_labels_apart() -> None:
    settings = EvaluateSettings.read(CONFIG["evaluate"] | {"bootstrap": 20})
    table = predicted(["N", "V", "none", "V", ""], ["beat"] + ["reviewed"] * 3 + [""], ["N", "N", "N", "V", "V"])
    metrics, confusion = evaluate_classification(table, table.iloc[:0], ["N", "V"], settings, 1)
    inputs: Any = SimpleNamespace(metrics=metrics, confusion=confusion, classes=("N", "V"))
    section = reviewed_section(inputs)
    assert section is not None
    assert section["n"] == "3"
    (row,) = section["rows"]
    assert (row["split"], row["n"], row["classes"], row["none"]) == ("test", "3", ["0", "2"], "1")
    assert row["agreement"].startswith("0.50")
    annotated = evaluate_classification(table.iloc[:1], table.iloc[:0], ["N", "V"], settings, 1)
    inputs.metrics, inputs.confusion = annotated
    assert reviewed_section(inputs) is None


def test_a_bundle_says_that_it_learnt_from_labels_of_reviewers() -> None:
    records = pd.DataFrame({"corpus": ["c", "d"], "record": "r", "patient": "p", "split": "train", "role": "train"})
    records = records.assign(duration_s=60.0, leads="II", fs=360.0)
    corpora = [{"name": "c", "format": "wfdb", "reviewed": ["a.csv"]}, {"name": "d", "format": "wfdb"}]
    reviewed, other = origin_of(records, corpora, {"N": 1}, ["II"], []).corpora
    assert "some labels by reviewers of predictions" in reviewed.words()
    assert "reviewers" not in other.words()


def corpus(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    (tmp_path / "data" / "c").mkdir(parents=True, exist_ok=True)
    entry = {"name": "c", "format": "wfdb", "role": "train", "folder": "data/c", "reviewed": ["reviewed.csv"]}
    return {"corpora": [entry | changes], "classes": ["N", "V"]} | {
        "look_alikes": {"rhythm_classes": ["N", "V"]},
    }


def test_a_run_may_rest_on_decisions_alone(tmp_path: Path) -> None:
    write(tmp_path / "reviewed.csv", row())
    assert load_config(corpus(tmp_path), ROOT, tmp_path)["corpora"][0]["reviewed"] == ["reviewed.csv"]


@pytest.mark.parametrize(
    ("changes", "rows", "words"),
    [
        ({"role": "predict"}, [row()], "labels of records of the role predict are never used"),
        ({}, [row("d/r/1")], "tables of decisions on beats of c"),
        ({}, [row(decision="ok")], "line 2: decision 'ok'"),
        ({}, [corrected("PVC")], "decisions for N, V or none"),
        ({"reviewed": ["elsewhere.csv"]}, [row()], "a path that exists"),
    ],
)
def test_a_table_that_does_not_fit_the_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], rows: list[dict[str, str]], words: str
) -> None:
    write(tmp_path / "reviewed.csv", *rows)
    with pytest.raises(ConfigError) as error:
        load_config(corpus(tmp_path, **changes), ROOT, tmp_path)
    assert words in str(error.value)
    assert "corpora[0].reviewed" in str(error.value)
