"""Decoys mean nothing: the class is still decided by what makes it, and their samples are where they say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.core.record import DECOY
from beatlens.corpora.synthetic import SyntheticSettings, make_corpus, read_truth
from beatlens.corpora.synthetic.decoys import DECIDING_S, KINDS, PROTECTED_S, decoy_signal, draw_decoys
from beatlens.corpora.synthetic.morphology import Variation, dipole
from beatlens.corpora.synthetic.plan import plan_records
from beatlens.corpora.synthetic.write import Made, make_record
from beatlens.signals.conditioning import SignalSettings, condition

SECTION = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text())["synthetic"]
FEW = {"ambulatory_patients": 10, "ambulatory_s": 30, "clinical_patients": 3, "clinical_records": 2}
SETTINGS = SyntheticSettings(**{**SECTION, **FEW})
EVERY = dataclasses.replace(SETTINGS, decoy_share=1.0)


@pytest.fixture(scope="module")
def made() -> list[Made]:
    return [make_record(plan, EVERY) for plan in plan_records(EVERY)]


def ruled(record: Made, place: int, r_sample: int) -> str | None:
    """Name a beat's class by what makes it: the likest of the patient's shapes around R, then how early it comes."""
    plan, beats = record.plan, record.all_beats
    low, high = (int(r_sample + second * plan.fs) for second in DECIDING_S)
    if low < 0 or high > plan.n_samples:
        return None
    seen = (record.clean + record.planted)[:, low:high]
    distance = {}
    for kind, shapes in record.heart.shapes.items():
        for focus, shape in enumerate(shapes if kind != "S" else ()):
            table = shape.table(beats[place].rr_s, Variation(), beats[place].with_p)
            times = np.arange(low, high) / plan.fs - (r_sample / plan.fs - shape.r_offset_s)
            distance[kind, focus] = float(((seen - record.matrix @ dipole(table, times)) ** 2).sum())
    kind = min(distance, key=distance.__getitem__)[0]
    rr = np.diff([beat.time_s for beat in beats])
    early = place > 0 and plan.rhythm != "fibrillation" and rr[place - 1] < 0.88 * np.median(rr)
    return "S" if kind == "N" and early else kind


def test_a_rule_on_what_makes_the_class_finds_the_label_whatever_decoys_change(made: list[Made]) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for record in made:
        places = {id(beat): place for place, beat in enumerate(record.all_beats)}
        for beat, r_sample in record.beats:
            kind = ruled(record, places[id(beat)], r_sample)
            if kind is not None:
                found[beat.kind, kind] += 1
    classes = {label for label, _ in found}
    assert classes == {"N", "S", "V", "RBBB", "LBBB", "STE"}
    assert found.total() > 350
    for label in classes:
        total = sum(n for (one, _), n in found.items() if one == label)
        assert found[label, label] >= 0.99 * total, found


def test_decoys_are_as_frequent_and_as_large_in_normal_beats_as_in_any_class(made: list[Made]) -> None:
    samples: dict[str, list[float]] = {}
    for record in made:
        size = np.abs(record.planted)
        for beat, r_sample in record.beats:
            low, high = (round(r_sample + second * record.plan.fs) for second in (-0.25, 0.4))
            if low >= 0 and high <= record.plan.n_samples:
                samples.setdefault(beat.kind, []).append(float((size[:, low:high] > 0.1).mean()))
    share = {kind: float(np.mean(values)) for kind, values in samples.items()}
    assert min(share.values()) > 0.12
    assert max(share.values()) < 2 * share["N"]
    kinds = Counter(decoy.kind for record in made for decoy in record.decoys)
    assert set(kinds) == set(KINDS)


def test_without_decoys_a_record_is_as_before_and_with_them_it_differs_by_them_alone(made: list[Made]) -> None:
    for record in made[::5]:
        plain = make_record(record.plan, dataclasses.replace(SETTINGS, decoy_share=0.0))
        assert plain.decoys == []
        assert [beat for beat, _ in plain.beats] == [beat for beat, _ in record.beats]
        np.testing.assert_array_equal(plain.clean, record.clean)
        np.testing.assert_allclose(plain.signal + record.planted, record.signal, atol=1e-12)


def test_the_truth_file_names_decoys_where_the_conditioned_record_changes(made: list[Made], tmp_path: Path) -> None:
    settings = dataclasses.replace(EVERY, ambulatory_patients=1, clinical_patients=1, clinical_records=1)
    names = make_corpus(tmp_path / "made", settings)
    for record in made:
        name, fs = record.plan.name, record.plan.fs
        if name not in names:
            continue
        seen = np.zeros(record.clean.shape, dtype=bool)
        spans = [
            span for span in read_truth(tmp_path / "made" / f"{name}.truth.csv", fs) if span.label.startswith(DECOY)
        ]
        leads = ["II" if lead == "MLII" else lead for lead in record.plan.leads]
        for span in spans:
            seen[leads.index(span.lead), round(span.start_s * fs) : round(span.end_s * fs)] = True
        assert {span.label for span in spans} <= {DECOY + kind for kind in KINDS}
        band = SignalSettings(fs, list(settings.truth_band_hz), settings.truth_order, None)
        size = np.abs(condition(record.planted.astype(np.float32), fs, band).signal)
        assert (size[seen] > settings.truth_mv).all()
        outside = (size > settings.truth_mv) & ~seen  # what the filter's tail carries beyond a decoy
        assert outside.sum() < 0.1 * seen.sum()


@pytest.mark.parametrize("fs", [200.0, 360.0])
def test_real_looking_signals_keep_end_of_qrs_and_the_rest_of_the_beats(fs: float) -> None:
    rng = np.random.default_rng(0)
    peaks = np.cumsum(rng.integers(round(0.6 * fs), round(1.1 * fs), 40))
    signal = rng.normal(size=(2, peaks[-1] + round(fs)))
    decoys = draw_decoys(signal, peaks.tolist(), fs, share=0.5, rng=np.random.default_rng(1))
    again = draw_decoys(signal, peaks.tolist(), fs, share=0.5, rng=np.random.default_rng(1))
    total = decoy_signal(decoys, signal.shape)
    np.testing.assert_array_equal(total, decoy_signal(again, signal.shape))
    assert 10 < len({decoy.beat for decoy in decoys}) < 30
    rate = np.sqrt(np.clip(np.diff(peaks, prepend=peaks[0] - fs) / fs, 0.4, 1.5))
    for peak, scale in zip(peaks, rate, strict=True):
        first, last = round(PROTECTED_S[0] * fs) + 1, round(PROTECTED_S[1] * scale * fs)
        assert not total[:, peak + first : peak + last].any()
    assert np.abs(total).max() < 1.0
    with pytest.raises(ValueError, match=r"decoys 1.5; expected 0 to 1"):
        draw_decoys(signal, peaks.tolist(), fs, share=1.5, rng=rng)
