"""From predictions over decisions to the labels of the next run: with a given bundle, and as what a network learns."""

from __future__ import annotations

import pytest
import yaml

from beatlens.core.files import read_table, sha256_of
from beatlens.corpora.reviewed import Decision
from beatlens.review.decision_file import DecisionFile


def decide(finished, beats, label_of) -> DecisionFile:
    """Decide on beats as reviewers would: their label by `label_of`, None leaves a beat alone."""
    sha256 = sha256_of(finished.results / "model" / "bundle" / "bundle.json")
    table = DecisionFile(finished.results / "reviewed.csv")
    rows = []
    for beat in beats.itertuples():
        label = label_of(beat)
        if label is not None:
            kind = "unsure" if not label else "accepted" if label == beat.pred else "corrected"
            who = {"pred": beat.pred, "reviewer": "ann", "time": "2026-01-31T12:00:00Z", "run": "tiny"}
            rows.append(Decision(beat.beat_id, kind, label, **who, bundle_sha256=sha256))
    table.add(*rows)
    return table


def next_run(finished, **changes) -> str:
    """Write the configuration of a run over the same records without their annotations, and return its path."""
    config = yaml.safe_load((finished.folder / "tests" / "workflow" / "tiny.yaml").read_text(encoding="utf-8"))
    corpus = {"name": "synthetic", "format": "synthetic", "reviewed": ["results/tiny/reviewed.csv"]}
    config |= {"run": "second", "corpora": [corpus | changes.pop("corpus")]} | changes
    (finished.folder / "second.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return "second.yaml"


def test_decisions_are_labels_of_the_next_run_and_are_scored_apart(finished):
    first = read_table(finished.results / "predictions" / "beats.parquet")
    chosen = dict(zip(first["beat_id"][::3], ["V", "", "none", "N"] * len(first), strict=False))
    decide(finished, first, lambda beat: chosen.get(beat.beat_id))
    few = {"per_class": 1, "min_probability": 0, "max_cases": 1, "max_windows": 0}
    config = next_run(finished, corpus={"role": "test"}, bundle="results/tiny/model/bundle", cases=few)
    finished.snakemake("--cores", "2", config=config)
    results = finished.folder / "results" / "second"
    beats = read_table(results / "predictions" / "beats.parquet").set_index("beat_id")
    expected = {beat: label for beat, label in chosen.items() if label}
    reviewed = beats[beats["label_source"] == "reviewed"]
    assert reviewed["label"].to_dict() == expected
    assert (beats.drop(index=reviewed.index)["label"] == "").all()
    scores = read_table(results / "metrics" / "classification.csv")
    assert set(scores["scope"]) == {"reviewed: all", "reviewed: accepted"}
    report = (results / "report.html").read_text(encoding="utf-8")
    assert f"{len(expected):,} beats have a label that a reviewer gave" in report
    assert finished.planned(config=config) == {}
    with (finished.results / "reviewed.csv").open("a", encoding="utf-8") as file:
        file.write(f"synthetic/nobody/1,accepted,N,N,bob,2026-01-31T12:00:00Z,tiny,{'a' * 64},\n")
    assert finished.planned(config=config)["preprocess_shard"] >= 1  # another decision makes the labels anew


@pytest.mark.parametrize("wrong", ["run", "class"])
def test_a_table_of_other_beats_or_classes_ends_the_run_before_its_jobs(finished, wrong):
    first = read_table(finished.results / "predictions" / "beats.parquet").head(3)
    name = "other" if wrong == "run" else "synthetic"
    first["beat_id"] = first["beat_id"].str.replace("synthetic/", f"{name}/")
    decide(finished, first, lambda beat: "PVC" if wrong == "class" else beat.pred)
    said = finished.snakemake("--dry-run", config=next_run(finished, corpus={"role": "train"}), ok=False)
    assert "corpora[0].reviewed" in said
    assert ("decisions on beats of" if wrong == "run" else "decisions for LBBB") in said


def test_a_network_learns_from_decisions_alone(finished):
    first = read_table(finished.results / "predictions" / "beats.parquet")
    known = first["label"].isin(["N", "S", "V", "RBBB", "LBBB", "STE"])
    decide(finished, first[known], lambda beat: beat.label)
    config = next_run(finished, corpus={"role": "train"})
    finished.snakemake("predict", "--cores", "2", config=config)
    results = finished.folder / "results" / "second"
    beats = read_table(results / "predictions" / "beats.parquet")
    assert (beats["label_source"] == "reviewed").sum() == known.sum()
    records = read_table(results / "records.tsv")
    assert set(records["split"]) >= {"train", "test"}
    assert records[[f"n_{name}" for name in ("N", "V")]].sum().min() > 0
    assert (results / "model" / "bundle" / "bundle.json").is_file()
