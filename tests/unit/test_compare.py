"""Two runs compared: pairs of beats, paired intervals, the page, and runs that can't be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn import metrics as oracle

from beatlens.compare.page import write_comparison
from beatlens.compare.paired_scores import paired_scores
from beatlens.compare.pairs import pair_beats
from beatlens.compare.runs import ComparedRun, common_records
from beatlens.core.seeds import derive_seed
from beatlens.shards.writer import ShardWriter

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
CLASSES = ["N", "V"]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def predictions(seed: int, patients: int = 6) -> pd.DataFrame:
    """Return 30 beats a patient, a second apart; labels are the same with any seed."""
    truth = np.random.default_rng(0).random(30 * patients) < 0.3
    probability = np.clip(0.2 + 0.5 * truth + np.random.default_rng(seed).normal(0, 0.25, len(truth)), 0.01, 0.99)
    person = np.repeat(np.arange(patients), 30)
    sample = np.tile(100 * np.arange(1, 31), patients)
    names = [f"r{k}" for k in person]
    table = pd.DataFrame({"beat_id": [f"c/{name}/{at}" for name, at in zip(names, sample, strict=True)], "corpus": "c"})
    table["record"], table["patient"], table["r_sample"], table["r_time_s"] = names, names, sample, sample / 100
    table["split"], table["matched"], table["review"] = "test", True, probability > 0.9
    table["label"], table["label_source"] = np.where(truth, "V", "N"), "beat"
    table["p_N"], table["p_V"] = 1 - probability, probability
    return table.assign(pred=np.where(probability > 0.5, "V", "N"), reason="")


def write_run(folder: Path, beats: pd.DataFrame, annotated: pd.DataFrame | None = None, **config: Any) -> Path:
    (folder / "predictions").mkdir(parents=True)
    given = CONFIG | {"run": folder.name, "classes": CLASSES} | config
    given["evaluate"] = CONFIG["evaluate"] | {"bootstrap": 50}
    (folder / "run_config.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    beats.to_parquet(folder / "predictions" / "beats.parquet")
    (beats if annotated is None else annotated).to_parquet(folder / "predictions" / "beats_annotated.parquet")
    return folder


def open_two(tmp_path: Path, after: Change = lambda table: table, **config: Any) -> tuple[ComparedRun, ComparedRun]:
    first, second = (
        write_run(tmp_path / "a", predictions(1)),
        write_run(tmp_path / "b", after(predictions(2)), **config),
    )
    return ComparedRun.open(first), ComparedRun.open(second)


def test_scores_are_those_of_scikit_learn_and_intervals_those_of_a_naive_paired_bootstrap(tmp_path: Path) -> None:
    before, after = open_two(tmp_path)
    table = paired_scores(before, after, common_records(before, after)).set_index(["class", "metric"])
    tables = [run.beats for run in (before, after)]
    y, a, b = tables[0]["label"], tables[0]["pred"], tables[1]["pred"]
    f1 = [oracle.f1_score(y, pred, average="macro") for pred in (a, b)]
    row = table.loc["all", "macro_f1"]
    assert [row["before"], row["after"], row["difference"]] == pytest.approx([*f1, f1[1] - f1[0]])
    assert table.loc[("V", "recall"), "after"] == pytest.approx(oracle.recall_score(y, b, pos_label="V"))
    rng = np.random.default_rng(derive_seed(after.seed, "compare"))
    draws = []
    for weights in rng.multinomial(6, np.full(6, 1 / 6), size=50):
        rows = np.concatenate(
            [np.flatnonzero(tables[0]["record"] == f"r{k}") for k in np.repeat(np.arange(6), weights)]
        )
        draws.append(np.mean((b == y).to_numpy()[rows]) - np.mean((a == y).to_numpy()[rows]))
    row = table.loc["all", "accuracy"]
    assert [row["difference_lo"], row["difference_hi"]] == pytest.approx(np.quantile(draws, [0.025, 0.975]))
    assert (row["n"], row["n_patients"]) == (180, 6)


def test_a_run_and_itself_do_not_differ(tmp_path: Path) -> None:
    run = ComparedRun.open(write_run(tmp_path / "a", predictions(1)))
    table = paired_scores(run, run, common_records(run, run))
    assert (table[["difference", "difference_lo", "difference_hi"]] == 0).all(axis=None)
    assert (table["before_hi"] > table["before_lo"]).any()
    assert not pair_beats(run, run, run.records).table["changed"].any()


def test_missed_beats_and_false_detections_count_in_both(tmp_path: Path) -> None:
    """After, one V isn't found and one beat is none."""
    table = predictions(1)
    table["pred"] = table["label"]
    lost = int(np.flatnonzero(table["label"] == "V")[0])
    annotated = table.assign(matched=table.index != lost)
    extra = table.iloc[[0]].assign(beat_id="c/r0/50", r_sample=50, r_time_s=0.5, label="none", pred="V", matched=False)
    after = pd.concat([extra, table.drop(index=lost)], ignore_index=True)
    first = ComparedRun.open(write_run(tmp_path / "a", table))
    second = ComparedRun.open(write_run(tmp_path / "b", after, annotated))
    scores = paired_scores(first, second, common_records(first, second)).set_index(["class", "metric"])
    n = int((table["label"] == "V").sum())
    assert scores.loc[("V", "recall"), "difference"] == pytest.approx(-1 / n)
    assert scores.loc[("V", "precision"), "difference"] == pytest.approx((n - 1) / n - 1)
    pairs = pair_beats(first, second, first.records)
    assert (pairs.only_before, pairs.only_after, len(pairs.table)) == (1, 1, 179)


