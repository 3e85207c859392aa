"""Explained diagnoses: which are chosen, what they are contrasted with, their truths, scores, cohort and figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from beatlens.core.record import DECOY
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.evaluate.explanations.diagnoses.cohort import DiagnosisParts, diagnosis_cohort, wave_shares
from beatlens.evaluate.explanations.diagnoses.truths import RecordLabels, diagnosis_truths
from beatlens.evaluate.explanations.localisation import Grid
from beatlens.evaluate.explanations.regions import read_regions, region_of_diagnosis
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.diagnoses.cases import asked_diagnoses, case_rows, codes_of, select_cases
from beatlens.explain.diagnoses.contrast import MIN_RECORDS, NEAREST, UsualBeats
from beatlens.explain.diagnoses.settings import DiagnosisExplanationSettings
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import AttributionMeta
from beatlens.explain.settings import ExplainSettings
from beatlens.figures.diagnoses.cohort import diagnosis_cohort_figure
from beatlens.figures.diagnoses.explained import diagnosis_facts, diagnosis_figure, fullest_stretch
from beatlens.figures.paper.scale import PaperScale
from beatlens.shards.shard import BeatGeometry

ROOT = Path(__file__).parents[2]
NAMES = {"AF": "atrial fibrillation", "PVC": "premature ventricular contractions"}
REGIONS = read_regions(ROOT / "config/diagnostic_regions.csv")
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def predictions(n=12, **columns):
    table = pd.DataFrame(
        {
            "corpus": "c",
            "record": [f"r{k}" for k in range(n)],
            "patient": [f"p{k // 2}" for k in range(n)],
            "database": "d",
            "fold": [k % 3 - 1 for k in range(n)],
            "duration_s": 10.0,
            "n_beats": 9,
            "pred": "AF",
            "review": False,
            "label_AF": 1,
            "label_PVC": 0,
            "p_AF": np.linspace(0.5, 0.95, n),
            "p_PVC": 0.1,
        }
    )
    return table.assign(**columns)


def chosen(table, **settings):
    return case_rows(
        select_cases(table, ("AF", "PVC"), NAMES, settings=DiagnosisExplanationSettings(**settings), seed=1)
    )


def test_cases_are_predicted_right_or_wrong_and_of_as_many_patients_as_can_be():
    found = chosen(predictions(), per_diagnosis=4, min_probability=0.6)
    assert [case.outcome for case in found] == ["correct"] * 4
    assert len({case.patient for case in found}) == 4
    assert min(case.probability for case in found) >= 0.6
    assert {(case.diagnosis, case.name) for case in found} == {("AF", "atrial fibrillation")}
    labels = [1, 0, -1] * 4
    found = chosen(predictions(label_AF=labels, review=[False] * 9 + [True] * 3), per_diagnosis=1)
    assert {case.outcome for case in found} == {"correct", "wrong", "unlabelled", "review"}


def test_long_records_and_records_without_beats_are_not_explained_and_few_probable_ones_are_marked():
    assert chosen(predictions(duration_s=31.0)) == chosen(predictions(n_beats=0)) == []
    relaxed = chosen(predictions(p_AF=0.3), per_diagnosis=1)
    assert [case.relaxed for case in relaxed] == [True]
    assert len(chosen(predictions(), per_diagnosis=9, max_cases=3)) == 3


def test_a_diagnosis_is_asked_for_by_id_name_or_any_of_its_codes():
    codes = codes_of([DiagnosisTable.read(ROOT / "config/labels/snomed.csv")], list(NAMES))
    assert {"427172004", "17338001"} <= codes["PVC"]  # two codes that the Challenge holds equal
    for word in ("PVC", "17338001", "Premature Ventricular Contractions"):
        assert asked_diagnoses((word,), NAMES, codes) == ("PVC",)
    assert asked_diagnoses((), NAMES, codes) == ("AF", "PVC")
    with pytest.raises(ValueError, match=r"diagnosis_explanations.diagnoses: '59118001'; expected ids"):
        asked_diagnoses(("59118001",), NAMES, codes)


def test_segments_are_as_long_as_the_diagnosis_asks_for():
    settings = DiagnosisExplanationSettings(samples=64)
    assert (
        settings.explain_settings(ExplainSettings(), "AF").segment_s
        < settings.explain_settings(ExplainSettings(), "LQT").segment_s
    )
    assert settings.explain_settings(ExplainSettings(), "AF").kernelshap.samples == 64


class OneShard:
    """Records of one lead whose beats are a level: that of the record's number."""

    def __contains__(self, key):
        return True

    def leads(self, corpus, record):
        return ("V1", "II") if record != "r0" else ("V1",)

    def beats_of(self, corpus, record):
        return pd.DataFrame({"r_index": [30, 60], "r_time_s": [0.3, 0.6 + 0.01 * float(record[1:])]})

    def signal(self, corpus, record):
        return np.full((len(self.leads(corpus, record)), 100), float(record[1:]), dtype=np.float32)


