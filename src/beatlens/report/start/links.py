"""Links from the start page to the pages of records: the most urgent records have one."""

from __future__ import annotations

from beatlens.holter.urgency import most_urgent_first
from beatlens.report.inputs import ReportInputs
from beatlens.report.page_paths import page_link


def linked_records(inputs: ReportInputs) -> frozenset[tuple[str, str]]:
    """Return corpus and record of those that have a page of their own."""
    if inputs.holter is None:
        return frozenset()
    first = most_urgent_first(inputs.holter).head(inputs.n_pages)
    return frozenset(zip(first["corpus"], first["record"], strict=True))


def record_link(linked: frozenset[tuple[str, str]], corpus: str, record: str) -> str:
    """Return the address of a record's page, "" where it has none."""
    return page_link(corpus, record) if (corpus, record) in linked else ""
