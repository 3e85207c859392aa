"""An explanation's page: its leads, columns and rhythm strips as the look says, ready for marks and the overlay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.layout import RhythmStrip, most_leads
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.shown import strongest_leads
from beatlens.figures.paper.strip import Strip
from beatlens.figures.settings import LookSettings

if TYPE_CHECKING:
    from beatlens.explain.result.attribution import Attribution


@dataclass(frozen=True)
class Usual:
    """What ``auto`` is for a kind of figure.

    Attributes
    ----------
    layout
        With its rhythm strips, as for `beatlens.figures.paper.layout.plan`.
    simultaneous
        Whether each column shows the whole stretch.
    """

    layout: str = "auto"
    simultaneous: bool = True


def explained_page(
    strip: Strip,
    attribution: Attribution,
    *,
    scale: PaperScale,
    look: LookSettings,
    usual: Usual = Usual(),
    moment_s: float | None = None,
) -> EcgFigure:
    """Draw the ECG of an explanation, without the explanation; a context of `styled` is the caller's.

    Parameters
    ----------
    strip
        The whole stretch, in all leads that may be shown.
    attribution
        Decides which leads are shown where there isn't room for all of them.
    scale, look
        Paper, and how it looks.
    usual
        What the kind of figure has where the look leaves it open.
    moment_s
        Around which columns of `LookSettings.column_s` lie; None where they don't follow it.
    """
    base, _, strips = usual.layout.partition("+")
    if look.layout != "auto":
        base, strips = look.layout, ""
    n_strips = int(strips or 0) if look.rhythm_strips is None else look.rhythm_strips
    room = [most for most in (most_leads(base), look.top_leads) if most is not None]
    shown = strongest_leads(attribution, strip.leads, min(room, default=None))
    simultaneous = usual.simultaneous if look.columns == "auto" else look.columns == "simultaneous"
    speed = scale.speed_mm_s if look.rhythm_speed_mm_s is None else look.rhythm_speed_mm_s
    figure = EcgFigure(
        strip,
        scale,
        f"{base}+{n_strips}" if n_strips else base,
        simultaneous=simultaneous and base not in ("auto", "stack"),
        columns_s=_around(strip, moment_s, look.column_s),
        rhythm=RhythmStrip(strip.start_s, strip.end_s, speed, look.rhythm_leads) if n_strips else None,
        shown=shown,
        grid=look.grid,
    )
    if len(shown) < len(strip.leads):
        figure.note(f"{len(shown)} of {len(strip.leads)} leads: the strongest")
    return figure


def _around(strip: Strip, moment_s: float | None, seconds: float | None) -> tuple[float, float] | None:
    """Return the stretch of so many seconds around a moment, moved to lie within the strip; None for all of it."""
    if moment_s is None or seconds is None or seconds >= strip.end_s - strip.start_s:
        return None
    start_s = min(max(moment_s - seconds / 2, strip.start_s), strip.end_s - seconds)
    return start_s, start_s + seconds
