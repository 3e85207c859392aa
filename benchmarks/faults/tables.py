"""Damaged and absurd tables of strips: listed with a reason, as a table or strip by strip, in time and in memory.

A good table lies beside each, whose strips must be used whatever is wrong with the other.
"""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator

import numpy as np

from faults.ground import Ground
from faults.trial import LOST, SILENT, SURVIVED, TOLD, Trial

KIND = "damaged or absurd table of strips"
CONFIG = """\
run: strips
bundle: results/tiny/model/bundle
allow_made_bundle: true
shards: 1
max_bad_fraction: 1.0
corpora:
  - {name: strips, format: strips, role: predict, fs: 250, lead: II}
"""
REFUSED = ("samples of 1e300", "no header", "no workbook")
"""Tables of which no strip has a right result."""


def plain_table() -> str:
    """Return a table of three strips of 10 s."""
    time = np.arange(2500) / 250
    lines = ["Strip ID,Waveform,Class,patient_id"]
    for k in range(3):
        wave = np.exp(-0.5 * (((time + 0.1 * k) % 0.8 - 0.4) / 0.012) ** 2) + 0.01 * np.sin(50 * time)
        lines.append(f's{k},"{" ".join(f"{value:.4f}" for value in wave)}",0,p{k}')
    return "\n".join(lines) + "\n"


def workbook(table: str) -> bytes:
    """Return the same table as a workbook."""
    import csv

    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in csv.reader(io.StringIO(table)):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _with_member(book: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return file.getvalue()


def faulty_tables(ground: Ground) -> Iterator[tuple[str, str, bytes]]:
    """Yield (fault, file name, content)."""
    text = plain_table()
    plain, book = text.encode(), workbook(text)
    sheet = "xl/worksheets/sheet1.xml"
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "' + b"y" * 1000 + b'">' + b"".join(
        b'<!ENTITY %c "' % (98 + k) + b"&%c;" % (97 + k) * 20 + b'">' for k in range(8)
    ) + b"]><worksheet>&i;</worksheet>"  # fmt: skip
    yield "NUL bytes", "t.csv", plain.replace(b"s1", b"s\0001")
    yield "a quote that never closes", "t.csv", plain.replace(b'"', b"", 1)
    yield "cut", "t.csv", plain[: len(plain) // 2]
    yield "a cell of 30 MB", "t.csv", plain.replace(b"0.0", b"0" * 30_000_000 + b"0.0", 1)
    yield "UTF-16", "t.csv", text.encode("utf-16")
    yield "samples of 1e300", "t.csv", re.sub(rb"0\.9\d+", b"1e300", plain)
    yield "samples of nan and inf", "t.csv", plain.replace(b"0.9", b"nan").replace(b"0.8", b"inf")
    yield "no header", "t.csv", plain.split(b"\n", 1)[1]
    yield "a formula as id", "t.csv", plain.replace(b"s1", b'"=HYPERLINK(""http://x"")"')
    yield "a path as id", "t.csv", plain.replace(b"s1", b"../../../s1")
    yield "ids alike", "t.csv", plain.replace(b"s1", b"s0")
    yield "no workbook", "t.xlsx", plain
    yield "cut", "t.xlsx", book[: len(book) // 2]
    yield "a far cell", "t.xlsx", _with_member(book, sheet, lambda x: x.replace(b'r="A4"', b'r="XFD1048576"'))
    yield "a bomb of entities", "t.xlsx", _with_member(book, sheet, lambda x: bomb)
    yield "a bomb of zeros", "t.xlsx", _with_member(book, sheet, lambda x: x + b" " * 1_500_000_000)
    rng = ground.random(KIND)
    for name, content in (("t.csv", plain), ("t.xlsx", book)) * 5:
        changed = bytearray(content)
        places = [rng.randrange(8 * len(content)) for _ in range(3)]
        for place in places:
            changed[place // 8] ^= 1 << place % 8
        yield f"bits {places} flipped", name, bytes(changed)


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    tables = list(faulty_tables(ground))
    yield from ground.map(lambda item: _trial(ground, *item), list(enumerate(tables[::20] if ground.quick else tables)))


def _trial(ground: Ground, number: int, item: tuple[str, str, bytes]) -> Trial:
    from beatlens.core.files import read_table

    fault, name, content = item
    project = ground.copy(f"table {number}")
    folder = project / "data" / "strips"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    (folder / "good.csv").write_text(re.sub("^s", "good", plain_table(), flags=re.M), encoding="utf-8")
    (project / "strips.yaml").write_text(CONFIG, encoding="utf-8")
    answer = ground.run(project, "preprocess", config="strips.yaml")
    if answer.code == 0:
        status = read_table(project / "results/strips/status.tsv")
        good = status["record"].str.startswith("good")
        n_good, status = int((status["reason"][good] == "").sum()), status[~good]
        refused = int((status["reason"] != "").sum())
        outcome = (TOLD, f"{refused} listed") if refused else (SURVIVED, f"{len(status)} strips used")
        shard = next((project / "results/strips/preprocess").iterdir())
        remarked = len(read_table(shard / "remarks.tsv"))
        if not refused and remarked:
            outcome = TOLD, f"{remarked} remarks"
        elif not refused and (len(status) < 3 or fault in REFUSED):
            outcome = SILENT, f"{len(status)} of 3 strips used"
        if n_good != 3:
            outcome = LOST, f"{n_good} of the 3 strips of the good table used"
        if re.search(r"(^|\t)[=+@]", (project / "results/strips/status.tsv").read_text(encoding="utf-8"), re.M):
            outcome = SILENT, "a formula in a table"
    else:
        outcome = LOST, answer.end
    shutil.rmtree(project)
    return Trial(KIND, f"{name}, {fault}", *outcome)
