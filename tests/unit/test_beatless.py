"""Stretches without trustworthy beats against signals made for it: each kind is found where it is, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.beats.record_edges import cut_by_edge, with_reasons
from beatlens.shards.stretches import KINDS, Stretch, in_stretches, told_in_words
from beatlens.signals.conditioning import condition
from beatlens.signals.gaps import fill_gaps
from beatlens.signals.quality import lead_scale
from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.settings.signal import SignalSettings
from beatlens.signals.unreadable_stretches import find_stretches

FS = 360.0
SETTINGS = SignalSettings(200.0, (0.5, 45.0), 3, None)
LONG = (20.0, 32.0)


def gaussian(time, centre, width):
    return np.exp(-0.5 * ((time - centre) / width) ** 2)


def sinus(seconds=60.0, rr=0.8, without=LONG):
    """Return two leads with P, QRS and T at regular R peaks (none inside `without`), with noise, and the R peaks."""
    time = np.arange(round(seconds * FS)) / FS
    peaks = np.arange(0.5, seconds - 0.4, rr)
    peaks = peaks[(peaks < without[0]) | (peaks > without[1])]
    lead = sum(
        gaussian(time, r, 0.011) + 0.12 * gaussian(time, r - 0.17, 0.022) + 0.25 * gaussian(time, r + 0.27, 0.05)
        for r in peaks
    )
    rng = np.random.default_rng(5)
    return np.stack([lead, -0.7 * lead]) + rng.normal(0, 0.008, (2, len(time))), peaks


def inside(signal, start=LONG[0] + 0.6, stop=LONG[1] - 0.3):
    return slice(round(start * FS), round(stop * FS))


def found(signal, peaks, doubted=None):
    raw, _ = fill_gaps(signal.astype(np.float32))
    made = condition(signal.astype(np.float32), FS, SETTINGS)
    index = np.rint(np.asarray(peaks) * SETTINGS.fs).astype(np.int64)
    doubted = np.zeros(len(index), dtype=bool) if doubted is None else doubted
    scale = lead_scale(made.signal, index, SETTINGS.fs)
    return find_stretches(RecordSignals(raw, FS, made.signal, made.missing, SETTINGS.fs), index, scale, doubted)


def fibrillation(n, rng):
    """Four sinusoids of drifting frequency and size, 3 to 7 Hz."""
    time, leads = np.arange(n) / FS, np.zeros((2, n))
    centre = rng.uniform(3.5, 6.5)
    for _ in range(4):
        hz = np.clip(centre + rng.normal(0, 0.6) + np.cumsum(rng.normal(0, 0.5 / np.sqrt(FS), n)), 3, 7)
        phase = 2 * np.pi * np.cumsum(hz) / FS
        size = 0.3 * (1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time))
        leads += size * rng.uniform(0.5, 1, (2, 1)) * np.sin(phase + rng.uniform(0, 6.3, (2, 1)))
    return leads


def tachycardia(n, rate, shape, rng):
    """Return complexes of one shape without rest between them, and their R peaks in seconds."""
    time, rr = np.arange(n) / FS, 60 / rate
    peaks = np.cumsum(rr * (1 + 0.02 * rng.normal(size=round(n / FS / rr) - 1)))
    waves = {
        "wide": ((1.2, 0.0, 0.03), (-0.48, 0.075, 0.039), (-0.36, 0.2, 0.05)),
        "wider": ((1.2, 0.0, 0.04), (-0.5, 0.12 * min(1, rr / 0.4) + 0.02, 0.05)),
        "notched": ((0.7, -0.02, 0.02), (1.0, 0.03, 0.022), (-0.4, 0.17, 0.05)),
        "narrow": ((1.2, 0.0, 0.011), (-0.2, 0.028, 0.01), (0.25, 0.27 * np.sqrt(rr / 0.8), 0.03)),
    }[shape]
    lead = sum(a * gaussian(time, r + c, s) for r in peaks for a, c, s in waves)
    return np.stack([lead, -0.7 * lead]), peaks


def share(stretches, kind, start, stop):
    """Share of the time start..stop that stretches of a kind cover."""
    own = [min(s.end_s, stop) - max(s.start_s, start) for s in stretches if s.kind == kind]
    return sum(length for length in own if length > 0) / (stop - start)


def made(kind):
    signal, peaks = sinus()
    own = inside(signal)
    n, rng = own.stop - own.start, np.random.default_rng(2)
    time = np.arange(signal.shape[1]) / FS
    if kind == "asystole with drift":
        signal += 0.4 * np.sin(2 * np.pi * 0.2 * time)
    elif kind == "constant":
        signal[:, own] = 0.25
    elif kind == "missing":
        signal[:, own] = np.nan
    elif kind == "saturated":
        signal[:, own] = 5.0
    elif kind == "one lead missing, one saturated":
        signal[0, own], signal[1, own] = np.nan, -5.0
    elif kind == "fibrillation":
        signal[:, own] += fibrillation(n, rng)
    elif kind == "flutter of 300 a minute":
        signal[:, own] += 0.8 * np.sin(2 * np.pi * 5 * time[own])
    elif kind == "muscle noise":
        signal[:, own] += rng.normal(0, 0.5, (2, n))
    elif kind == "P waves alone":
        signal += sum(0.15 * gaussian(time, p, 0.022) for p in np.arange(20.6, 31.6, 0.8))
    return signal, peaks


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("asystole", "flat"),
        ("asystole with drift", "flat"),
        ("constant", "flat"),
        ("missing", "no_signal"),
        ("saturated", "no_signal"),
        ("one lead missing, one saturated", "no_signal"),
        ("fibrillation", "disorganised"),
        ("flutter of 300 a minute", "disorganised"),
        ("muscle noise", "noise"),
        ("P waves alone", "pause"),
    ],
)
def test_a_time_without_beats_is_listed_with_what_it_is(what, kind):
    signal, peaks = made(what)
    stretches = found(signal, peaks)
    assert share(stretches, kind, LONG[0] + 0.6, LONG[1] - 0.3) > 0.93
    assert all(LONG[0] - 1 < s.start_s < s.end_s < LONG[1] + 1 for s in stretches)
    assert sum(s.end_s - s.start_s for s in stretches) < LONG[1] - LONG[0] + 1.6
    assert all(a.end_s <= b.start_s for a, b in zip(stretches[:-1], stretches[1:], strict=True))
    assert (max(s.constant_s for s in stretches) > 10) == (kind == "no_signal" or what == "constant")


def test_flat_and_fibrillation_in_one_gap_are_told_apart_to_half_a_second():
    signal, peaks = sinus()
    signal[:, inside(signal, 20.6, 24)] = 0
    own = inside(signal, 24)
    signal[:, own] += fibrillation(own.stop - own.start, np.random.default_rng(4))
    stretches = found(signal, peaks)
    assert [s.kind for s in stretches] == ["flat", "disorganised"]
    assert stretches[0].end_s == pytest.approx(24, abs=0.5)
    assert stretches[1].end_s == pytest.approx(31.7, abs=1)
    assert told_in_words(["flat", "disorganised"], [4.0, 8.0], 0) == (
        "12 s without a beat: 4 s flat, 8 s fast disorganised signal"
    )
    assert told_in_words(["disorganised"], [61.4], 3) == (
        "61 s in which beats can't be told: 61 s fast disorganised signal"
    )
    assert told_in_words([], [], 0) == ""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("every", [0.7, 1.3])
def test_fibrillation_is_listed_whatever_is_detected_in_it(seed, every):
    signal, peaks = sinus()
    own = inside(signal)
    signal[:, own] += fibrillation(own.stop - own.start, np.random.default_rng(seed))
    within = np.arange(20.9, 31.6, every)
    stretches = found(signal, np.sort(np.concatenate([peaks, within])))
    assert share(stretches, "disorganised", 20.6, 31.7) > 0.9
    kinds = in_stretches(within, stretches)
    assert (kinds == "disorganised").mean() > 0.9
    assert (in_stretches(peaks, stretches) == "").mean() > 0.95


@pytest.mark.parametrize("rate", [150, 180, 200, 230, 260, 280])
@pytest.mark.parametrize("shape", ["wide", "wider", "notched", "narrow"])
def test_a_tachycardia_whose_beats_are_found_is_no_such_stretch(shape, rate):
    signal, peaks = sinus()
    own = inside(signal)
    fast, fast_peaks = tachycardia(own.stop - own.start, rate, shape, np.random.default_rng(rate))
    signal[:, own] += fast
    every = np.sort(np.concatenate([peaks, LONG[0] + 0.6 + fast_peaks]))
    assert not [s for s in found(signal, every) if s.kind != "pause"]
    # Half of them found: what is missed must not go unsaid.
    if shape != "narrow" and rate >= 200:
        few = np.sort(np.concatenate([peaks, LONG[0] + 0.6 + fast_peaks[::5]]))
        assert share(found(signal, few), "disorganised", 20.6, 31.7) > 0.9


def test_two_tachycardias_of_other_shapes_with_few_beats_between_are_no_such_stretch():
    """As in record 205: neither repeats the other, and the beats between leave no rest."""
    signal, peaks = sinus(seconds=40.0, without=(14.8, 22.9))
    time, rng = np.arange(signal.shape[1]) / FS, np.random.default_rng(6)
    for start, rate, sign in ((15.0, 180, 1), (19.6, 215, -1)):
        own = slice(round(start * FS), round((start + 2.8) * FS))
        waves, fast = tachycardia(own.stop - own.start, rate, "wider", rng)
        signal[:, own] += sign * waves
        peaks = np.concatenate([peaks, start + fast])
    between = np.array([18.1, 18.7, 19.3])
    signal += sum(gaussian(time, r, 0.04) - 0.6 * gaussian(time, r + 0.28, 0.09) for r in between)
    assert [s for s in found(signal, np.sort(np.concatenate([peaks, between]))) if s.kind == "disorganised"] == []


def test_usual_rhythms_have_no_stretch():
    for rr in (0.35, 0.8, 1.9, 2.6):
        signal, peaks = sinus(rr=rr, without=(99, 99))
        assert found(signal, peaks) == (), rr


def shifted(signal, after_s, by_s):
    """Return a signal in which everything from 0.4 s after a beat on comes later."""
    at, by = round((after_s + 0.6) * FS), round(by_s * FS)
    longer = np.concatenate([signal[:, :at], np.repeat(signal[:, at : at + 1], by, axis=1), signal[:, at:-by]], axis=1)
    return longer + np.random.default_rng(1).normal(0, 0.004, longer.shape)


def test_a_pause_depends_on_the_usual_interval():
    signal, peaks = sinus(rr=0.9, without=(20, 21.5))
    assert [s.kind for s in found(signal, peaks)] == ["flat"]
    for rr, listed in ((1.9, 0), (1.2, 1)):  # an interval of 3 s
        signal, peaks = sinus(rr=rr, without=(99, 99))
        late = peaks.copy()
        late[20:] += 3 - rr
        late = late[late < 59.5]
        assert len(found(shifted(signal, peaks[19], 3 - rr), late)) == listed


def test_a_record_without_beats_is_told_from_end_to_end():
    rng = np.random.default_rng(0)
    silent = found(rng.normal(0, 0.004, (2, 3600)), [])
    assert [(s.kind, s.start_s, s.end_s) for s in silent] == [("flat", 0.0, 10.0)]
    chaos = found(fibrillation(3600, rng), [])
    assert [(s.kind, s.start_s, s.end_s) for s in chaos] == [("disorganised", 0.0, 10.0)]
    assert found(rng.normal(0, 0.01, (2, 108)), []) == ()


def test_many_successive_doubted_beats_are_artefact():
    signal, peaks = sinus(without=(99, 99))
    doubted = np.zeros(len(peaks), dtype=bool)
    doubted[10:16] = doubted[30:33] = True
    (only,) = found(signal, peaks, doubted)
    assert (only.kind, only.n_beats) == ("noise", 6)
    assert only.start_s == pytest.approx(peaks[10], abs=0.3)
    assert only.end_s == pytest.approx(peaks[15], abs=0.3)


@pytest.mark.parametrize("seed", range(4))
def test_irregular_shapes_like_no_others_are_artefact_but_no_arrhythmia_is(seed):
    rng = np.random.default_rng(seed)
    signal, peaks = sinus(100.0, without=(40.0, 58.0))
    time = np.arange(signal.shape[1]) / FS
    within = 40.9 + np.cumsum(rng.uniform(0.3, 1.4, 40))
    within = within[within < 57.4]
    every = np.sort(np.concatenate([peaks, within]))
    artefact = signal.copy()
    for at in within:  # bumps of any shape
        for _ in range(3):
            artefact += rng.normal(0, 0.6, (2, 1)) * gaussian(time, at + rng.normal(0, 0.04), rng.uniform(0.02, 0.08))
    listed = found(artefact, every)
    assert share(listed, "noise", 42, 56.5) > 0.4
    assert all(38 < s.start_s < s.end_s < 60 for s in listed)
    fibrillating = signal.copy()  # as irregular, but of the record's own shape
    for at in within:
        fibrillating += np.array([[1.0], [-0.7]]) * (gaussian(time, at, 0.011) + 0.25 * gaussian(time, at + 0.27, 0.05))
    assert not [s for s in found(fibrillating, every) if s.kind == "noise"]
    wide = signal.copy()  # of a shape of their own, in turn with another
    for k, at in enumerate(within):
        wide += (1 + k % 2) * np.array([[0.7], [0.9]]) * gaussian(time, at, 0.03 + 0.01 * (k % 2))
    assert not [s for s in found(wide, every) if s.kind == "noise"]


def test_each_kind_has_words():
    assert set(KINDS) == {"no_signal", "flat", "disorganised", "noise", "pause"}
    stretch = Stretch("disorganised", 1.0, 2.0, 1, 0.0, "")
    assert in_stretches(np.array([0.5, 1.5, 2.5]), [stretch]).tolist() == ["", "disorganised", ""]


def test_cut_beats_are_those_whose_qrs_is_not_whole_in_most_leads():
    missing = np.zeros((2, 1000), dtype=bool)
    missing[:, 500:520] = missing[0, 700:720] = True
    r_index = np.array([3, 10, 400, 475, 495, 510, 526, 535, 710, 965, 975])
    cut = cut_by_edge(r_index, missing, 200.0)
    assert r_index[cut].tolist() == [3, 475, 495, 510, 526, 975]
    reasons = with_reasons(np.array(["", "flat", "", "baseline"], dtype=object), np.array([True, True, False, False]),
                           np.array(["", "noise", "", ""], dtype=object))  # fmt: skip
    assert reasons.tolist() == ["cut_by_edge", "flat;cut_by_edge;stretch:noise", "", "baseline"]
