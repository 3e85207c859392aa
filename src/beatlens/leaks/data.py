"""Checks of the split and of the beats in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain

import numpy as np
import numpy.typing as npt

from beatlens.evaluate.predictions.outcomes import check_splits
from beatlens.leaks.run import TOLERANCE, LeakError, NotCheckedError, Run, counted, out_of_order, record_names, some
from beatlens.leaks.twins import NEIGHBOUR, find_twins, portraits
from beatlens.shards.learning_shards import LEARNING_SPLITS
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import cut_beats
from beatlens.shards.splits import DEALT_SPLITS, assert_disjoint


def check_patients(run: Run) -> str:
    """Look for patients in two splits, and for test patients among those that the model learnt from."""
    corpus, patient, record, split = (run.records[name].tolist() for name in ("corpus", "patient", "record", "split"))
    try:
        assert_disjoint(corpus, patient, record, split, run.declared)
    except ValueError as error:
        raise LeakError(str(error)) from error
    learnt = {name for where in LEARNING_SPLITS for name in run.origin["split"].get(where, [])}
    both = sorted(learnt & run.patients("test"))
    if both:
        raise LeakError(f"{some(both)}: test patients that the model learnt from or was calibrated on")
    known = ["/".join(key) for key in sorted(run.declared)]
    but = f"; but for {some(known)}, as the split table declares" if known else ""
    return f"{counted(len(run.patients(*DEALT_SPLITS)), 'patient')}, each in one split{but}"


def check_twins(run: Run) -> str:
    """Look for one person under two names, by shape and amplitude of the beats."""
    described = portraits(run.shards, run.records, run.bundle.geometry)
    if len(set(described.splits)) < 2:
        raise NotCheckedError("there are no two splits to compare")
    found = find_twins(described)
    if found:
        pairs = [f"{pair.first} and {pair.second} (distance {pair.distance:.3f})" for pair in found]
        raise LeakError(f"like one person: {some(pairs)}. If they are, they need one id (key patients of the corpus)")
    n = len(set(described.patients))
    few = "" if n > NEIGHBOUR else f"; with {NEIGHBOUR} patients or fewer only the same signal is found"
    return f"no two of {n} patients look like one person{few}. The same person on another day may not be found"


def check_beats(run: Run) -> str:
    """Look for beats in another split than their record, and for training beats of patients who aren't for training."""
    try:
        check_splits(run.records, run.beats, run.annotated)
    except ValueError as error:
        raise LeakError(str(error)) from error
    counts = Counter(label for table in run.training_tables() for label in table["label"])
    for name, noted in run.origin["training"]["n_beats"].items():
        if counts[name] != noted:
            raise LeakError(f"training counted {noted} beats of {name}; the training patients have {counts[name]}")
    return f"{counted(counts.total(), 'beat')} learnt from, which are those of the training patients, all of them"


def check_copies(run: Run) -> str:
    """Look for beats that are listed twice or are in two splits, as after oversampling before the split."""
    for table in chain(run.tables(), (run.beats, run.annotated)):
        keys = zip(table["corpus"], table["record"], table["r_sample"], strict=True)
        expected = np.array([f"{corpus}/{record}/{sample}" for corpus, record, sample in keys], dtype=object)
        wrong = table["beat_id"].duplicated().to_numpy() | (table["beat_id"].to_numpy() != expected)
        if wrong.any():
            raise LeakError(f"{some(table['beat_id'][wrong])}: listed twice, or under the id of another beat")
    digest, owner, names = _beat_digests(run)
    order = np.argsort(digest, kind="stable")
    digest, owner = digest[order], owner[order]
    copies: Counter[str] = Counter()
    for place in np.flatnonzero(digest[1:] == digest[:-1]):
        first, second = names[owner[place]], names[owner[place + 1]]
        if first[1] != second[1] and first[2] != second[2]:
            copies[f"{first[0]} ({first[2]}) and {second[0]} ({second[2]})"] += 1
    if copies:
        raise LeakError(f"the same beats in {some(f'{pair}: {count}' for pair, count in copies.items())}")
    return f"none of {counted(len(digest), 'clean beat')} is there twice"


def _beat_digests(run: Run) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], list[tuple[str, str, str]]]:
    """Return a digest (n,) of the waveform of each clean beat of `DEALT_SPLITS`, the row (n,) of its record in a list.

    The list gives ``corpus/record``, ``corpus/patient`` and split of each record.
    """
    digests: list[int] = []
    owner: list[int] = []
    names: list[tuple[str, str, str]] = []
    for shard in run.shards:
        beats = shard.beats()
        clean = beats[beats["reason"] == ""]
        for (corpus, record), of_record in clean.groupby(["corpus", "record"], sort=False):
            split = run.split_of.get((corpus, record), "none")
            if split not in DEALT_SPLITS:
                continue
            waves = cut_beats(shard.signal(corpus, record), of_record["r_index"].to_numpy(), run.bundle.geometry)
            digests += [int.from_bytes(hashlib.blake2b(wave.tobytes(), digest_size=8).digest()) for wave in waves]
            owner += [len(names)] * len(of_record)
            names.append((f"{corpus}/{record}", patient_key(corpus, of_record["patient"].iloc[0]), split))
    return np.array(digests, dtype=np.uint64), np.array(owner, dtype=np.int64), names


def check_order(run: Run) -> str:
    """Look for beats out of time order: a sequence sorted by label tells the label."""
    for table in chain(run.tables(), (run.beats, run.annotated)):
        backwards = out_of_order(table)
        if backwards:
            raise LeakError(f"{some(backwards)}: beats that aren't in time order")
        if "rr_before_s" not in table:
            continue
        interval = table.groupby(["corpus", "record", "stretch"], sort=False)["r_time_s"].diff()
        wrong = (interval - table["rr_before_s"]).abs() > TOLERANCE
        if wrong.any():
            raise LeakError(f"{some(record_names(table[wrong]))}: RR intervals that aren't those to the beat before")
    return "every beat stands between its neighbours in time"
