"""Snakemake's log lines: what stays of long lists, and what is said of changed params."""

from __future__ import annotations

import logging

from beatlens.run.job_log import short_reason, shorten


def test_long_lists_become_a_count_and_examples_and_short_ones_stay():
    files = ", ".join(f"results/{k}.npz" for k in (4, 0, 3, 1, 2, 5))
    reason = f"Missing output files: report.html; Input files updated by another job: {files}"
    assert short_reason(reason) == (
        "Missing output files: report.html; Input files updated by another job: "
        "results/0.npz, results/1.npz, results/2.npz, and 3 more"
    )
    assert short_reason("Code has changed since last execution") == "Code has changed since last execution"


def test_of_changed_params_only_what_differs_is_said():
    change = "Params have changed since last execution: Union of exclusive params before and now across all output: "
    old = """before: '{"seed": 1, "model": {"name": "hybrid", "sizes": [8, 8]}}','ae8112e21204050f' """
    new = """now: '{"seed": 2, "model": {"name": "hybrid", "sizes": [8, 16]}}','02c949c69d497ec1' """
    said = short_reason(f"Missing output files: a; {change}{old}{new}; Software environment definition has changed")
    assert said == (
        "Missing output files: a; Params changed: model.sizes [8, 8] -> [8, 16], seed 1 -> 2, "
        "code, or the content of a table or record; Software environment definition has changed"
    )
    assert short_reason(f"{change}before: <nothing exclusive> {new}").startswith("Params changed: ")
    many = """before: '{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}' now: '{"a": 2, "b": 2, "c": 2, "d": 2}' """
    assert short_reason(change + many) == "Params changed: a 1 -> 2, b 1 -> 2, c 1 -> 2, and 2 more"
    long = change + f"""before: '{{"a": "{"x" * 900}"}}' now: '{{"a": "{"y" * 900}"}}' """
    assert len(short_reason(long)) < 200


def test_a_record_of_a_job_is_shortened_and_every_other_passes_as_it_is():
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    assert shorten(record)
    record.reason, record.input, record.output = "Forced execution", [f"{k}.csv" for k in range(97)], ["one", "two"]
    assert shorten(record)
    assert record.input == ["0.csv", "1.csv", "2.csv", "and 94 more"]
    assert record.output == ["one", "two"]
