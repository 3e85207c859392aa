"""What a schema can't say of a run that learns or predicts diagnoses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.core.options import Problem
from beatlens.corpora.diagnosis_table import DiagnosisTable


def diagnosis_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    """Yield what is wrong with diagnosis tables and with the diagnoses to learn; paths that aren't there are named."""
    known: dict[str, str] = {}
    teaching = False
    for number, corpus in enumerate(config["corpora"]):
        path = corpus.get("diagnoses")
        file = next((folder / path for folder in folders if path and (folder / path).exists()), None)
        teaching |= corpus["role"] == "train" and path is not None
        if file is not None:
            try:
                known |= DiagnosisTable.read(file).names
            except (OSError, ValueError) as error:
                allowed = f"a CSV with the columns code, diagnosis and name ({error})"
                yield f"corpora[{number}].diagnoses", path, allowed
                return
    section = config["diagnoses"]
    if section["bundle"] is None and not teaching:
        allowed = "a corpus of the role train with a diagnosis table (corpora[].diagnoses), or diagnoses.bundle"
        yield "targets", config["targets"], allowed
    for name in section["classes"] if known else ():
        if name not in known:
            yield "diagnoses.classes", name, f"ids of the diagnosis tables: {', '.join(sorted(known))}"
