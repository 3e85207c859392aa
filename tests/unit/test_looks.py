"""How explanations look: layouts to scale, widths that say the strength, smoothing, leads, and what is refused."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection

from beatlens.config.sections import Configuration
from beatlens.core.leads import STANDARD_LEADS
from beatlens.core.options import OptionError, plain
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import AttributionMeta
from beatlens.figures.paper.colour_maps import check_colour_map, colours
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.layout import Layout, most_leads, plan
from beatlens.figures.paper.margins import FOOTER_MM
from beatlens.figures.paper.overlay import draw_overlay, shared_limit
from beatlens.figures.paper.page import Usual, explained_page
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.shown import smoothed, strongest_leads
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import INK, NULL, styled
from beatlens.figures.settings import FigureSettings, LookSettings
from beatlens.workbench.looks import look_of

SCALE = PaperScale(speed_mm_s=25, gain_mm_mv=10)
LAYOUTS = get_args(Layout)
FS = 100.0


def attribution(values, leads, *, fs=FS, start_s=10.0, units="value") -> Attribution:
    meta = AttributionMeta(
        case="c", corpus="c", record="r", beat_id="c/r/1", target="beat", case_class="V", method="made", units=units
    )
    return Attribution(np.asarray(values, dtype=np.float32), tuple(leads), fs, start_s, meta)


def strip(leads=STANDARD_LEADS, seconds=4.0) -> Strip:
    """Squares of 1 mV, a half second up and a half second down."""
    times = np.arange(int(seconds * FS)) / FS
    return Strip(np.tile((times % 1 < 0.5).astype(np.float32), (len(leads), 1)), tuple(leads), FS, 10.0)


def page(of: Strip, values=None, scale=SCALE, **look) -> tuple[EcgFigure, Attribution]:
    made = attribution(of.signal * 0 if values is None else values, of.leads)
    with styled():
        return explained_page(of, made, scale=scale, look=LookSettings(**look), moment_s=12.0), made


def millimetres(figure: EcgFigure, line) -> np.ndarray:
    """Return where a line is on paper: what Matplotlib makes of it, not what the figure says."""
    return figure.axes.transData.transform(line.get_xydata()) / figure.figure.dpi * 25.4


# ---------------------------------------------------------------- layouts


@pytest.mark.parametrize(("layout", "strips"), [(name, (0, 1, 3)[k % 3]) for k, name in enumerate(LAYOUTS)])
def test_every_layout_is_to_scale_and_nothing_is_cut(layout, strips) -> None:
    of, scale = strip(), PaperScale(50, 20) if layout.startswith("1x1") else SCALE
    figure, made = page(of, of.signal, scale, layout=layout, rhythm_strips=strips)
    figure.title("a record of a name that is far too long", "and what is said of it, which is long as well; " * 3)
    figure.note("values of annotations that overlap add up")
    draw_overlay(figure, made, 1.0, LookSettings(layout=layout, smoothing_s=0.1))
    columns, rows = map(int, layout.split("x")) if layout != "auto" else (2, 6)
    cells = [panel for panel in figure.panels if not panel.rhythm]
    assert len(cells) == columns * rows
    assert {(panel.row, panel.column) for panel in cells} == {(r, c) for r in range(rows) for c in range(columns)}
    assert [panel.lead for panel in figure.panels if panel.rhythm] == ["II", "V1", "V5"][:strips]
    traces = [line for line in figure.axes.lines if line.get_color() == INK and len(line.get_xdata()) > 50]
    assert len(traces) == len(figure.panels)
    for trace in traces:
        paper = millimetres(figure, trace)
        assert np.ptp(paper[:, 1]) == pytest.approx(scale.gain_mm_mv, rel=0.01)
        assert np.ptp(paper[:, 0]) == pytest.approx((4 - 1 / FS) * scale.speed_mm_s, rel=0.01)
    notes = [text for text in figure.axes.texts if text.get_position()[1] <= FOOTER_MM - 14 and text.get_text()]
    figure.figure.set_dpi(150)
    size = np.array(figure.figure.get_size_inches()) * figure.figure.dpi
    renderer = FigureCanvasAgg(figure.figure).get_renderer()
    for text in figure.axes.texts:
        box = text.get_window_extent(renderer)
        assert -0.5 <= box.x0 <= box.x1 <= size[0] + 0.5, text.get_text()
        assert -0.5 <= box.y0 <= box.y1 <= size[1] + 0.5, text.get_text()
    boxes = [text.get_window_extent(renderer) for text in notes]
    assert len(boxes) == 2 + 2 * (len(cells) < 12)
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


def test_a_layout_has_no_empty_column_and_shows_the_strongest_leads() -> None:
    assert {most_leads(name) for name in LAYOUTS} == {None, *range(1, 13)}
    for name, n, wanted in (("4x3", 2, (1, 2)), ("4x3", 8, (3, 3)), ("2x6", 8, (2, 4)), ("1x12", 5, (1, 5))):
        panels = plan(STANDARD_LEADS[:n], 0, 4, name=name, simultaneous=True)
        assert (1 + max(panel.column for panel in panels), 1 + max(panel.row for panel in panels)) == wanted
    with pytest.raises(ValueError, match="'1x3' with 12 leads; expected at most 3"):
        plan(STANDARD_LEADS, 0, 4, name="1x3")
    for name in ("4x3+2", "4x3+0", "3x4", "13x1"):
        with pytest.raises(ValueError, match="layout"):
            plan(STANDARD_LEADS, 0, 4, name=name)
    of, values = strip(), np.zeros((12, 400))
    values[7, 10], values[1, 10], values[4, 10] = -3, 2, 1
    figure, _ = page(of, values, layout="1x2", rhythm_strips=1)
    assert [panel.lead for panel in figure.panels] == ["II", "V2", "II"]
    assert "2 of 12 leads: the strongest" in [text.get_text() for text in figure.axes.texts]
    figure, _ = page(of, values, top_leads=1, rhythm_strips=3, rhythm_leads=["aVF", "V6", "III", "I"])
    assert [panel.lead for panel in figure.panels] == ["V2", "aVF", "V6", "III"]
    assert strongest_leads(attribution(values, of.leads), ["I", "III", "Z"], 2) == ["I", "III"], "equal: the first"


def test_columns_around_the_beat_and_strips_of_another_speed() -> None:
    of = strip()
    figure, _ = page(of, layout="4x3", rhythm_strips=1, column_s=1.5, rhythm_speed_mm_s=12.5)
    assert {(panel.start_s, panel.end_s) for panel in figure.panels if not panel.rhythm} == {(11.25, 12.75)}
    (below,) = [panel for panel in figure.panels if panel.rhythm]
    assert (below.start_s, below.end_s, figure.speed(below)) == (10.0, 14.0, 12.5)
    figure, _ = page(of, layout="4x3", columns="successive")
    assert [panel.start_s for panel in figure.panels[::3]] == [10, 11, 12, 13]
    figure, _ = page(of, column_s=9)
    assert {(panel.start_s, panel.end_s) for panel in figure.panels} == {(10.0, 14.0)}
    made = attribution(of.signal, of.leads)
    usual = Usual("4x3+1", simultaneous=False)
    figure = explained_page(of, made, scale=SCALE, look=LookSettings(), usual=usual, moment_s=None)
    assert len(figure.panels) == 13
    assert len({panel.start_s for panel in figure.panels}) == 4
    figure = explained_page(of, made, scale=SCALE, look=LookSettings(rhythm_strips=0), usual=usual)
    assert len(figure.panels) == 12


def test_without_grid_and_colour_bar() -> None:
    of = strip(("II", "V1"))
    figure, made = page(of, of.signal)
    bare, _ = page(of, of.signal, grid=False)
    assert len(figure.axes.patches) + len(figure.axes.artists) - len(bare.axes.patches) - len(bare.axes.artists) == 3
    draw_overlay(bare, made, 1.0, LookSettings(colour_bar=False))
    assert "0" not in [text.get_text() for text in bare.axes.texts]
    assert len(bare.axes.images) == 2


# ---------------------------------------------------------------- styles


def edges(figure: EcgFigure, collection: PolyCollection, time_s: float) -> float:
    """Return the height of a filled band at a moment of the first panel, in mm."""
    x = figure.x_mm(figure.panels[0], time_s)
    found = []
    for path in collection.get_paths():
        vertices = np.asarray(path.vertices)
        near = vertices[np.abs(vertices[:, 0] - x) < 0.2]
        found += near[:, 1].tolist()
    return max(found) - min(found)


@pytest.mark.parametrize("band_mv", [None, 0.5])
def test_a_width_is_proportional_to_the_value(band_mv) -> None:
    """On a flat trace, and at right angles to one that climbs by 45 degrees."""
    full = 3.2 if band_mv is None else 5.0
    slope = np.arange(800, dtype=np.float32) / FS * SCALE.speed_mm_s / SCALE.gain_mm_mv
    for trace, factor in ((np.zeros(800, np.float32), 1.0), (slope * 0.2, np.hypot(1, 0.2))):
        of = Strip(trace[None, :], ("II",), FS, 10.0)
        values = np.repeat([0.25, 0.5, 1.0, 3.0, -0.5, 0.0, -1.0, 0.0], 100)[None, :]
        look = LookSettings(style="width", band_mv=band_mv, colour_map="red/blue", opacity=1.0)
        figure = EcgFigure(of, SCALE, "stack")
        draw_overlay(figure, attribution(values, ("II",)), 1.0, look)
        speaks_for, against = figure.axes.collections
        assert speaks_for.get_facecolor()[0].tolist() == [1, 0, 0, 1]
        assert against.get_facecolor()[0].tolist() == [0, 0, 1, 1]
        for collection, time_s, share in (
            *((speaks_for, 10.5, 0.25), (speaks_for, 11.5, 0.5), (speaks_for, 12.5, 1.0), (speaks_for, 13.5, 1.0)),
            *((against, 14.5, 0.5), (against, 16.5, 1.0)),
        ):
            # the points nearest to the moment lie up to .2 mm beside it, on a slope at most .04 mm higher each
            assert edges(figure, collection, time_s) == pytest.approx(share * full * factor, abs=0.01 * full + 0.09)
        with pytest.raises(ValueError, match="max"):
            edges(figure, speaks_for, 15.5)


def test_a_band_of_widths_covers_steep_parts_to_both_sides() -> None:
    trace = np.zeros((1, 400), np.float32)
    trace[0, 200:] = 2.0  # a step of 20 mm
    figure = EcgFigure(Strip(trace, ("II",), FS, 10.0), SCALE, "stack")
    draw_overlay(figure, attribution(np.ones((1, 400)), ("II",)), 1.0, LookSettings(style="width", band_mv=0.4))
    (band,) = figure.axes.collections
    vertices = band.get_paths()[0].vertices
    left, right = (figure.x_mm(figure.panels[0], time_s) for time_s in (11.99, 12.0))
    high = vertices[:, 1] > figure.y_mm(figure.panels[0], 1.0)
    assert vertices[high, 0].min() == pytest.approx(left - 2.0, abs=0.35)
    assert vertices[~high, 0].max() == pytest.approx(right + 2.0, abs=0.35)


def test_a_line_takes_the_place_of_the_trace_and_a_background_lies_behind() -> None:
    of = strip(("II",))
    shades = {}
    for style in ("band", "background", "line"):
        figure, made = page(of, of.signal)
        draw_overlay(figure, made, 1.0, LookSettings(style=style, opacity=0.4, colour_bar=False))
        (image,) = figure.axes.images
        (trace,) = [line for line in figure.axes.lines if len(line.get_xdata()) == 400]
        shades[style] = image.get_array()[..., 3].max()
        assert (image.get_zorder() > trace.get_zorder()) == (style == "line")
        assert trace.get_color() == (NULL if style == "line" else INK)
        assert (image.get_clip_path() is None) == (style == "background")
    assert shades == {"band": 0.4, "background": 0.4, "line": 0.4}


def test_two_colours_make_a_map() -> None:
    shades = colours(np.array([-1.0, 0.0, 0.5]), 1.0, 1.0, "#ff0000 / blue")
    np.testing.assert_allclose(shades[[0, 2]], [[0, 0, 1, 1], [1, 0, 0, 0.5]])
    assert shades[1, 3] == 0
    assert check_colour_map("crimson/#1f4e9c") == ""
    for wrong in ("red/", "red/blue/green", "red/bleu"):
        assert "two colours" in check_colour_map(wrong)


# ---------------------------------------------------------------- smoothing


def test_smoothing_by_hand() -> None:
    given = attribution([[0, 0, 6, 0, 0, 0], [4, 0, 0, 0, 0, -3]], ("II", "V1"), fs=10.0)
    found = smoothed(given, 0.2).values
    np.testing.assert_allclose(found, [[0, 2, 2, 2, 0, 0], [2, 2, 0, 0, -1.5, -1.5]], atol=1e-6)
    assert smoothed(given, 0.19) is given, "less than a sample to each side"
    rng = np.random.default_rng(1)
    many = attribution(rng.normal(size=(3, 57)), ("I", "II", "III"), fs=10.0)
    np.testing.assert_allclose(smoothed(many, 1.7).values.sum(axis=1), many.values.sum(axis=1), atol=1e-5)
    assert shared_limit([given], 1.0, look=LookSettings(smoothing_s=0.2)) == 2.0


def test_smoothing_is_said_and_never_crosses_leads() -> None:
    of, values = strip(("II", "V1")), np.zeros((2, 400))
    values[0, 200] = 5.0
    figure, made = page(of, values)
    draw_overlay(figure, made, 1.0, LookSettings(smoothing_s=0.1, colour_bar=False))
    assert "spread over 100 ms in each lead, sums kept" in [text.get_text() for text in figure.axes.texts]
    assert len(figure.axes.images) == 1, "the other lead has no colour"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("layout", "3x4", "one of auto, 1x1"),
        ("columns", "both", "one of auto, simultaneous"),
        ("column_s", 0, "> 0"),
        ("rhythm_strips", 2, "one of 0, 1, 3, or null"),
        ("rhythm_strips", True, "one of 0, 1, 3, or null"),
        ("rhythm_leads", [], "entries >= 1"),
        ("rhythm_leads", ["MLII"], "of one of I, II"),
        ("rhythm_speed_mm_s", -1, "> 0"),
        ("grid", "no", "boolean"),
        ("style", "bar", "one of band, width, background, line"),
        ("opacity", 1.5, "<= 1"),
        ("band_mv", 0, "> 0"),
        ("colour_bar", None, "boolean"),
        ("smoothing_s", 3, "<= 2"),
        ("top_leads", 0, ">= 1"),
    ],
)
def test_a_wrong_option_is_named(option, value, expected) -> None:
    with pytest.raises(OptionError) as error:
        LookSettings(**{option: value})
    ((key, found, allowed),) = error.value.problems
    assert (key, found) == (f"figures.{option}", value)
    assert expected in allowed


def test_options_that_do_not_go_together_are_refused() -> None:
    for look, expected in (
        ({"style": "line", "band_mv": 1.0}, "null, since the style line has no band"),
        ({"columns": "successive", "column_s": 1.0}, "null, since columns that follow one another"),
        ({"rhythm_strips": 0, "rhythm_speed_mm_s": 50.0}, "null, since there are no rhythm strips"),
    ):
        with pytest.raises(OptionError, match=expected):
            LookSettings(**look)


def test_the_look_of_a_run_and_changes_of_it() -> None:
    config = plain(Configuration())
    assert set(LookSettings.types()) < set(FigureSettings.types())
    assert look_of(config, {}) == LookSettings()
    assert look_of({"figures": {"methods": ["fused"], "colour_map": "coolwarm"}}, {}).colour_map == "coolwarm"
    assert look_of(config, {"style": "line"}).style == "line"
    for wrong, expected in (({"stile": "line"}, r"options \['stile'\]"), ({"colour_map": "virids"}, "viridis")):
        with pytest.raises(ValueError, match=expected):
            look_of(config, wrong)
