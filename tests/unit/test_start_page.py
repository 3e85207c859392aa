"""The start page: the answer in words, what needs a look, the table of records; also where there is little to say."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens.core.files import write_table
from beatlens.holter.tables import holter_table
from beatlens.holter.urgency import with_urgency
from beatlens.report.build import render_report
from beatlens.report.images import Place
from beatlens.report.page_paths import page_link
from beatlens.report.start.answer import answer
from beatlens.report.start.look import MAX_RECORDS, needs_a_look
from beatlens.report.start.records import PLAIN_ROWS, record_rows
from holter_makers import COUNTING, beats_of, findings, stretches_of
from page_makers import NASTY, Page, inputs

ROOT = Path(__file__).parents[2]
STEADY = np.arange(1, 60, 0.8)
N = len(STEADY)


def found(made, remarks=(), alerts=(), **changes):
    """Return inputs of a page whose records are `made`: name -> times and letters (small ones are in review)."""
    beats = pd.concat([beats_of(times, letters, name) for name, (times, letters) in made.items()])
    rows = [("c", name, f"P{name[:3]}", "none", 60.0) for name in made]
    records = pd.DataFrame(rows, columns=["corpus", "record", "patient", "split", "duration_s"])
    known = findings(beats, stretches_of(), remarks, alerts)
    table = with_urgency(holter_table(beats, stretches_of(), records, COUNTING), known)
    status = inputs().status.iloc[:0]
    base = inputs(
        classes=("N", "S", "V"),
        bundle=inputs().bundle | {"thresholds": {"confidence": 0.9, "noise": 0.5, "distance": [0.7, 0.6, 0.6]}},
        metrics=None,
        confusion=None,
        status=status,
        holter=table,
        episodes=known.episodes,
        remarks=known.remarks,
        n_pages=len(made),
    )
    return replace(base, **changes)


def test_the_answer_comes_first_in_words():
    made = {
        "r01": (STEADY, "N" * N),
        "r02": (STEADY, "NNVN" * 18 + "NN"),
        "r03": (np.concatenate([[0.2, 0.6, 1.0], 2 + STEADY]), "VVVSnN" + "N" * (N - 3)),
    }
    told = found(made, status=inputs().status)
    assert answer(told) == [
        f"3 records of 3 patients, 180 s in all, with {3 * N + 3} beats.".replace("180 s", "3 min"),
        "21 ventricular premature beats in 2 records and 1 supraventricular premature beat in 1 record.",
        "1 run of ectopic beats in 1 record, 1 of them ventricular at 100/min or faster.",
        "0.4\u00a0% of the beats are left to you.",
        "1 record couldn't be used.",
    ]
    page = render_report(told)
    text = page.partition("<main>")[0]
    assert "21 ventricular premature beats" in text
    assert (
        page.index('class="answer"')
        < page.index('id="look"')
        < page.index('id="records"')
        < page.index('class="tiles"')
    )


def test_records_to_look_at_come_the_most_urgent_first_and_link_to_their_pages():
    made = {
        "calm": (STEADY, "N" * N),
        "slow": (np.concatenate([[0.2, 1.2, 2.2], 3 + STEADY]), "VVV" + "N" * N),
        "fast": (np.concatenate([[0.2, 0.6, 1.0], 2 + STEADY]), "VVV" + "N" * N),
        "odd": (STEADY, "N" * N),
    }
    told = found(made, remarks=[("c", "odd", "unlike:rate", "")], n_pages=2, status=inputs().status)
    look = needs_a_look(told)
    assert [(row.name, row.link) for row in look.records] == [
        ("c/fast", page_link("c", "fast")),
        ("c/slow", page_link("c", "slow")),
        ("c/odd", ""),
    ]
    assert look.records[0].reasons == ["fast ventricular run of 3 V at 150/min, at 0:00"]
    assert (look.n_calm, look.n_hidden) == (1, 0)
    assert look.refused.startswith("1 ")
    rows = record_rows(told)
    assert [row.name for row in rows.plain] == ["c/fast", "c/slow", "c/odd", "c/calm"]
    assert rows.plain[2].remarks == ["unlike:rate"]
    assert {choice.tag for choice in rows.reasons} == {"r:fast_ventricular_run", "r:run", "r:unlike"}
    page = unescape(render_report(told))
    assert "The 2 most urgent records have a page of their own" in page
    assert "1 record has no such reason. That isn't to say that it is normal" in page


def test_possible_runs_and_pauses_are_said_where_there_is_no_sure_one():
    made = {
        "v": (np.concatenate([[0.2, 0.6, 1.0], 2 + STEADY]), "vVv" + "N" * N),
        "p": (np.concatenate([STEADY, STEADY[-1] + 4 + STEADY[:5]]), "N" * N + "nNNNN"),
    }
    text = " ".join(answer(found(made)))
    assert "No accepted run of three ectopic beats or more; 1 possible run with beats in review." in text
    assert "No pause over 2 s between accepted beats; 1 possible pause." in text
    assert "No accepted run of three ectopic beats or more. " in " ".join(answer(found({"p": made["p"]})))
    assert "possible pause" not in " ".join(answer(found({"v": made["v"]})))


def test_new_patterns_are_named_once_and_their_records_listed():
    made = {"odd": (STEADY, "N" * N), "calm": (STEADY, "N" * N)}
    alerts = pd.DataFrame({"n_beats": [40, 30], "n_patients": [3, 5]})
    assert needs_a_look(found(made)).alerts == ""
    told = replace(found(made, alerts=[("odd", "A1")]), alerts=alerts)
    assert needs_a_look(told).alerts.startswith("2 new patterns: 70 beats in review that look alike")
    assert needs_a_look(told).records[0].reasons == ["1 beat of a new pattern"]


def test_names_like_tags_stay_text_and_links_stay_in_the_folder():
    nasty, climbing = NASTY, "../../etc/passwd"
    made = {
        name: (np.concatenate([[0.2, 0.6, 1.0], 2 + STEADY]), "VVV" + "N" * N) for name in (nasty, climbing, "a b#c?d")
    }
    page = render_report(found(made, remarks=[("c", nasty, "age", nasty)]))
    assert nasty not in page
    parsed = Page(page)
    assert parsed.tags.count("script") == 1
    assert not parsed.stack
    links = [url for url in parsed.urls if url.startswith("records/")]
    assert len(links) == 2 * len(made)
    assert all(".." not in url.split("/") and not set(url) & set("#?<> ") for url in links)


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("", ["1 record of 1 patient, 60 s in all, with 0 beats."]),
        (
            "N",
            [
                "with 1 beat.",
                "No accepted beat is a ventricular premature beat or a supraventricular",
                "No beat is left",
            ],
        ),
        ("nnvn", ["with 4 beats. Every beat is left to you."]),
    ],
)
def test_no_beat_one_beat_and_all_in_review_are_said(letters, said):
    told = found({"r": (STEADY[: len(letters)], letters)})
    text = " ".join(answer(told))
    for words in said:
        assert words in text
    page = render_report(told)
    assert not Page(page).stack
    assert not re.search(r"\bnan\b", page.partition('id="sure"')[0].partition("<body>")[2])


def test_a_run_without_cases_reasons_or_table_is_told():
    page = render_report(found({"r": (STEADY, "N" * N)}))
    assert "Nothing: no accepted run, fast rhythm, long pause or new pattern was found" in page
    assert "No case was explained" in page
    assert "The bundle was given: it was trained elsewhere" in page
    bare = render_report(inputs(holter=None))
    assert 'id="look"' not in bare
    assert 'id="records"' not in bare


def test_many_records_wait_for_the_script_and_are_named_for_those_without():
    made = {f"r{k:04}": (STEADY[:4], "NNNN") for k in range(PLAIN_ROWS + 30)}
    made |= {f"v{k:02}": (np.array([0.2, 0.6, 1.0]), "VVV") for k in range(MAX_RECORDS + 3)}
    told = found(made, n_pages=10)
    rows = record_rows(told)
    assert (len(rows.plain), len(rows.rest)) == (PLAIN_ROWS, 30 + MAX_RECORDS + 3)
    assert needs_a_look(told).n_hidden == 3
    page = render_report(told)
    plain, _, waiting = page.partition('<template id="more-records">')
    assert plain.count("<tr data-tags=") == PLAIN_ROWS
    assert waiting.count("<tr data-tags=") == len(rows.rest)
    assert f"{len(rows.rest)} more are in" in page
    assert page.count('href="records/c/') == 2 * 10


def test_figures_lie_beside_the_page_or_within_it(tmp_path):
    folder = tmp_path / "figures" / "of <cases>"
    folder.mkdir(parents=True)
    (folder / "a b.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="9pt"></svg>')
    (folder / "a b.png").write_bytes(b"\x89PNG")
    beside = Place(tmp_path, embed=False).images([folder])["a b"]
    assert beside.uri == "figures/of%20%3Ccases%3E/a%20b.png"
    assert beside.width_mm == pytest.approx(25.4)
    assert Place(tmp_path, embed=True).images([folder])["a b"].uri.startswith("data:image/png;base64,")
    with pytest.raises(ValueError, match="no SVG with a width in points"):
        Place(tmp_path, embed=True).image(folder / "a b.png")


def test_tables_are_written_as_csv_that_no_spreadsheet_runs(tmp_path):
    write_table(tmp_path / "holter.parquet", pd.DataFrame({"corpus": "c", "record": ["=1+1", "r"], "n": [1, 2]}))
    command = [sys.executable, str(ROOT / "scripts" / "export_tables.py"), "--tables", str(tmp_path / "holter.parquet")]
    subprocess.run(
        [*command, "--folder", str(tmp_path / "tables")],
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
    )
    with (tmp_path / "tables" / "holter.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["corpus", "record", "n"], ["c", "'=1+1", "1"], ["c", "r", "2"]]
