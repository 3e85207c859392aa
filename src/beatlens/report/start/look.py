"""What of a run needs a look, the most urgent first: records, new patterns, records that couldn't be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beatlens.core.record import REASONS as FAULTS
from beatlens.holter.urgency import most_urgent_first
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, listing, plural
from beatlens.report.reasons import gravest_first, reason_words
from beatlens.report.start.links import linked_records, record_link
from beatlens.shards.record_table import NOT_A_RECORD

MAX_RECORDS = 12
MAX_REASONS = 4


@dataclass(frozen=True)
class UrgentRecord:
    """A record to look at; `link` is its page, "" where it has none, `reasons` the gravest first."""

    name: str
    patient: str
    link: str
    reasons: Sequence[str]


@dataclass(frozen=True)
class NeedsALook:
    """What a person should look at.

    Attributes
    ----------
    records, n_hidden
        The most urgent records, and how many with reasons aren't listed here.
    n_calm
        Records without a reason.
    alerts
        New patterns, in words; "" without any.
    refused
        Records that couldn't be used, by reason, in words; "" where all could.
    """

    records: Sequence[UrgentRecord]
    n_hidden: int
    n_calm: int
    alerts: str
    refused: str


def needs_a_look(inputs: ReportInputs) -> NeedsALook | None:
    """Return what needs a look, or None without the Holter table."""
    if inputs.holter is None or inputs.episodes is None:
        return None
    table = most_urgent_first(inputs.holter)
    urgent = table[table["urgency"] > 0]
    linked, records = linked_records(inputs), []
    for row in urgent.head(MAX_RECORDS).to_dict("records"):
        of_record = (inputs.episodes["corpus"] == row["corpus"]) & (inputs.episodes["record"] == row["record"])
        reasons = reason_words(row, gravest_first(inputs.episodes[of_record]))
        more = len(reasons) - MAX_REASONS
        shown = [*reasons[:MAX_REASONS], f"{more} more"] if more > 1 else reasons
        link = record_link(linked, row["corpus"], row["record"])
        records.append(UrgentRecord(f"{row['corpus']}/{row['record']}", row["patient"], link, shown))
    alerts = ""
    if inputs.alerts is not None and len(inputs.alerts):
        beats, patients = int(inputs.alerts["n_beats"].sum()), int(inputs.alerts["n_patients"].max())
        alerts = (
            f"{plural(len(inputs.alerts), 'new pattern')}: {plural(beats, 'beat')} in review that look alike and like "
            f"no accepted beat, a pattern in up to {plural(patients, 'patient')}"
        )
    status = inputs.status[inputs.status["reason"] != NOT_A_RECORD]
    tally = status.loc[~status["used"].astype(bool), "reason"].value_counts()
    refused = listing(f"{count(n)} {FAULTS.get(reason, reason)}" for reason, n in tally.items())
    return NeedsALook(records, len(urgent) - len(records), len(table) - len(urgent), alerts, refused)
