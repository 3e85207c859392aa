"""Records in files: one by its path, or all of a folder or of a table of strips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from beatlens.core.record import Record
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.strips import ENDINGS, StripSettings

FORMATS: Mapping[str, str] = {
    "wfdb": "WFDB records: a header .hea with a signal file .dat or .mat (PhysioNet, MIT-BIH, Challenge); beat "
    "annotations .atr are read where they are there. Named by the header, with or without its ending.",
    "strips": "Tables of strips, .csv or .xlsx: a single-lead stretch of ECG a row, in columns found by their names "
    "(samples, patient, and optionally label and id). The rate isn't in the table: give fs or duration_s.",
}
"""What can be read, by format."""
_WFDB_ENDINGS = (".hea", ".dat", ".mat", ".atr")


@dataclass(frozen=True)
class FoundRecord:
    """A record in a folder or a table, not read yet.

    Attributes
    ----------
    folder
        The folder that it lies in.
    row
        Its corpus, name, path in the folder and format, as in a record sheet.
    strips
        What a table of strips doesn't say of itself, or None.
    """

    folder: Path
    row: SheetRow
    strips: StripSettings | None = None

    @property
    def name(self) -> str:
        """Name of the record."""
        return self.row.record

    def load(self, patient: str | None = None) -> Record:
        """Read the record.

        Parameters
        ----------
        patient
            Id of the patient; by default what the file says, else the record's name.

        Raises
        ------
        RecordFault
            With the reason, whatever is wrong with it.
        """
        from beatlens.corpora.registry import read_record

        patients = {} if patient is None else {self.name: patient}
        return read_record(self.row, self.folder, patients, self.strips)


def load_record(
    path: str | Path,
    *,
    corpus: str | None = None,
    patient: str | None = None,
    strips: StripSettings | None = None,
    strip: str | None = None,
) -> Record:
    """Read one record.

    Parameters
    ----------
    path
        A WFDB record by its header, with or without ending (``folder/100``, ``folder/100.hea``), or a table of strips.
    corpus
        Name of the corpus, the first part of each beat's id; by default that of the folder, in letters, digits, ``.``,
        ``-`` and ``_``.
    patient
        Id of the patient; by default what the file says, else the record's name.
    strips
        Of a table: rate, lead and units of its strips.
    strip
        Of a table: which strip, by its id; not needed where the table has one.

    Returns
    -------
    beatlens.core.record.Record
        ``signal`` (n_leads, n_samples) float32 in mV, at ``fs`` Hz of the file, ``leads`` in file order, annotations.

    Raises
    ------
    RecordFault
        With the reason, where the record can't be used (`beatlens.core.record.REASONS`).
    ValueError
        For a path that is no record's, or a table whose rate or strip isn't named.

    Examples
    --------
    >>> from beatlens.api import load_record
    >>> record = load_record("results/corpora/synthetic/c01_1")
    >>> record.signal.shape, record.fs
    ((12, 5000), 500.0)
    """
    file = Path(path).expanduser()
    if file.is_dir():
        raise ValueError(f"{file}: a folder; expected a record, such as {file / '<name>.hea'}, or find_records(folder)")
    if file.suffix.lower() not in ENDINGS:
        return _wfdb(file, corpus).load(patient)
    found = find_records(file, corpus=corpus, strips=strips)
    chosen = [one for one in found if one.name == strip] if strip is not None else found
    if len(chosen) != 1:
        names = ", ".join(one.name for one in found[:5]) + (", ..." if len(found) > 5 else "")
        raise ValueError(
            f"{file}: {len(found)} strips ({names}), of which {len(chosen)} chosen; expected strip, the id of one"
        )
    return chosen[0].load(patient)


def find_records(
    path: str | Path, *, corpus: str | None = None, strips: StripSettings | None = None
) -> list[FoundRecord]:
    """List the records of a folder, of a table of strips, or the one of a WFDB path, without reading them.

    Parameters
    ----------
    path
        Folder (records may lie in folders of it), table, or record.
    corpus, strips
        As for `load_record`.

    Returns
    -------
    list of FoundRecord
        Sorted by path. A record that can't be used is among them; its `FoundRecord.load` says why.

    Raises
    ------
    ValueError
        Where there is no record, or a table's rate isn't given.

    Examples
    --------
    >>> from beatlens.api import find_records
    >>> [record.name for record in find_records("results/corpora/synthetic")][:2]
    ['a01', 'a02']
    """
    from beatlens.config.own_recordings import run_name

    file = Path(path).expanduser()
    if not file.is_dir():
        return _strips(file, corpus, strips) if file.suffix.lower() in ENDINGS else [_wfdb(file, corpus)]
    from beatlens.corpora.scan import CorpusEntry, scan_folder

    entry = CorpusEntry(corpus or run_name(file.resolve()), "predict", "wfdb", "atr")
    rows = scan_folder(file, entry, {})
    if any(row.reason != "not_a_record" for row in rows):
        return [FoundRecord(file, row) for row in rows]
    if not any(one.suffix.lower() in ENDINGS for one in file.iterdir()):
        raise ValueError(f"{file}: no recording; expected WFDB records (.hea) or tables of strips (.csv, .xlsx)")
    _check_rate(file, strips)
    from beatlens.corpora.strips import scan_strips

    return [FoundRecord(file, row, strips) for row in scan_strips(file, replace(entry, format="strips"), {})]


def _wfdb(file: Path, corpus: str | None) -> FoundRecord:
    from beatlens.config.own_recordings import run_name

    name = file.stem if file.suffix.lower() in _WFDB_ENDINGS else file.name
    folder = file.parent
    corpus_name = corpus or run_name(folder.resolve())
    return FoundRecord(folder, SheetRow(corpus_name, name, "predict", "wfdb", name, "", 0, "", "", ""))


def _check_rate(file: Path, strips: StripSettings | None) -> None:
    if strips is None:
        raise ValueError(
            f"{file}: a table of strips without a rate; expected fs in Hz, or duration_s, the length of a strip"
        )


def _strips(file: Path, corpus: str | None, strips: StripSettings | None) -> list[FoundRecord]:
    from beatlens.config.own_recordings import run_name
    from beatlens.core.record_faults import safe_name
    from beatlens.corpora.strip_tables import read_strips

    _check_rate(file, strips)
    corpus_name = corpus or run_name(file.parent.resolve())
    names = [
        safe_name(strip.identifier or f"{file.stem}-{k}", "strip") for k, strip in enumerate(read_strips(file), start=1)
    ]
    again = ["duplicate_id" if name in names[:k] else "" for k, name in enumerate(names)]
    return [
        FoundRecord(
            file.parent,
            SheetRow(corpus_name, name, "predict", "strips", f"{file.name}#{k}", file.name, 0, "", "", again[k - 1]),
            strips,
        )
        for k, name in enumerate(names, start=1)
    ]
