from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beatlens.core.leads import STANDARD_LEADS
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import AttributionMeta
from beatlens.figures.paper.colour_maps import colours
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.layout import LeadsMap, RhythmStrip, plan
from beatlens.figures.paper.margins import LIMIT_MV
from beatlens.figures.paper.overlay import displayed, draw_overlay, shared_limit
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import NEGATIVE, POSITIVE, save_figure
from beatlens.figures.settings import LookSettings

SCALE = PaperScale(speed_mm_s=25, gain_mm_mv=10)


def strip(leads: tuple[str, ...] = ("II", "V1"), seconds: float = 4.0, fs: float = 200.0) -> Strip:
    times = np.arange(int(seconds * fs)) / fs
    wave = np.exp(-(((times % 0.8) - 0.4) ** 2) / 0.0002)
    return Strip(np.tile(wave, (len(leads), 1)).astype(np.float32), leads, fs, 10.0)


def attribution(
    of: Strip, values: np.ndarray | None = None, start_s: float | None = None, units: str = "probability"
) -> Attribution:
    meta = AttributionMeta(
        case="c", corpus="c", record="r", beat_id="c/r/1", target="beat", case_class="V", method="fused", units=units
    )
    zeros = np.zeros(of.signal.shape, np.float32)
    return Attribution(
        zeros if values is None else values, of.leads, of.fs, of.start_s if start_s is None else start_s, meta
    )


def test_png_is_to_scale(tmp_path: Path) -> None:
    """A pulse of 1 mV and 1 s, measured in pixels at 254 dpi (10 pixels a millimetre)."""
    signal = np.zeros((1, 800), np.float32)
    signal[0, 200:400] = 1.0
    figure = EcgFigure(Strip(signal, ("II",), 200.0, 0.0), SCALE)
    save_figure(figure.figure, tmp_path / "a.png", dpi=254)
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("L")).astype(int)
    assert pixels.shape == tuple(round(side * 10) for side in figure.size_mm[::-1])
    panel = figure.panels[0]

    def column_centre(x_mm: float) -> float:
        column = pixels[:, round(x_mm * 10)]
        return float(np.mean(np.flatnonzero(column == column.min())))

    low, high = (column_centre(figure.x_mm(panel, t)) for t in (0.7, 1.5))
    assert low - high == pytest.approx(100, abs=1)  # 1 mV = 10 mm
    middle = pixels.shape[0] - round(figure.y_mm(panel, 0.5) * 10)
    x_from, x_to = (round(figure.x_mm(panel, t) * 10) for t in (0.5, 2.5))
    edges = np.flatnonzero(pixels[middle, x_from:x_to] < 90)
    assert edges.max() - edges.min() == pytest.approx(250, abs=4)  # 1 s = 25 mm, plus the width of the line


