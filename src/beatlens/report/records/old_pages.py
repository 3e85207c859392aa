"""Pages of records that a run no longer makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from beatlens.corpora.record_sheet import shard_of
from beatlens.report.page_paths import page_path


def remove_old_pages(folder: Path, shard: str, made: Sequence[Mapping[str, Any]]) -> None:
    """Remove pages of a shard's records, with what lies beside them, that weren't made this time.

    A record's shard follows from its name, and its name from that of the file; long names, which a file holds in part,
    are left alone.
    """
    number, shards = map(int, shard.split("of"))
    kept = {str(row["page"]) for row in made}
    for page in (folder / "records").glob("*/*.html"):
        corpus, record = unquote(page.parent.name), unquote(page.stem)
        path = str(page.relative_to(folder).as_posix())
        same = str(page_path(corpus, record)) == path
        if same and path not in kept and shard_of(corpus, record, shards) == number:
            page.unlink()
            remove_tiles(page.with_suffix(".tiles"))


def remove_tiles(folder: Path) -> None:
    """Remove a folder of tiles; there are only files in it."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
