"""Leave-patients-out predictions: what each fold's networks may see, and kills."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import write_table
from beatlens.learning.train_and_bundle import fold_state
from beatlens.selection.crossfit import cross_fitted, learning_records, mined_spec
from beatlens.shards.learning_shards import sealed

PATIENTS = [str(k) for k in range(1, 8)]
SPLITS = ["train"] * 5 + ["select", "test"]
LOGITS = ["logit_N", "logit_S", "logit_V"]


@pytest.fixture
def settings(config):
    value = copy.deepcopy(config)
    value |= {"classes": ["N", "S", "V"], "leads": ["II", "V1"], "device": "cpu"}
    value["signal"]["fs"] = 100
    value["model"] |= {"channels": [8, 8], "kernels": [5, 5], "embedding": 8, "lstm_hidden": 8, "head_hidden": 8}
    value["training"] |= {"epochs": 2, "batch_beats": 64, "learning_rate": 0.01}
    value["prototypes"] |= {"per_class": 3}
    value["select"] |= {"folds": 2}
    return value


@pytest.fixture
def made(tmp_path, plant_shards, settings):
    """Return the folders of the shards, and the table of records."""
    leads = dict.fromkeys(PATIENTS, ("II", "V1"))
    shards = plant_shards(tmp_path / "shards", leads, BeatSettings(**settings["beats"]), n_shards=2)
    records = pd.concat([shard.records for shard in shards], ignore_index=True).sort_values("record", ignore_index=True)
    records = records.assign(split=SPLITS, n_beats=60, n_N=36, n_S=12, n_V=12)
    return [shard.path for shard in shards], records


def run(made, settings, state=None):
    folders, records = made
    records = learning_records(records, settings["split"], settings["classes"], None)
    return cross_fitted(sealed(folders, records), records, settings, state, "key")


@pytest.mark.parametrize("name", ["hybrid", "crossmodal"])
def test_a_folds_own_labels_never_reach_what_is_said_of_it(made, settings, name):
    """Neither prototypes nor network nor scaler of a fold see it; those of the other fold do."""
    settings["model"]["name"] = name
    first, origin = run(made, settings)
    assert sorted(set(first["patient"])) == [
        who for who, split in zip(PATIENTS, SPLITS, strict=True) if split == "train"
    ]
    assert sorted(sum(origin["folds"], [])) == [f"planted/{who}" for who in sorted(set(first["patient"]))]
    for folder in made[0]:
        path = folder / "beats.parquet"
        beats = pd.read_parquet(path)
        own = (beats["corpus"] + "/" + beats["patient"]).isin(origin["folds"][0])
        beats.loc[own, "label"] = beats.loc[own, "label"].map({"N": "V", "V": "S", "S": "N"})
        write_table(path, beats)
    again, _ = run(made, settings)
    left_out = (first["fold"] == 0).to_numpy()
    assert (again["beat_id"] == first["beat_id"]).all()
    np.testing.assert_array_equal(again[LOGITS][left_out], first[LOGITS][left_out])
    assert not np.allclose(again[LOGITS][~left_out], first[LOGITS][~left_out])
    folders, records = made
    held = records["patient"].isin([name.partition("/")[2] for name in origin["folds"][0]])
    spec = mined_spec(sealed(folders, records), records.assign(split=records["split"].mask(held, "none")), settings)
    assert not set(spec.bank.patients) & set(origin["folds"][0])


def test_a_killed_job_goes_on_from_its_states_to_the_same_predictions(made, settings, tmp_path, monkeypatch):
    wanted, _ = run(made, settings)
    state = tmp_path / "1.state.npz"
    trained = []

    def killed(epoch, *arguments, **options):
        trained.append(epoch)
        if len(trained) == 4 and not fold_state(state, 2).exists():
            raise KeyboardInterrupt
        return one_epoch(epoch, *arguments, **options)

    import beatlens.learning.training

    one_epoch = beatlens.learning.training._epoch
    monkeypatch.setattr(beatlens.learning.training, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(made, settings, state)
    assert trained == [1, 2, 1, 2]
    trained.clear()
    resumed, _ = run(made, settings, state)
    assert trained == [2]
    pd.testing.assert_frame_equal(resumed, wanted)


def test_test_patients_are_closed(made, settings):
    folders, records = made
    records = learning_records(records, settings["split"], settings["classes"], None)
    assert set(records["split"]) == {"train", "none"}
    opened = sealed(folders, records)
    with pytest.raises(ValueError, match="planted/r[67] is sealed"):
        cross_fitted(opened, records.assign(split="train"), settings, None, "key")
    with pytest.raises(ValueError, match="select.folds is 3 with 5 training patients"):
        cross_fitted(opened, records, settings | {"select": settings["select"] | {"folds": 3}}, None, "key")


def test_a_split_table_may_deal_other_patients(made, settings, tmp_path):
    table = tmp_path / "table.csv"
    rows = "".join(f"planted,r{who},{'test' if who == '1' else 'train'}\n" for who in PATIENTS)
    table.write_text("corpus,record,split\n" + rows, encoding="utf-8")
    records = learning_records(made[1], settings["split"], settings["classes"], table)
    assert records.loc[records["split"] == "train", "patient"].tolist() == PATIENTS[1:]
