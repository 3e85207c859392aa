"""A short record on ECG paper, as a small drawing."""

from __future__ import annotations

import io
import re

from beatlens.core.leads import STANDARD_LEADS, canonical_lead
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import styled
from beatlens.viewer.record_data import RecordData, ViewerSettings

PAPER_S = 10.0
TWELVE = STANDARD_LEADS[:12]
_STEP = re.compile(r"([MLz])(?:\s*(-?[\d.]+)\s+(-?[\d.]+))?")
_PATH_DATA = re.compile(r' d="([^"]*)"')


def paper_svg(data: RecordData, settings: ViewerSettings) -> str:
    """Return the begin of a record on ECG paper: four columns of three leads where it has all twelve.

    Text stays text and coordinates keep a tenth of a point (35 micrometres), so that the drawing is small.
    """
    import matplotlib as mpl

    stop = min(data.signal.shape[1], round(PAPER_S * data.fs))
    twelve = set(TWELVE) <= {canonical_lead(name) for name in data.leads}
    with styled(), mpl.rc_context({"svg.fonttype": "none"}):
        strip = Strip(data.signal[:, :stop], data.leads, data.fs, 0.0)
        figure = EcgFigure(strip, PaperScale(settings.speed_mm_s, settings.gain_mm_mv), "4x3+1" if twelve else "auto")
        inside = data.beats[data.beats["r_time_s"] < stop / data.fs]
        if data.predicted:
            figure.mark_beats(inside["r_time_s"].tolist(), inside["pred"].tolist())
        buffer = io.StringIO()
        figure.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _PATH_DATA.sub(lambda found: f' d="{_short(found[1])}"', text)
    return re.sub(r">\s+<", "><", text)


def _short(path: str) -> str:
    """Return the data of a path of straight lines with steps in place of places; another path as it is."""
    if re.search("[^MLz0-9. \\n-]", path):
        return path
    text, at, last = "", (0, 0), ""
    for command, x, y in _STEP.findall(path):
        if command == "z":
            text += "z"
        else:
            to = (round(10 * float(x)), round(10 * float(y)))
            if command == "M":
                text += f"M{to[0] / 10:g} {to[1] / 10:g}"
            else:
                text += "l" if last != "L" else " "
                text += f"{_bare(to[0] - at[0])} {_bare(to[1] - at[1])}"
            at = to
        last = command
    return text


def _bare(tenths: int) -> str:
    """Return a tenth of a number without a zero before its point."""
    return re.sub(r"^(-?)0(?=\.)", r"\1", f"{tenths / 10:g}")
