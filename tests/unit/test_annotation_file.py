"""Annotation files: decoded as the WFDB library decodes them, and damaged ones told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.wfdb.annotation_file import SYMBOLS, parse_annotations


def written(folder: Path, fs: float | None = None, **options: object) -> bytes:
    import wfdb

    given = {"symbol": ["N", "+", "~", "V"], "aux_note": ["", "(AFIB", "", "odd"], "subtype": np.array([0, 0, -1, 3])}
    wfdb.wrann("r1", "atr", np.array([5, 300, 90000, 70_000_000]), fs=fs, write_dir=str(folder), **(given | options))
    return (folder / "r1.atr").read_bytes()


def test_symbols_are_those_of_the_library() -> None:
    from wfdb.io.annotation import ann_labels

    assert {label.label_store: label.symbol for label in ann_labels} == SYMBOLS


@pytest.mark.parametrize("fs", [None, 360, 257.5])
def test_annotations_are_read_as_the_library_reads_them(tmp_path, fs) -> None:
    import wfdb

    own = [(45, "§", "a kind of one's own")] if fs else None
    content = written(tmp_path, fs, custom_labels=own, **({"symbol": ["N", "+", "§", "V"]} if own else {}))
    found = parse_annotations(content, "r1.atr")
    expected = wfdb.rdann(str(tmp_path / "r1"), "atr")
    np.testing.assert_array_equal(found.sample, expected.sample)
    assert found.sample.tolist() == [5, 300, 90000, 70_000_000]
    assert found.symbol == tuple(expected.symbol)
    assert found.aux == ("", "(AFIB", "", "odd")
    assert found.subtype == tuple(expected.subtype) == (0, 0, -1, 3)
    assert found.rate == fs


def test_a_flipped_bit_in_the_time_resolution_is_told(tmp_path) -> None:
    """The library never ends on most of these."""
    content = written(tmp_path, 360)
    start = content.index(b"## time resolution: 360")
    refused = 0
    for place in range(start, start + len(b"## time resolution: ")):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            refused += refused_or_without_rate(bytes(damaged))
    assert refused > 100


def refused_or_without_rate(content: bytes) -> bool:
    try:
        rate = parse_annotations(content, "r1.atr").rate
    except RecordFault:
        return True
    assert rate is None  # no longer a definition
    return False


def test_a_cut_file_is_told_at_every_place(tmp_path) -> None:
    content = written(tmp_path)
    for n in range(1, len(content)):
        with pytest.raises(RecordFault, match=r"bad_annotations.*cut file"):
            parse_annotations(content[:n], "r1.atr")
    assert not len(parse_annotations(b"", "r1.atr").sample)


@pytest.mark.parametrize(("code", "words"), [(63, "begins with code 63"), (15, "code 15 at 5")])
def test_codes_without_meaning_are_told(code, words) -> None:
    content = (code << 10 | 5).to_bytes(2, "little") + bytes(10)
    with pytest.raises(RecordFault, match=f"bad_annotations.*{words}"):
        parse_annotations(content, "r1.atr")


def test_notes_are_on_one_line(tmp_path) -> None:
    content = written(tmp_path).replace(b"(AFIB", b"(A\0F\t")
    assert parse_annotations(content, "r1.atr").aux[1] == "(A F"
