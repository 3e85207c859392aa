"""Strips and records against a plain loop over beats, and the joined predictions of shards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from beatlens.prediction.settings import StripSettings
from beatlens.prediction.strips import aggregate
from beatlens.shards.joined_predictions import join
from beatlens.shards.stretches import STRETCH_COLUMNS

CLASSES = ("N", "S", "V")
ECTOPIC = ("S", "V", "X")  # one of which is no class
RECORDS = pd.DataFrame(
    {
        "corpus": ["c", "c", "d"],
        "record": ["b", "a", "a"],
        "patient": ["1", "2", "3"],
        "split": ["test", "train", "none"],
        "duration_s": [35.0, 20.0, 7.0],
        "labelled": [True, True, False],
        "weak_label": "",
    }
)
STRETCHES = pd.DataFrame(columns=list(STRETCH_COLUMNS))


@pytest.fixture
def beats():
    rng = np.random.default_rng(3)
    rows = []
    for corpus, record, end in (("c", "b", 35.0), ("c", "a", 10.0)):
        for time in np.arange(0.4, end, 0.7):
            p = rng.dirichlet([5, 1, 1])
            review = rng.random() < 0.2
            rows.append(
                {
                    "beat_id": f"{corpus}/{record}/{int(time * 360)}",
                    "corpus": corpus,
                    "record": record,
                    "r_sample": int(time * 360),
                    "r_time_s": time,
                    "label": rng.choice(["N", "V", "none", "", "Q"]),
                    "label_source": "beat",
                    **{f"p_{name}": value for name, value in zip(CLASSES, p, strict=True)},
                    "pred": CLASSES[int(p.argmax())],
                    "review": review,
                    "reason": "noise;low_confidence" if review else "",
                }  # fmt: skip
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("length_s", [10.0, None])
def test_strips_are_what_a_loop_over_beats_gives(beats, length_s):
    found = aggregate(
        beats, beats, RECORDS, classes=CLASSES, length_s=length_s, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    )
    assert len(found) == (4 + 2 + 1 if length_s else 3)
    assert found[["corpus", "record", "start_s"]].apply(tuple, axis=1).is_monotonic_increasing
    for row in found.to_dict("records"):
        inside = beats[(beats.corpus == row["corpus"]) & (beats.record == row["record"])]
        inside = inside[(inside.r_time_s >= row["start_s"]) & (inside.r_time_s < row["end_s"])]
        accepted = inside[~inside.review]
        assert row["n_beats"] == len(inside)
        assert row["n_review"] == inside.review.sum()
        assert row["pred"] == ";".join(sorted(set(accepted.pred)))
        assert row["label"] == ";".join(sorted(set(inside.label) - {"", "none"}))
        assert row["reason"] == ("low_confidence;noise" if inside.review.any() else "")
        for name in CLASSES:
            assert row[f"p_{name}"] == pytest.approx(1 - np.prod(1 - accepted[f"p_{name}"]), abs=1e-9)
            assert row[f"n_{name}"] == (accepted.pred == name).sum()
            assert row[f"n_review_{name}"] == (inside[inside.review].pred == name).sum()
    counted = found[[f"{kind}_{name}" for kind in ("n", "n_review") for name in CLASSES]].to_numpy().sum()
    assert counted == len(beats)  # no beat is lost, hence no ectopy hidden


def test_an_empty_strip_is_legal(beats):
    last = aggregate(
        beats, beats, RECORDS, classes=CLASSES, length_s=10.0, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    ).iloc[-1]
    assert (last["corpus"], last["n_beats"], last["pred"], last["p_V"], last["end_s"]) == ("d", 0, "", 0.0, 7.0)
    none = aggregate(
        beats.iloc[:0],
        beats.iloc[:0],
        RECORDS,
        classes=CLASSES,
        length_s=10.0,
        ectopic=ECTOPIC,
        gap_s=4.0,
        stretches=STRETCHES,
    )
    assert none["n_beats"].sum() == 0


def test_one_certain_ventricular_beat_makes_the_strip_ventricular(beats):
    beats = beats.assign(review=False, p_V=0.0, pred="N")
    beats.loc[3, ["p_V", "pred"]] = [1.0, "V"]
    strip = aggregate(
        beats, beats, RECORDS, classes=CLASSES, length_s=10.0, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    )
    strip = strip[(strip.record == "b") & (strip.start_s == 0)].iloc[0]
    assert (strip["p_V"], strip["pred"], strip["n_V"]) == (1.0, "N;V", 1)


def test_a_label_of_the_whole_record_is_that_of_its_strips(beats):
    assert aggregate(
        beats, beats, RECORDS, classes=CLASSES, length_s=None, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    )["label_source"].tolist() == [
        "beat",
        "beat",
        "",
    ]
    named = RECORDS.assign(labelled=True, weak_label=["S", "noise", "V"])
    found = aggregate(
        beats.assign(label="S"),
        beats.iloc[:0],
        named,
        classes=CLASSES,
        length_s=10.0,
        ectopic=ECTOPIC,
        gap_s=4.0,
        stretches=STRETCHES,
    )
    assert found["label"].tolist() == ["", ""] + ["S"] * 4 + ["V"]  # also where nothing was detected
    assert found["label_source"].tolist() == ["", ""] + ["record"] * 5
    unlabelled = aggregate(
        beats, beats.iloc[:0], RECORDS, classes=CLASSES, length_s=10.0, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    )
    assert set(unlabelled["label"]) == {""}  # labels of beats are those of the annotated table


def test_ectopy_is_counted_in_time_order_without_gaps_and_sums_up(beats):
    calm = beats.assign(review=False, pred="N")
    run = calm.copy()
    run.loc[[3, 4, 5, 20, 21], "pred"] = "V"
    shuffled = run.sample(frac=1, random_state=1)
    whole = aggregate(
        shuffled, shuffled, RECORDS, classes=CLASSES, length_s=None, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    ).set_index(["corpus", "record"])
    own = whole.loc[("c", "b")]
    assert (own["n_runs_V"], own["longest_run_V"], own["n_couplets_V"], own["n_bigeminy_V"]) == (1, 3, 1, 0)
    assert own["burden_V"] == 5 / own["n_beats"]
    assert np.isnan(whole.loc[("d", "a"), "burden_V"])
    assert not [column for column in whole if column.endswith("_X")]
    strips = aggregate(
        run, run, RECORDS, classes=CLASSES, length_s=10.0, ectopic=ECTOPIC, gap_s=4.0, stretches=STRETCHES
    )
    assert strips["n_couplets_V"].sum() == whole["n_couplets_V"].sum()
    apart = aggregate(
        run, run, RECORDS, classes=CLASSES, length_s=None, ectopic=ECTOPIC, gap_s=0.5, stretches=STRETCHES
    ).set_index(["corpus", "record"])
    assert apart.loc[("c", "b"), "n_runs_V"] == 0  # beats come every .7 s


def test_length_must_be_positive():
    with pytest.raises(ValueError, match=r"strips\.length_s: 0"):
        StripSettings(0, ())


def test_predictions_are_joined_the_same_from_any_shards(beats):
    one = join([beats])
    two = join([beats[beats.record == "b"].iloc[::-1], beats.iloc[:0], beats[beats.record == "a"]])
    pd.testing.assert_frame_equal(one, two)
    assert sorted(one["beat_id"]) == sorted(beats["beat_id"])


def test_a_beat_in_two_shards_is_refused(beats):
    with pytest.raises(ValueError, match="1 beats occur twice, the first is c/b/144"):
        join([beats, beats.iloc[:1]])
