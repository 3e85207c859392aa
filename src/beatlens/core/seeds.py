"""Seeds that depend on what is computed, never on the shard or the order in which it is computed."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *parts: str | int) -> int:
    """Return a 63-bit seed from a run's seed and the identity of what it is for.

    Parameters
    ----------
    seed
        The run's seed.
    parts
        Names, such as the record id and the method; each is hashed with its length, so ("ab", "c") and
        ("a", "bc") differ.
    """
    digest = hashlib.sha256(str(int(seed)).encode())
    for part in parts:
        text = str(part).encode()
        digest.update(f"|{len(text)}:".encode() + text)
    return int.from_bytes(digest.digest()[:8], "big") >> 1
