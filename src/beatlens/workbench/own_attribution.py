"""An attribution that a person made, on a record: drawn as those of a model are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.record import Record
from beatlens.explain.result.attribution import Attribution
from beatlens.workbench.defaults import default_config
from beatlens.workbench.looks import look_of, scale_of
from beatlens.workbench.predicted import PredictedRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_S = 10.0


@dataclass(frozen=True)
class OwnAttribution:
    """Values that a person gave, on a record; of `attribution_from_annotations` and `attribution_from_values`.

    Attributes
    ----------
    attribution
        The values, as every method's are kept.
    record
        The record.
    note
        What the figure says of how the values came about, or "".
    """

    attribution: Attribution
    record: PredictedRecord | Record
    note: str = ""

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """(n_leads, n_samples) float32: above 0 for, below against."""
        return self.attribution.values

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the leads, a row of `values` each."""
        return self.attribution.leads

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """(n_samples,) time in the record of each column of `values`, in seconds."""
        return self.attribution.times_s

    def plot(
        self,
        start_s: float = 0.0,
        end_s: float | None = None,
        *,
        limit: float | None = None,
        figures: Mapping[str, Any] | None = None,
    ) -> Figure:
        """Draw a stretch of the record to scale, with the values over it.

        Parameters
        ----------
        start_s, end_s
            The stretch in seconds; by default 10 s from `start_s`, or what there is of them.
        limit
            Value at which colour and width are full; by default the largest absolute value.
        figures
            Options of the section ``figures`` to change, such as ``{"layout": "4x3", "style": "width"}``.

        Returns
        -------
        matplotlib.figure.Figure
            With its ``savefig``.

        Raises
        ------
        ValueError
            For a stretch that isn't in the record, or an option that isn't as it should be.
        """
        from beatlens.figures.paper.overlay import draw_overlay
        from beatlens.figures.paper.page import explained_page
        from beatlens.figures.paper.shown import smoothed
        from beatlens.figures.paper.strip import Strip
        from beatlens.figures.paper.style import styled

        record, fs = self.record, float(self.record.fs)
        duration_s = record.signal.shape[1] / fs
        end_s = min(start_s + SHOWN_S, duration_s) if end_s is None else end_s
        if not 0 <= start_s < end_s <= duration_s:
            raise ValueError(
                f"{record.corpus}/{record.name}: stretch from {start_s:g} to {end_s:g} s; expected one within 0 to "
                f"{duration_s:g} s"
            )
        config = record.predictions.config if isinstance(record, PredictedRecord) else default_config()
        look = look_of(config, figures or {})
        largest = float(np.abs(smoothed(self.attribution, look.smoothing_s).values).max(initial=0.0))
        first, stop = round(start_s * fs), round(end_s * fs)
        with styled():
            strip = Strip(np.array(record.signal[:, first:stop], dtype=np.float32), record.leads, fs, first / fs)
            middle = (start_s + end_s) / 2
            figure = explained_page(strip, self.attribution, scale=scale_of(config), look=look, moment_s=middle)
            if isinstance(record, PredictedRecord):
                beats = record.beats
                inside = beats[(beats["r_time_s"] >= start_s) & (beats["r_time_s"] < end_s)]
                figure.mark_beats(inside["r_time_s"].tolist(), inside["pred"].tolist())
            figure.title(f"{record.corpus}/{record.name}", self.attribution.meta.method)
            if self.note:
                figure.note(self.note)
            draw_overlay(figure, self.attribution, limit or largest or 1.0, look)
        return figure.figure

    def save(self, path: str | Path) -> None:
        """Write the attribution as .npz, as a run's ``explanations/<method>/<case>.npz``."""
        self.attribution.save(path)
