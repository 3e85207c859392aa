"""Windows as cases: what is found in each, and which beats are its targets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.explain.case.choice import WindowSettings, select_cases
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.case.windows import target_rows, window_table

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))
CLASSES = ("N", "S", "V")


def beats(n=40, pred=(), label=(), review=()):
    """Return predictions of one record, a beat every 0.8 s; `pred`, `label`: (beat, class) that differ from N."""
    table = pd.DataFrame(
        {"corpus": "c", "record": "r", "patient": "p", "split": "test", "r_time_s": 0.4 + 0.8 * np.arange(n)}
    )
    table["beat_id"] = [f"c/r/{k}" for k in range(n)]
    table["pred"], table["label"], table["review"] = "N", "N", False
    for name in CLASSES:
        table[f"p_{name}"] = 0.9 if name == "N" else 0.05
    for beat, name in pred:
        table.loc[beat, ["pred", "p_N", f"p_{name}"]] = [name, 0.05, 0.9]
    for beat, name in label:
        table.loc[beat, "label"] = name
    table.loc[list(review), "review"] = True
    table["start_s"], table["end_s"] = table["r_time_s"] - 1.6, table["r_time_s"] + 1.6
    table["duration_s"] = 0.8 * n
    return table


def test_windows_by_hand():
    table = window_table(
        beats(pred=[(3, "V"), (12, "V"), (25, "S")], label=[(4, "V"), (25, "S")], review=[12]), CLASSES, 8.0
    )
    assert table["pred"].tolist() == ["V", "V", "S"]
    assert table["outcome"].tolist() == ["correct", "review", "correct"]
    first = table.iloc[0]
    assert (first["window_start_s"], first["window_end_s"], first["beat_id"], first["label"]) == (
        0.0,
        8.0,
        "c/r/3",
        "V",
    )
    assert first["probability"] == pytest.approx(1 - 0.95**9 * 0.1)
    assert (first["start_s"], first["end_s"]) == (pytest.approx(-1.2), pytest.approx(9.2))
    assert window_table(beats(8), CLASSES, 8.0).empty  # 6.4 s
    assert window_table(beats(10, pred=[(k, "V") for k in range(10)]), CLASSES, 8.0).empty  # everywhere
    unknown = beats(pred=[(3, "V")]).assign(label="")
    assert window_table(unknown, CLASSES, 8.0)[["outcome", "label"]].values.tolist() == [["unlabelled", ""]]
    wrong = window_table(beats(pred=[(3, "V")], label=[(5, "none")]), CLASSES, 8.0).iloc[0]
    assert (wrong["outcome"], wrong["label"]) == ("wrong", "N;none")


def test_targets_are_the_beats_of_the_window():
    table = beats()
    case = SimpleNamespace(
        case="x", corpus="c", record="r", target="window", beat_id="c/r/3", window_start_s=0.4, window_end_s=2.0
    )
    assert target_rows(case, table) == [0, 1]
    assert target_rows(SimpleNamespace(target="beat", beat_id="c/r/7"), table) == [7]
    case.window_start_s = case.window_end_s = 100.0
    with pytest.raises(ValueError, match="case x: no beat"):
        target_rows(case, table)


def test_windows_stand_beside_beats_in_the_case_table():
    table = beats(pred=[(3, "V"), (12, "V")], label=[(3, "V"), (12, "V")])
    records = pd.DataFrame({"corpus": ["c"], "record": ["r"], "duration_s": [32.0], "role": "test", "labelled": True})
    settings = CaseSettings(**CONFIG["cases"] | {"per_class": 1, "windows_per_class": 2})
    table = table.drop(columns=["start_s", "end_s", "duration_s"])
    cases = select_cases(table, records, CLASSES, settings=settings, window=WindowSettings(0.25, 0.4, 5, 4.0), seed=1)
    assert cases["case"].tolist() == ["N-correct-01", "V-correct-01", "V-window-correct-01", "V-window-correct-02"]
    windows = cases[cases["target"] == "window"].sort_values("window_start_s")
    assert windows[["window_start_s", "window_end_s"]].values.tolist() == [[0.0, 8.0], [8.0, 16.0]]
    own = cases[cases["target"] == "beat"].merge(table, on="beat_id")
    assert (own["window_start_s"] == own["r_time_s"]).all()
    few = CaseSettings(**CONFIG["cases"] | {"per_class": 1, "windows_per_class": 2, "max_windows": 1})
    assert (
        len(select_cases(table, records, CLASSES, settings=few, window=WindowSettings(0.25, 0.4, 5, 4.0), seed=1)) == 3
    )
