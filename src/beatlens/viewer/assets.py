"""Script and style of the viewer as they stand in a page, and the policy that lets no other script run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "assets"
SCRIPTS = ("uPlot.iife.min.js", "viewer.js", "review.js")
STYLES = ("uPlot.min.css", "viewer.css", "review.css")


@cache
def scripts() -> tuple[str, ...]:
    """Return the scripts of a page, in the order in which they run."""
    return tuple(_read(name) for name in SCRIPTS if (FOLDER / name).is_file())


@cache
def styles() -> str:
    """Return the style sheets of the viewer."""
    return "\n".join(map(_read, STYLES))


def policy(inline: Iterable[str], *, beside: bool) -> str:
    """Return the content security policy of a page: no network, these scripts alone.

    Parameters
    ----------
    inline
        Text of each script in the page, as it stands between its tags.
    beside
        Whether tiles and figures lie in files beside the page.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in inline
    )
    files = " 'self'" if beside else ""
    return (
        f"default-src 'none'; script-src {hashes}{files}; style-src 'unsafe-inline'; img-src data: blob: 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").strip()
