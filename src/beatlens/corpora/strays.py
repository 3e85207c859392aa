"""Files of a corpus folder that look like recordings and that no record uses: which, and what would read them.

Standard library only, because the record sheet is updated whenever the Snakefile is parsed.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterable

_CONVERT = "not read here; convert it to WFDB"
_TABLE = "no WFDB record; a table of strips is read by a corpus with `format: strips`"
_HEADERLESS = "no header names it; expected a .hea of its name beside it"
_ARRAY = "an array of samples says neither rate nor unit; write it as WFDB, as wfdb.wrsamp does"
WOULD_READ = {
    ".edf": f"EDF is {_CONVERT}, as edf2mit of the WFDB Applications does",
    ".bdf": f"BDF is {_CONVERT}",
    ".xml": f"ECG in XML is {_CONVERT}",
    ".dcm": f"DICOM is {_CONVERT}",
    ".scp": f"SCP-ECG is {_CONVERT}",
    ".csv": _TABLE,
    ".xlsx": _TABLE,
    ".xls": f"{_TABLE}, as .csv or .xlsx",
    ".ods": f"{_TABLE}, as .csv or .xlsx",
    ".ecg": f"ISHNE ECG is {_CONVERT}",
    ".h5": f"HDF5 is {_CONVERT}",
    ".hdf5": f"HDF5 is {_CONVERT}",
    ".npy": _ARRAY,
    ".npz": _ARRAY,
    ".zip": "an archive isn't opened; unpack it",
    ".gz": "an archive isn't opened; unpack it",
    ".dat": _HEADERLESS,
    ".mat": _HEADERLESS,
}
"""What to do with a file, by its ending in lower case."""
_BESIDE_TABLES = {
    **dict.fromkeys((".hea", ".dat", ".mat"), "WFDB records are read by a corpus with `format: wfdb`"),
    **dict.fromkeys((".csv", ".xlsx"), "tables are read in the folder of the corpus itself; move it there"),
    **dict.fromkeys((".xls", ".ods", ".tsv"), "save it as .csv or .xlsx"),
}
"""The same in a corpus of strips, where it differs."""
_WITH_LABELS = {ending: text for ending, text in WOULD_READ.items() if text != _TABLE}
"""The same in a corpus whose tables hold labels, never samples."""
KNOWN = {
    "wfdb": WOULD_READ,
    "synthetic": WOULD_READ,
    "strips": WOULD_READ | _BESIDE_TABLES,
    "challenge": _WITH_LABELS,
    "ptb-xl": _WITH_LABELS,
}
"""All by the format of a corpus."""
TRUTH = ".truth.csv"


def find_strays(names: Iterable[str], used: Collection[str], corpus_format: str = "wfdb") -> list[str]:
    """Return the files that look like recordings and belong to none, sorted.

    Parameters
    ----------
    names
        Files of the corpus, relative to its folder.
    used
        The files of records, and their headers. A file that has a header's name with another ending counts as used
        too, since a broken header doesn't tell which files it means.
    corpus_format
        Format of the corpus.
    """
    stems = {posixpath.splitext(name)[0] for name in used if name.lower().endswith(".hea")}
    return sorted(
        name
        for name in names
        if posixpath.splitext(name)[1].lower() in KNOWN[corpus_format]
        and name not in used
        and not name.lower().endswith(TRUTH)
        and posixpath.splitext(name)[0] not in stems
    )


def would_read(name: str, corpus_format: str) -> str:
    """Return what would read a stray file of a corpus of this format, in words."""
    return KNOWN[corpus_format][posixpath.splitext(name)[1].lower()]


def in_words(strays: Iterable[str]) -> str:
    """Return how many stray files of each kind there are and what would read them."""
    kinds = Counter(posixpath.splitext(name)[1].lower() for name in strays)
    return "; ".join(f"{count} {kind} ({WOULD_READ[kind]})" for kind, count in sorted(kinds.items()))
