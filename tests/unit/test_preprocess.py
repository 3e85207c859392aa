from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.beats import preprocess
from beatlens.beats import preprocess_shard as shard_job
from beatlens.beats.lead_choice import choose_leads
from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.beats.preprocess_shard import CorpusSource, preprocess_shard
from beatlens.core.record import Annotations, Finding, Record, RecordFault, TruthSpan
from beatlens.corpora.beat_labels import BeatLabels, label_beats
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.record_sheet import SheetRow, format_sheet
from beatlens.shards import record_table
from beatlens.shards.shard import Shard

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = PreprocessSettings.from_config(CONFIG)
FS = 250.0
R_SAMPLES = np.arange(150, 29 * 250, 200)


def make_record(
    name: str = "r1", leads: tuple[str, ...] = ("MLII", "V1"), seconds: float = 30, **changes: object
) -> Record:
    """Narrow QRS complexes at `R_SAMPLES`, with T waves, alike in all leads but for their size."""
    time = np.arange(round(seconds * FS))
    rng = np.random.default_rng(len(name))
    lead = sum(np.exp(-(((time - r) / 3.5) ** 2)) + 0.25 * np.exp(-(((time - r - 65) / 15) ** 2)) for r in R_SAMPLES)
    signal = np.stack([(1 + k) * lead + rng.normal(0, 0.01, len(time)) for k in range(len(leads))]).astype(np.float32)
    symbols = tuple("V" if k % 10 == 5 else "N" for k in range(len(R_SAMPLES)))
    annotations = Annotations(R_SAMPLES + 2, symbols, ("",) * len(symbols))
    record = Record("c", name, f"p-{name}", signal, FS, leads, annotations, dx=("1", "2"))
    return dataclasses.replace(record, **changes)


def labels_of(record: Record) -> BeatLabels:
    assert record.annotations is not None
    return BeatLabels(record.annotations.sample, record.annotations.symbol, record.annotations.symbol)


def run(record: Record, role: str = "train", labels: BeatLabels | None = None) -> preprocess.Preprocessed:
    return preprocess_record(record, role, labels, SETTINGS)


def test_every_beat_is_found_labelled_and_joined_by_key() -> None:
    record = make_record()
    result = run(record, labels=labels_of(record))
    beats, annotated = result.beats, result.annotated
    assert beats["matched"].all()
    assert annotated["matched"].all()
    np.testing.assert_array_equal(beats["matched_r_sample"], annotated["r_sample"])
    np.testing.assert_array_equal(annotated["matched_r_sample"], beats["r_sample"])
    assert np.abs(beats["r_sample"].to_numpy() - R_SAMPLES).max() <= 1
    assert beats["label"].tolist() == list(labels_of(record).label)
    assert beats["beat_id"].tolist() == [f"c/r1/{r}" for r in beats["r_sample"]]
    assert (beats["reason"] == "").all()
    assert result.row["leads"] == "II;V1"
    assert result.row["dx"] == "1;2"
    # The R sample at the model's rate is the peak of the stored signal.
    stored = result.signal[0]
    for index in beats["r_index"]:
        assert stored[index - 20 : index + 21].argmax() == pytest.approx(20, abs=1)


def test_extra_and_missed_beats_keep_their_own_rows() -> None:
    record = make_record()
    labels = labels_of(record)
    fewer = BeatLabels(np.delete(labels.sample, 3), labels.symbol[1:], labels.label[1:])
    result = run(record, labels=fewer)
    assert result.beats["label"].tolist().count("none") == 1
    assert result.beats["label"].iloc[3] == "none"
    assert result.beats["matched_r_sample"].iloc[3] == -1
    added = BeatLabels(
        np.sort(np.append(labels.sample, labels.sample[3] + 100)), ("N", *labels.symbol), ("N", *labels.label)
    )
    result = run(record, labels=added)
    assert result.annotated["matched"].tolist() == [k != 4 for k in range(len(added.sample))]


def test_without_labels_nothing_is_called_none() -> None:
    result = run(make_record(annotations=None))
    assert set(result.beats["label"]) == {""}
    assert not result.row["labelled"]
    assert len(result.annotated) == 0
    assert list(result.annotated.columns) == list(result.beats.columns)


def test_a_noise_record_is_stored_without_beats_and_with_its_own_leads() -> None:
    record = make_record(leads=("noise1", "noise2"))
    result = run(record, role="noise")
    assert len(result.beats) == 0
    assert result.row["leads"] == "noise1;noise2"
    assert result.signal.shape == (2, 6000)