def test_svg_is_to_scale_and_deterministic(tmp_path: Path) -> None:
    texts = []
    for name in ("a.svg", "b.svg"):
        of = strip()
        figure = EcgFigure(of, SCALE)
        figure.mark_beats([11.0], ["V"], 0)
        draw_overlay(figure, attribution(of, of.signal / 100), 0.1)
        save_figure(figure.figure, tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "20" + "26-" not in texts[0]
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', texts[0]).groups()  # type: ignore[union-attr]
    assert [float(width), float(height)] == pytest.approx([side * 72 / 25.4 for side in figure.size_mm], abs=0.01)
    path = re.search(r'id="pulse-0">\s*<path d="([^"]*)"', texts[0]).group(1)  # type: ignore[union-attr]
    points = np.array([[float(v) for v in pair.split()] for pair in re.findall(r"[ML] (\S+ \S+)", path)]) * 25.4 / 72
    assert np.ptp(points[:, 1]) == pytest.approx(10, abs=0.02)  # 1 mV
    assert points[3, 0] - points[1, 0] == pytest.approx(5, abs=0.02)  # 200 ms


def test_layouts() -> None:
    leads = ("V6", "aVR", "X", *(lead for lead in STANDARD_LEADS if lead not in ("V6", "aVR")))
    panels = plan(leads, 0.0, 10.0, name="stack")
    assert [panel.lead for panel in panels] == [*STANDARD_LEADS, "X"]
    panels = plan(STANDARD_LEADS, 5.0, 15.0, name="4x3+1")
    assert [(p.lead, p.start_s, p.end_s) for p in panels[3:5]] == [("aVR", 7.5, 10.0), ("aVL", 7.5, 10.0)]
    assert (panels[-1].lead, panels[-1].row, panels[-1].rhythm, panels[-1].end_s) == ("II", 3, True, 15.0)
    assert len(plan(STANDARD_LEADS, 0, 10, name="4x3+3")) == 15
    assert {(p.start_s, p.end_s) for p in plan(STANDARD_LEADS, 0, 4, name="auto")} == {(0, 4)}
    with pytest.raises(ValueError, match="'3x4'"):
        plan(STANDARD_LEADS, 0, 10, name="3x4")
    with pytest.raises(ValueError, match="each once"):
        plan(("I", "I"), 0, 10, name="stack")


def test_grid_is_aligned_with_zero_lines_and_columns() -> None:
    figure = EcgFigure(strip(STANDARD_LEADS), SCALE, "2x6", simultaneous=True)
    for panel in figure.panels:
        assert (figure.x_mm(panel, panel.start_s) - 4.0) % 5 == pytest.approx(0)
        assert (figure.y_mm(panel, 0.0) - figure.row_mm(figure.panels[5])[0]) % 5 == pytest.approx(0)


def test_mass_outside_is_measured_and_said() -> None:
    of = strip(STANDARD_LEADS, 10.0)
    values = np.zeros(of.signal.shape, np.float32)
    values[0, 100:200] = 0.01  # lead I, in the first column
    values[0, 1500:1600] = -0.01  # lead I, where V4 is shown
    figure = EcgFigure(of, SCALE, "4x3")
    assert draw_overlay(figure, attribution(of, values), 0.1) == pytest.approx(0.5)
    assert "50 % of the attribution's mass lies outside this figure" in [t.get_text() for t in figure.axes.texts]
    figure = EcgFigure(of, SCALE, "stack")
    assert draw_overlay(figure, attribution(of, values), 0.1) == 0.0
    assert draw_overlay(figure, attribution(of, values, start_s=50.0), 0.1) == 1.0


def test_empty_map_and_foreign_leads() -> None:
    of = strip()
    figure = EcgFigure(of, SCALE)
    images = len(figure.axes.images)
    assert draw_overlay(figure, attribution(of), 0.1) == 0.0
    assert len(figure.axes.images) == images + 1  # the legend alone
    other = attribution(Strip(of.signal, ("MLII", "Z"), of.fs, of.start_s), np.full(of.signal.shape, 1e-3, np.float32))
    assert draw_overlay(EcgFigure(of, SCALE), other, 0.1) == pytest.approx(0.5)
    assert shared_limit([attribution(of)]) == 1.0


@pytest.mark.parametrize(("limit", "end"), [(1.0, "100 %"), (10.0, "1000 %"), (0.07, "7 %"), (0.00056, "0.056 %")])
def test_a_legend_of_shares_is_in_percent(limit: float, end: str) -> None:
    of = strip()
    figure, empty = EcgFigure(of, SCALE), attribution(of, units="relative")
    draw_overlay(figure, empty, limit)
    assert {f"−{end}", "0", f"+{end}"} <= {text.get_text() for text in figure.axes.texts}


@pytest.mark.parametrize(("speed", "strip_speed"), [(25.0, 25.0), (50.0, 25.0), (25.0, 50.0), (100.0, 100.0)])
def test_no_calibration_pulse_reaches_a_trace(speed: float, strip_speed: float) -> None:
    figure = EcgFigure(
        strip(STANDARD_LEADS), PaperScale(speed, 10), "4x3+1", rhythm=RhythmStrip(10.0, 14.0, strip_speed)
    )
    pulses = {line.get_gid(): line.get_xdata() for line in figure.axes.lines if (line.get_gid() or "").startswith("p")}
    for panel in (panel for panel in figure.panels if panel.column == 0):
        xs = np.asarray(pulses[f"pulse-{panel.row}"])
        assert xs[3] - xs[2] == pytest.approx(0.2 * figure.speed(panel))  # 200 ms
        assert 4.0 < xs.min() < xs.max() < figure.x_mm(panel, panel.start_s)


def test_colour_is_proportional_signed_and_shared() -> None:
    shades = colours(np.array([-2.0, -0.5, 0.0, 0.5, 1.0]), 1.0, 0.8)
    np.testing.assert_allclose(shades[:, 3], [0.8, 0.4, 0.0, 0.4, 0.8])
    assert POSITIVE != NEGATIVE
    assert (shades[0, :3] != shades[4, :3]).any()
    of = strip()
    one = attribution(of, np.full(of.signal.shape, 0.002, np.float32))
    np.testing.assert_allclose(displayed(one), 0.02, rtol=1e-6)  # 10 samples in 50 ms
    assert shared_limit([one, attribution(of)]) == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["two_sided", "purple_to_red", "coolwarm"])
