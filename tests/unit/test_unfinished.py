"""The page of a run that failed half-way: what failed, the last lines of its log, what is there, names as text."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from beatlens.status.unfinished import failures, last_lines, render_unfinished

LOG = """\
rule fuse:
    output: results/x/explanations/fused
    log: results/x/logs/fuse.log
[Sat Nov 28 23:00:00 2026]
Error in rule explain_shard:
    message: None
    jobid: 3
    output: results/x/explanations/shards/lime/0of2.zip
    log: results/x/logs/lime/0of2.log, results/x/logs/gone.log (check log file(s) for error details)
    shell:
        python explain.py
Error in rule early:
    jobid: 4
    output: results/x/early.csv
Shutting down, this might take some time.
Error in rule explain_shard:
    jobid: 3
    output: results/x/explanations/shards/lime/0of2.zip
    log: results/x/logs/lime/0of2.log (check log file(s) for error details)
Exiting because a job execution failed.
"""


def test_each_failed_job_is_named_once_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "snakemake.log").write_text(LOG)
    job = tmp_path / "results/x/logs/lime/0of2.log"
    job.parent.mkdir(parents=True)
    job.write_text("\n".join(f"line {k}" for k in range(100)) + "\nValueError: <script>alert(1)</script>\n")
    found = failures(tmp_path / "snakemake.log", tmp_path)
    assert [(one.rule, one.output) for one in found] == [
        ("explain_shard", "results/x/explanations/shards/lime/0of2.zip"),
        ("early", "results/x/early.csv"),
    ]
    assert found[0].lines[-1].startswith("ValueError")
    assert len(found[0].lines) == 30
    assert found[1].lines == ()
    page = render_unfinished("x", tmp_path, began=datetime.now(UTC), failed=found, log="a.log", lines=["<b>"])
    assert "2 jobs failed" in page
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


def test_the_page_tells_what_is_there_and_what_is_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    os.utime(tmp_path / "report.html", (0, 0))
    (tmp_path / "records.tsv").write_text("new")
    began = datetime(2001, 1, 1, tzinfo=UTC)
    page = render_unfinished("x", tmp_path, began=began, failed=[], log="", lines=[])
    assert "has not finished" in page
    assert "it was killed" in page
    rows = {row.split("</td>")[0]: row for row in page.split("<tr><td>")[1:]}
    assert ", before this run" in rows["Report"]
    assert 'href="report.html"' in rows["Report"]
    assert "before this run" not in rows["Who is in which split"]
    assert "not there" in rows["Manifest"]
    assert "href" not in rows["Manifest"].split("</tr>")[0]


def test_a_long_log_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 10_000_000 + b"\nlast \xff\n")
    lines = last_lines(tmp_path / "a.log")
    assert len(lines) == 2
    assert len(lines[0]) < 500
    assert lines[1].startswith("last")
