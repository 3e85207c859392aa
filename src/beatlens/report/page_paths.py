"""Where the page of a record lies. Names are people's; a file name made of one never leaves the run's folder."""

import hashlib
from pathlib import PurePosixPath
from urllib.parse import quote

# A file name has 255 bytes at most, of which the ending and a temporary name take some.
_LONGEST = 180


def page_path(corpus: str, record: str) -> PurePosixPath:
    """Path of a record's page, relative to the run's folder: `records/<corpus>/<record>.html`."""
    return PurePosixPath("records", _file_name(corpus), _file_name(record) + ".html")


def tiles_folder(corpus: str, record: str) -> PurePosixPath:
    """Folder of the signals beside the page, relative to the run's folder."""
    return page_path(corpus, record).with_suffix(".tiles")


def page_link(corpus: str, record: str) -> str:
    """Address of the page as seen from the run's folder, for a `href`: the file's own `%` are quoted too."""
    return quote(str(page_path(corpus, record)))


def _file_name(name: str) -> str:
    """Percent-encoded name, one to one; a long one ends in a digest of the whole."""
    encoded = quote(name, safe="").replace("~", "%7E")
    if not encoded:
        return "%"
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if len(encoded) <= _LONGEST:
        return encoded
    return f"{encoded[:_LONGEST]}%{hashlib.sha256(name.encode()).hexdigest()[:16]}"
