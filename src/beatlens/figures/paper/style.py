"""Colours, type and deterministic saving: the same figure gives the same bytes on the same versions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from PIL import Image

from beatlens.core.files import atomic_path

MM_PER_INCH = 25.4
POINTS_PER_MM = 72 / MM_PER_INCH

INK = "#1f2328"
MUTED = "#6b7280"
HAIRLINE = "#d5d9de"
PAPER = "#fffdfb"
GRID_MINOR = "#f8e6e1"
GRID_MAJOR = "#efc9c0"
POSITIVE = "#d95f02"
NEGATIVE = "#2166ac"
PURPLE = "#6a3d9a"
RED = "#d7191c"
TRUTH = "#11724f"
ACCENT = "#0b5a8a"
NULL = "#9aa1aa"

# Okabe and Ito (2008): told apart with every common colour vision deficiency; black is left for ink.
CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C6D31", "#6b7280")

RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so that figures look alike everywhere
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "svg.hashsalt": "beatlens",
    "svg.fonttype": "path",
    "path.simplify": True,
    "path.simplify_threshold": 0.11,
    "image.composite_image": False,
    "text.parse_math": False,  # a "$" in a name is a "$"
}

_PATH_DATA = re.compile(r' d="([^"]*)"')
_LONG_NUMBER = re.compile(r"(-?\d+\.\d{2})\d+")


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Return a colour for each class, by its place in the configured list."""
    return {name: CLASS_COLOURS[k % len(CLASS_COLOURS)] for k, name in enumerate(classes)}


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures are made and saved; axes take their looks when they are made."""
    return mpl.rc_context(RC)


def text_width_mm(text: str, size: float, weight: str = "normal") -> float:
    """Return how long a line of text is."""
    font = FontProperties(family=RC["font.sans-serif"], size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / POINTS_PER_MM


def new_figure(width_mm: float, height_mm: float, **options: Any) -> Figure:
    """Return an empty figure of a physical size, made without pyplot so that no global state is touched."""
    return Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), facecolor="white", **options)


def save_figure(figure: Figure, path: str | Path, dpi: float = 150) -> None:
    """Write a figure as SVG, PNG or PDF by the ending of the name, without dates and under a temporary name.

    In SVG, path coordinates keep two decimals of a point (3.5 micrometres); in PNG, colours come from a palette of 256.
    Either makes the file a half to a third as large, without a visible difference.
    """
    path = Path(path)
    kind = path.suffix.lstrip(".")
    if kind not in {"svg", "png", "pdf"}:
        raise ValueError(f"{path}: ending {path.suffix!r}; expected .svg, .png or .pdf")
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": "beatlens"},
        "pdf": {"CreationDate": None, "ModDate": None, "Creator": "beatlens"},
    }
    with atomic_path(path) as temporary, styled():
        if kind == "png":
            _save_png(figure, temporary, dpi)
            return
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata[kind])
        if kind == "svg":
            text = temporary.read_text(encoding="utf-8")
            temporary.write_text(_PATH_DATA.sub(_shorten, text), encoding="utf-8")


def _save_png(figure: Figure, path: Path, dpi: float) -> None:
    canvas: Any = FigureCanvasAgg(figure)
    before = figure.dpi
    figure.set_dpi(dpi)
    try:
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    finally:
        figure.set_dpi(before)
    image = Image.fromarray(pixels).quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(path, format="PNG", dpi=(dpi, dpi), compress_level=6)


def _shorten(match: re.Match[str]) -> str:
    return ' d="' + _LONG_NUMBER.sub(r"\1", match.group(1)) + '"'
