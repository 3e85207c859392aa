"""Remarks: what a reader must know of a record that is used all the same, in a table with a row a remark."""

from __future__ import annotations

REMARK_COLUMNS = ("corpus", "record", "remark", "detail")
"""Of the table of remarks; `remark` is one of `REMARKS`, `detail` says in words what was found in this record."""
REMARKS = {
    "too_few_beats": "fewer beats than a context needs",
}
