"""Beats and spans that a person names: explained beside the chosen cases, never scored, refused where they aren't."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from beatlens.config.sections import Configuration
from beatlens.core.files import read_table, write_table
from beatlens.core.options import OptionError, plain
from beatlens.explain.case.choice import CASE_COLUMNS, WindowSettings, case_rows, scored_cases, select_cases
from beatlens.explain.case.settings import CaseSettings, record_problems

CLASSES = ["N", "S", "V"]
FS = 100
CASES = plain(Configuration())["cases"]


def beats() -> pd.DataFrame:
    """Return three records of 20 s, a beat a second from .5 s; the third beat of ``train`` and of ``test`` is a V."""
    rows = []
    for record, split in (("one", "train"), ("two", "test"), ("three", "test")):
        for k in range(20):
            pred = "V" if k == 2 and record != "three" else "N"
            p = {"N": 0.8, "S": 0.1, "V": 0.1} if pred == "N" else {"N": 0.1, "S": 0.1, "V": 0.8}
            rows.append(
                {
                    "beat_id": f"c/{record}/{50 + k * FS}",
                    "corpus": "c",
                    "record": record,
                    "patient": f"p{record}",
                    "split": split,
                    "r_sample": 50 + k * FS,
                    "r_time_s": 0.5 + k,
                    "label": pred if record != "three" else "",
                    **{f"p_{name}": value for name, value in p.items()},
                    "pred": pred,
                    "review": False,
                }
            )
    return pd.DataFrame(rows)


def choose(**named) -> pd.DataFrame:
    records = pd.DataFrame({"corpus": "c", "record": ["one", "two", "three"], "duration_s": 20.0})
    records = records.assign(role="train", labelled=True)
    settings = CaseSettings.read({**CASES, "per_class": 1, **named})
    return select_cases(beats(), records, CLASSES, settings=settings, window=WindowSettings(0.25, 0.4, 5, 4.0), seed=1)


def test_named_beats_stand_beside_the_chosen_ones_and_change_none() -> None:
    usual = choose()
    found = choose(beats=["c/one/250", "c/three/150", "c/two/250"])
    pd.testing.assert_frame_equal(scored_cases(found), usual)
    named = found[found["named"]].set_index("case")
    assert list(named["beat_id"]) == ["c/three/150", "c/one/250"], "c/two/250 is chosen already, as the only V"
    train = named.loc["c-one-250"]
    assert (train["class"], train["outcome"], train["label"], train["target"]) == ("V", "correct", "V", "beat")
    assert (train["start_s"], train["end_s"]) == pytest.approx((0.25, 4.9))
    assert train["probability"] == 0.8
    assert named.loc["c-three-150", "outcome"] == "unlabelled"


def test_a_span_is_a_window_of_each_class_found_in_it(tmp_path) -> None:
    spans = [
        {"record": "c/one", "start_s": 1, "end_s": 6},
        {"record": "c/three", "start_s": 3, "end_s": 5.5},
    ]
    found = choose(spans=spans)
    write_table(tmp_path / "cases.csv", found)
    rows = {row.case: row for row in case_rows(read_table(tmp_path / "cases.csv")) if row.named}
    assert set(rows) == {"c-one-1-6s-V", "c-three-3-5.5s-N"}
    one = rows["c-one-1-6s-V"]
    assert (one.target, one.case_class, one.beat_id, one.outcome, one.label) == (
        "window",
        "V",
        "c/one/250",
        "correct",
        "V",
    )
    assert (one.window_start_s, one.window_end_s, one.start_s, one.end_s) == pytest.approx((1, 6, 0.25, 7.9))
    assert one.probability == pytest.approx(1 - 0.9**4 * 0.2)
    other = rows["c-three-3-5.5s-N"]
    assert (other.outcome, other.label, other.probability) == ("unlabelled", "", pytest.approx(1 - 0.2**2))
    assert not scored_cases(found)["case"].isin(rows).any()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"beats": ["c/onne/50"]}, r"cases.beats: 'c/onne/50'; expected a record of the run's 3.* such as c/one"),
        ({"beats": ["c/one/260"]}, r"expected a detected beat; the nearest are c/one/150 \(1.50 s\), c/one/250"),
        ({"beats": ["c/one/99999"]}, r"expected a sample before the record's end at 2000, and a detected beat"),
        ({"spans": [{"record": "c/one", "start_s": 1, "end_s": 21}]}, "expected end_s up to 20, the length"),
        (
            {"spans": [{"record": "c/one", "start_s": 1.6, "end_s": 1.8}]},
            r"with a detected beat; the nearest is at 1.50",
        ),
        ({"spans": [{"record": "c/x", "start_s": 1, "end_s": 2}]}, r"'c/x from 1 to 2 s'; expected a record"),
        ({"spans": [{"record": "c/one", "start_s": 2, "end_s": 1}]}, r"end_s: 1; expected more than start_s, 2"),
        ({"spans": [{"record": "c/one", "start_s": 0, "end_s": 31}]}, r"at most 30 s later"),
        ({"spans": [{"record": "c/one", "start_s": 0}]}, r"the keys record, start_s, end_s"),
        ({"beats": ["c/one"]}, "matching"),
        ({"beats": ["c/one/50", "c/one/50"]}, "each once"),
    ],
)
def test_what_is_named_and_not_there_is_refused(named, expected) -> None:
    with pytest.raises(OptionError, match=expected):
        choose(**named)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(OptionError) as error:
        choose(beats=["c/one/50", "c/one/51", "c/zz/50"], spans=[{"record": "d/one", "start_s": 0, "end_s": 2}])
    assert [value for _, value, _ in error.value.problems] == ["c/zz/50", "d/one from 0 to 2 s", "c/one/51"]
    settings = CaseSettings.read({**CASES, "beats": ["c/one/50", "c/tow/50"]})
    ((key, value, allowed),) = record_problems(settings, ["c/one", "c/two"])
    assert (key, value) == ("cases.beats", "c/tow/50")
    assert "c/two" in allowed


def test_cases_of_an_older_run_are_read() -> None:
    table = choose().drop(columns="named")
    assert not any(row.named for row in case_rows(table))
    assert CASE_COLUMNS[-1] == "named"
    assert np.isfinite(table["probability"]).all()
