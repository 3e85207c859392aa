"""Which truth a case has: its own class alone, what the model sees, and within the window."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from beatlens.evaluate.explanations.regions import read_regions
from beatlens.evaluate.explanations.truths import (
    ANNOTATED,
    LENIENT,
    PLANTED,
    RECORD_LENIENT,
    RECORD_STRICT,
    STRICT,
    Labels,
    case_truths,
    seen_samples,
)
from beatlens.shards.shard import BeatGeometry

REGIONS = read_regions(Path(__file__).parents[2] / "config/diagnostic_regions.csv")
INSTANCE = SimpleNamespace(
    record=SimpleNamespace(leads=("II", "V1"), geometry=BeatGeometry(100.0, 25, 40)),
    r_index=np.array([125, 225, 325]), start=100, stop=365, start_s=1.0,
)  # fmt: skip
BEATS = pd.DataFrame(
    {
        "beat_id": ["a", "b", "c", "d"], "r_index": [125, 225, 325, 425], "label": ["N", "V", "V", "V"],
        "matched": [True, True, False, True], "matched_r_sample": [125, 225, -1, 425],
    }
)  # fmt: skip
SPANS = pd.DataFrame(
    [("V1", 2.2, 2.3, "V", 225), ("V1", 2.6, 2.8, "V", 225), ("II", 3.2, 3.3, "V", 325), ("II", 2.2, 2.3, "S", 225)],
    columns=["lead", "start_s", "end_s", "label", "r_sample"],
)


def case(**changes):
    base = {"target": "beat", "beat_id": "b", "case_class": "V", "label": "V"}
    return SimpleNamespace(**base | changes)


def test_planted_truth_is_of_the_beat_and_of_what_the_model_sees():
    seen = seen_samples(INSTANCE)
    assert np.flatnonzero(~seen).tolist() == [*range(65, 100), *range(165, 200)]
    truths = case_truths(case(), INSTANCE, Labels(BEATS, SPANS, REGIONS, []))
    assert set(truths) == {PLANTED, STRICT, LENIENT}
    planted = truths[PLANTED]
    assert np.flatnonzero(planted.inside[1]).tolist() == [*range(120, 130), *range(160, 165)]  # the rest isn't seen
    assert not planted.inside[0].any()
    assert not planted.counted[0, 220:230].any()  # another beat of the class
    assert not planted.counted[:, ~seen].any()
    assert np.flatnonzero(truths[STRICT].inside[1]).tolist() == list(range(120, 145))
    assert not truths[STRICT].inside[0].any()
    assert truths[LENIENT].inside[0].any()


def test_a_wrong_or_unmatched_beat_has_no_truth():
    labels = Labels(BEATS, SPANS, REGIONS, [])
    assert case_truths(case(label="N"), INSTANCE, labels) == {}
    assert case_truths(case(beat_id="c"), INSTANCE, labels) == {}
    alone = case_truths(case(), INSTANCE, Labels(BEATS, SPANS.iloc[:0], [], []))
    assert alone == {}


def test_a_code_of_the_record_stands_in_where_beats_have_no_label():
    unlabelled = BEATS.assign(label="", matched=False, matched_r_sample=-1)
    labels = Labels(unlabelled, SPANS.iloc[:0], REGIONS, ["426783006", "17338001"])  # sinus rhythm; VPB is PVC
    truths = case_truths(case(label=""), INSTANCE, labels)
    assert set(truths) == {RECORD_STRICT, RECORD_LENIENT}
    assert np.flatnonzero(truths[RECORD_STRICT].inside[1]).tolist() == list(range(120, 145))
    assert case_truths(case(label="", case_class="S"), INSTANCE, labels) == {}  # no code of the record says so
    assert case_truths(case(label="N"), INSTANCE, labels) == {}  # a beat's own label is surer
    window = case(target="window", label="", window_start_s=1.0, window_end_s=3.2)
    assert case_truths(window, INSTANCE, labels) == {}


def test_a_window_has_the_spans_of_its_beats():
    window = case(target="window", window_start_s=1.0, window_end_s=3.2)
    truths = case_truths(window, INSTANCE, Labels(BEATS, SPANS, REGIONS, []))
    truth = truths.pop(ANNOTATED)
    assert truths == {}
    assert np.flatnonzero(truth.inside[0]).tolist() == [*range(100, 165), *range(200, 220)]
    assert not truth.counted[:, 220:].any()
