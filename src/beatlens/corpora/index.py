"""Make and update the record sheet, from corpus folders, from a server's listing or from the generator's settings.

Standard library only, because it runs whenever the Snakefile is parsed. The generator is imported only where a corpus
is made.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from beatlens.core import claims
from beatlens.core.record_faults import check_name, safe_name
from beatlens.corpora.downloads.download import Remote, parse_sums
from beatlens.corpora.downloads.remote import remote_of, remote_rows
from beatlens.corpora.formats import challenge, ptb_xl
from beatlens.corpora.record_sheet import SheetRow, format_sheet, read_sheet
from beatlens.corpora.scan import CorpusEntry, check_any_record, content_digest, scan_folder
from beatlens.corpora.settings import FORMATS, CorpusSettings
from beatlens.corpora.strips import scan_strips

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 120.0
_MADE = "made-"
Scan = Callable[[Path, CorpusEntry, Mapping[str, SheetRow]], list[SheetRow]]
Choice = Callable[[Sequence[SheetRow], CorpusEntry], Iterable[SheetRow]]


def data_root(data_dir: str | Path) -> Path:
    """Return the folder that corpora lie in: the environment variable BEATLENS_DATA, or else `data_dir`."""
    return Path(os.environ.get("BEATLENS_DATA") or data_dir)


def corpus_folder(corpus: Mapping[str, Any], data_dir: str | Path, results_dir: str | Path) -> Path:
    """Return the folder of a corpus of the configuration.

    That is its ``folder`` or, where it names none, ``<data_dir>/<name>``. Where no such folder exists, it is
    ``<results_dir>/corpora/<name>``. Made and downloaded records go there: a data folder belongs to its user and may be
    read-only, so nothing is ever written into it.
    """
    users_folder = _users_folder(corpus, data_dir)
    return users_folder if users_folder.is_dir() else Path(results_dir) / "corpora" / corpus["name"]


def _users_folder(corpus: Mapping[str, Any], data_dir: str | Path) -> Path:
    """Return where a corpus of the user lies, whether it is there or not."""
    name = check_name(corpus["name"], "corpus")
    return Path(corpus["folder"]) if corpus.get("folder") else data_root(data_dir) / name


def downloaded(corpora: Sequence[Mapping[str, Any]], data_dir: str | Path) -> dict[str, Remote]:
    """Return the sources of the corpora that are downloaded, by name; a corpus with a folder of the user isn't."""
    wanted = [corpus for corpus in corpora if corpus.get("remote") and corpus["format"] != "synthetic"]
    return {corpus["name"]: remote_of(corpus) for corpus in wanted if not _users_folder(corpus, data_dir).is_dir()}


