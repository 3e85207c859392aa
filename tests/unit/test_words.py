"""Words about beats: class names, timing against arithmetic, shares against sums, no phrase without a measurement."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from beatlens.core.class_names import MEANINGS, class_name, glossary
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import AttributionMeta
from beatlens.words.measure import UNMEASURED, MeasuredBeat
from beatlens.words.measured_record import MeasuredRecord
from beatlens.words.p_wave import UNKNOWN, MeasuredP
from beatlens.words.qrs import Qrs
from beatlens.words.sentence import sentence
from beatlens.words.shares import OTHER_BEATS, RHYTHM, Part, explanation_parts
from beatlens.words.timing import Timing, measure_timing
from makers import GEOMETRY, make_instance, make_record

NAN = float("nan")


def test_class_names_are_told_and_others_are_their_own():
    assert class_name("V") == "ventricular premature beat"
    assert class_name("my_class") == "my_class"
    assert list(glossary(["V", "my_class"])) == ["V"]
    assert glossary()["N"].startswith("normal beat: ")
    assert all(meaning.meaning.endswith(".") and not meaning.name.endswith(".") for meaning in MEANINGS.values())


def record_at(times, ectopic=(), stretch=None) -> MeasuredRecord:
    times = np.asarray(times, dtype=float)
    marks = np.isin(np.arange(len(times)), list(ectopic))
    numbers = np.zeros(len(times), dtype=np.int64) if stretch is None else np.asarray(stretch)
    signal = np.zeros((1, int(times[-1] * 200) + 200), dtype=np.float32)
    return MeasuredRecord(signal, 200.0, np.rint(times * 200).astype(np.int64), times, numbers, marks, 0 * marks > 0)


def test_an_early_beat():
    times = np.arange(30) * 0.8
    times[15] -= 0.3
    timing = measure_timing(record_at(times, ectopic=[15]), 15)
    assert timing.rr_s == pytest.approx(0.5)
    assert timing.usual_rr_s == pytest.approx(0.8)
    assert timing.prematurity == pytest.approx(0.375)
    assert timing.off == 1


def test_what_has_no_interval_or_no_usual_one_is_not_told():
    times = np.arange(30) * 0.8
    assert np.isnan(measure_timing(record_at(times), 0).rr_s)
    gap = measure_timing(record_at(times, stretch=[0] * 15 + [1] * 15), 15)
    assert np.isnan(gap.rr_s)
    assert gap.off == 0
    bigeminy = record_at(times, ectopic=range(1, 30, 2))
    assert np.isnan(measure_timing(bigeminy, 15).usual_rr_s)
    fibrillation = record_at(np.cumsum(np.random.default_rng(0).uniform(0.4, 1.2, 40)))
    assert measure_timing(fibrillation, 20).irregular
    assert measure_timing(fibrillation, 20).off == 0


def test_the_sentence_says_what_was_measured_and_nothing_else():
    timing = Timing(0.512, 0.824, 0.02, True)
    beat = MeasuredBeat(timing, Qrs(-0.06, 0.14, True, 9), Qrs(-0.04, 0.09, False, 40), MeasuredP("absent"))
    assert sentence(beat, []).replace("\N{NO-BREAK SPACE}", " ") == (
        "Came 38 % early (RR 512 ms, usual here 824 ms), "
        "wide QRS (140 ms, usual here 90 ms), no P wave in the 200 ms before."
    )
    nothing = MeasuredBeat(Timing(NAN, NAN, NAN, False), UNMEASURED, UNMEASURED, UNKNOWN)
    assert sentence(nothing, []) == ""
    used = [Part(RHYTHM, "", 0.71, 1), Part("QRS", "V1", 0.2, 1), Part("T", "II", 0.1, -1), Part("P", "II", 0.09, 1)]
    assert sentence(nothing, used, (0, 0.9)).replace("\N{NO-BREAK SPACE}", " ") == (
        "The network used the timing (mostly the interval before) for 71 %, the QRS in V1 for 20 %; "
        "against the class spoke the T wave in II for 10 %."
    )
    only_timing = dataclasses.replace(nothing, timing=timing)
    assert "QRS" not in sentence(only_timing, [])
    assert "P wave" not in sentence(only_timing, [])


def instance_of(rng):
    r_index = 60 + 45 * np.arange(5)
    return make_instance(make_record(rng, ("II", "V1"), r_index, 400), [2], rng)


def explained(rng, rhythm: float = 0.5) -> Attribution:
    instance = instance_of(np.random.default_rng(0))
    meta = AttributionMeta(
        case="k", corpus="c", record="r", beat_id="c/r/1", target="beat", case_class="V", method="fused",
        units="relative", rhythm=rhythm, rhythm_share=0.1,
    )  # fmt: skip
    values = rng.normal(size=(2, instance.stop - instance.start)).astype(np.float32)
    return Attribution(values, ("II", "V1"), GEOMETRY.fs, instance.start_s, meta)


def test_parts_add_up_to_the_whole_and_each_is_the_sum_of_its_samples():
    rng = np.random.default_rng(4)
    attribution, instance = explained(rng, rhythm=-3.0), instance_of(np.random.default_rng(0))
    parts = explanation_parts(attribution, instance, 2)
    assert sum(part.share for part in parts) == pytest.approx(1)
    mass = float(np.abs(attribution.values).sum()) + 3
    rhythm = next(part for part in parts if part.name == RHYTHM)
    assert (rhythm.share, rhythm.sign) == (pytest.approx(3 / mass), -1)
    first = int(instance.r_index[2]) - instance.start
    inside = attribution.values[1, first - 5 : first + 8]  # QRS is R - .05 s to R + .08 s, at 100 Hz
    qrs = next(part for part in parts if (part.name, part.lead) == ("QRS", "V1"))
    assert qrs.share == pytest.approx(float(np.abs(inside).sum()) / mass)
    assert qrs.sign == np.sign(inside.sum())
    assert [part.share for part in parts] == sorted((part.share for part in parts), reverse=True)
    assert any(part.name == OTHER_BEATS for part in parts)
    zero = dataclasses.replace(attribution, values=0 * attribution.values, meta=explained(rng, rhythm=0.0).meta)
    assert explanation_parts(zero, instance, 2) == []
