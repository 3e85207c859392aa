"""Labels that reviewers gave to detected beats: where they stand in for annotations, and what is said of the others.

============================================  ==========================  =============================
the corpus says of the beat                   all reviewers name X        they don't agree, or unsure
============================================  ==========================  =============================
nothing, or a symbol without a class          X, ``reviewed``             nothing
the record's label as a whole (weak)          X, ``reviewed``             the weak label
annotated as X                                X, ``beat``                 X, ``beat``
annotated as Y, or no beat is annotated       the annotation stands,      the annotation stands
there (``none``)                              with a remark
============================================  ==========================  =============================

An annotation stands because reviewers see the prediction when they decide, and scores against annotations have to stay
comparable. Who finds an annotation wrong corrects its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from beatlens.core.record import Finding, beat_id
from beatlens.corpora.reviewed import ReviewedRecord
from beatlens.shards.shard import REVIEWED

if TYPE_CHECKING:
    import pandas as pd

MIN_FOUND = 0.5
"""Share of a record's decisions whose beats are found in it, below which none is used.

By chance a beat id of another recording fits one found beat in some hundred, so most of a right table's ids are found
and next to none of a wrong one's.
"""


def apply_reviewed(beats: pd.DataFrame, reviewed: ReviewedRecord) -> tuple[pd.DataFrame, list[Finding]]:
    """Return a record's detected beats with the labels that reviewers gave, and what is to be known of these.

    Parameters
    ----------
    beats
        Beat table at detected peaks, with the labels of annotations or of the record.
    reviewed
        Decisions on beats of the record.
    """
    corpus, record = (beats[name].iloc[0] if len(beats) else "" for name in ("corpus", "record"))
    row_of = {sample: row for row, sample in enumerate(beats["r_sample"].tolist())}
    decided = [*reviewed.labels, *reviewed.disputed, *reviewed.unsure]
    absent = [sample for sample in decided if sample not in row_of]
    findings = []
    if absent:
        used = len(decided) - len(absent) >= MIN_FOUND * len(decided)
        effect = "the others are used" if used else "none is used, since the table is of other beats"
        told = f"{len(absent)} of {len(decided)} decisions are on beats that aren't found here"
        told += f", such as at sample {min(absent)}"
        findings.append(Finding("reviewed_elsewhere", f"{told}; {effect}"))
        if not used:
            return beats, findings
    given = {sample: label for sample, label in reviewed.labels.items() if sample in row_of}
    rows = np.array([row_of[sample] for sample in given], dtype=np.int64)
    label = np.array(list(given.values()), dtype=object)
    keys = [beat_id(corpus, record, sample) for sample in given]
    if beats["beat_id"].to_numpy()[rows].tolist() != keys:
        raise AssertionError(f"{corpus}/{record}: decisions joined to other beats than theirs")
    known, source = beats["label"].to_numpy(dtype=object), beats["label_source"].to_numpy(dtype=object)
    weak = source[rows] == "record"
    free = (known[rows] == "") | weak
    against = ~free & (known[rows] != label)
    if against.any():
        first = int(np.flatnonzero(against)[0])
        told = f"{int(against.sum())} of {len(given)}, such as {label[first]} for {known[rows][first]} at {keys[first]}"
        findings.append(Finding("reviewed_against_annotations", f"{told}; the annotations stand"))
    disputed = [sample for sample in reviewed.disputed if sample in row_of]
    if disputed:
        told = f"on {_beats(disputed)}, such as {beat_id(corpus, record, min(disputed))}"
        findings.append(Finding("reviewers_disagree", f"{told}; they have no reviewed label"))
    result = beats.copy()
    places = {name: result.columns.get_loc(name) for name in ("label", "label_source", "annotated_noise")}
    result.iloc[rows[free], places["label"]] = label[free]
    result.iloc[rows[free], places["label_source"]] = REVIEWED
    result.iloc[rows[weak], places["annotated_noise"]] = False  # of a strip that is called noise as a whole
    return result, findings


def _beats(samples: Sequence[int]) -> str:
    return f"{len(samples)} beat{'s' if len(samples) > 1 else ''}"
