"""Which downloads of a shard failed, and how often they are tried again: this is in the rule's params.

The number of tries grows once the server has one of the missing files. Until then nothing is made anew for records that
stay out. It never falls, so a shard whose records have all arrived isn't run once more. It lies beside the shard's
tables and is removed with them. Standard library only, since it is read whenever the Snakefile is parsed.
"""

from __future__ import annotations

import http.client
import logging
import urllib.error
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.downloads import https
from beatlens.corpora.downloads.download import Remote
from beatlens.corpora.downloads.download_folder import LISTINGS, check_member

logger = logging.getLogger(__name__)
NAME = "interrupted_downloads"
MAX_ASKED = 20
"""Files that a server is asked for, to tell whether there is something to try again."""
_unreachable: set[str] = set()


def tries(shard: Path, remotes: Mapping[str, Remote]) -> int:
    """Return how often downloads of a shard are tried again: once more where the server now has a missing file.

    Parameters
    ----------
    shard
        Its folder.
    remotes
        Where corpora are downloaded from, by the configuration. Nothing else is asked.
    """
    lines = _lines(shard)
    n = int(lines[0]) if lines and lines[0].isdecimal() else 0
    missing = [line.split("\t") for line in lines[1:]]
    wanted = [(remotes[line[0]], line[1]) for line in missing if len(line) == 2 and line[0] in remotes]
    if _any_is_there(wanted[:MAX_ASKED]):
        return n + 1
    if wanted:
        logger.warning(
            "%s: records are left out, since %d of their files still can't be downloaded", shard, len(wanted)
        )
    return n


def note_interrupted(shard: Path, tried: int, missing: Collection[tuple[str, str]]) -> None:
    """Note which files couldn't be downloaded in a run of a shard.

    Parameters
    ----------
    shard
        Its folder.
    tried
        `tries` of this run.
    missing
        (corpus, file) for each record that was left out; nothing where all are here.
    """
    from beatlens.core.files import write_text

    if missing:
        logger.warning("%s: %d records couldn't be downloaded; a later run tries them again", shard, len(missing))
    if missing or tried or (shard / NAME).exists():
        write_text(shard / NAME, "\n".join([str(tried), *("\t".join(entry) for entry in missing)]) + "\n")


def _lines(shard: Path) -> list[str]:
    try:
        return (shard / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _any_is_there(wanted: Iterable[tuple[Remote, str]]) -> bool:
    """Tell whether a server has one of some files now; one that can't be reached is asked once in a process."""
    for remote, member in wanted:
        if remote.base_url in _unreachable:
            continue
        try:
            if member not in LISTINGS:
                check_member(member, NAME)
            https.request(remote.url(member)).close()
        except urllib.error.HTTPError as error:
            error.close()
        except RecordFault as fault:
            logger.warning("%s", fault)
        except (OSError, http.client.HTTPException):
            _unreachable.add(remote.base_url)
        else:
            return True
    return False
