"""The embedded corpus: deterministic, readable by WFDB, with the classes and rhythms it promises."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import wfdb
import yaml

from beatlens.core.files import sha256_of
from beatlens.core.leads import STANDARD_LEADS
from beatlens.corpora.synthetic import SyntheticSettings, make_corpus, record_names
from beatlens.corpora.synthetic.plan import plan_records
from beatlens.corpora.synthetic.write import Made, make_record

ROOT = Path(__file__).parents[2]


def settings_of_demo() -> SyntheticSettings:
    return SyntheticSettings(**yaml.safe_load((ROOT / "config/config.yaml").read_text())["synthetic"])


def small(**changes: object) -> SyntheticSettings:
    few = {"ambulatory_patients": 3, "ambulatory_s": 40, "clinical_patients": 2, "clinical_records": 2}
    return dataclasses.replace(settings_of_demo(), **{**few, **changes})


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "synthetic"
    make_corpus(folder, small())
    return folder


@pytest.fixture(scope="module")
def demo() -> list[Made]:
    settings = settings_of_demo()
    return [make_record(plan, settings) for plan in plan_records(settings)]


def test_same_seed_same_bytes_another_seed_others(corpus: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    make_corpus(again, small())
    make_corpus(other, small(seed=8))
    assert digests(again) == digests(corpus)
    assert sha256_of(other / "a01.dat") != sha256_of(corpus / "a01.dat")
    # A record doesn't depend on how many others there are.
    make_corpus(tmp_path / "one", small(ambulatory_patients=1, clinical_patients=0))
    assert sha256_of(tmp_path / "one/a01.dat") == sha256_of(corpus / "a01.dat")


def test_a_complete_folder_is_left_alone_and_a_damaged_one_restored(tmp_path: Path) -> None:
    folder = tmp_path / "synthetic"
    names = make_corpus(folder, small())
    before = digests(folder)
    (folder / "mine.hea").write_text("mine 0 360 0\n")
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make_corpus(folder, small()) == names
    assert times == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "a02.dat").unlink()
    with (folder / "RECORDS").open("a") as file:
        file.write("mine\n")
    make_corpus(folder, small())
    assert (folder / "RECORDS").read_text().split() == [*names, "mine"]
    # Another corpus: our old records go, the user's stays.
    fewer = make_corpus(folder, small(ambulatory_patients=1))
    assert (folder / "RECORDS").read_text().split() == [*fewer, "mine"]
    assert {path.stem for path in folder.glob("*.hea")} == {*fewer, "mine"}
    make_corpus(folder, small())
    after = digests(folder)
    assert {name: after[name] for name in before if name != "RECORDS"} == {
        name: digest for name, digest in before.items() if name != "RECORDS"
    }
    assert [path.name for path in tmp_path.iterdir()] == ["synthetic"]


def test_names_are_pure_and_need_no_numpy() -> None:
    assert record_names(small()) == ["a01", "a02", "a03", "c01_1", "c01_2", "c02_1", "c02_2"]
    code = "import sys, beatlens.corpora.synthetic as s; sys.exit(bool({'numpy', 'wfdb', 'scipy'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, check=False).returncode == 0
    )


def test_wfdb_reads_what_was_made(corpus: Path) -> None:
    for plan in plan_records(small()):
        made = make_record(plan, small())
        record = wfdb.rdrecord(str(corpus / plan.name))
        assert tuple(record.sig_name) == plan.leads
        assert (record.fs, record.sig_len, set(record.units)) == (plan.fs, plan.n_samples, {"mV"})
        assert np.abs(record.p_signal.T - made.signal).max() <= 0.5 / record.adc_gain[0] + 1e-9
        notes = dict(line.split(": ", 1) for line in record.comments)
        assert notes["Patient"] == plan.patient
        assert set(notes) == {"Age", "Sex", "Dx", "Patient"}
        annotation = wfdb.rdann(str(corpus / plan.name), "atr")
        beats = [
            (sample, symbol, aux)
            for sample, symbol, aux in zip(annotation.sample, annotation.symbol, annotation.aux_note, strict=True)
            if symbol not in "+~"
        ]
        symbols = {
            "N": ("N", ""),
            "STE": ("N", "STE"),
            "S": ("A", ""),
            "V": ("V", ""),
            "RBBB": ("R", ""),
            "LBBB": ("L", ""),
        }
        assert beats == [(r_sample, *symbols[beat.kind]) for beat, r_sample in made.beats]
        marks = [
            (sample, subtype, aux)
            for sample, symbol, subtype, aux in zip(
                annotation.sample, annotation.symbol, annotation.subtype, annotation.aux_note, strict=True
            )
            if symbol == "~"
        ]
        expected = [(s.start, 3, "nn") for s in made.stretches] + [(s.end, 0, "cc") for s in made.stretches]
        assert [(aux, subtype) for _, subtype, aux in marks] == [(aux, s) for _, s, aux in sorted(expected)]
        assert all(abs(a[0] - b[0]) <= 1 for a, b in zip(marks, sorted(expected), strict=True))


def test_limb_leads_obey_einthoven_within_quantisation(corpus: Path) -> None:
    record = wfdb.rdrecord(str(corpus / "c01_1"))
    lead = dict(zip(record.sig_name, record.p_signal.T, strict=True))
    assert tuple(lead) == STANDARD_LEADS
    step = 1 / record.adc_gain[0]
    for left, right in [
        (lead["III"], lead["II"] - lead["I"]),
        (lead["aVR"], -(lead["I"] + lead["II"]) / 2),
        (lead["aVL"], lead["I"] - lead["II"] / 2),
        (lead["aVF"], lead["II"] - lead["I"] / 2),
    ]:
        assert np.abs(left - right).max() <= 1.5 * step + 1e-9


def test_the_label_table_knows_every_annotation(corpus: Path) -> None:
    import csv

    with (ROOT / "config/labels/synthetic.csv").open(newline="") as file:
        known = {(row["symbol"], row["aux"]) for row in csv.DictReader(file)}
    for name in record_names(small()):
        annotation = wfdb.rdann(str(corpus / name), "atr")
        for symbol, aux in zip(annotation.symbol, annotation.aux_note, strict=True):
            assert (symbol, aux if symbol == "N" else "") in known


def test_every_class_is_in_enough_patients(demo: list[Made]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for made in demo:
        counts[made.plan.patient].update(beat.kind for beat, _ in made.beats)
    patients = Counter(kind for patient in counts.values() for kind in patient)
    assert set(patients) == {"N", "S", "V", "RBBB", "LBBB", "STE"}
    assert min(patients.values()) >= 14
    total = sum(counts.values(), Counter())
    assert 4000 <= sum(total.values()) <= 6000
    assert min(total.values()) >= 200
    assert sum(len(patient) > 1 for patient in counts.values()) > 0.8 * len(counts)


def test_codes_follow_the_beats_and_the_rhythm(demo: list[Made]) -> None:
    for made in demo:
        codes = made.comments[2].removeprefix("Dx: ").split(",")
        kinds = {beat.kind for beat, _ in made.beats}
        assert ("427172004" in codes) == ("V" in kinds)
        assert ("284470004" in codes) == ("S" in kinds)
        rr = np.diff([r_sample for _, r_sample in made.beats]) / made.plan.fs
        rate = 60 / np.median(rr)
        if "427084000" in codes:
            assert rate > 100
        elif "426177001" in codes:
            assert rate < 60
        else:
            assert 60 <= rate <= 100
        if "164889003" in codes:
            assert np.std(rr) / np.mean(rr) > 0.12


def test_premature_beats_come_early_and_pauses_follow(demo: list[Made]) -> None:
    seen = 0
    for made in demo:
        if made.plan.rhythm == "fibrillation":
            continue
        kinds = [beat.kind for beat in made.all_beats]
        times = np.array([beat.time_s for beat in made.all_beats])
        rr = np.diff(times)
        normal = np.median(rr)
        for k in range(1, len(kinds) - 1):
            if kinds[k] in "SV":
                seen += 1
                assert rr[k - 1] < 0.88 * normal
                both = (rr[k - 1] + rr[k]) / normal
                assert 1.75 < both < 2.25 if kinds[k] == "V" else both < 2.02
    assert seen > 300


def test_clean_beats_have_the_amplitude_of_an_ecg_and_no_jumps(demo: list[Made]) -> None:
    largest = []
    for made in demo:
        largest.append(np.abs(made.clean).max(axis=1).max())
        # A QRS of 2.5 mV climbs by less than .2 mV a millisecond.
        assert np.abs(np.diff(made.clean, axis=1)).max() * made.plan.fs < 200
    assert 0.5 < min(largest)
    assert max(largest) < 4
    assert 0.8 < np.median(largest) < 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ambulatory_s": 5}, "synthetic.ambulatory_s: 5; expected number, >= 30"),
        ({"truth_band_hz": [45, 0.5]}, "truth_band_hz"),
        ({"noise_share": 2}, "synthetic.noise_share: 2; expected number, >= 0, <= 1"),
        ({"ambulatory_fs": [100]}, "synthetic.ambulatory_fs: .*>= 200"),
        ({"ambulatory_patients": 0, "clinical_patients": 0}, "synthetic.ambulatory_patients: 0; expected 1 or more"),
        ({"ambulatory_patients": -1}, "synthetic.ambulatory_patients: -1; expected integer, >= 0"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**change)
