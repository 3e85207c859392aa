"""Figures in a page: files beside it, or within it."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_SVG_WIDTH = re.compile(rb'<svg[^>]*?\swidth="([\d.]+)pt"')
MM_PER_POINT = 25.4 / 72


@dataclass(frozen=True)
class Image:
    """A figure as it stands in the page.

    Attributes
    ----------
    uri
        The file's place beside the page, or the whole file as a ``data:`` URI.
    width_mm
        Physical width, so that an ECG is to scale on paper and on a calibrated screen.
    data
        Place of the data behind it, "" where there is none.
    """

    uri: str
    width_mm: float
    data: str = ""


@dataclass(frozen=True)
class Place:
    """How a page gets its figures.

    Attributes
    ----------
    folder
        Folder of the page.
    embed
        Whether the page holds the figures, or finds them beside it.
    """

    folder: Path
    embed: bool

    def image(self, *paths: Path, data: str = "") -> Image:
        """Take a figure: the smallest of the files given, at the width that the SVG among them says.

        Parameters
        ----------
        paths
            The same figure as SVG and, optionally, PNG.
        data
            Place of the data behind it, from the page.

        Raises
        ------
        ValueError
            Where none is an SVG with its width in points.
        """
        widths = [width for path in paths if path.suffix == ".svg" if (width := _width_pt(path))]
        if not widths:
            raise ValueError(f"{', '.join(map(str, paths))}: no SVG with a width in points")
        smallest = min(paths, key=lambda path: path.stat().st_size)
        if self.embed:
            content = base64.b64encode(smallest.read_bytes()).decode("ascii")
            uri = f"data:{_TYPES[smallest.suffix]};base64,{content}"
        else:
            uri = self.address(smallest)
        return Image(uri, widths[0] * MM_PER_POINT, data)

    def images(self, folders: Sequence[Path]) -> dict[str, Image]:
        """Take every figure of folders, by name: the smaller of its .svg and its .png."""
        files = [file for folder in folders for file in sorted(folder.glob("*.svg"))]
        return {file.stem: self.image(file, file.with_suffix(".png")) for file in files}

    def address(self, file: Path) -> str:
        """Return the address of a file, as seen from the page."""
        return quote(os.path.relpath(file, self.folder))


def _width_pt(svg: Path) -> float | None:
    with svg.open("rb") as file:
        match = _SVG_WIDTH.search(file.read(4000))
    return float(match.group(1)) if match else None
