"""The panel of review.js in a browser, by keys and buttons, from a file and served; the viewer is a stand-in."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from beatlens.core.files import sha256_of
from beatlens.corpora.reviewed import read_decisions
from beatlens.report.records.page import render_record
from beatlens.review.server import ReviewServer
from record_page_makers import CLASSES, make_data, page_of

ASSETS = Path(__file__).parents[2] / "src" / "beatlens" / "viewer" / "assets"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>stub</title><link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' file:; style-src 'self' file:;
 img-src data:; connect-src 'self'"><link rel="stylesheet" href="review.css"></head>
<body><main><h1>stub</h1><h2>Signal</h2>
<script type="application/json" id="beatlens-review">{review}</script>
<script type="application/json" id="beatlens-record">{record}</script><div data-beatlens-review></div></main>
<script src="viewer.js"></script><script src="review.js"></script></body></html>"""
VIEWER = """window.beatlens = {beats: BEATS, drawn: 0, keys: [], viewer: {
  select(id) { const detail = window.beatlens.beats.find((one) => one.beat_id === id); window.beatlens.at = id;
    document.dispatchEvent(new CustomEvent("beatlens:beat", {detail})); },
  next(filter, step) { const all = window.beatlens.beats.filter((one) => one.review);
    const k = all.findIndex((one) => one.beat_id === window.beatlens.at); const one = all[k + step];
    if (one) this.select(one.beat_id); },
  redraw() { window.beatlens.drawn += 1; } } };
document.addEventListener("keydown", (event) => window.beatlens.keys.push(event.key));"""


