"""A watched beat: its maps, a row a class and a column an epoch, on millimetre paper, with one colour scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from beatlens.core.files import read_arrays
from beatlens.core.numerals import fixed
from beatlens.explain.watch.settings import CLASSLESS
from beatlens.figures.explained_cases import UNCHECKED
from beatlens.figures.paper.colour_maps import colours
from beatlens.figures.paper.scale import PaperScale, millimetre_axes, millimetre_grid, millimetre_image, round_up_mm
from beatlens.figures.paper.style import INK, MUTED, PAPER, POINTS_PER_MM, styled

Array = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[np.generic]]

EPOCHS, LEADS = 6, 2
"""Columns and leads of a figure at most. The files hold all."""
HEAD_MM, LABEL_MM, CAPTION_MM, GAP_MM, FOOT_MM = 19.0, 17.0, 4.0, 1.2, 15.0
ELSEWHERE_MM = 2.6
"""Height of the second line of a caption: how much of a map of attention lies on other beats."""
LIMIT_MM = 25.0
"""A trace is cut beyond this distance above or below zero."""
OPACITY = 0.6
QUANTILE = 0.995
WORDS = {
    "gradcam": "Grad-CAM", "gradcam_plus_plus": "Grad-CAM++", "hirescam": "HiResCAM",
    "attention": "attention", "attention_rollout": "attention rollout", "attention_relevance": "attention relevance",
}  # fmt: skip
UNITS = {
    "attention": "share of the attention", "attention_rollout": "share of the attention, rolled out",
    "attention_relevance": "what the class gains by attention",
}  # fmt: skip
"""What a colour stands for; of the others it is a part of the class logit."""


@dataclass(frozen=True)
class Watched:
    """The files of a watched training.

    Attributes
    ----------
    cohort
        ``cohort.npz``: who is watched.
    epochs
        ``<epoch>.npz`` of each epoch, in order.
    """

    cohort: Arrays
    epochs: Sequence[Arrays]

    @classmethod
    def load(cls, cohort: Path, epochs: Sequence[Path]) -> Watched:
        """Read the files; the epochs in any order."""
        read = sorted((read_arrays(path) for path in epochs), key=lambda arrays: int(arrays["epoch"]))
        return cls(read_arrays(cohort), read)

    @property
    def methods(self) -> list[str]:
        """Kinds of map that the files have."""
        return [name.removesuffix("_absent") for name in self.epochs[0] if name.endswith("_absent")]

    @property
    def shown(self) -> list[Arrays]:
        """Up to `EPOCHS` of the epochs: the first, the last, and some evenly between."""
        places = np.unique(np.rint(np.linspace(0, len(self.epochs) - 1, EPOCHS)).astype(int))
        return [self.epochs[place] for place in places]


def watch_figure(watched: Watched, case: str, method: str, scale: PaperScale, colour_map: str) -> Figure:
    """Draw one beat: the map of every class after several epochs of the training.

    Full colour is at the largest values of this beat's maps, of all classes and epochs drawn, so that maps of a network
    that hasn't learnt yet are pale. A map that is the same for every class is drawn once. Under a map of attention
    stands how much of it lies on other beats.

    Parameters
    ----------
    watched
        The files.
    case
        One of the cohort's cases.
    method
        Kind of map.
    scale
        Paper scale.
    colour_map
        See `beatlens.figures.paper.colour_maps.colours`.

    Raises
    ------
    ValueError
        For a case or a kind of map that the files don't have.
    """
    cohort, epochs = watched.cohort, watched.shown
    cases = [str(name) for name in cohort["cases"]]
    if case not in cases or method not in epochs[0]:
        raise ValueError(f"watched case {case!r}, map {method!r}; expected one of {cases} and of {watched.methods}")
    k = cases.index(case)
    maps = np.stack([arrays[method][k] for arrays in epochs]).astype(np.float64)  # epochs, classes, leads, positions
    signal, fs, before = cohort["signal"][k].astype(np.float64), float(cohort["fs"]), int(cohort["before"])
    leads = _strongest(maps, signal)
    finite = np.abs(maps[np.isfinite(maps)])
    limit = float(np.quantile(finite[finite > 0], QUANTILE)) if (finite > 0).any() else 1.0
    drawing = _Drawing(
        signal=np.clip(signal[leads] * scale.gain_mm_mv, -LIMIT_MM, LIMIT_MM),
        times=(np.arange(signal.shape[1]) - before) / fs,
        positions=np.asarray(epochs[0][f"{method}_time_s"], dtype=np.float64),
        names=[str(cohort["leads"][lead]) for lead in leads],
        speed=scale.speed_mm_s,
        limit=limit,
        colour_map=colour_map,
        by_token=method in UNITS,
    )
    classes = [str(name) for name in cohort["classes"]]
    rows = [classes.index(str(cohort["labels"][k]))] if method in CLASSLESS else list(range(len(classes)))
    caption = CAPTION_MM + (ELSEWHERE_MM if drawing.by_token else 0)
    width = LABEL_MM + len(epochs) * (drawing.width_mm + GAP_MM) + GAP_MM
    height = HEAD_MM + len(rows) * (drawing.height_mm + caption) + FOOT_MM
    with styled():
        figure, axes = millimetre_axes(max(width, 150.0), height)
        _title(axes, watched, k, method=method, n_epochs=len(epochs), leads=drawing.names, scale=scale)
        for column, arrays in enumerate(epochs):
            left = LABEL_MM + column * (drawing.width_mm + GAP_MM)
            axes.text(left, height - HEAD_MM + 1.2, f"epoch {int(arrays['epoch'])}", fontsize=7.5, color=INK)
            for place, row in enumerate(rows):
                name, top = classes[row], height - HEAD_MM - place * (drawing.height_mm + caption)
                is_label = name == str(cohort["labels"][k])
                if column == 0:
                    weight = "bold" if is_label else "normal"
                    axes.text(2, top - 2, name, fontsize=9.5, color=INK, va="top", weight=weight)
                    axes.text(2, top - 6.5, "its class" if is_label else "", fontsize=6.5, color=MUTED, va="top")
                drawing.cell(axes, left, top, maps[column, row, leads if maps.shape[2] > 1 else [0] * len(leads)])
                said = f"p {fixed(float(arrays['probabilities'][k, row]), 2)}"
                elsewhere = float(arrays[f"{method}_elsewhere"][k, row]) if drawing.by_token else np.nan
                said += f"\n{100 * elsewhere:.0f} % elsewhere" if np.isfinite(elsewhere) else ""
                axes.text(left, top - drawing.height_mm - 0.6, said, fontsize=6, color=MUTED, va="top")
        _legend(axes, max(width, 150.0), drawing, UNITS.get(method, "part of the class logit, by position"))
        absent = sorted({str(arrays[f"{method}_absent"]) for arrays in epochs} - {""})
        notes = [f"no map where {text}" for text in absent] + ([UNCHECKED] if drawing.by_token else [])
        axes.text(2, 3.0, "; ".join(notes), fontsize=7, color=MUTED)
        return figure


def _strongest(maps: Array, signal: Array) -> list[int]:
    """Return up to `LEADS` of the leads that the beat has, those whose maps have the largest mass, in order."""
    has = np.flatnonzero(np.isfinite(signal).all(axis=1))
    if maps.shape[2] == 1:  # one map of all leads together
        return [int(lead) for lead in has[:LEADS]]
    mass = np.nansum(np.abs(maps), axis=(0, 1, 3))[has]
    return sorted(int(lead) for lead in has[np.argsort(-mass, kind="stable")[:LEADS]])


@dataclass(frozen=True)
class _Drawing:
    """What all cells of a figure share; signals (L, T) are in millimetres of the paper."""

    signal: Array
    times: Array
    positions: Array
    names: Sequence[str]
    speed: float
    limit: float
    colour_map: str
    by_token: bool
    """Whether a value stands for a stretch, instead of a position between which colours go over."""

    @property
    def before_mm(self) -> float:
        return round_up_mm(-self.times[0] * self.speed)

    @property
    def width_mm(self) -> float:
        return self.before_mm + round_up_mm(self.times[-1] * self.speed)

    @property
    def extents(self) -> list[tuple[float, float]]:
        """Millimetres above and below zero of each lead, in large squares."""
        return [(round_up_mm(max(w.max(), 0.0) + 1.0), round_up_mm(max(-w.min(), 0.0) + 1.0)) for w in self.signal]

    @property
    def height_mm(self) -> float:
        return sum(up + down for up, down in self.extents)

    def cell(self, axes: Axes, left: float, top: float, maps: Array) -> None:
        """Draw the beat in its leads, and its map (L, P) behind each, below and right of a place."""
        millimetre_grid(axes, left, top - self.height_mm, self.width_mm, self.height_mm)
        x = left + self.before_mm + self.times * self.speed
        half = 0.5 * (x[1] - x[0])
        for wave, name, values, (up, down) in zip(self.signal, self.names, maps, self.extents, strict=True):
            if np.isfinite(values).all():
                if self.by_token:
                    shades = values[np.abs(self.times[:, None] - self.positions).argmin(axis=1)][None, :]
                else:
                    shades = np.interp(self.times, self.positions, values)[None, :]
                millimetre_image(
                    axes,
                    colours(shades, self.limit, OPACITY, self.colour_map),
                    (x[0] - half, x[-1] + half, top - up - down, top),
                    zorder=1.5,
                )
            else:
                axes.text(left + 1, top - up - down + 1, "no map", fontsize=6.5, color=MUTED, zorder=4)
            axes.plot(x, top - up + wave, color=INK, linewidth=0.28 * POINTS_PER_MM, zorder=3)
            axes.text(left + 0.6, top - 0.6, name, fontsize=6, color=INK, va="top", zorder=4)
            top -= up + down


def _title(
    axes: Axes, watched: Watched, k: int, *, method: str, n_epochs: int, leads: Sequence[str], scale: PaperScale
) -> None:
    cohort = watched.cohort
    height = axes.get_ylim()[1]
    seen = "the network doesn't learn from this patient"
    if str(cohort["split"]) == "train":
        seen = "the network learns from this patient, too"
    line = f"{cohort['cases'][k]}: a beat of {cohort['labels'][k]}, patient {cohort['patients'][k]}"
    axes.text(2, height - 2, line, fontsize=9, weight="bold", color=INK, va="top")
    has = int(np.isfinite(cohort["signal"][k]).all(axis=1).sum())
    rows = ", the same for every class," if method in CLASSLESS else " for each class (rows)"
    name = WORDS.get(method, method)
    shown = f"{name[0].upper()}{name[1:]}{rows} after {n_epochs} of {len(watched.epochs)} epochs; {seen}"
    axes.text(2, height - 6.6, shown, fontsize=7.5, color=MUTED, va="top")
    chosen = f"   the {len(leads)} leads of {has} with the most colour" if len(leads) < has else ""
    axes.text(2, height - 13.6, f"{scale}{chosen}", fontsize=7, color=MUTED, va="center")


def _legend(axes: Axes, width: float, drawing: _Drawing, said: str) -> None:
    """Draw the colour bar, of the colours of the map, with its ends and what they stand for."""
    bar, high, y = 40.0, 2.2, 9.5
    left = width - bar - 6.0
    axes.add_patch(Rectangle((left, y), bar, high, facecolor=PAPER, edgecolor="none", zorder=1))
    shades = np.linspace(-drawing.limit, drawing.limit, 81)[None, :]
    millimetre_image(
        axes,
        colours(shades, drawing.limit, OPACITY, drawing.colour_map),
        (left, left + bar, y, y + high),
        zorder=2,
    )
    axes.add_patch(Rectangle((left, y), bar, high, facecolor="none", edgecolor=MUTED, linewidth=0.4, zorder=3))
    for share, text in ((0.0, f"−{drawing.limit:.2g}"), (0.5, "0"), (1.0, f"+{drawing.limit:.2g}")):
        axes.text(left + share * bar, y - 0.6, text, fontsize=6.5, color=INK, ha="center", va="top")
    said += "; elsewhere: on other beats" if drawing.by_token else ""
    axes.text(left - 2, y + high / 2, said, fontsize=7, color=MUTED, ha="right", va="center")
