"""The bundle that comes along, on records it was taught: they are familiar, but not upside down or ten times off."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.corpora.wfdb.record import read_record
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import Shard
from beatlens.shards.writer import ShardWriter

SHIPPED = Path(__file__).parents[2] / "models" / "mitdb"
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()
SECONDS = 60


@pytest.mark.real_data
def test_training_records_are_familiar_unless_they_are_turned_over_or_scaled(real_corpus, tmp_path):
    folder, bundle = real_corpus("mitdb"), Bundle.load(SHIPPED)
    network = bundle.network()
    parts = {"signal": bundle.signal, "rpeaks": bundle.rpeaks | {"match_s": 0.15}, "quality": bundle.quality}
    settings = PreprocessSettings.from_config(parts | {"beats": asdict(bundle.spec.beats), "leads": bundle.leads})

    def remarks(name, gain):
        """Return the remarks on a piece of a record, its own patient's prototypes left out."""
        record = read_record(folder, name, "mitdb", None, None)
        signal = gain * record.signal[:, : int(SECONDS * record.fs)]
        found = preprocess_record(replace(record, signal=signal.astype(np.float32)), "predict", None, settings)
        place = tmp_path / name / str(gain)
        with ShardWriter(place) as writer:
            writer.add(found.row, found.signal, found.beats, found.annotated, found.truth)
            writer.set_status("mitdb", name, "predict")
        shard, beside = Shard(place), Beside()
        beats = predict_beats(shard, shard.beats(), {("mitdb", name): "none"}, bundle, network, beside=beside)
        codes = {remark.remark for remark in beside.remarks}
        assert all(codes <= set(reason.split(";")) for reason in beats["reason"])
        assert not codes or beats["review"].all()
        return codes

    assert {name: remarks(name, 1) for name in DS1} == {name: set() for name in DS1}
    assert all("unlike:amplitude" in remarks(name, gain) for name in DS1[::4] for gain in (10, 0.1))
    turned = [name for name in DS1 if "unlike:inverted" in remarks(name, -1)]
    assert len(turned) >= 12, turned
