"""What a schema can't say of tables of decisions: that rows are decisions on the corpus's beats, for known classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.core.options import Problem
from beatlens.corpora.reviewed import NOT_A_BEAT, read_reviewed


def reviewed_problems(
    corpora: Sequence[Mapping[str, Any]], classes: Collection[str], folders: Sequence[Path]
) -> Iterator[Problem]:
    """Yield what is wrong with the tables that corpora name; files that aren't there are named among the paths.

    Parameters
    ----------
    corpora
        The section `corpora`.
    classes
        Ids that a decision may name, beside that of a detection that is no beat.
    folders
        Where files are looked for, in this order.
    """
    for number, corpus in enumerate(corpora):
        tables = corpus.get("reviewed") or ()
        files = [next((place / table for place in folders if (place / table).exists()), None) for table in tables]
        found = [file for file in files if file is not None]
        if len(found) != len(files) or not found:
            continue
        key = f"corpora[{number}].reviewed"
        try:
            records = read_reviewed(found, corpus["name"])
        except (OSError, ValueError) as error:
            yield key, list(tables), f"tables of decisions on beats of {corpus['name']} ({error})"
            continue
        named = {label for record in records.values() for label in record.labels.values()}
        for label in sorted(named - set(classes) - {NOT_A_BEAT}):
            yield key, label, f"decisions for {', '.join(sorted(classes))} or {NOT_A_BEAT}"