def beats() -> list[dict[str, Any]]:
    shared: dict[str, Any] = {
        "corpus": "c",
        "record": "<i>r",
        "label": "",
        "set": "N;V",
        "probabilities": {"N": 0.6, "V": 0.4},
    }
    return [
        {"beat_id": f"c/<i>r/{k}", "r_time_s": k / 100, "pred": "N", "review": k % 2 == 0, "reason": "far", **shared}
        for k in range(8)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel") / "first"
    (folder / "predictions").mkdir(parents=True)
    (folder / "model" / "bundle").mkdir(parents=True)
    (folder / "model" / "bundle" / "bundle.json").write_text("{}")
    (folder / "run_config.yaml").write_text("run: first\nbundle: null\nclasses: [N, S, V]\n")
    pd.DataFrame(beats())[["beat_id", "corpus", "record", "pred", "review"]].to_parquet(
        folder / "predictions" / "beats.parquet"
    )
    review = {"run": "first", "bundle_sha256": sha256_of(folder / "model" / "bundle" / "bundle.json")}
    classes = [{"id": name, "name": {"V": "ventricular"}.get(name, name)} for name in ("N", "S", "V")]
    record = {"corpus": "c", "record": "<i>r", "classes": classes, "beats": {"review": "10" * 4}}
    text = PAGE
    for name, value in (("{review}", review), ("{record}", record)):
        text = text.replace(name, json.dumps(value).replace("<", "\\u003c"))
    (folder / "report.html").write_text(text)
    (folder / "viewer.js").write_text(VIEWER.replace("BEATS", json.dumps(beats())))
    for name in ("review.js", "review.css"):
        (folder / name).write_text((ASSETS / name).read_text(encoding="utf-8"))
    return folder


@contextlib.contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """Open a page in a new profile; an error in its console fails the test."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    yield page
    context.close()
    assert errors == []


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[ReviewServer]:
    with ReviewServer(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def select(page: Any, k: int) -> None:
    page.evaluate("(id) => window.beatlens.viewer.select(id)", f"c/<i>r/{k}")


def counted(page: Any) -> str:
    return str(page.locator(".review-counts").text_content())


def test_from_a_file_decisions_outlive_the_page_and_are_downloaded(browser: Any, run: Path, tmp_path: Path) -> None:
    with opened(browser, (run / "report.html").as_uri()) as page:
        assert page.get_by_role("button", name="Accept a").is_disabled()
        select(page, 0)
        page.keyboard.press("a")
        assert page.locator("input[type=text]").first.evaluate("(node) => node === document.activeElement")
        page.locator("input[type=text]").first.fill("@ann")
        page.locator("h1").click()
        page.keyboard.press("a")  # beat 0, and on to 2
        page.keyboard.press("c")
        assert page.get_by_role("button", name="N 1").is_disabled()
        page.keyboard.press("v")  # beat 2, and on to 4
        page.keyboard.press("c")
        page.keyboard.press("Escape")
        page.keyboard.press("u")  # beat 4, and on to 6
        page.get_by_role("button", name="Correct… c").click()
        page.get_by_role("button", name="no beat 0").click()
        assert "0 of 4 beats in review are left in this record; 4 decided by you" in counted(page)
        select(page, 4)
        page.keyboard.press("z")
        assert "1 of 4 beats" in counted(page)
        assert page.evaluate("window.beatlens.keys") == []  # what decides does nothing in the viewer
        assert page.evaluate("window.beatlens.drawn") > 4
        decorated = "(k) => window.beatlens.review.decorate({beat_id: `c/<i>r/${k}`})"
        assert page.evaluate(decorated, 2) == {"label": "V", "decided": "corrected"}
        assert page.evaluate(decorated, 4) == {"label": "", "decided": ""}
        page.reload()
        assert "3 decided by you" in counted(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download decisions (CSV)").click()
        download.value.save_as(tmp_path / "reviewed.csv")
        assert download.value.suggested_filename == "reviewed-first-_ann.csv"
    rows = read_decisions(tmp_path / "reviewed.csv")
    assert [(row.beat_id, row.decision, row.label, row.reviewer) for row in rows] == [
        ("c/<i>r/0", "accepted", "N", "@ann"),
        ("c/<i>r/2", "corrected", "V", "@ann"),
        ("c/<i>r/6", "corrected", "none", "@ann"),
    ]


def test_served_decisions_are_kept_beside_the_run_and_rivals_see_each_other(browser: Any, run: Path) -> None:
    with serving(run) as server, opened(browser, server.url) as ann, opened(browser, server.url) as bob:
        assert "token" not in ann.url
        for page, who in ((ann, "ann"), (bob, "bob")):
            page.locator("input[type=text]").first.fill(who)
            page.locator("h1").click()
            page.locator("input[type=checkbox]").uncheck()
            select(page, 2)
        ann.keyboard.press("a")
        ann.get_by_text("Saved c/<i>r/2.").wait_for()
        bob.keyboard.press("c")
        bob.keyboard.press("3")
        bob.get_by_text("Another reviewer named another class").wait_for()
        assert "bob: V, ventricular; ann: N" in str(bob.locator(".review-beat").text_content())
        ann.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # looks again, as it does every 10 s
        ann.get_by_text("on 1 reviewers differ").wait_for()
        assert "3 of 4 beats in review are left in this run" in counted(ann)
        assert "Reviewers differ" in str(ann.locator(".review-beat").text_content())
        select(bob, 2)
        bob.keyboard.press("z")
        bob.get_by_text("0 decided by you").wait_for()
        bob.reload()
        bob.get_by_text("0 decided by you").wait_for()
    assert [(row.reviewer, row.label) for row in read_decisions(run / "reviewed.csv")] == [("ann", "N")]


def test_while_the_server_is_away_decisions_wait(browser: Any, run: Path) -> None:
    (run / "reviewed.csv").unlink(missing_ok=True)
    with serving(run) as server:  # not `opened`: a request that fails is an error in the console
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        page.locator("input[type=text]").first.fill("eve")
        page.locator("h1").click()
        select(page, 0)
        context.set_offline(True)
        page.keyboard.press("u")
        page.get_by_text("1 not saved yet").wait_for()
        context.set_offline(False)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.get_by_text("Saved c/<i>r/0").wait_for()
        context.close()
    assert [(row.reviewer, row.decision) for row in read_decisions(run / "reviewed.csv")] == [("eve", "unsure")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_panel_is_accessible(browser: Any, run: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core isn't installed")
    narrow = {"color_scheme": scheme, "bypass_csp": True, "viewport": {"width": 390, "height": 800}}
    with serving(run) as server, opened(browser, server.url, **narrow) as page:
        select(page, 0)
        page.keyboard.press("c")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_in_the_viewer_a_decision_changes_the_letter_and_review_goes_on(browser: Any, run: Path) -> None:
    """Beats 7, 17, 27 ... of the record are in review; 3, 8, 13 ... are V."""
    (run / "reviewed.csv").unlink(missing_ok=True)
    data = make_data()
    folder = run.parent / "viewed"
    shutil.copytree(run, folder, dirs_exist_ok=True)
    (folder / "run_config.yaml").write_text(f"run: viewed\nbundle: null\nclasses: {list(CLASSES)}\n")
    data.beats.to_parquet(folder / "predictions" / "beats.parquet")
    sha256 = sha256_of(folder / "model" / "bundle" / "bundle.json")
    page_file = folder / "records" / "c" / "r1.html"
    page_file.parent.mkdir(parents=True, exist_ok=True)
    page_file.write_text(render_record(page_of(data, run="viewed", bundle_sha256=sha256)), encoding="utf-8")
    ids = data.beats["beat_id"].tolist()
    with serving(folder) as server, opened(browser, server.url.replace("report.html", "records/c/r1.html")) as page:
        page.wait_for_selector("#viewer.on canvas")
        page.get_by_label("Reviewer").fill("ann")
        page.locator("h1").click()
        page.keyboard.press("r")
        assert f"{ids[7]} at" in str(page.locator(".review-beat").text_content())
        page.keyboard.press("c")
        page.keyboard.press("s")
        page.get_by_text(f"Saved {ids[7]}").wait_for()
        assert f"{ids[17]} at" in str(page.locator(".review-beat").text_content())
        page.keyboard.press("a")
        page.get_by_text(f"Saved {ids[17]}").wait_for()
        told = f"{int(data.beats['review'].sum()) - 2} of {int(data.beats['review'].sum())} beats in review are left"
        page.get_by_text(told).wait_for()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the server counts the same
        page.wait_for_timeout(300)
        assert told in counted(page)
        drawn = page.evaluate("(id) => window.beatlens.review.decorate({beat_id: id})", ids[7])
        assert drawn == {"label": "S", "decided": "corrected"}
    assert {row.beat_id: row.label for row in read_decisions(folder / "reviewed.csv")} == {
        ids[7]: "S",
        ids[17]: data.beats["pred"][17],
    }
