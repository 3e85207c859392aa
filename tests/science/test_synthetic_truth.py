"""Planted truth against a naive computation on whole records, and against what a cardiologist looks at."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.signal import butter, sosfiltfilt

from beatlens.core.leads import STANDARD_LEADS, canonical_lead
from beatlens.core.record import DECOY
from beatlens.corpora.synthetic import SyntheticSettings, make_corpus, read_truth
from beatlens.corpora.synthetic.morphology import INDEPENDENT_LEADS, draw_heart
from beatlens.corpora.synthetic.plan import RecordPlan, plan_records
from beatlens.corpora.synthetic.truth import counterfactual, render
from beatlens.corpora.synthetic.write import Made, make_record

ROOT = Path(__file__).parents[2]
SECTION = yaml.safe_load((ROOT / "config/config.yaml").read_text())["synthetic"]
SETTINGS = SyntheticSettings(
    **{**SECTION, "ambulatory_patients": 4, "ambulatory_s": 40, "clinical_patients": 3, "clinical_records": 2}
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "synthetic"
    make_corpus(folder, SETTINGS)
    return folder


def made_of(name: str) -> Made:
    plan: RecordPlan = next(plan for plan in plan_records(SETTINGS) if plan.name == name)
    return make_record(plan, SETTINGS)


def masks(corpus: Path, made: Made) -> dict[int, np.ndarray]:
    """Per R sample, (n_leads, n_samples) bool as the truth file says, without decoys."""
    result: dict[int, np.ndarray] = {}
    with (corpus / f"{made.plan.name}.truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["class"].startswith(DECOY):
                continue
            mask = result.setdefault(int(row["r_sample"]), np.zeros(made.clean.shape, dtype=bool))
            mask[made.plan.leads.index(row["lead"]), int(row["start_sample"]) : int(row["end_sample"])] = True
    return result


@pytest.mark.parametrize("name", ["a01", "a04", "c02_2", "c03_1"])
def test_truth_equals_the_naive_difference_of_whole_records(corpus: Path, name: str) -> None:
    made = made_of(name)
    fs, n_samples = made.plan.fs, made.plan.n_samples
    sections = butter(3, [0.5, 45], "bandpass", fs=fs, output="sos")

    def conditioned(beats: list) -> np.ndarray:
        signal = render(beats, made.heart, made.matrix, fs, n_samples)
        return sosfiltfilt(sections, signal, axis=1, padtype="even", padlen=min(n_samples - 1, round(4 * fs)))

    planted = masks(corpus, made)
    actual = conditioned(made.all_beats)
    compared = 0
    for place, beat in enumerate(made.all_beats):
        r_sample = next((r for other, r in made.beats if other is beat), None)
        if beat.kind == "N" or r_sample is None:
            assert r_sample not in planted
            continue
        replaced = [*made.all_beats[:place], counterfactual(beat), *made.all_beats[place + 1 :]]
        size = np.abs(actual - conditioned(replaced))
        clear = np.abs(size - 0.1) > 5e-4
        mask = planted.get(r_sample, np.zeros_like(clear))
        np.testing.assert_array_equal(mask[clear], size[clear] > 0.1)
        compared += int(mask.sum())
    assert compared > 100


def test_ventricular_truth_covers_the_qrs_in_most_leads_and_atrial_truth_stays_before_it(corpus: Path) -> None:
    seen = {"V": 0, "S": 0}
    for plan in plan_records(SETTINGS):
        made = made_of(plan.name)
        planted = masks(corpus, made)
        for beat, r_sample in made.beats:
            mask = planted.get(r_sample)
            reach = round(0.05 * plan.fs)
            if beat.kind == "V" and mask is not None and reach < r_sample < plan.n_samples - reach:
                seen["V"] += 1
                share = mask[:, r_sample - reach : r_sample + reach].mean(axis=1)
                assert np.mean(share > 0.5) > 0.5
            if beat.kind == "S" and mask is not None:
                seen["S"] += 1
                assert not mask[:, r_sample + round(0.1 * plan.fs) :].any()
                assert not mask[:, : max(0, r_sample - round(0.4 * plan.fs))].any()
    assert min(seen.values()) >= 5


def test_read_truth_gives_canonical_leads_and_seconds(corpus: Path, tmp_path: Path) -> None:
    made = made_of("a01")
    spans = read_truth(corpus / "a01.truth.csv", made.plan.fs)
    assert {span.lead for span in spans} <= {canonical_lead(lead) for lead in made.plan.leads}
    assert {span.label for span in spans if not span.label.startswith(DECOY)} == {"RBBB", "S"}
    with (corpus / "a01.truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [round(span.start_s * made.plan.fs) for span in spans] == [int(row["start_sample"]) for row in rows]
    assert [round(span.end_s * made.plan.fs) for span in spans] == [int(row["end_sample"]) for row in rows]
    bad = tmp_path / "bad.truth.csv"
    bad.write_text("lead,start_sample,end_sample,class,r_sample\nII,9,9,V,5\n")
    with pytest.raises(ValueError, match="line 2"):
        read_truth(bad, 360)
    bad.write_text("lead,start,end\n")
    with pytest.raises(ValueError, match="columns"):
        read_truth(bad, 360)


def test_shapes_are_those_of_the_textbook() -> None:
    """RSR' in V1 and S in I, V6 with right block; broad R in I, V5, V6 with T against it with left block; raised J."""
    counts = dict.fromkeys(["rsr", "wide_s", "left_r", "left_t", "left_v1", "ste"], 0)
    n_hearts = 40
    beat = dataclasses.replace(made_of("c01_1").all_beats[3], time_s=1.0, rr_s=0.85)
    beat = dataclasses.replace(beat, variation=type(beat.variation)())
    fs = 500.0

    def seen(heart: object, kind: str) -> dict[str, np.ndarray]:
        signal = render([dataclasses.replace(beat, kind=kind)], heart, heart.matrix, fs, 1000)  # type: ignore[attr-defined, arg-type]
        return dict(zip(INDEPENDENT_LEADS, signal, strict=True))

    def part(lead: np.ndarray, begin_s: float, end_s: float) -> np.ndarray:
        return lead[round((1 + begin_s) * fs) : round((1 + end_s) * fs)]

    for seed in range(n_hearts):
        heart = draw_heart(np.random.default_rng(seed), STANDARD_LEADS)
        right, left, raised, normal = (seen(heart, kind) for kind in ("RBBB", "LBBB", "STE", "N"))
        v1 = right["V1"]
        counts["rsr"] += (
            part(v1, -0.05, 0.0).max() > 0.03 and part(v1, 0, 0.05).min() < 0 < part(v1, 0.05, 0.12).max() - 0.2
        )
        counts["wide_s"] += part(right["I"], 0.05, 0.12).min() < -0.08 and part(right["V6"], 0.05, 0.12).min() < -0.15
        sides = [left[name] for name in ("I", "V5", "V6")]
        counts["left_r"] += all((part(lead, -0.04, 0.11) > 0.3 * lead.max()).mean() > 0.55 for lead in sides)
        counts["left_t"] += all(part(lead, 0.2, 0.45).min() < -0.05 for lead in sides)
        counts["left_v1"] += part(left["V1"], -0.04, 0.11).min() < -0.4 and part(left["V1"], 0.2, 0.45).max() > 0.1
        j_point = [part(raised[name] - normal[name], 0.06, 0.10).mean() for name in INDEPENDENT_LEADS]
        counts["ste"] += max(j_point) > 0.15
    assert {name: count for name, count in counts.items() if count < 0.85 * n_hearts} == {}