def test_leads_are_chosen_by_name_not_position() -> None:
    record = make_record(leads=("V5", "MLII"))
    signal, leads = choose_leads(record, ["II"])
    assert leads == ("II",)
    np.testing.assert_array_equal(signal[0], record.signal[1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"signal": np.full((2, 7500), np.nan, dtype=np.float32)}, "all_nan"),
        ({"signal": np.full((2, 7500), 0.3, dtype=np.float32)}, "flat"),
        ({"signal": np.zeros((2, 0), dtype=np.float32)}, "zero_length"),
        ({"leads": ("RESP", "PLETH")}, "unknown_leads"),
        ({"fs": 30.0}, "unknown_fs"),
    ],
)
def test_unusable_records_are_faults_with_a_reason(change: dict[str, object], reason: str) -> None:
    with pytest.raises(RecordFault) as caught:
        run(make_record(**change))
    assert caught.value.reason == reason


@pytest.mark.parametrize("fs", [128.0, 1000.0])
def test_other_rates_and_tiny_records(fs: float) -> None:
    result = run(make_record(fs=fs, annotations=None))
    assert result.signal.shape[1] == -(-7500 * 200 // round(fs))
    short = run(make_record(signal=make_record().signal[:, :300], annotations=None))
    assert len(short.beats) <= 2
    assert np.isfinite(short.beats.select_dtypes("number").to_numpy()).all()


def test_one_dead_lead_and_a_gap_do_not_cost_the_beats_of_the_other() -> None:
    record = make_record()
    record.signal[0, :] = np.nan
    record.signal[1, 2000:2500] = np.nan
    result = run(record, labels=labels_of(record))
    in_gap = (R_SAMPLES > 1990) & (R_SAMPLES < 2510)
    assert result.annotated.loc[~in_gap, "matched"].all()
    assert not ((result.beats["r_sample"] > 2010) & (result.beats["r_sample"] < 2490)).any()


def test_a_record_without_enough_beats_gets_a_remark_that_says_what_its_time_is() -> None:
    silence = np.random.default_rng(1).normal(0, 0.003, (2, 2500)).astype(np.float32)
    silent = run(make_record(signal=silence, annotations=None), role="predict")
    (remark,) = silent.remarks
    assert (remark["corpus"], remark["record"], remark["remark"]) == ("c", "r1", "too_few_beats")
    if not len(silent.beats):
        assert remark["detail"] == "no beat in 10 s, a context has 5; 10 s without a beat: 10 s flat"
    assert {row["kind"] for row in silent.stretches} == {"flat"}
    short = run(make_record(signal=make_record().signal[:, :75], annotations=None), role="predict")
    assert [row["detail"] for row in short.remarks] == ["no beat in 0.3 s, a context has 5"]
    usual = run(make_record(), role="predict")
    assert not usual.remarks
    assert not usual.stretches
    assert not run(make_record(signal=silence), role="noise").stretches


@pytest.mark.parametrize("side", ["end", "start", "gap"])
def test_a_beat_that_an_edge_cuts_goes_to_review_and_its_neighbours_do_not(side: str) -> None:
    record = make_record(annotations=None)
    at = int(R_SAMPLES[10])
    if side == "end":
        record = dataclasses.replace(record, signal=record.signal[:, : at + 6])
    elif side == "start":
        record = dataclasses.replace(record, signal=record.signal[:, at - 6 :])
    else:
        record.signal[:, at + 20 : at + 300] = np.nan
    beats = run(record, role="predict").beats
    moved = at - 6 if side == "start" else 0
    cut = beats[beats["reason"] == "cut_by_edge"]
    assert (cut["r_sample"] - (at - moved)).abs().tolist() == [pytest.approx(0, abs=5)]
    assert (beats["reason"] != "").sum() == 1


def test_no_interval_goes_over_time_without_a_value() -> None:
    record = make_record(annotations=None)
    record.signal[:, R_SAMPLES[9] + 40 : R_SAMPLES[10] + 60] = np.nan  # a beat is lost: 1.6 s, below beats.gap_s
    record.signal[0, R_SAMPLES[20] + 40 : R_SAMPLES[21] - 40] = np.nan  # in one lead alone, nothing is
    beats = run(record, role="predict").beats
    after = beats["r_sample"] > R_SAMPLES[10]
    assert beats["stretch"].tolist() == after.astype(int).tolist()
    assert beats["rr_before_s"].max() < 0.9


def test_beats_in_flutter_keep_their_rows_and_go_to_review(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record = make_record(annotations=None)
    time = np.arange(record.signal.shape[1]) / FS
    flutter = (time > 10.3) & (time < 20.2)
    record.signal[:, flutter] = (1.2 * np.sin(2 * np.pi * 5 * time[flutter])).astype(np.float32)
    shard = write_shard(tmp_path / "s", rows_and_reader(monkeypatch, {"r1": dataclasses.replace(record, name="r1")}))
    (row,) = shard.stretches.to_dict("records")
    assert (row["corpus"], row["record"], row["patient"], row["kind"]) == ("c", "r1", "p-r1", "disorganised")
    assert (row["start_s"], row["end_s"]) == (pytest.approx(10.3, abs=1), pytest.approx(20.2, abs=1))
    beats = shard.beats()
    inside = (beats["r_time_s"] > row["start_s"]) & (beats["r_time_s"] < row["end_s"])
    assert beats["reason"].str.contains("stretch:disorganised").tolist() == inside.tolist()
    assert row["n_beats"] == inside.sum()
    assert list(shard.remarks.columns) == ["corpus", "record", "remark", "detail"]


def rows_and_reader(monkeypatch: pytest.MonkeyPatch, records: dict[str, Record | Exception]) -> list[SheetRow]:
    def read(row: SheetRow, folder: Path, patients: object, strips: object, **others: object) -> Record:
        found = records[row.record]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(shard_job, "read_record", read)
    return [SheetRow("c", name, "train", "wfdb", name, "", 0, "", "0", "") for name in records]


def write_shard(path: Path, rows: list[SheetRow]) -> Shard:
    table = LabelTable.read(ROOT / "config" / "labels" / "mitdb.csv")
    preprocess_shard(rows, {"c": CorpusSource(path, table)}, SETTINGS, path)
    return Shard(path)


def test_bad_records_become_rows_and_the_others_are_the_same_in_any_shard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    truth = (TruthSpan("II", 1.0, 1.1, "V", 252),)
    records: dict[str, Record | Exception] = {
        "good": make_record("good", truth=truth),
        "fault": RecordFault("truncated_signal", "10 bytes; expected 20"),
        "nan": make_record("nan", signal=np.full((2, 7500), np.nan, dtype=np.float32)),
        "bug": KeyError("unforeseen"),
        "unlabelled": make_record("unlabelled", annotations=Annotations(R_SAMPLES[:9], ("X",) * 9, ("",) * 9)),
        "last": make_record("last"),
    }
    rows = rows_and_reader(monkeypatch, records)
    with caplog.at_level(logging.WARNING):
        shard = write_shard(tmp_path / "all", rows)
    status = shard.status.set_index("record")
    expected = {"good": "", "fault": "truncated_signal", "nan": "all_nan", "bug": "unreadable", "last": ""}
    assert status["reason"].to_dict() == expected | {"unlabelled": ""}
    assert status["used"].tolist() == [True, False, False, False, True, True]
    assert "KeyError" in status["detail"]["bug"]
    assert any(record.exc_info for record in caplog.records)
    assert shard.truth.to_dict("records") == [
        {"corpus": "c", "record": "good", "lead": "II", "start_s": 1.0, "end_s": 1.1, "label": "V", "r_sample": 252}
    ]
    alone = write_shard(tmp_path / "alone", rows[-1:])
    np.testing.assert_array_equal(alone.signal("c", "last"), shard.signal("c", "last"))
    for peaks in ("detected", "annotated"):
        both = shard.beats(peaks)
        pd.testing.assert_frame_equal(alone.beats(peaks), both[both["record"] == "last"].reset_index(drop=True))


def test_a_shard_without_any_usable_record_is_still_a_shard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s", rows_and_reader(monkeypatch, {"x": RecordFault("flat", "constant")}))
    assert len(shard.records) == len(shard.beats()) == len(shard.beats("annotated")) == 0
    assert len(record_table.gather([tmp_path / "s"], ["N", "V"])) == 0
    assert record_table.gather_status([tmp_path / "s"])["reason"].tolist() == ["flat"]


def test_the_roster_counts_annotated_beats_and_misses_no_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = rows_and_reader(monkeypatch, {"a": make_record("a"), "b": make_record("b")})
    for k, row in enumerate(rows):
        write_shard(tmp_path / str(k), [row])
    shards = [tmp_path / "1", tmp_path / "0"]
    records, status = record_table.gather(shards, ["N", "S", "V"]), record_table.gather_status(shards)
    assert records["record"].tolist() == ["a", "b"]
    n_ventricular = sum(k % 10 == 5 for k in range(len(R_SAMPLES)))
    assert records.loc[0, ["n_N", "n_S", "n_V"]].tolist() == [len(R_SAMPLES) - n_ventricular, 0, n_ventricular]
    assert records["fs"].tolist() == [FS, FS]
    record_table.check_complete(status, [("c", "a"), ("c", "b")])
    with pytest.raises(ValueError, match="in no shard"):
        record_table.check_complete(status, [("c", "a"), ("c", "b"), ("c", "z")])
    with pytest.raises(ValueError, match="more than one shard"):
        record_table.gather([tmp_path / "0", tmp_path / "0"], ["N"])


def test_too_many_bad_records_fail_naming_the_worst_reasons() -> None:
    reasons = ["", "", "", "", "flat", "flat", "all_nan"]
    status = pd.DataFrame(
        {"corpus": "c", "record": list("abcdefg"), "used": [r == "" for r in reasons], "reason": reasons}
    ).assign(detail=["", "", "", "", "leads II are constant", "V1", "nothing finite"])
    status = status.assign(role="train")
    record_table.check_usable(status, 0.5, "here")
    flat, nan = r"flat \(2: c/e, c/f\), such as: leads II are constant", r"all_nan \(1: c/g\), such as: nothing finite"
    with pytest.raises(ValueError, match=rf"3 of 7 records can't be used: {flat}; {nan}"):
        record_table.check_usable(status, 0.4, "here")
    record_table.check_usable(status.assign(role="predict"), 0.0, "here")  # each record to predict is for itself
    other = status.assign(role=["train", *["predict"] * 6])
    record_table.check_usable(other, 0.0, "here")
    others = status.assign(reason=[*reasons[:4], *["not_a_record"] * 3])
    record_table.check_usable(others, 0.0, "here")  # files beside the records
    table = status.assign(reason=[*reasons[:6], "malformed_table"])
    with pytest.raises(
        record_table.UnusableRecords, match=r"malformed_table \(1: c/g\).* holds isn't known: correct it"
    ):
        record_table.check_usable(table, 0.9, "here")
    record_table.check_usable(table.assign(role="predict"), 0.0, "here")


def test_a_run_without_anything_to_work_with_ends_with_words() -> None:
    status = pd.DataFrame(
        {
            "corpus": "c",
            "record": ["a", "n"],
            "role": ["predict", "noise"],
            "used": [False, True],
            "reason": ["flat", ""],
            "detail": ["leads II are constant", ""],
        }
    )
    with pytest.raises(
        record_table.UnusableRecords, match=r"none of 2 .*flat \(1: c/a\).* listed in status.tsv and status.html"
    ):
        record_table.check_usable(status, 1.0, "status.tsv and status.html")
    with pytest.raises(record_table.UnusableRecords, match="no record was found"):
        record_table.check_usable(record_table.gather_status([]), 1.0, "status.tsv")


def test_labels_of_annotations_that_lie_elsewhere_are_set_aside() -> None:
    record = make_record(seconds=30)
    own = labels_of(record)
    late = BeatLabels(own.sample + round(0.25 * FS), own.symbol, own.label)
    result, plain = run(record, labels=late), run(record)
    (remark,) = result.remarks
    assert remark["remark"] == "annotations_elsewhere"
    assert not result.row["labelled"]
    assert len(result.annotated) == 0
    pd.testing.assert_frame_equal(result.beats, plain.beats)
    (remark,) = run(record, labels=BeatLabels.empty()).remarks
    assert remark["remark"] == "no_annotated_beats"
    assert remark["detail"] == f"no annotated beat, {len(R_SAMPLES)} found"
    assert run(record, labels=own).remarks == []


def test_what_was_found_in_reading_becomes_a_remark() -> None:
    result = run(make_record(remarks=(Finding("too_few_beats", "words"),), annotations=None))
    assert result.remarks == [{"corpus": "c", "record": "r1", "remark": "too_few_beats", "detail": "words"}]
    record = make_record(remarks=(Finding("assumed_gain", "words"),), annotations=None)
    assert [len(run(record, role=role).remarks) for role in ("predict", "noise")] == [1, 0]


def test_a_baseline_beyond_what_a_converter_gives_is_refused() -> None:
    record = make_record()
    run(dataclasses.replace(record, signal=record.signal + np.float32(300)))  # electrodes
    far = record.signal - np.array([[0], [5e6]], dtype=np.float32)  # V1 in steps of half a millivolt
    with pytest.raises(
        RecordFault, match=r"implausible_amplitude.*V1 lies between -5e\+06 and .*baseline in the header"
    ):
        run(dataclasses.replace(record, signal=far))


@pytest.mark.parametrize(("factor", "told"), [(200, "II 185 mV"), (1e-3, "V1 0.00")])
def test_amplitudes_that_no_body_gives_are_a_fault_and_the_gain_is_suspected(factor: float, told: str) -> None:
    record = make_record(signal=make_record().signal * np.float32(factor), annotations=None)
    with pytest.raises(RecordFault, match=f"{told}.*the gain or the unit") as caught:
        run(record)
    assert caught.value.reason == "implausible_amplitude"
    assert len(run(record, role="noise").beats) == 0  # noise has no QRS complexes


def test_a_lead_of_impossible_amplitude_is_left_out_and_artefacts_are_none() -> None:
    signal = make_record(annotations=None).signal
    wrong = np.stack([signal[0], 1000 * signal[1]])
    result = run(make_record(signal=wrong, annotations=None))
    (remark,) = result.remarks
    assert remark["remark"] == "implausible_amplitude"
    assert "V1 " in remark["detail"]
    assert result.row["leads"] == "II"
    alone = run(make_record(signal=signal[:1], leads=("MLII",), annotations=None))
    np.testing.assert_array_equal(result.signal, alone.signal)
    pd.testing.assert_frame_equal(result.beats, alone.beats)
    spoilt = signal.copy()
    spoilt[:, 3000:] += 300.0  # an electrode jumps,
    spoilt[:, 1000:1020] += 500.0  # and spikes
    assert run(make_record(signal=spoilt, annotations=None)).row["leads"] == "II;V1"
    assert run(make_record(signal=5 * signal, annotations=None)).remarks == []  # a gain that is off by 5 is told later


def test_amplitudes_of_a_record_of_one_or_two_beats_are_judged_too() -> None:
    signal = make_record(annotations=None).signal[:, : round(2 * FS)]
    whole = run(make_record(signal=signal, annotations=None))
    assert 0 < len(whole.beats) < 3
    with pytest.raises(RecordFault, match=r"implausible_amplitude.*the gain or the unit"):
        run(make_record(signal=200 * signal, annotations=None))
    spoilt = signal.copy()
    spoilt[:, 300:320] += 500.0
    assert run(make_record(signal=spoilt, annotations=None)).row["leads"] == "II;V1"


def test_labels_come_from_the_table_and_noise_counts_where_all_signals_have_it() -> None:
    table = LabelTable.read(ROOT / "config" / "labels" / "mitdb.csv")
    annotations = Annotations(
        np.array([10, 20, 20, 30, 50, 60, 70]),
        ("N", "~", "V", "~", "A", "~", "/"),
        ("",) * 7,
        (0, 1, 0, 3, 0, 0, 0),
    )
    labels = label_beats(make_record(annotations=annotations), table)
    assert labels is not None
    assert labels.sample.tolist() == [10, 20, 50, 70]
    assert list(labels.label) == ["N", "V", "S", "Q"]
    assert labels.in_noise(labels.sample).tolist() == [False, False, True, False]
    assert label_beats(make_record(), None) is None
    without = label_beats(make_record(annotations=Annotations(np.array([3]), ("+",), ("(AFIB",))), table)
    assert without is not None
    assert len(without.sample) == 0


def test_the_programs_do_not_import_torch_and_run(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(format_sheet([SheetRow("c", "x", "train", "wfdb", "x", "x.hea", 0, "0", "0", "")]))
    code = (
        "import sys, runpy; sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n    heavy = {'torch', 'sklearn', 'neurokit2'} & set(sys.modules)\n    print('heavy', sorted(heavy))"
    )
    settings = json.dumps({k: CONFIG[k] for k in ("signal", "rpeaks", "beats", "quality", "leads", "classes")})
    arguments = [
        "--sheet",
        sheet,
        "--data-root",
        f"c={tmp_path}",
        "--shard",
        "0",
        "--shards",
        "1",
        "--settings",
        settings,
    ]
    command = [sys.executable, "-c", code, ROOT / "scripts" / "preprocess.py", *arguments, "--output", tmp_path / "out"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "heavy []" in done.stdout
    assert Shard(tmp_path / "out").status["reason"].tolist() == ["missing_header"]
    settings = json.dumps({k: CONFIG[k] for k in ("split", "classes", "seed")} | {"max_bad_fraction": 0.2})
    tables = [
        "--records",
        tmp_path / "records.tsv",
        "--status",
        tmp_path / "out" / "status.tsv",
        "--page",
        "status.html",
    ]
    command = [
        sys.executable,
        "-c",
        code,
        ROOT / "scripts" / "split.py",
        "--shards",
        tmp_path / "out",
        "--sheet",
        sheet,
    ]
    done = subprocess.run(
        [str(part) for part in [*command, "--settings", settings, *tables]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "heavy []" in done.stdout
    assert "missing_header (1: c/x)" in done.stderr