def test_the_bar_has_the_colours_of_the_map(name: str) -> None:
    of, values = strip(), np.full((2, 100), -1.0)
    values[1] = 0.5
    figure = EcgFigure(of, SCALE)
    draw_overlay(
        figure, attribution(of, np.resize(values[:, :1], of.signal.shape) / 10), 1.0, LookSettings(colour_map=name)
    )
    *_, one, bar = (image.get_array() for image in figure.axes.images)
    assert bar.shape == (1, 81, 4)
    shown = one[0, 0]  # of a lead at one value
    assert np.abs(bar[0] - shown).max(axis=1).min() < 1e-9
    assert not np.allclose(bar[0, 0, :3], bar[0, -1, :3])


def test_bad_signals() -> None:
    of = strip()
    of.signal[0, 100:200] = np.nan
    of.signal[1, 300] = 30.0
    figure = EcgFigure(of, SCALE)
    assert figure.paper_mm[1] < 4 * LIMIT_MV * 10
    assert any("trace cut" in text.get_text() for text in figure.axes.texts)
    draw_overlay(figure, attribution(of, np.full(of.signal.shape, 0.01, np.float32)), 0.1, LookSettings(style="line"))
    with pytest.raises(ValueError, match="samples >= 2"):
        Strip(np.zeros((1, 1), np.float32), ("I",), 200.0, 0.0)
    with pytest.raises(ValueError, match="limit 0"):
        draw_overlay(figure, attribution(of), 0)


def test_a_twelve_lead_figure_has_few_artists_whatever_its_rate(tmp_path: Path) -> None:
    """The grid, a trace and an overlay are collections: an artist a line or a sample would take minutes to draw."""
    artists = []
    for fs in (100.0, 500.0):
        of = strip(STANDARD_LEADS, 10.0, fs)
        figure = EcgFigure(of, SCALE, "4x3+1")
        draw_overlay(figure, attribution(of, of.signal / 100), 0.1)
        artists.append(len(figure.figure.findobj()))
    save_figure(figure.figure, tmp_path / "a.png", dpi=150)
    assert artists[1] == artists[0] < 500