def update_sheet(
    corpora: Sequence[Mapping[str, Any]],
    output: Path | None,
    data_dir: str | Path,
    results_dir: str | Path,
    *,
    synthetic: Mapping[str, Any] | None = None,
    previous: Path | None = None,
) -> list[SheetRow]:
    """Return the record sheet of the corpora, and write it where it changed.

    Files are hashed only where their name, size or time differs from the sheet that is there.

    Parameters
    ----------
    corpora
        The section of that name: name, role, format, and optionally folder, records (those to use), annotator (ending
        of the annotation files), remote and base_url (where to download from).
    output
        The sheet; None to write nothing at all, as a dry run must.
    data_dir, results_dir
        As in `corpus_folder`.
    synthetic
        Settings of the made corpus, needed for a corpus of format synthetic.
    previous
        A sheet that saves hashing; by default `output`.

    Raises
    ------
    ValueError
        Where a corpus is nowhere to be found, with the folders looked for.
    TimeoutError
        Where another process holds the lock of the sheet for too long.
    """
    if output is None:
        old = _read_previous(previous)
        return _collect(corpora, old, data_dir=data_dir, results_dir=results_dir, synthetic=synthetic, keep=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    with _locked(output.with_name(output.name + ".lock")):
        old = _read_previous(previous or output)
        rows = _collect(corpora, old, data_dir=data_dir, results_dir=results_dir, synthetic=synthetic, keep=True)
        claims.remove_leftovers(output)
        if rows != old or not output.exists():
            temporary = claims.temporary_of(output)
            try:
                temporary.write_text(format_sheet(rows), encoding="utf-8")
                temporary.replace(output)
            finally:
                temporary.unlink(missing_ok=True)
    return rows


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        give_up = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise TimeoutError(
                        f"{path}: another process has been updating the record sheet for {LOCK_TIMEOUT_S:.0f} s; "
                        "wait for it to end, then run this again"
                    ) from None
                time.sleep(0.1)
        yield


def _read_previous(path: Path | None) -> list[SheetRow]:
    if path is None or not path.exists():
        return []
    try:
        return read_sheet(path)
    except (ValueError, OSError) as error:
        logger.warning("%s; making the record sheet anew", error)
        return []


def _collect(
    corpora: Sequence[Mapping[str, Any]],
    old: Sequence[SheetRow],
    *,
    data_dir: str | Path,
    results_dir: str | Path,
    synthetic: Mapping[str, Any] | None,
    keep: bool,
) -> list[SheetRow]:
    rows: list[SheetRow] = []
    names = [corpus["name"] for corpus in corpora]
    if len(set(names)) != len(names):
        raise ValueError(f"corpora: names {names}; expected each name once")
    for corpus in corpora:
        if corpus["format"] not in FORMATS:
            raise ValueError(f"corpora {corpus['name']}: format {corpus['format']!r}; expected one of {FORMATS}")
        annotator = corpus.get("annotator") or CorpusSettings.annotator
        databases = tuple(corpus.get("databases") or ())
        entry = CorpusEntry(
            corpus["name"], corpus["role"], corpus["format"], annotator, corpus.get("fs"), databases=databases
        )
        folder = corpus_folder(corpus, data_dir, results_dir)
        is_users = folder == _users_folder(corpus, data_dir)
        previous = {row.path: row for row in old if row.corpus == entry.name}
        if entry.format == "synthetic" and not is_users:
            found = _made_rows(folder, entry, previous, synthetic)
        elif is_users:
            found = SCANS[entry.format](folder, entry, previous)
        elif corpus.get("remote"):
            listed = remote_rows(folder, entry, corpus, keep=keep)
            found = list(CHOICES[entry.format](listed, entry)) if entry.format in CHOICES else listed
        else:
            raise ValueError(
                f"corpora {entry.name}: no folder {data_root(data_dir) / entry.name} (data_dir is {str(data_dir)!r}, "
                f"BEATLENS_DATA is {os.environ.get('BEATLENS_DATA', '')!r}) and no remote to download it from; "
                "put the corpus there, or set data_dir, BEATLENS_DATA or the corpus's remote"
            )
        rows += _chosen(found, corpus.get("records"), entry.name)
    return rows


def _scan_wfdb(folder: Path, entry: CorpusEntry, previous: Mapping[str, SheetRow]) -> list[SheetRow]:
    return check_any_record(scan_folder(folder, entry, previous), folder, entry.name)


SCANS: Mapping[str, Scan] = {
    "wfdb": _scan_wfdb,
    "synthetic": _scan_wfdb,
    "strips": scan_strips,
    "challenge": challenge.scan,
    "ptb-xl": ptb_xl.scan,
}
"""What lists the records of a folder of the user, by format."""
CHOICES: Mapping[str, Choice] = {"challenge": challenge.of_databases, "ptb-xl": ptb_xl.of_rate}
"""What chooses among the records that a server lists, by format; all are taken of other formats."""


def _chosen(rows: list[SheetRow], wanted: Sequence[str] | None, corpus: str) -> list[SheetRow]:
    """Return the rows of the records that the configuration names, all where it names none."""
    if wanted is None:
        return rows
    ids = {safe_name(unicodedata.normalize("NFC", name)): name for name in wanted}  # as the files are named, or by id
    unknown = sorted(ids[record] for record in set(ids) - {row.record for row in rows})
    if unknown:
        raise ValueError(f"corpora {corpus}: records {unknown} aren't in the corpus, which has {len(rows)} records")
    return [row for row in rows if row.record in ids]


def _made_rows(
    folder: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow], settings: Mapping[str, Any] | None
) -> list[SheetRow]:
    """Return the rows of a corpus that the generator makes, and of records that were put beside them.

    The digest of a made record is that of its settings, whether it has been made yet or not: its content follows from
    them. A record whose files differ from SHA256SUMS is damaged, unless the stamp (corpus.json) is missing: then it is
    about to be made again.
    """
    if settings is None:
        raise ValueError(f"corpora {corpus.name}: format synthetic; expected a section synthetic in the configuration")
    digest = _MADE + hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    names = _made_names(folder, settings)
    empty = [SheetRow(corpus.name, n, corpus.role, corpus.format, n, "", 0, "", digest, "") for n in names]
    unmade = {row.path: row for row in empty}
    if not (folder / "SHA256SUMS").is_file():
        return list(unmade.values())
    sums = parse_sums((folder / "SHA256SUMS").read_text(encoding="utf-8", errors="replace"))
    earlier = {name[:-4] for name in sums if name.endswith(".hea")}
    rows, stamped = [], (folder / "corpus.json").is_file()
    hashed = {  # a row says what a record is made from only where its files are those of SHA256SUMS
        path: row._replace(sha256=_listed_digest(row, sums)) if row.sha256.startswith(_MADE) else row
        for path, row in previous.items()
    }
    for row in scan_folder(folder, corpus, hashed):
        if row.path in unmade:
            if row.reason == "checksum_mismatch" and not stamped:
                row = row._replace(reason="")
            as_made = not row.reason and row.sha256 == _listed_digest(row, sums)
            rows.append(row._replace(sha256=digest) if as_made else row)
            del unmade[row.path]
        elif row.path not in earlier:  # made from other settings: about to be replaced
            rows.append(row)
    return sorted([*rows, *unmade.values()], key=lambda row: row.path)


def _listed_digest(row: SheetRow, sums: Mapping[str, str]) -> str:
    """Return the digest that a record has by its corpus's SHA256SUMS; "" where a file isn't listed."""
    known = {name: sums[name] for name in row.file_names if name in sums}
    return content_digest(known, row.path) if len(known) == len(row.file_names) else ""


def _made_names(folder: Path, settings: Mapping[str, Any]) -> list[str]:
    """Return the names of the generator's records: from the stamp of a made corpus where it fits, which is quicker."""
    stamp = folder / "corpus.json"
    if stamp.is_file():
        try:
            content = json.loads(stamp.read_text(encoding="utf-8"))
            if content["settings"] == json.loads(json.dumps(settings)):
                return list(content["records"])
        except (ValueError, TypeError, KeyError) as error:
            logger.warning("%s is damaged (%s: %s); it isn't used", stamp, type(error).__name__, error)
    from beatlens.corpora.synthetic import SyntheticSettings, record_names

    return record_names(SyntheticSettings.read(settings))
