"""Seed mining: the beats most similar to given ones, in all records of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.beats.rr_intervals import RR_COLUMNS
from beatlens.beats.settings import BeatSettings
from beatlens.core.seeds import derive_seed
from beatlens.core.text_tables import read_rows
from beatlens.inputs.labelled_records import split_beats
from beatlens.inputs.network_inputs import InputSpec, prepare_record, record_similarities
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.shards.shard import BeatGeometry, Shard

if TYPE_CHECKING:
    import pandas as pd

FOUND_COLUMNS = (
    *("seed", "seed_label", "rank", "similarity"),
    *("beat_id", "corpus", "record", "patient", "r_time_s", "label", "reason"),
    *RR_COLUMNS,
)
SECTIONS = ("classes", "leads", "signal", "beats")
"""Sections of the configuration that say how beats are compared."""


def seed_spec(settings: Mapping[str, Any]) -> InputSpec:
    """Return how beats are compared, from `SECTIONS` of the configuration. No prototypes are needed."""
    beats, leads, classes = BeatSettings.read(settings["beats"]), tuple(settings["leads"]), tuple(settings["classes"])
    geometry = BeatGeometry.from_seconds(settings["signal"]["fs"], beats.before_s, beats.after_s)
    waves = np.zeros((0, len(leads), geometry.length), dtype=np.float32)
    nothing = np.zeros(0, dtype=np.str_)
    bank = PrototypeBank(waves, np.zeros(waves.shape[:2], dtype=bool), leads, classes, nothing, nothing, nothing, 1)
    return InputSpec(classes, leads, geometry, beats, bank)


def read_seeds(path: str | Path) -> pd.DataFrame:
    """Read a table of seeds: beat_id and label, each beat once.

    Raises
    ------
    ValueError
        With file and line, for missing columns, an empty value or a beat that comes twice.
    """
    import pandas as pd

    labels: dict[str, str] = {}
    for line, row in read_rows(path, ("beat_id", "label"), exact=False, comments=True):
        beat, label = row["beat_id"], row["label"]
        if not beat or not label or beat in labels:
            raise ValueError(
                f"{path} line {line}: beat {beat!r}, label {label!r}; expected each beat once, with a label"
            )
        labels[beat] = label
    if not labels:
        raise ValueError(f"{path}: no rows; expected seeds")
    return pd.DataFrame({"beat_id": list(labels), "label": list(labels.values())})


def seed_bank(shards: Sequence[Shard], seeds: pd.DataFrame, spec: InputSpec) -> PrototypeBank:
    """Return the seeds as a bank to compare with.

    Parameters
    ----------
    shards
        All shards.
    seeds
        beat_id and label. An id is that of a detected beat or of the annotated beat that it matches; the bank holds the
        detected beat.
    spec
        How inputs are made.

    Raises
    ------
    ValueError
        Where columns are missing, a seed comes twice, or is no beat of the shards.
    """
    missing = [name for name in ("beat_id", "label") if name not in seeds]
    if missing or not len(seeds):
        raise ValueError(f"seeds: {len(seeds)} rows with columns {list(seeds)}; expected some, with beat_id and label")
    wanted = dict(zip(seeds["beat_id"], seeds["label"].astype(str), strict=True))
    if len(wanted) != len(seeds):
        raise ValueError(f"seeds: {len(seeds)} rows, {len(wanted)} beats; expected each beat once")
    waves = np.zeros((len(wanted), len(spec.leads), spec.geometry.length), dtype=np.float32)
    present = np.zeros((len(wanted), len(spec.leads)), dtype=bool)
    patients = np.full(len(wanted), "", dtype=object)
    place = {beat: k for k, beat in enumerate(wanted)}
    records = {tuple(beat.split("/")[:2]) for beat in wanted}
    found: dict[str, str] = {}
    for shard, table in split_beats(shards, {(key[0], key[1]) for key in records if len(key) == 2}):
        inputs = prepare_record(shard, table, spec)
        columns = [spec.leads.index(lead) for lead in inputs.record.leads]
        annotated = table["corpus"] + "/" + table["record"] + "/" + table["matched_r_sample"].astype(str)
        for row, (matched, detected) in enumerate(
            zip(annotated.where(table["matched"]), table["beat_id"], strict=True)
        ):
            # Where one id is that of a detected beat and of an annotated beat that another detection matches, the first
            # counts.
            for name in {detected, matched} & set(place):
                if name == detected or name not in found:
                    waves[place[name]], present[place[name]] = 0.0, False
                    waves[place[name], columns], present[place[name], columns] = inputs.waves[row], True
                    patients[place[name]], found[name] = inputs.record.patient, detected
    lost = sorted(set(wanted) - set(found))
    if lost:
        raise ValueError(
            f"seeds: {len(lost)} are no beat of this run, such as {lost[0]!r}; expected ids of detected beats, or of "
            "annotated ones that were detected"
        )
    if len(set(found.values())) != len(wanted):
        raise ValueError(f"seeds: {len(wanted)} ids of {len(set(found.values()))} beats; expected each beat once")
    labels = np.array(list(wanted.values()), dtype=np.str_)
    classes = tuple(sorted(set(labels.tolist())))
    ids = np.array([found[beat] for beat in wanted], dtype=np.str_)
    return PrototypeBank(waves, present, spec.leads, classes, labels, patients.astype(np.str_), ids, 1)


def similar_beats(
    shards: Sequence[Shard], bank: PrototypeBank, spec: InputSpec, top: int, max_records: int | None = None
) -> pd.DataFrame:
    """Return the most similar beats of each seed, the seed itself left out (`FOUND_COLUMNS`).

    Parameters
    ----------
    shards
        All shards; one record in memory at a time.
    bank
        Of `seed_bank`.
    spec
        How inputs are made.
    top
        Beats a seed.
    max_records
        Number of records that are searched: a sample that depends on their names alone; None for all.
    """
    import pandas as pd

    if top < 1 or (max_records is not None and max_records < 1):
        raise ValueError(f"top {top}, max_records {max_records}; expected >= 1")
    best: list[list[tuple[float, str, dict[str, Any]]]] = [[] for _ in range(len(bank))]
    names = sorted({key for shard in shards for key in shard.beat_records()})
    records = set(sorted(names, key=lambda key: derive_seed(0, "seeds", *key))[:max_records])
    columns = list(FOUND_COLUMNS[4:])
    for shard, table in split_beats(shards, records):
        inputs = prepare_record(shard, table, spec)
        similarity = record_similarities(inputs.waves, inputs.record.leads, bank, "")
        ids = table["beat_id"].to_numpy(dtype=np.str_)
        rows = table[columns]
        for k, seed in enumerate(bank.beat_ids):
            scores = np.where(ids == seed, -np.inf, similarity[:, k])
            most_similar = np.argsort(-scores, kind="stable")[:top]
            kept = [(-float(scores[i]), ids[i], rows.iloc[i].to_dict()) for i in most_similar if np.isfinite(scores[i])]
            best[k] = sorted(best[k] + kept, key=lambda entry: entry[:2])[:top]
    found = [
        {"seed": str(seed), "seed_label": str(label), "rank": rank, "similarity": -negative, **row}
        for seed, label, of_seed in zip(bank.beat_ids, bank.labels, best, strict=True)
        for rank, (negative, _, row) in enumerate(of_seed, start=1)
    ]
    return pd.DataFrame(found, columns=list(FOUND_COLUMNS))
