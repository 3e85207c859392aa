"""The viewer in a real browser, measured against a record whose truth is known."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from record_page_makers import FS, RR_S, make_case, make_data, write_page

MM = 96 / 25.4


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_data()
    return write_page(tmp_path_factory.mktemp("page"), make_data(cases=[make_case(data, 3)]))


def drag(page: Any, first: dict[str, float], last: dict[str, float], *, free: bool = False) -> dict[str, float]:
    if free:
        page.keyboard.down("Alt")
    page.mouse.move(first["x"], first["y"])
    page.mouse.down()
    page.mouse.move(last["x"], last["y"], steps=3)
    page.mouse.up()
    if free:
        page.keyboard.up("Alt")
    return page.evaluate("beatlens.viewer.calipers()")


def place(page: Any, lead: int, t: float, mv: float) -> dict[str, float]:
    return page.evaluate(f"beatlens.viewer.place({lead}, {t}, {mv})")


def settle(page: Any) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_calipers_measure_what_is_true(page_file, open_page):
    page = open_page(page_file)
    page.locator("#viewer .plot").scroll_into_view_if_needed()
    page.get_by_role("button", name="Calipers").click()
    # two R peaks apart, 2 pixels beside each: the legs hold at the peaks
    a, b = place(page, 0, 1.3, 0.5), place(page, 0, 2.1, 0.5)
    found = drag(page, a | {"x": a["x"] + 2}, b | {"x": b["x"] - 2})
    assert found["ms"] == pytest.approx(1000 * RR_S, abs=2)
    assert found["rate"] == pytest.approx(60 / RR_S, abs=0.3)
    assert found["mv"] == pytest.approx(0.0, abs=0.02)
    # the second lead has half the height: from the baseline to a peak
    found = drag(page, place(page, 1, 1.6, 0.0), place(page, 1, 2.1, 0.4))
    assert found["mv"] == pytest.approx(0.5, abs=0.02)
    assert "0.50 mV" in page.locator("#viewer .result").inner_text()
    # free legs, zoomed in
    page.evaluate("beatlens.viewer.zoomTo(2, 1.7)")
    settle(page)
    found = drag(page, place(page, 0, 1.4, 0.0), place(page, 0, 1.9, 0.3), free=True)
    assert found["ms"] == pytest.approx(500, abs=2)
    assert found["mv"] == pytest.approx(0.3, abs=0.02)


def test_screen_is_to_scale_in_each_speed_and_gain(page_file, open_page):
    page = open_page(page_file)
    for speed in (25, 50):
        page.get_by_label("Speed").select_option(str(speed))
        settle(page)
        one, other = place(page, 0, 1.0, 0.0), place(page, 0, 2.0, 0.0)
        assert (other["x"] - one["x"]) / MM == pytest.approx(speed, rel=0.01)
        assert page.evaluate("beatlens.viewer.view().to_scale") == str(speed)
    for gain in (5, 10, 20):
        page.get_by_label("Gain").select_option(str(gain))
        settle(page)
        one, other = place(page, 0, 1.0, 0.0), place(page, 0, 1.0, 1.0)
        assert (one["y"] - other["y"]) / MM == pytest.approx(gain, rel=0.01)


def darkest(page: Any, lead: int, t: float, mv: float) -> int:
    """Return the darkest red of the pixels within 2 of a place of the drawing."""
    at = place(page, lead, t, mv)
    return page.evaluate(
        "([x, y]) => { const c = document.querySelector('#viewer .plot canvas'), b = c.getBoundingClientRect();"
        "const d = c.getContext('2d').getImageData(x - b.left - 2, y - b.top - 2, 5, 5).data;"
        "return Math.min(...Array.from(d).filter((_, k) => k % 4 === 0)); }",
        [at["x"], at["y"]],
    )


def test_trace_is_still_the_signal_after_a_change_of_gain(page_file, open_page):
    page = open_page(page_file)

    def check() -> None:
        settle(page)
        for lead in (0, 1):
            for t in (1.7, 4.1, 8.1):  # halfway between peaks the signal is 0, and nothing is drawn 2 mm above it
                above = 2 / page.evaluate("beatlens.viewer.view().gain")
                assert darkest(page, lead, t, 0.0) < 180 < darkest(page, lead, t, above)

    check()
    for gain in (20, 5):
        page.get_by_label("Gain").select_option(str(gain))
        check()
    page.keyboard.press("g")
    check()


def test_trace_is_redrawn_in_the_dark(page_file, open_page):
    page = open_page(page_file)
    page.emulate_media(color_scheme="dark")
    settle(page)
    settle(page)
    at = place(page, 0, 4.1, 0.0)
    column = page.evaluate(
        "([x, y]) => { const c = document.querySelector('#viewer .plot canvas'), b = c.getBoundingClientRect();"
        "const d = c.getContext('2d').getImageData(x - b.left, y - b.top - 8, 1, 17).data;"
        "return Array.from(d).filter((_, k) => k % 4 === 0); }",
        [at["x"], at["y"]],
    )
    assert max(column[6:11]) > 150 > max(column[:4])


@pytest.mark.parametrize("duration_s", [2.0, 10.0])
def test_short_record_is_to_scale_and_ends_on_its_paper(tmp_path, open_page, duration_s):
    page = open_page(write_page(tmp_path, make_data(duration_s, cases=[])), width=1280)
    for act in (lambda: None, *(lambda s=s: page.get_by_label("Speed").select_option(s) for s in ("50", "25"))):
        act()
        settle(page)
        one, other = place(page, 0, 0.5, 0.0), place(page, 0, 1.5, 0.0)
        speed = float(page.evaluate("beatlens.viewer.view().speed"))
        assert (other["x"] - one["x"]) / MM == pytest.approx(speed, rel=0.01)
    assert page.evaluate("beatlens.viewer.view().start") == 0
    page.get_by_label("Show").select_option("Infinity")
    settle(page)
    assert page.evaluate("beatlens.viewer.view().span") == pytest.approx(duration_s)


def test_missing_signal_is_said_and_nothing_is_drawn_for_it(tmp_path, browser):
    path = write_page(tmp_path, make_data(duration_s=900.0), beside=True)
    for script in (tmp_path / "r1.tiles").glob("*.js"):
        script.unlink()
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.goto(path.as_uri())
    page.locator("#viewer .fault").wait_for()
    assert "r1.tiles/0.js" in page.locator("#viewer .fault").inner_text()
    page.evaluate("beatlens.viewer.zoomTo(10)")
    settle(page)
    page.get_by_role("button", name="Calipers").click()  # which says other things in its own line
    assert page.locator("#viewer .fault").is_visible()
    assert min(darkest(page, 0, t, 0.5) for t in np.arange(1.5, 3.6, 0.1)) > 180
    left, middle = page.evaluate(
        """() => { dispatchEvent(new Event("beforeprint"));
        const c = document.querySelector("#viewer .on-paper"), x = c.getContext("2d");
        const dark = (from, to) => Array.from(x.getImageData(from * c.width, .3 * c.height, (to - from) * c.width,
          .5 * c.height).data).filter((v, k) => k % 4 === 0 && v < 60).length;
        return [dark(.1, .3), dark(.3, .7)]; }"""
    )
    assert left == 0
    assert middle > 0, "that it wasn't loaded"
    page.context.close()


def test_no_rate_is_told_over_a_gap_without_its_reason(tmp_path, open_page):
    data = make_data()
    beats = data.beats.drop(index=range(10, 40)).reset_index(drop=True)
    gap = {"kind": "no_signal", "start_s": 8.0, "end_s": 32.0}
    stretches = data.stretches.reindex([0]).assign(**gap)
    page = open_page(write_page(tmp_path, make_data(beats=beats, stretches=stretches)))
    assert page.evaluate("beatlens.viewer.select('c/r1/7700')")
    assert re.search(
        r"RR after\s+24800 ms \(2/min\); between them: no signal", page.locator("#viewer .details").inner_text()
    )
    assert "between them" not in page.locator("#viewer .details tr", has_text="RR before").inner_text()


def test_a_beat_opens_its_case_also_the_first(page_file, open_page):
    page = open_page(page_file)
    assert page.evaluate("beatlens.viewer.select('c/r1/2900')")
    page.get_by_role("heading", name="fused").wait_for()
    assert page.get_by_label("Explained").input_value() == "0"


def test_grid_lines_lie_a_millimetre_apart(page_file, open_page):
    page = open_page(page_file)
    # major lines of the picture itself: every fifth millimetre in both directions
    row = page.evaluate(
        """() => { const c = document.querySelector("#viewer .plot canvas"), x = c.getContext("2d");
        const line = (w, h) => Array.from(x.getImageData(60, 8, w, h).data).filter((_, k) => k % 4 === 2);
        return [line(900, 1), line(1, 60)]; }"""
    )
    blues = np.array(row[0], dtype=float)
    dark = 255 - blues
    spectrum = np.abs(np.fft.rfft(dark - dark.mean(), 1 << 15))
    frequency = np.arange(len(spectrum)) / (1 << 15)
    band = (frequency > 1 / 30) & (frequency < 1 / 12)
    period = 1 / frequency[band][np.argmax(spectrum[band])]
    assert period / MM == pytest.approx(5, rel=0.01)


def test_keys_go_from_beat_to_beat_and_tell_the_page(page_file, open_page):
    page = open_page(page_file)
    page.evaluate("document.addEventListener('beatlens:beat', (event) => { window.last = event.detail; })")
    page.get_by_label("Beats", exact=True).select_option("V")
    page.locator("#viewer .plot").focus()
    page.keyboard.press("j")
    first = page.evaluate("last")
    assert first["beat_id"] == "c/r1/2900"
    assert (first["pred"], first["label"], first["probabilities"]["V"]) == ("V", "V", 0.9)
    page.keyboard.press("j")
    assert page.evaluate("last.r_time_s") == pytest.approx(2.9 + 5 * RR_S)
    page.keyboard.press("k")
    assert page.evaluate("last.r_time_s") == pytest.approx(2.9)
    page.keyboard.press("r")
    found = page.evaluate("last")
    assert (found["review"], found["reason"]) == (True, "low_confidence")
    assert "Annotated" in page.locator("#viewer .details").inner_text()
    assert page.evaluate("beatlens.viewer.select('c/r1/500')")
    assert page.evaluate("beatlens.viewer.beat().r_sample") == 500
    page.keyboard.press("m")
    assert page.evaluate("beatlens.viewer.calipers().ms") == pytest.approx(1000 * RR_S, abs=2)
    before = page.evaluate("beatlens.viewer.view()")
    page.keyboard.press("Escape")
    page.keyboard.press("-")
    settle(page)
    assert page.evaluate("beatlens.viewer.view().span") == pytest.approx(2 * before["span"])
    page.keyboard.press("End")
    assert page.evaluate("beatlens.viewer.view().start") == pytest.approx(60 - 2 * before["span"])


def test_decided_beats_are_drawn_as_the_review_says(page_file, open_page):
    page = open_page(page_file)
    page.evaluate("beatlens.review = {decorate: (beat) => ({label: 'S', decided: beat.r_sample === 6100})}")
    assert page.evaluate("beatlens.viewer.next({review: true}, 1)")
    assert page.evaluate("beatlens.viewer.beat().r_sample") == 14100


def test_map_has_one_scale_and_its_players(page_file, open_page):
    page = open_page(page_file)
    page.get_by_label("Explained").select_option("0")
    box = page.locator("#viewer .map")
    box.get_by_text("one scale for all maps of the method in the run").wait_for()
    assert "+2" in box.inner_text()
    assert "25 %" in box.inner_text()
    box.locator("summary").click()
    assert "1.00 to 1.10 s" in box.inner_text()
    settle(page)

    def orange(mv: float, t: float) -> float:
        at = place(page, 0, t, mv)
        red, _, blue = page.evaluate(
            "([x, y]) => { const c = document.querySelector('#viewer .plot canvas'), b = c.getBoundingClientRect();"
            "return Array.from(c.getContext('2d').getImageData(x - b.left, y - b.top, 1, 1).data).slice(0, 3); }",
            [at["x"], at["y"]],
        )
        return red - blue

    assert orange(-0.1, 2.87) > 100
    assert orange(-0.1, 2.6) < 60
    page.keyboard.press("o")
    page.get_by_role("heading", name="lime").wait_for()


def test_long_record_loads_tiles_beside_it(tmp_path, open_page):
    data = make_data(duration_s=900.0)
    page = open_page(write_page(tmp_path, data, beside=True), fragment="#beat=c/r1/620500")
    assert page.evaluate("beatlens.viewer.beat().r_sample") == 620500
    for _ in range(100):  # until its tile is there
        if page.evaluate("Number.isFinite(beatlens.viewer.value(0, 620.5))"):
            break
        page.wait_for_timeout(50)
    assert page.evaluate("beatlens.viewer.beat().r_time_s") == pytest.approx(620.5)
    assert page.evaluate("beatlens.viewer.value(0, 620.5)") == pytest.approx(1.0, abs=0.003)
    loaded = page.evaluate("[...document.querySelectorAll('head script')].map((s) => s.src.split('/').pop())")
    assert "1.js" not in loaded
    page.evaluate("beatlens.viewer.zoomTo(1e9)")
    settle(page)
    assert page.evaluate("beatlens.viewer.view().span") == 900
    image = page.locator("img.strip").first
    image.scroll_into_view_if_needed()
    size = image.bounding_box()
    scale = size["width"] / 980
    image.click(position={"x": (74 + 450) * scale, "y": (2 * 46 + 20) * scale})
    settle(page)
    view = page.evaluate("beatlens.viewer.view()")
    assert view["start"] + view["span"] / 2 == pytest.approx(150, abs=0.5)


def test_paper_is_to_scale(page_file, open_page):
    page = open_page(page_file)
    for speed, gain in ((25, 10), (50, 20)):
        page.get_by_label("Speed").select_option(str(speed))
        page.get_by_label("Gain").select_option(str(gain))
        settle(page)
        lines = drawn_lines(page.pdf(format="A4", landscape=True))
        # the grid: verticals of equal height, the most frequent length of all
        vertical = lines[(np.abs(lines[:, 0] - lines[:, 2]) < 1e-3) & (np.abs(lines[:, 1] - lines[:, 3]) > 15)]
        x = np.unique(np.round(vertical[:, 0], 2))
        assert x[-1] - x[0] == pytest.approx(250, rel=0.01)
        assert np.median(np.diff(x)) == pytest.approx(1, rel=0.01)
        assert len(x) == pytest.approx(251, abs=2)
        # the trace of the first lead: the first half of the triangle of 1 mV takes 25 ms
        steep = lines[np.abs(lines[:, 0] - lines[:, 2]) > 0.05]
        rise = steep[np.isclose(np.abs(steep[:, 2] - steep[:, 0]), speed / FS, rtol=0.05)]
        climb = np.abs(rise[:, 3] - rise[:, 1])
        assert climb.max() == pytest.approx(gain * 0.2, rel=0.02)


def drawn_lines(raw: bytes) -> np.ndarray:
    """Return the straight lines that a PDF draws: (n, 4) ends in mm, by the matrices that hold for each."""
    lines = []
    for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", raw, re.DOTALL):
        try:
            text = zlib.decompress(part).decode("latin1")
        except zlib.error:
            continue
        stack, matrix, at = [], np.eye(3), None
        for row in text.splitlines():
            words = row.split()
            if words == ["q"]:
                stack.append(matrix)
            elif words == ["Q"]:
                matrix = stack.pop() if stack else np.eye(3)
            elif len(words) == 7 and words[6] == "cm":
                a, b, c, d, e, f = map(float, words[:6])
                matrix = np.array([[a, b, 0], [c, d, 0], [e, f, 1]]) @ matrix
            elif len(words) == 3 and words[2] in {"m", "l"}:
                point = (np.array([float(words[0]), float(words[1]), 1]) @ matrix)[:2] * 25.4 / 72
                if words[2] == "l":
                    lines.append((*at, *point))
                at = point
    return np.array(lines)


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (390, False), (390, True)])
def test_page_fits_and_is_accessible(page_file, open_page, width, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-playwright-python")
    page = open_page(page_file, width, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_label("Explained").select_option("0")
    page.locator("#viewer .map summary").click()
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}] == []


def test_large_text_fits(page_file, open_page):
    page = open_page(page_file, 780)
    page.add_style_tag(content="html { font-size: 200%; } #viewer { font-size: 200%; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 780


def test_page_tells_without_scripts(page_file, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("img.strip").count() == 1
    assert page.locator("svg.trend circle").count() > 50
    assert page.locator("noscript").count() == 1
    context.close()


@pytest.mark.parametrize("n_beats", [0, 1, 2])
def test_few_beats(tmp_path, open_page, n_beats):
    data = make_data(duration_s=3.0)
    page = open_page(write_page(tmp_path, make_data(duration_s=3.0, beats=data.beats.iloc[:n_beats])))
    assert page.evaluate("beatlens.viewer.next({}, 1)") is (n_beats > 0)
    page.keyboard.press("m")
    assert page.evaluate("beatlens.viewer.value(0, 0.5)") == pytest.approx(1.0, abs=0.003)
    assert page.evaluate("beatlens.viewer.view().to_scale") == "25"
    assert round(FS) == 200
