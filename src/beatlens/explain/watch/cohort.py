"""The beats that are watched: chosen once by seed, some of each class, and kept as one batch of the training loop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.files import write_arrays
from beatlens.core.seeds import derive_seed
from beatlens.inputs.labelled_records import clean_beats, records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec
from beatlens.learning.batches import Batch, TrainingSet
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float32]

SPLITS = ("select", "train")
"""Whose patients are watched: the first of these that has a labelled, clean beat. Those of ``train`` teach, too."""


@dataclass(frozen=True)
class Cohort:
    """The beats that are watched.

    Attributes
    ----------
    cases
        Name of each of the N beats: its class and a number.
    beat_ids, labels, patients
        Of each.
    split
        One of `SPLITS`.
    missing
        In words, the classes of which there are fewer beats than asked for.
    classes, leads
        The K classes, and the L leads that any of the beats has.
    fs, before
        Rate in Hz, and samples of a beat before its R peak.
    signal
        (N, L, T) mV, NaN where the beat's record hasn't got the lead.
    batch
        The beats with their neighbours as the training loop takes them, without augmentation; target k is beat k.
    """

    cases: tuple[str, ...]
    beat_ids: tuple[str, ...]
    labels: tuple[str, ...]
    patients: tuple[str, ...]
    split: str
    missing: tuple[str, ...]
    classes: tuple[str, ...]
    leads: tuple[str, ...]
    fs: float
    before: int
    signal: FloatArray
    batch: Batch

    def save(self, path: Path) -> None:
        """Write what a reader of the maps needs: all but the batch."""
        texts = {name: np.array(getattr(self, name), dtype=np.str_) for name in _TEXTS}
        write_arrays(path, {**texts, "fs": np.array(self.fs), "before": np.array(self.before), "signal": self.signal})


_TEXTS = ("cases", "beat_ids", "labels", "patients", "split", "missing", "classes", "leads")


def choose_cohort(shards: Sequence[Shard], records: pd.DataFrame, spec: InputSpec, *, cases: int, seed: int) -> Cohort:
    """Choose up to `cases` beats of each class, of as many patients as there are, by seed.

    Only labelled beats that no quality rule doubts are taken.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    spec
        How inputs are made.
    cases
        Beats a class.
    seed
        Of the run.

    Raises
    ------
    ValueError
        Where there is no such beat of any class.
    """
    for split in SPLITS:
        beats = _candidates(shards, records, split, spec)
        if len(beats):
            break
    else:
        raise ValueError(
            f"watch: no labelled, clean beat of {list(spec.classes)} in the patients of {' or '.join(SPLITS)}; "
            "expected some, or watch.every: 0"
        )
    chosen, missing = [], []
    for name in spec.classes:
        of_class = beats[beats["label"] == name]
        taken = _of_many_patients(of_class, cases, np.random.default_rng(derive_seed(seed, "watch", name)))
        chosen += taken
        if len(taken) < cases:
            there = {0: "there is no clean beat", 1: "there is one clean beat"}
            said = there.get(len(taken), f"there are {len(taken)} clean beats")
            missing.append(f"{name}: {said} in the patients of {split}, {cases} were asked for")
            logger.warning("watch: %s", missing[-1])
    return _cohort(shards, records, spec, beats=beats.loc[chosen], split=split, missing=missing)


def _candidates(shards: Sequence[Shard], records: pd.DataFrame, split: str, spec: InputSpec) -> pd.DataFrame:
    """Return the beats of a split that may be watched, with their row in their record."""
    import pandas as pd

    columns = ["corpus", "record", "patient", "beat_id", "label", "row"]
    patients = records.set_index(["corpus", "record"])["patient"]
    parts = [pd.DataFrame(columns=columns)]
    for _, table in split_beats(shards, records_of_split(records, split)):
        fit = clean_beats(table) & table["label"].isin(list(spec.classes)).to_numpy()
        part = table.assign(row=np.arange(len(table)))[fit]
        if len(part):
            key = (part["corpus"].iloc[0], part["record"].iloc[0])
            parts.append(part.assign(patient=f"{key[0]}/{patients[key]}")[columns])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _of_many_patients(beats: pd.DataFrame, n: int, rng: np.random.Generator) -> list[int]:
    """Return index labels of up to n beats: one of each patient in a random order, then a second of each, and so on."""
    shuffled = beats.iloc[rng.permutation(len(beats))]
    turn = shuffled.groupby("patient", sort=False).cumcount()
    chosen: list[int] = shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")].index[:n].tolist()
    return chosen


def _cohort(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    *,
    beats: pd.DataFrame,
    split: str,
    missing: Sequence[str],
) -> Cohort:
    keys = sorted(set(zip(beats["corpus"], beats["record"], strict=True)))
    wanted = [key in set(keys) for key in zip(records["corpus"], records["record"], strict=True)]
    labelled = TrainingSet(shards, records[np.array(wanted, dtype=bool)], split, spec)
    places = [keys.index(key) for key in zip(beats["corpus"], beats["record"], strict=True)]
    rows = beats["row"].astype(int).tolist()
    batch = labelled.batch(
        [(place, row, row + 1) for place, row in zip(places, rows, strict=True)], np.random.default_rng(0)
    )
    used = sorted({int(lead) for place in places for lead in labelled.records[place].lead_index})
    signal = np.full((len(rows), len(used), spec.geometry.length), np.nan, dtype=np.float32)
    for k, (place, row) in enumerate(zip(places, rows, strict=True)):
        of_record = labelled.records[place]
        waves = of_record.waves(row, row + 1)[0] * of_record.record.lead_scale[:, None]
        signal[k, [used.index(int(lead)) for lead in of_record.lead_index]] = waves
    labels = beats["label"].tolist()
    return Cohort(
        cases=tuple(f"{label}_{1 + labels[:k].count(label)}" for k, label in enumerate(labels)),
        beat_ids=tuple(beats["beat_id"]),
        labels=tuple(labels),
        patients=tuple(beats["patient"]),
        split=split,
        missing=tuple(missing),
        classes=spec.classes,
        leads=tuple(spec.leads[lead] for lead in used),
        fs=float(spec.geometry.fs),
        before=spec.geometry.before,
        signal=signal,
        batch=batch,
    )
