"""The page of a run that failed half-way or was killed: in the run's folder, and gone when the run is complete."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest


@pytest.fixture
def broken(finished):
    """Break a program after the run, so that its job runs again and fails."""
    program = finished.folder / "scripts" / "draw_tachograms.py"
    before = program.read_text()
    program.write_text(before.replace("    arguments = programs.start(parser)\n", BROKEN))
    yield finished
    program.write_text(before)


BROKEN = '    arguments = programs.start(parser)\n    raise ValueError("broken <b>on purpose</b>")\n'


def test_a_failed_run_leaves_a_page_and_a_complete_one_takes_it_away(broken):
    page = broken.results / "unfinished.html"
    program = broken.folder / "scripts" / "draw_tachograms.py"
    assert not page.exists()
    said = broken.snakemake("--cores", "2", ok=False)
    assert "results/tiny/unfinished.html" in said
    text = page.read_text()
    assert "Failed: draw_tachograms" in text
    assert "broken &lt;b&gt;on purpose&lt;/b&gt;" in text
    assert 'href="predictions/beats.parquet"' in text
    program.write_text(program.read_text().replace('    raise ValueError("broken <b>on purpose</b>")\n', ""))
    broken.snakemake("--cores", "2")
    assert not page.exists()


def test_a_killed_run_leaves_the_page_of_its_start(finished):
    (finished.results / "report.html").unlink()
    process = subprocess.Popen(
        finished.command("--cores", "1"), cwd=finished.folder, env=finished.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    page = finished.results / "unfinished.html"
    try:
        for _ in range(6000):
            if page.exists():
                break
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    text = page.read_text()
    assert "has not finished" in text
    assert "it was killed" in text
    assert 'href="records.tsv"' in text
