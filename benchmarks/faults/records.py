"""Damaged WFDB records: each ends in time with a reason, a remark or the right result, and others stay as they are.

What a format can't tell isn't damaged here: headers have no check of gain, rate, lead and comments, annotations none at
all. A flipped bit in annotations may call a beat another class; what is judged is signal, detected beats and the end.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from faults.corpus import FaultyRecord, Files, batches, intact
from faults.ground import Ground
from faults.trial import Trial

SIGNAL, ANNOTATIONS, HEADER = "damaged .dat", "damaged .atr", "damaged .hea"
SOURCES = ("a01", "a02", "a03")

ABSURD: dict[str, tuple[bytes, bytes | Callable[[re.Match[bytes]], bytes]]] = {
    "rate 0": (rb" 250 ", b" 0 "),
    "rate -250": (rb" 250 ", b" -250 "),
    "rate 1e308": (rb" 250 ", b" 1e308 "),
    "rate nan": (rb" 250 ", b" nan "),
    "rate 0.001": (rb" 250 ", b" 0.001 "),
    "10^9 signals": (rb"RECORD 2 ", b"RECORD 1000000000 "),
    "-1 signals": (rb"RECORD 2 ", b"RECORD -1 "),
    "0 signals": (rb"RECORD 2 ", b"RECORD 0 "),
    "10^15 samples": (rb"(RECORD 2 250) \d+", rb"\1 1000000000000000"),
    "-5 samples": (rb"(RECORD 2 250) \d+", rb"\1 -5"),
    "fewer samples": (rb"(RECORD 2 250) \d+", rb"\1 5000"),
    "format 999": (rb"dat 212", b"dat 999"),
    "format 16": (rb"dat 212", b"dat 16"),
    "skew 10^9": (rb"dat 212", b"dat 212:1000000000"),
    "10^6 samples a frame": (rb"dat 212", b"dat 212x1000000"),
    "offset 10^12": (rb"dat 212", b"dat 212+1000000000000"),
    "gain nan": (rb" 200\.0\(0\)/mV", b" nan(0)/mV"),
    "gain 1e-300": (rb" 200\.0\(0\)/mV", b" 1e-300(0)/mV"),
    "gain -inf": (rb" 200\.0\(0\)/mV", b" -inf(0)/mV"),
    "baseline 10^30": (rb"200\.0\(0\)", b"200.0(1000000000000000000000000000000)"),
    "baseline 10^9": (rb"200\.0\(0\)", b"200.0(1000000000)"),
    "NUL in a comment": (rb"# ?Patient: ", b"# Patient: \0"),
    "a comment of 2 MB": (rb"# ?Patient: ", b"# Patient: " + b"x" * 2_000_000),
    "tabs and newlines in a comment": (rb"# ?Patient: ", b"# Patient: \t\x0b\x0c\x1c\x85"),
    "UTF-16": (rb"(?s)\A(.*)\Z", lambda found: found[1].decode().encode("utf-16")),
    "empty": (rb"(?s)\A.*\Z", b""),
    "comments alone": (rb"(?m)^[^#].*\n?", b""),
    "random bytes": (rb"(?s)\A.*\Z", bytes(random.Random(0).randrange(256) for _ in range(300))),
    "deep segments": (rb"RECORD 2 ", b"RECORD/1000000 2 "),
}
"""Headers of numbers and texts that no device writes: what is replaced, and by what."""


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    records = [
        *(_faulty(ground, SIGNAL, ".dat", number) for number in range(2 if ground.quick else 30)),
        *(_faulty(ground, ANNOTATIONS, ".atr", number) for number in range(3 if ground.quick else 100)),
        *(_faulty(ground, HEADER, ".hea", number) for number in range(2 if ground.quick else 30)),
    ]
    for name, (pattern, text) in list(ABSURD.items())[: 3 if ground.quick else None]:
        files = intact(ground, "a01")
        changed = re.sub(pattern, text, files[".hea"], count=0 if name == "comments alone" else 1)
        records.append(FaultyRecord(HEADER, name, "a01", {**files, ".hea": changed}))
    ground.random("order").shuffle(records)
    yield from batches(ground, records, 32, "records")


def _faulty(ground: Ground, kind: str, ending: str, number: int) -> FaultyRecord:
    rng = ground.random(kind, number)
    source = SOURCES[number % len(SOURCES)]
    files: Files = intact(ground, source)
    content = files[ending]
    if number % 5 == 4:
        size = rng.randrange(len(content))
        return FaultyRecord(kind, f"cut to {size} bytes", source, {**files, ending: content[:size]})
    places = _checked_bytes(content) if ending == ".hea" else range(len(content))
    changed = bytearray(content)
    # Bits of different weight, since others can cancel in the 16-bit sum, which is all that a header knows of samples.
    bits = [(rng.choice(places), bit) for bit in rng.sample(range(8), 1 + number % 3)]
    for place, bit in bits:
        changed[place] ^= 1 << bit
    return FaultyRecord(kind, f"bits {bits} flipped", source, {**files, ending: bytes(changed)})


def _checked_bytes(header: bytes) -> list[int]:
    """Return the places of what a header says twice: numbers of signals and samples, formats, first values, sums."""
    places: list[int] = []
    start = 0
    for number, line in enumerate(header.splitlines(keepends=True)):
        wanted = (1, 3) if number == 0 else (1, 5, 6)  # signals, samples; format, first value, checksum
        if not line.startswith(b"#"):
            for k, field in enumerate(re.finditer(rb"\S+", line)):
                places += range(start + field.start(), start + field.end()) if k in wanted else ()
        start += len(line)
    return places
