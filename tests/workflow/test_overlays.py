"""Every overlay in config/corpora, and the one of several corpora, plans its run over stand-ins."""

from __future__ import annotations

from pathlib import Path

from standins import STAND_INS, ecg, write

ROOT = Path(__file__).parents[2]


def test_every_overlay_plans_its_run(fresh) -> None:
    (fresh.folder / "models").symlink_to(ROOT / "models")
    for name, make in STAND_INS.items():
        make(fresh.folder / "data" / name)
        jobs = fresh.planned(config=f"config/corpora/{name}.yaml")
        assert jobs["preprocess_shard"] == jobs["build_report"] == 1, name
        assert "train" not in jobs, name


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