def test_beats_of_another_detector_are_paired_by_time(tmp_path: Path) -> None:
    def later(table: pd.DataFrame) -> pd.DataFrame:
        moved = table.assign(r_sample=table["r_sample"] + 4, r_time_s=table["r_time_s"] + 0.04)
        moved["beat_id"] = [f"c/{row.record}/{row.r_sample}" for row in moved.itertuples()]
        return moved.sample(frac=1, random_state=1)

    before, after = open_two(tmp_path, later)
    table = pair_beats(before, after, before.records).table
    assert len(table) == 180
    np.testing.assert_allclose(table["after_r_time_s"] - table["before_r_time_s"], 0.04)
    shift = np.abs(predictions(1)["p_V"] - predictions(2)["p_V"])
    np.testing.assert_allclose(np.sort(table["shift"]), np.sort(shift))


@pytest.mark.parametrize(
    ("change", "config", "words"),
    [
        (lambda table: table.assign(record="z" + table["record"]), {}, "have no record in common"),
        (lambda table: table.assign(corpus="d"), {}, "have no record in common"),
        (lambda table: table, {"classes": ["N", "V", "S"]}, "has the classes N, V, .*b N, V, S; expected the same"),
        (
            lambda table: table.assign(label=np.where(table.index == 7, "S", table["label"])),
            {},
            "annotated differently in 2 places, such as c/r0/800: [NV] and S",
        ),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path, change: Change, config: Any, words: str) -> None:
    before, after = open_two(tmp_path, change, **config)
    with pytest.raises(ValueError, match=words):
        common_records(before, after)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run_config\.yaml; expected the folder of a finished run"):
        write_comparison(tmp_path, tmp_path)


def test_reviewed_labels_and_training_records_enter_no_score(tmp_path: Path) -> None:
    def some(table: pd.DataFrame) -> pd.DataFrame:
        table["label_source"] = np.where(table.index < 10, "reviewed", "beat")
        table["label"] = np.where(table.index < 10, "V", table["label"])
        table["split"] = np.where(table["record"] == "r5", "train", "test")
        return table

    before, after = open_two(tmp_path, some)
    after = ComparedRun(**{**vars(after), "annotated": before.annotated})  # the annotations are the same
    records = common_records(before, after) & before.held_out() & after.held_out()
    assert ("c", "r5") not in records
    scores = paired_scores(before, after, records).set_index(["class", "metric"])
    assert after.n_reviewed == 10
    assert scores.loc[("all", "accuracy"), "n"] == 140


NAME = "<script>alert(1)</script>"


def add_signals(folder: Path, record: str) -> None:
    """Add a shard with the signal of one record, 40 s at 100 Hz."""
    columns = {"corpus": "c", "record": record, "patient": record, "role": "test", "leads": "II;V1", "fs": 100.0}
    columns |= {"fs_file": 100.0, "duration_s": 40.0, "lead_scale": "1;1", "dx": "", "labelled": True, "weak_label": ""}
    columns |= {"database": "c", "age": np.nan, "sex": "", "strat_fold": ""}
    with ShardWriter(folder / "preprocess" / "0of1") as writer:
        beats = pd.DataFrame({"corpus": ["c"], "record": [record]})
        signal = np.random.default_rng(1).normal(0, 0.1, (2, 4000)).astype(np.float32)
        writer.add(columns, signal, beats, beats.iloc[:0], [])
        writer.note([], [])
        writer.mark_rhythms([])
        writer.set_status("c", record, "test")


def test_the_page_shows_what_changed_to_scale_with_names_as_text(tmp_path: Path) -> None:
    def renamed(seed: int) -> pd.DataFrame:
        table = predictions(seed)
        return table.assign(**{k: table[k].str.replace("r0", NAME.replace("/", "|")) for k in ("record", "beat_id")})

    first, second = write_run(tmp_path / "a", renamed(1)), write_run(tmp_path / "b", renamed(2))
    add_signals(second, NAME.replace("/", "|"))
    page = write_comparison(first, second)
    assert page == second / "compared" / "a" / "compare.html"
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    n_changed = int((predictions(1)["pred"] != predictions(2)["pred"]).sum())
    assert f"{n_changed} of 180 beats have another class than before" in text
    assert 0 < text.count("data:image/svg+xml") < 10  # of one record a signal is there
    assert text.count("<figure>") == 10
    assert "Neither run keeps the signal" in text
    changes = pd.read_csv(page.with_name("changes.csv"))
    assert len(changes) == n_changed
    assert changes["shift"].is_monotonic_decreasing
    confusion = pd.read_csv(page.with_name("confusion.csv"))
    assert confusion["n"].sum() == 180
    assert confusion.loc[confusion["before"] != confusion["after"], "n"].sum() == n_changed
    assert len(pd.read_csv(page.with_name("scores.csv"))) == 9


def test_runs_that_agree_and_runs_without_labels_have_a_page(tmp_path: Path) -> None:
    table = predictions(1).assign(label="", label_source="", split="none")
    first = write_run(tmp_path / "a", table, table.iloc[:0])
    second = write_run(tmp_path / "b", table, table.iloc[:0])
    text = write_comparison(first, second, tmp_path / "out").read_text(encoding="utf-8")
    assert "No beat has another class than before" in text
    assert "no record is of the split test in both runs" in text
    assert "<figure>" not in text


def test_the_command_says_where_the_page_is_or_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from beatlens.cli import main

    first, second = write_run(tmp_path / "a", predictions(1)), write_run(tmp_path / "b", predictions(2))
    assert main(["compare", str(first), str(second), "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'compare.html'}\n"
    assert main(["compare", str(first), str(tmp_path)]) == 2
    assert "no run_config.yaml" in capsys.readouterr().err
    assert main(["review", str(first), "--port", "0"]) == 2
    assert "expected the run's bundle" in capsys.readouterr().err
