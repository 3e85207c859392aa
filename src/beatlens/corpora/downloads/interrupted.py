"""How often downloads of a shard's records were interrupted: it is in the rule's params, so the next run retries.

The count never falls, so a shard whose records have all arrived isn't run once more. It lies beside the shard's tables
and is removed with them. Standard library only, since it is read whenever the Snakefile is parsed.
"""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)
NAME = "interrupted_downloads"


def interruptions(shard: Path) -> int:
    """Return how many runs of a shard lacked records since their download was interrupted."""
    try:
        text = (shard / NAME).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdecimal() else 0


def note_interrupted(shard: Path, records: int) -> None:
    """Note that a run of a shard lacks some records, since their download was interrupted."""
    from beatlens.core.files import write_text

    logger.warning("%s: %d records couldn't be downloaded; the next run tries them again", shard, records)
    write_text(shard / NAME, f"{interruptions(shard) + 1}\n")
