"""What networks of given settings say of training patients that they have not seen.

For each fold, prototypes are mined and the network (with its scaler) is trained on the patients of the other folds
alone, as a run would do it. The class calibration rests on the left-out outputs of the other folds. The networks behind
these have seen the fold's patients, but only a temperature and an offset for each class are fitted. So a score of the
predictions is one of the whole procedure (Stone 1974; Cawley & Talbot 2010).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.settings import BeatSettings
from beatlens.decision.calibration import fit_class_calibration
from beatlens.inputs.network_inputs import InputSpec
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.learning.held_out import HELD_OUT, fold_tables, labelled_outputs
from beatlens.learning.train_and_bundle import TrainingJob, fold_state, train_model, versions
from beatlens.prototypes.mining import PrototypeSettings, mine
from beatlens.shards.learning_shards import SealedShard
from beatlens.shards.patients import patient_keys
from beatlens.shards.record_table import records_digest, split_listing
from beatlens.shards.settings import SplitSettings
from beatlens.shards.shard import BeatGeometry
from beatlens.shards.splits import assign_splits

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

BEAT_COLUMNS = ("beat_id", "corpus", "record", "patient", "label")
"""Columns of the beat tables that the table of predictions begins with; fold, pred and ``logit_<class>`` follow."""


def learning_records(
    records: pd.DataFrame, split: Mapping[str, Any], classes: Sequence[str], table: Path | None
) -> pd.DataFrame:
    """Return the table of records with the patients to choose by in the split ``train``, and all others in ``none``.

    Parameters
    ----------
    records
        The table ``records.tsv``.
    split
        Section ``split`` of the configuration.
    classes
        Class ids.
    table
        Split table to use instead of the run's splits; its ``test`` records are sealed as the run's would be.
    """
    splits = records["split"].tolist()
    if table is not None:
        splits = assign_splits(records, SplitSettings.read({**split, "scheme": "table", "table": str(table)}), classes)
    return records.assign(split=["train" if name == "train" else "none" for name in splits])


def cross_fitted(
    shards: Sequence[SealedShard],
    records: pd.DataFrame,
    settings: Mapping[str, Any],
    state_path: Path | None,
    key: str,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Predict each fold of the training patients by what was fitted on the others.

    As in training, only detected beats count that match an annotated beat of a class. What the detector misses or adds
    is the same for all settings.

    Parameters
    ----------
    shards
        All shards, closed but for the records of `records` in the split train and noise records.
    records
        From `learning_records`.
    settings
        The sections `beatlens.learning.train_and_bundle.TRAINING_SECTIONS` and ``prototypes``, ``split.seed`` (of
        mining, as in a run) and ``select.folds``.
    state_path, key
        Where networks' states are kept between epochs, until the caller removes them, and what they must match.

    Returns
    -------
    predictions
        A row a beat: `BEAT_COLUMNS`, fold, pred and ``logit_<class>``.
    provenance
        JSON object: settings, patients of each fold, records opened, versions.

    Raises
    ------
    ValueError
        With fewer than two training patients a fold, or where a closed record is read.
    """
    import pandas as pd

    classes, folds = tuple(settings["classes"]), settings["select"]["folds"]
    tables = fold_tables(records, classes, folds, settings["seed"], "select.folds")
    parts, patients, device = [], [], ""
    for fold, table in enumerate(tables):
        spec = mined_spec(shards, table, settings)
        state = fold_state(state_path, fold) if state_path is not None else None
        logger.info("network without fold %d of %d", fold + 1, folds)
        trained = train_model(TrainingJob(shards, table, spec, settings, state, f"{key} fold {fold}"))
        device = trained.device
        for found in labelled_outputs(shards, table, spec, trained.network, device):
            columns = {f"logit_{name}": found.logits[:, k] for k, name in enumerate(classes)}
            parts.append(found.beats[list(BEAT_COLUMNS)].assign(fold=fold, **columns))
        patients.append(split_listing(table)[HELD_OUT])
    result = pd.concat(parts, ignore_index=True).sort_values("beat_id", ignore_index=True)
    logits = result[[f"logit_{name}" for name in classes]].to_numpy()
    target = result["label"].map({name: k for k, name in enumerate(classes)}).to_numpy(dtype=np.int64)
    who = patient_keys(result).tolist()
    weighted = settings["training"]["class_weight_power"] > 0
    predicted = calibrated_classes(logits, target, who, result["fold"].to_numpy(), weighted=weighted)
    result.insert(len(BEAT_COLUMNS) + 1, "pred", np.array(classes, dtype=object)[predicted])
    provenance = {
        "settings": dict(settings),
        "device": device,
        "folds": patients,
        "records_opened": sorted({f"{corpus}/{record}" for shard in shards for corpus, record in shard.opened}),
        "records_digest": records_digest(records),
        "versions": versions(),
    }
    return result, provenance


def mined_spec(shards: Sequence[SealedShard], records: pd.DataFrame, settings: Mapping[str, Any]) -> InputSpec:
    """Return how inputs are made, with prototypes of the patients of the split train."""
    beats = BeatSettings.read(settings["beats"])
    geometry = BeatGeometry.from_seconds(settings["signal"]["fs"], beats.before_s, beats.after_s)
    classes, leads = tuple(settings["classes"]), tuple(settings["leads"])
    prototypes, seed = PrototypeSettings.read(settings["prototypes"]), settings["split"]["seed"]
    bank = mine(
        shards, records, classes=classes, leads=leads, geometry=geometry, beats=beats, settings=prototypes, seed=seed
    ).bank
    return InputSpec(classes, leads, geometry, beats, bank, LookAlikeSettings.read(settings["look_alikes"]))


def calibrated_classes(
    logits: npt.NDArray[Any],
    target: npt.NDArray[np.int64],
    patients: Sequence[str],
    fold: npt.NDArray[np.int64],
    *,
    weighted: bool,
) -> npt.NDArray[np.int64]:
    """Return the class of each beat by calibrated probability, each fold calibrated on the others' patients.

    A run's predictions include class offsets that are fitted on left-out patients
    (`beatlens.decision.calibration.fit_calibration`) and undo most of the class weights. Bare logits would compare what
    no run predicts.

    Parameters
    ----------
    logits, target, patients, fold
        (n, K), (n,) class index, (n,) patient and (n,) fold of each beat.
    weighted
        Whether the loss had class weights, which the offsets undo.

    Returns
    -------
    (n,) class index
    """
    result = np.empty(len(target), dtype=np.int64)
    groups = np.array(patients)
    for left_out in np.unique(fold):
        out = fold == left_out
        temperature, offsets = fit_class_calibration(
            logits[~out], target[~out], groups[~out].tolist(), weighted=weighted
        )
        result[out] = (logits[out].astype(np.float64) / temperature + offsets).argmax(axis=1)
    return result
