"""Files of two records that changed places: what belongs to another record neither teaches nor scores unremarked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from faults.corpus import FaultyRecord, batches, intact
from faults.ground import Ground
from faults.trial import Trial

KIND = "files swapped between records"
SOURCES = ("a01", "a02", "a03", "a05")
"""Made records of the same rate, number of leads and length."""


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial: each file of each record in the place of another's, and a header with its own name."""
    files = {source: intact(ground, source) for source in (*SOURCES, "a04")}
    records = [
        FaultyRecord(KIND, f"{ending} of {other}", source, {**files[source], ending: files[other][ending]}, True)
        for ending in (".dat", ".atr", ".hea")
        for source, other in permutations(SOURCES, 2)
    ]
    for source in SOURCES:  # of another length, and a header as it was, that names its own record
        records.append(FaultyRecord(KIND, ".dat of a04", source, {**files[source], ".dat": files["a04"][".dat"]}, True))
        named = files["a04"][".hea"].replace(b"RECORD", b"a04")
        records.append(FaultyRecord(KIND, ".hea that names a04", source, {**files[source], ".hea": named}, True))
    yield from batches(ground, records[::11] if ground.quick else records, 22, "swaps")