def test_rhythm_strips_have_a_length_and_speed_of_their_own() -> None:
    of = strip(STANDARD_LEADS, 20.0)
    figure = EcgFigure(of, SCALE, "4x3+3", columns_s=(12.0, 22.0), rhythm=RhythmStrip(10.0, 30.0, 12.5))
    strips = [panel for panel in figure.panels if panel.rhythm]
    assert [(p.lead, p.start_s, p.end_s) for p in strips] == [(lead, 10.0, 30.0) for lead in ("II", "V1", "V5")]
    assert (figure.panels[0].start_s, figure.panels[0].end_s) == (12.0, 14.5)
    assert figure.x_mm(strips[0], 12.0) - figure.x_mm(strips[0], 10.0) == pytest.approx(25)
    assert figure.x_mm(figure.panels[0], 13.0) - figure.x_mm(figure.panels[0], 12.0) == pytest.approx(25)
    assert "25 mm/s   10 mm/mV   rhythm strip 12.5 mm/s" in [t.get_text() for t in figure.axes.texts]
    values = np.zeros(of.signal.shape, np.float32)
    values[1, 3700:3800] = 0.01  # lead II at 28.5 s: in the strip alone
    assert draw_overlay(figure, attribution(of, values), 0.1) == 0.0
    (picture,) = [image for image in figure.axes.images if image.get_extent()[1] > 200][:1]
    assert picture.get_extent()[1] - picture.get_extent()[0] == pytest.approx(20 * 12.5)
    values[1], values[2, 3700:3800] = 0, 0.01  # lead III has no strip
    assert draw_overlay(figure, attribution(of, values), 0.1) == 1.0
    long = EcgFigure(of, SCALE, "4x3+1", columns_s=(10.0, 14.0), rhythm=RhythmStrip(10.0, 30.0, 25.0))
    assert long.paper_mm[0] >= 20 * 25
    for wrong in ({"columns_s": (5.0, 12.0)}, {"rhythm": RhythmStrip(10.0, 31.0, 25.0)}):
        with pytest.raises(ValueError, match="within the strip"):
            EcgFigure(of, SCALE, "4x3+1", **wrong)
    with pytest.raises(ValueError, match="rhythm strip"):
        RhythmStrip(10.0, 9.0, 25.0)


def test_leads_of_odd_names_are_told_by_a_map() -> None:
    of = strip(("chan 2", "V1", "X"))
    leads = LeadsMap({"chan 2": "II"})
    assert [p.lead for p in plan(of.leads, 0, 4, name="stack", leads_map=leads)] == ["chan 2", "V1", "X"]
    assert [p.lead for p in plan(of.leads, 0, 4, name="stack")] == ["V1", "chan 2", "X"]
    figure = EcgFigure(of, SCALE, leads=leads)
    assert "chan 2 = II" in [t.get_text() for t in figure.axes.texts]
    own = attribution(strip(("MLII", "V1")), strip(("MLII", "V1")).signal / 100)
    assert draw_overlay(figure, own, 0.1) == 0.0
    assert draw_overlay(EcgFigure(of, SCALE), own, 0.1) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="X1"):
        LeadsMap({"a": "X1"})


def test_moments_are_marked_by_seconds_and_by_samples() -> None:
    figures = [EcgFigure(strip(), SCALE) for _ in range(2)]
    figures[0].mark_moment(11.5, "pace", "V1")
    figures[1].mark_sample(300, "pace", "V1")
    lines = [figure.axes.lines[-1].get_xdata().tolist() for figure in figures]
    assert lines[0] == lines[1]
    assert lines[0][0] == pytest.approx(figures[0].x_mm(figures[0].panels[1], 11.5))
    before = len(figures[0].axes.lines)
    figures[0].mark_moment(99.0, "outside")
    assert len(figures[0].axes.lines) == before


def test_pdf_is_to_scale_and_deterministic(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        of = strip()
        figure = EcgFigure(of, SCALE)
        draw_overlay(figure, attribution(of, of.signal / 100), 0.1)
        save_figure(figure.figure, tmp_path / name)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content).groups()  # type: ignore[union-attr]
    assert [float(side) for side in box] == pytest.approx([side * 72 / 25.4 for side in figure.size_mm], abs=0.1)
