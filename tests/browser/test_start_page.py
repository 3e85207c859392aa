"""The start page in a browser: sort, choose, search, save; wide, narrow, dark, large, on paper, without scripts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens.holter.tables import holter_table
from beatlens.holter.urgency import with_urgency
from beatlens.report.build import render_report
from holter_makers import COUNTING, beats_of, findings, stretches_of
from page_makers import NASTY, inputs

N_RECORDS = 260
ROWS = "#record-table tbody tr"


@pytest.fixture(scope="module")
def start_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of 260 records of which the k-th has k % 7 ventricular beats; every tenth lasts twice as long."""
    rng = np.random.default_rng(2)
    names = [f"r{k:03}" for k in rng.permutation(N_RECORDS)]
    names[5] = NASTY
    steady = np.arange(0.5, 15, 0.8)
    beats = pd.concat(
        [
            beats_of(
                steady[: 18 if k % 10 else 9],
                "NVNVNVNVNVNVNNNNNN"[: 2 * (k % 7)].ljust(18, "N")[: 18 if k % 10 else 9],
                name,
            )
            for k, name in enumerate(names)
        ]
    )
    rows = [("c", name, f"P{k}", "none" if k % 3 else "test", 16.0) for k, name in enumerate(names)]
    records = pd.DataFrame(rows, columns=["corpus", "record", "patient", "split", "duration_s"])
    known = findings(beats, stretches_of(), [("c", names[8], "unlike:rate", "")])
    table = with_urgency(holter_table(beats, stretches_of(), records, COUNTING), known)
    page = tmp_path_factory.mktemp("start") / "report.html"
    page.write_text(
        render_report(
            inputs(classes=("N", "V"), holter=table, episodes=known.episodes, remarks=known.remarks, n_pages=9)
        ),
        encoding="utf-8",
    )
    return page


@pytest.fixture
def opened(browser, start_page):
    """Return a function that opens the page; an error on the console fails the test in the end."""
    contexts, errors = [], []

    def open_(width: int = 1400, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(start_page.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []


def column(page, name):
    at = page.locator("#record-table thead th").all_inner_texts()
    index = [text.split(" ▾")[0].split(" ▴")[0].strip() for text in at].index(name)
    return page.eval_on_selector_all(
        ROWS, f"rows => rows.map((row) => row.children[{index}].dataset.v ?? row.children[{index}].textContent)"
    )


def test_a_heading_sorts_all_rows_and_again_the_other_way(opened):
    page = opened()
    assert page.locator(ROWS).count() == 50
    assert page.locator(".tools output").inner_text() == f"1 to 50 of {N_RECORDS}"
    heading = page.get_by_role("button", name="V", exact=True)
    heading.click()
    burden = [float(value) for value in column(page, "V")]
    assert burden == sorted(burden, reverse=True)
    assert burden[0] == pytest.approx(4 / 9, abs=1e-5), "the largest of all rows, also of those beyond the first page"
    assert page.locator("#record-table th[aria-sort]").get_attribute("aria-sort") == "descending"
    heading.press("Enter")
    lowest = [float(value) for value in column(page, "V")]
    assert lowest == sorted(lowest)
    assert lowest[:38] == [0.0] * 38, "every seventh of 260 has none"
    assert lowest[38] > 0
    page.get_by_role("button", name="record", exact=True).click()
    names = column(page, "record")
    assert names == sorted(names)
    assert names[0] == f"c/{NASTY}", "digits count by their value, signs come before letters"


def test_rows_are_searched_chosen_paged_and_saved(opened, tmp_path):
    page = opened()
    page.get_by_label("Search").fill("r10")
    wanted = sorted(f"c/r{k}" for k in range(100, 110))
    assert sorted(column(page, "record")) == wanted
    with page.expect_download() as download:
        page.get_by_role("button", name="Save these rows as CSV").click()
    download.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(row["record"] for row in csv.DictReader(file)) == wanted
    page.get_by_label("Search").fill("")
    page.get_by_label("Split").select_option(label="test (87)")
    assert page.locator(".tools output").inner_text() == f"1 to 50 of 87 (of {N_RECORDS})"
    page.get_by_role("button", name="Next").click()
    assert page.locator(ROWS).count() == 37
    assert page.get_by_role("button", name="Next").is_disabled()
    page.get_by_label("Split").select_option(label="all")
    page.get_by_label("To look at").select_option(label="unlike training (1)")
    assert page.locator(ROWS).count() == 1
    page.get_by_label("Search").fill("nothing is called so")
    assert page.locator(".tools output").inner_text() == "no row"


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_never_wider_than_the_window(opened, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:120]) for rule in found] == []


def test_it_can_be_read_at_twice_the_size_on_paper_and_without_scripts(opened):
    page = opened(700)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert len(page.pdf(format="A4")) > 10_000
    plain = opened(java_script_enabled=False)
    assert plain.locator(ROWS).count() == 200
    assert plain.locator(".tools").is_hidden()
    assert f"{N_RECORDS - 200} more are in" in plain.locator(".unscripted").inner_text()
    plain.locator("summary", has_text="Provenance").click()
    assert plain.locator("#provenance table").is_visible()


def test_a_link_into_a_folded_section_opens_it_and_keys_alone_reach_all(opened):
    page = opened()
    assert not page.locator("#methods").is_visible()
    page.locator("nav a", has_text="Methods").click()
    page.wait_for_function("document.querySelector('#methods').closest('details').open")
    page.keyboard.press("Home")
    page.evaluate("document.activeElement.blur()")
    page.locator("a.skip").focus()
    assert page.locator("a.skip").bounding_box()["x"] >= 0