def test_a_contrast_is_of_the_records_most_like_it_of_other_patients_without_the_diagnosis():
    geometry = BeatGeometry(100.0, 10, 20)
    labels = predictions(30, label_AF=[1, 0, -1] * 10, label_PVC=[0, 0, 0] * 10)
    usual = UsualBeats([OneShard()], labels, ("II", "V1"), geometry)
    without = [k for k in range(30) if k % 3 == 1]
    assert len(without) == MIN_RECORDS
    level, leads = np.full((2, 30), 12.0), ("V1", "II")
    found = usual.without("AF", "c/elsewhere", leads, level)  # the nearest without it are 13, 10, 16, 7 and 19
    np.testing.assert_array_equal(found, np.full((2, 30), 13.0))
    found = usual.without("AF", "c/elsewhere", leads, np.full((2, 30), 100.0))
    np.testing.assert_array_equal(found, np.full((2, 30), np.median(without[-NEAREST:])))
    assert usual.without("AF", "c/p2", leads, level) is None  # one of the ten is this patient's
    found = usual.without("PVC", "c/p0", leads, np.zeros((2, 30)))  # records 0 and 1 are this patient's
    np.testing.assert_array_equal(found, np.full((2, 30), 4.0))
    lacking = usual.without("PVC", "c/elsewhere", leads, np.zeros((2, 30)))  # record 0 has no II
    np.testing.assert_array_equal(lacking, [np.full(30, 2.0), np.full(30, 3.0)])


def test_the_rate_of_others_is_that_of_other_patients_without_the_diagnosis():
    labels = predictions(30, label_AF=[1, 0, -1] * 10, label_PVC=[0, 0, 0] * 10)
    usual = UsualBeats([OneShard()], labels, ("II", "V1"), BeatGeometry(100.0, 10, 20))
    assert usual.rr_without("AF", "c/elsewhere") == pytest.approx(0.3 + 0.01 * 14.5)  # of the records 1, 4, ..., 28
    assert usual.rr_without("AF", "c/p2") is None


def spans(*rows):
    return pd.DataFrame(rows, columns=["lead", "start_s", "end_s", "label", "r_sample"])


def test_truths_are_planted_spans_of_the_diagnosis_and_the_regions_of_all_beats():
    grid = Grid(("II", "V1", "V6"), 100.0, 0.0, 500)
    r_index = np.array([100, 200, 300, 400])
    planted = spans(("V1", 1.0, 1.2, "V", 100), ("II", 2.0, 2.1, "S", 200), ("V6", 0.5, 0.6, DECOY + "bump", 100))
    codes = codes_of([DiagnosisTable.read(ROOT / "config/labels/snomed.csv")], ["PVC", "AF"])
    found = diagnosis_truths(RecordLabels("PVC", codes["PVC"], planted, REGIONS), grid, r_index)
    assert sorted(found) == ["planted", "regions, lenient", "regions, strict"]
    assert np.flatnonzero(found["planted"].inside[1]).tolist() == list(range(100, 120))
    assert not found["planted"].inside[[0, 2]].any()
    strict, lenient = found["regions, strict"].inside, found["regions, lenient"].inside
    assert strict.any(axis=1).tolist() == [False, True, False]
    assert lenient.any(axis=1).tolist() == [True, True, False]
    af = diagnosis_truths(RecordLabels("AF", codes["AF"], spans(), REGIONS), grid, r_index)["regions, strict"].inside
    assert af.any(axis=1).tolist() == [True, True, False]
    assert af[1, 145:190].all()  # from the end of T to the next QRS complex
    assert not af[1, 100:130].any()


def make_attribution(values, rhythm=0.0, leads=TWELVE, case="AF-correct-01"):
    names = {"case": case, "corpus": "c", "record": "r1", "beat_id": "", "target": "diagnosis", "case_class": "AF"}
    meta = AttributionMeta(**names, method="fused", units="relative", rhythm=rhythm, rhythm_share=0.25)
    return Attribution(np.asarray(values, dtype=np.float32), leads, 100.0, 0.0, meta)


