"""Checks of what was fitted: scaler, weights, prototypes, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats.beat_table import rr_features
from beatlens.inputs.network_inputs import record_products, used_leads
from beatlens.inputs.prototype_bank import class_features, combine, nearest_distance
from beatlens.leaks.run import TOLERANCE, LeakError, NotCheckedError, Run, counted, out_of_order, some
from beatlens.learning.batches import TrainingSet
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]

HISTORY_SCORES = frozenset({"train_macro_f1", "select_macro_f1"})
"""Scores that training may look at."""


def check_scaler(run: Run) -> str:
    """Compare the scaler of the RR features with mean and deviation over the training patients' beats."""
    features = [rr_features(table, run.bundle.spec.beats) for table in run.training_tables() if len(table)]
    rr = np.concatenate(features).astype(np.float64)
    mean, std = rr.mean(axis=0), rr.std(axis=0)
    std = np.where(std > 1e-6, std, 1.0)
    found = np.stack([run.bundle.weights["rr_mean"], run.bundle.weights["rr_std"]])
    off = float((np.abs(found - np.stack([mean, std])) / std).max())
    if off > TOLERANCE:
        raise LeakError(
            f"the scaler of the RR features is up to {off:.3g} standard deviations off that of the training "
            "patients: it was fitted on other beats"
        )
    return f"fitted on {counted(len(rr), 'beat')}, those learnt from"


def check_epoch(run: Run) -> str:
    """Look for an epoch chosen by its score: the weights must be the last epoch's, and its scores theirs."""
    saved, planned = run.origin["saved_epoch"], run.origin["training_settings"]["epochs"]
    if saved != planned:
        raise LeakError(f"the weights are those of epoch {saved} of {planned}: it was chosen, by some score")
    last = f"the weights are those after all of {counted(planned, 'epoch')}"
    if run.history is None:
        return f"{last}, as the bundle says"
    epochs, scores = run.history["epoch"].tolist(), {name for name in run.history if name.endswith("f1")}
    if epochs != list(range(1, planned + 1)) or scores - HISTORY_SCORES:
        raise LeakError(
            f"history of the epochs {epochs} with the scores {sorted(scores)}; expected 1 to {planned}, and no scores "
            f"but {', '.join(sorted(HISTORY_SCORES))}"
        )
    noted = float(run.history["select_macro_f1"].iloc[-1])
    if np.isnan(noted):
        return f"{last}, as the bundle says; no patients were looked at on the way"
    found = _select_score(run)
    if not abs(found - noted) <= TOLERANCE:
        raise LeakError(
            f"the history ends with macro-F1 {noted:.4f} on the split select; the saved weights reach {found:.4f} "
            "there: they are those of another epoch"
        )
    return f"{last}: on the split select they score what the history's last row says"


def _select_score(run: Run) -> float:
    """Return the macro-F1 on the split select of the uncalibrated predictions, as training takes it."""
    classes = run.bundle.classes
    labelled = run.beats[(run.beats["split"] == "select") & run.beats["label"].isin(classes)]
    truth = labelled["label"].map({name: k for k, name in enumerate(classes)}).to_numpy()
    probability = labelled[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    # Calibration divides logits by a temperature and adds an offset to each class: only the offsets change the order.
    score = np.log(np.maximum(probability, np.finfo(np.float64).tiny)) - np.array(run.bundle.calibration.bias)
    guess = score.argmax(axis=1)
    parts = [2.0 * ((truth == k) & (guess == k)).sum() / ((truth == k).sum() + (guess == k).sum()) for k in set(truth)]
    return float(np.mean(parts)) if parts else float("nan")


def check_prototypes(run: Run) -> str:
    """Look for prototypes of patients not for training, and for beats compared with prototypes of their patient."""
    bank = run.bundle.bank
    strangers = sorted(set(bank.patients.tolist()) - set(run.origin["split"].get("train", [])))
    if strangers:
        raise LeakError(f"prototypes of {some(strangers)}, who aren't training patients")
    if any(out_of_order(table) for table in run.tables("detected")):
        raise NotCheckedError("there are beats out of time order, which nothing can be computed from")
    predicted = run.beats.drop_duplicates("beat_id").set_index("beat_id")["distance"]
    n = 0
    for shard in run.shards:
        beats = shard.beats()
        chosen = beats["beat_id"].isin(bank.beat_ids)
        for (corpus, record), table in beats.groupby(["corpus", "record"], sort=False):
            rows = np.flatnonzero(chosen[table.index])
            if not len(rows):
                continue
            prototypes = table.iloc[rows]
            features, distance = _without_own(run, shard, prototypes)
            pairs = {"prediction": (predicted.loc[prototypes["beat_id"]].to_numpy(), distance)}
            if run.split_of.get((corpus, record)) == "train":
                pairs["training"] = _in_training(run, shard, corpus, record, rows), features
            for where, (found, expected) in pairs.items():
                if not np.isclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE).all():
                    raise LeakError(
                        f"{some(prototypes['beat_id'])}: compared with prototypes of their own patient in {where}"
                    )
            n += len(prototypes)
    if not n:
        raise NotCheckedError("no prototype is a beat of this run")
    return f"{counted(len(bank), 'prototype')} of training patients; {n} compared with those of other patients alone"


def _without_own(run: Run, shard: Shard, beats: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Return prototype features (n, S) and distances (n,) of beats of one record, by a bank without their patient."""
    corpus, record, patient = beats[["corpus", "record", "patient"]].iloc[0]
    leads = used_leads(shard, corpus, record, run.bundle.spec)
    listed = shard.leads(corpus, record)
    scale = shard.lead_scale(corpus, record)[[listed.index(lead) for lead in leads]]
    waves = shard.waveforms(beats, leads, run.bundle.geometry) / scale[:, None]
    bank = run.bundle.bank
    products = record_products(waves, leads, bank.subset(bank.patients != patient_key(corpus, patient)))
    return class_features(combine(*products), products[-1]), nearest_distance(*products)


def _in_training(run: Run, shard: Shard, corpus: str, record: str, rows: npt.NDArray[np.int64]) -> FloatArray:
    """Return the prototype features (n, S) of some beats of a record as a batch of training holds them."""
    listed = run.records[(run.records["corpus"] == corpus) & (run.records["record"] == record)]
    training = TrainingSet([shard], listed, "train", run.bundle.spec)
    batch = training.batch([(0, int(row), int(row) + 1) for row in rows], np.random.default_rng(0))
    return batch.similarity


def check_calibration(run: Run) -> str:
    """Look for training and test patients among those that calibration and thresholds rest on."""
    if run.held_out is None:
        raise NotCheckedError("a given bundle doesn't hold the outputs that it was calibrated on")
    folds = run.origin["training_settings"]["folds"]
    split = "train" if folds else "calibrate"
    wrong = sorted(set(run.held_out) - set(run.origin["split"].get(split, [])))
    if wrong:
        raise LeakError(f"{some(wrong)}: not of the split {split}, yet calibration rests on them")
    by = f"through {folds} networks that left them out" if folds else "whom the network hasn't seen"
    return f"rests on {counted(len(set(run.held_out)), 'patient')} of the split {split}, {by}"
