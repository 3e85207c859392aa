"""The PhysioNet Challenges 2020 and 2021: WFDB records with a .mat, in a folder for each database they come from.

    training/<database>/g1/A0001.hea, A0001.mat        2021, and the copies of 2020
    training/<database>/A0001.hea, A0001.mat           2020

Headers give rate, gains, age, sex and the diagnoses as SNOMED CT codes, and name no patient.

Standard library only at import: folders are listed whenever the Snakefile is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.formats.ptb_xl import fetch_table, read_database
from beatlens.corpora.formats.rules import ReadingRules
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.scan import CorpusEntry, check_any_record, scan_folder
from beatlens.shards.patients import patient_elsewhere

if TYPE_CHECKING:
    from beatlens.core.record import Record

FOLDER = "training"
_COPY = re.compile(r"HR(?P<ecg_id>\d{5})")
"""Name of a record of the Challenge that is PTB-XL's record of that ``ecg_id``."""


def database_of(path: str) -> str:
    """Return the database of a record by its path in the corpus: the folder below training/, "" without such one."""
    folders = path.split("/")[:-1]
    below = folders[folders.index(FOLDER) + 1 :] if FOLDER in folders else folders
    return below[0] if below else ""


def of_databases(rows: Sequence[SheetRow], corpus: CorpusEntry) -> list[SheetRow]:
    """Return the rows of the databases that the configuration names, all where it names none.

    Raises
    ------
    ValueError
        For a database that isn't there.
    """
    there = {database_of(row.path) for row in rows} - {""}
    absent = sorted(set(corpus.databases) - there)
    if absent:
        raise ValueError(f"corpora {corpus.name}: databases {absent} aren't there; expected some of {sorted(there)}")
    return [row for row in rows if not corpus.databases or database_of(row.path) in corpus.databases]


def scan(root: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow]) -> list[SheetRow]:
    """Return one row of the record sheet for each record of a folder; see `beatlens.corpora.scan.scan_folder`."""
    below = [f"{FOLDER}/{name}" for name in corpus.databases]
    inside = [folder for folder in below if (root / folder).is_dir()]
    rows = scan_folder(root, corpus, previous, below=inside if len(inside) == len(below) else ())
    return of_databases(check_any_record(rows, root, corpus.name), corpus)


def read(row: SheetRow, folder: Path, rules: ReadingRules, patients: Mapping[str, str]) -> Record:
    """Read a record.

    Where PTB-XL is in the run too, a copy of one of its records has the patient of the original, so that no ECG is in
    two splits.

    Raises
    ------
    RecordFault
        With the reason, whatever is wrong.
    """
    from beatlens.corpora.wfdb.record import read_record

    record = read_record(folder, row.path, row.corpus, patients, None, rules=rules)
    patient = None if record.name in patients else _patient_of_copy(record.name, rules)
    return replace(record, patient=patient or record.patient, database=database_of(row.path))


def _patient_of_copy(record: str, rules: ReadingRules) -> str | None:
    """Return the patient of the record of PTB-XL that a record is a copy of; None where it is none, or not known."""
    copy, home = _COPY.fullmatch(record), rules.ptb_xl
    if copy is None or home is None:
        return None
    if home.remote is not None:
        fetch_table(home.remote, home.folder)
    try:
        original = read_database(home.folder).get(int(copy["ecg_id"]))
    except (OSError, ValueError) as error:
        raise RecordFault("not_in_table", f"{record}, a copy of a record of {home.name}: {error}") from error
    name = None if original is None else original.patient or f"{int(copy['ecg_id']):05d}"
    return None if name is None else patient_elsewhere(home.name, name)