def test_shares_of_waves_add_up_to_the_mass_and_the_cohort_averages_right_cases():
    r_index = np.arange(60, 480, 80)
    record = SimpleNamespace(
        leads=("II", "V1"), geometry=BeatGeometry(100.0, 25, 40), r_index=r_index, signal=np.zeros((2, 500))
    )
    instance = SimpleNamespace(record=record, r_index=r_index, start=0, stop=500)
    values = np.zeros((2, 500))
    values[1, r_index] = 0.5  # QRS in V1
    values[0, r_index - 12] = -0.25  # P in II
    shares = wave_shares(make_attribution(values, rhythm=1.5, leads=("II", "V1")), instance)
    mass = 6 * 0.75 + 1.5
    assert shares["QRS", "V1"] == pytest.approx(3.0 / mass)
    assert shares["P", "II"] == pytest.approx(-1.5 / mass)
    assert shares["rhythm", ""] == pytest.approx(1.5 / mass)
    assert sum(map(abs, shares.values())) == pytest.approx(1.0)
    parts = DiagnosisParts("c/p1", "AF", "correct", shares)
    other = DiagnosisParts("c/p2", "AF", "correct", {**shares, ("QRS", "V1"): 0.0})
    wrong = DiagnosisParts("c/p3", "AF", "wrong", {("QRS", "V1"): 9.0})
    table = diagnosis_cohort([parts, other, wrong], ["AF"], EvaluateSettings(bootstrap=50), 1)
    row = table.set_index(["wave", "lead"]).loc[("QRS", "V1")]
    assert row["share"] == pytest.approx(1.5 / mass)
    assert (row["n"], row["lo"] <= row["share"] <= row["hi"]) == (2, True)
    figure = diagnosis_cohort_figure(table, NAMES, REGIONS, {"AF": frozenset({"AF"}), "PVC": frozenset({"PVC"})})
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "atrial fibrillation\nmodel, 2 cases",
        "textbook and RR intervals",
    ]
    assert diagnosis_cohort_figure(table.iloc[:0], NAMES, REGIONS, {}).texts


def test_a_figure_shows_the_ten_seconds_with_most_mass_names_the_diagnosis_and_says_what_lies_outside():
    values = np.zeros((12, 1500))
    values[6, 1100:1110] = 1.0  # V1, in the third column of the ten seconds from 5 s on
    values[:, 1490] = 0.05
    attribution = make_attribution(values)
    assert fullest_stretch(attribution) == 5.0
    shard = SimpleNamespace(
        leads=lambda *key: TWELVE,
        beats_of=lambda *key: pd.DataFrame({"r_time_s": [6.0, 7.0]}),
        signal=lambda *key: np.random.default_rng(1).normal(size=(12, 1500)).astype(np.float32),
    )
    case = {"case": "AF-correct-01", "corpus": "c", "record": "r1", "database": "d", "diagnosis": "AF"}
    case |= {"name": "atrial fibrillation", "probability": 0.97, "outcome": "correct", "relaxed": False}
    scale = PaperScale(25.0, 10.0)
    figure, outside = diagnosis_figure(
        case, shard, attribution, truth=spans(("V1", 11.0, 11.1, "V", 1)), limit=0.1, scale=scale
    )
    texts = [text.get_text() for text in figure.axes.texts]
    assert any(
        text.startswith("Atrial fibrillation (p 0.97") or text.startswith("Atrial fibrillation (p .97")
        for text in texts
    )
    assert "the record is labelled with it  ·  rhythm holds 25 % of the explanation" in texts
    assert 0 < outside < 0.2
    assert diagnosis_facts(case, attribution, outside)["top_leads"].startswith("V1:0.9")
    with pytest.raises(ValueError, match="case AF-correct-02 with an attribution of c/r1"):
        diagnosis_figure({**case, "case": "AF-correct-02"}, shard, attribution, truth=spans(), limit=0.1, scale=scale)


def test_settings_of_a_diagnosis_leave_the_others_as_they_are():
    general = ExplainSettings(rhythm=False)
    changed = DiagnosisExplanationSettings(baseline="zero").explain_settings(general, "AF")
    assert (changed.baseline, changed.rhythm, changed.target) == ("zero", False, general.target)
    assert replace(changed, baseline=general.baseline) != general


def test_the_region_of_a_diagnosis_is_never_that_of_one_among_several() -> None:
    def name(diagnosis: str, *codes: str) -> str | None:
        region = region_of_diagnosis(REGIONS, diagnosis, frozenset({diagnosis, *codes}))
        return region.name if region else None

    assert name("AF", "AFIB") == name("AF") == "AF"
    assert name("RBBB", "713427006", "59118001") == name("block", "59118001") == "RBBB"
    assert name("CD", "CLBBB", "IRBBB", "LAFB") is None  # conduction disturbances of PTB-XL
    assert name("MI") is None
