"""Remarks: what a reader must know of a record that is used all the same, in a table with a row a remark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

REMARK_COLUMNS = ("corpus", "record", "remark", "detail")
"""Columns of the table of remarks: `remark` is one of `REMARKS`, `detail` says in words what was found."""
REMARKS = {
    "unknown_symbols": "labels that the label table doesn't have: these beats are of unknown class",
    "unknown_leads": "leads that are none of the twelve, used by their place in the file",
    "age": "the age isn't one that a person has, and counts as unknown",
    "other_signals": "signals that aren't in volts are left out",
    "resampled_leads": "leads of a lower rate are brought to the highest",
    "assumed_gain": "the header gives no gain, so amplitudes may be off",
    "same_lead": "several signals have the name of one lead",
    "longer_file": "a signal file holds more samples than the header says, so one of the two may be wrong",
    "too_few_beats": "fewer beats than a context needs",
    "annotations_elsewhere": "the annotated beats don't lie where beats are, so the record is used without labels",
    "no_annotated_beats": "an annotation file without a beat, so the record is used without labels",
    "reviewed_elsewhere": "decisions on beats that aren't found here: their table is of other files or settings",
    "reviewed_against_annotations": "reviewers name another class than the annotations, which stand",
    "reviewers_disagree": "reviewers don't name the same class, so these beats have no reviewed label",
    "implausible_amplitude": "leads left out whose QRS complexes have a size that no body gives",
    "unlike:leads": "no lead that the model learnt from",
    "unlike:rate": "the rate of the file is too low for the band that the model knows",
    "unlike:amplitude": "amplitudes far from those that the model learnt from",
    "unlike:inverted": "upside down, or with an axis that no training patient has",
    "unlike:shapes": "most beats are far from every prototype",
}


class Remark(NamedTuple):
    """A row of the table of remarks: `REMARK_COLUMNS`."""

    corpus: str
    record: str
    remark: str
    detail: str


def remark_table(remarks: Sequence[Remark]) -> pd.DataFrame:
    """Return remarks as a table."""
    import pandas as pd

    return pd.DataFrame(remarks, columns=list(REMARK_COLUMNS))
