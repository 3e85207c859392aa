"""An overlay of config/corpora, and the one of several corpora, plan their runs over stand-ins.

What each overlay says, and what is read by it, is tests/unit/test_overlays.py.
"""

from __future__ import annotations

from pathlib import Path

from standins import STAND_INS, ecg, write

ROOT = Path(__file__).parents[2]


def test_an_overlay_plans_its_run(fresh) -> None:
    (fresh.folder / "models").symlink_to(ROOT / "models")
    STAND_INS["ptb-xl"](fresh.folder / "data" / "ptb-xl")
    jobs = fresh.planned(config="config/corpora/ptb-xl.yaml")
    assert jobs["preprocess_shard"] == jobs["build_report"] == 1
    assert not {"train_network", "train_diagnosis_fold"} & set(jobs)


def test_several_corpora_plan_one_run(fresh) -> None:
    data = fresh.folder / "data"
    for name in ("svdb", "incartdb"):
        STAND_INS[name](data / name)
    for folder, names in (("mitdb", ["100", "101"]), ("nstdb", ["bw", "em", "ma"])):
        for name in names:
            write(data / folder, f"{name} 1 360 3600", [f"{name}.dat 212 200 11 1024 0 0 0 MLII"], ecg(360, 10, 1))
    jobs = fresh.planned(config="config/beats-all.yaml")
    assert jobs["preprocess_shard"] >= 2
    assert jobs["split"] == jobs["build_report"] == 1
