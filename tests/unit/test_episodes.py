"""Runs and pauses against a plain walk over beats, and what a record's row says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from beatlens.core.remarks import REMARK_COLUMNS, REMARKS
from beatlens.prediction.ectopy_counts import ectopy
from beatlens.prediction.episodes import EPISODE_COLUMNS, find_episodes, in_words, sequence_starts
from beatlens.prediction.record_notes import note_columns, with_notes
from beatlens.shards.stretches import STRETCH_COLUMNS

GAP_S = 4.0
NO_REMARK = pd.DataFrame(columns=list(REMARK_COLUMNS))


def table(times, letters, record="r"):
    """Beats of one record: capital letters are accepted, small ones in review."""
    return pd.DataFrame(
        {
            "corpus": "c",
            "record": record,
            "r_time_s": np.asarray(times, dtype=float),
            "pred": [letter.upper() for letter in letters],
            "review": [letter.islower() for letter in letters],
        }
    )


def stretch(kind, start, end, record="r", constant_s=0.0):
    return dict(zip(STRETCH_COLUMNS, ("c", record, "p", kind, start, end, 0, constant_s, ""), strict=True))


def stretches(*rows):
    return pd.DataFrame(list(rows), columns=list(STRETCH_COLUMNS))


def naive(beats, parts, name):
    """Walk over each record's beats, one by one."""
    episodes = []
    for record, own in beats.groupby("record"):
        rows = own.sort_values("r_time_s").to_dict("records")
        listed = [part for part in parts.to_dict("records") if part["record"] == record]
        for accepted_only in (True, False):
            run = []
            for k, row in enumerate([*rows, None]):
                breaks = row is None or row["pred"] != name or (accepted_only and row["review"])
                if run and row is not None:
                    before = rows[k - 1]["r_time_s"]
                    over = any(p["start_s"] < row["r_time_s"] and p["end_s"] > before for p in listed)
                    if breaks or over or row["r_time_s"] - before > GAP_S:
                        episodes.append((record, accepted_only, run))
                        run = []
                elif run:
                    episodes.append((record, accepted_only, run))
                if not breaks:
                    run = [*run, row]
    found = []
    for record, accepted_only, run in episodes:
        in_review = sum(row["review"] for row in run)
        if len(run) >= 3 and (accepted_only or in_review):
            kind = "run" if accepted_only else "possible_run"
            rates = [60 / (b["r_time_s"] - a["r_time_s"]) for a, b in zip(run[:-1], run[1:], strict=True)]
            mean = len(rates) / sum(1 / rate for rate in rates)
            found.append((record, kind, run[0]["r_time_s"], run[-1]["r_time_s"], len(run), in_review, mean))
    return sorted(found)


def test_runs_are_those_that_a_walk_over_the_beats_finds():
    rng = np.random.default_rng(8)
    seen = {"run": 0, "possible_run": 0}
    for _ in range(120):
        beats, parts = [], []
        for record in ("a", "b"):
            n = int(rng.integers(1, 60))
            times = np.cumsum(rng.choice([0.4, 0.8, 3.0, 5.0], n, p=[0.6, 0.34, 0.03, 0.03]))
            beats.append(table(times, rng.choice(list("NVvns"), n, p=[0.3, 0.5, 0.1, 0.05, 0.05]), record))
            where = rng.uniform(0, times[-1] + 1, 2)
            parts.append(stretch("disorganised", where.min(), where.min() + 1.3, record))
        beats = pd.concat(beats).sample(frac=1, random_state=1)
        parts = stretches(*parts)
        found = find_episodes(beats, parts, ("S", "V"), GAP_S)
        assert list(found) == list(EPISODE_COLUMNS)
        own = found[found["kind"].str.endswith("run") & (found["class"] == "V")]
        rows = sorted(
            own[["record", "kind", "start_s", "end_s", "n_beats", "n_review", "rate_per_min"]].itertuples(index=False)
        )
        wanted = naive(beats, parts, "V")
        assert [tuple(row)[:6] for row in rows] == [row[:6] for row in wanted]
        np.testing.assert_allclose([row[6] for row in rows], [row[6] for row in wanted])
        for kind in seen:
            seen[kind] += (own["kind"] == kind).sum()
        # The table and the counts of a record say the same.
        ordered = beats.sort_values(["corpus", "record", "r_time_s"], ignore_index=True)
        sequence = np.cumsum(sequence_starts(ordered, parts, GAP_S))
        cell = (ordered["record"] == "b").to_numpy().astype(np.int64)
        counted = ectopy(
            ordered["pred"].to_numpy(object),
            ordered["review"].to_numpy(),
            stretch=sequence,
            cell=cell,
            n_cells=2,
            ectopic=("V",),
        )
        assert counted["n_runs_V"].tolist() == [
            ((own["record"] == record) & (own["kind"] == "run")).sum() for record in ("a", "b")
        ]
    assert min(seen.values()) > 50


def test_a_run_has_the_rate_of_its_own_intervals():
    beats = table([0, 1, 2, 2.3, 2.6, 2.9, 4.1], "NNVVVVN")
    (run,) = find_episodes(beats, stretches(), ("V",), GAP_S).to_dict("records")
    assert (run["kind"], run["class"], run["n_beats"], run["start_s"], run["end_s"]) == ("run", "V", 4, 2.0, 2.9)
    assert run["rate_per_min"] == pytest.approx(200)
    assert (
        in_words("run", "V", start_s=12.34, end_s=14.7, n_beats=9, n_review=0, rate=200.4)
        == "run of 9 V at 200/min from 12.3 s"
    )
    assert (
        in_words("possible_run", "V", start_s=1, end_s=2, n_beats=4, n_review=2, rate=180)
        == "possible run of 4 V at 180/min from 1.0 s, 2 in review"
    )
    assert (
        in_words("pause", "V", start_s=1, end_s=3.54, n_beats=2, n_review=0, rate=24)
        == "pause of 2.5 s after V from 1.0 s"
    )


def test_pauses_lie_between_accepted_beats_and_not_over_what_cannot_be_seen():
    times = [0, 1, 3.5, 4.5, 7, 8, 18, 19, 22, 23, 26, 27, 30]
    letters = "NVNNnNNNNNNNN"
    parts = stretches(
        stretch("pause", 1.0, 3.5),
        stretch("flat", 8.0, 18.0),
        stretch("no_signal", 19.5, 20.5),
        stretch("flat", 23.5, 25.5, constant_s=2.0),
        stretch("noise", 27.0, 29.0),
    )
    found = find_episodes(table(times, letters), parts, ("V",), GAP_S)
    rows = [tuple(row) for row in found[["kind", "class", "start_s", "end_s", "n_review"]].to_numpy()]
    assert rows == [
        ("pause", "V", 1.0, 3.5, 0),
        ("possible_pause", "N", 4.5, 7.0, 1),
        ("pause", "N", 8.0, 18.0, 0),
    ]


def test_a_records_row_says_what_is_to_be_known():
    beats = pd.concat([table([0, 0.3, 0.6, 2, 5, 6, 6.2, 6.4, 6.6], "VVVNNNVVV", "a"), table([1.0], "N", "b")])
    parts = stretches(
        stretch("flat", 10, 14, "a"), stretch("disorganised", 14, 22, "a"), stretch("no_signal", 2, 4.5, "b")
    )
    remarks = pd.DataFrame(
        [("c", "b", "too_few_beats", "1 beat"), ("c", "b", "another", "")], columns=list(REMARK_COLUMNS)
    )
    episodes = find_episodes(beats, parts, ("S", "V"), GAP_S)
    records = pd.DataFrame({"corpus": "c", "record": ["b", "a", "none"]})
    noted = with_notes(records, parts, episodes, remarks, ("S", "V"))
    assert list(noted) == ["corpus", "record", *note_columns(("S", "V"))]
    rows = {row["record"]: row for row in noted.to_dict("records")}
    assert rows["a"]["stretches"] == "12 s without a beat: 4 s flat, 8 s fast disorganised signal"
    assert (rows["a"]["flat_s"], rows["a"]["disorganised_s"], rows["b"]["no_signal_s"]) == (4, 8, 2.5)
    assert rows["a"]["fastest_run_V"] == pytest.approx(300)
    assert np.isnan(rows["a"]["fastest_run_S"])
    assert np.isnan(rows["b"]["fastest_run_V"])
    assert (rows["a"]["n_pauses"], rows["a"]["longest_pause_s"], rows["b"]["longest_pause_s"]) == (1, 3.0, 0.0)
    assert (rows["a"]["remarks"], rows["b"]["remarks"]) == ("", "another;too_few_beats")
    assert (rows["none"]["stretches"], rows["none"]["remarks"], rows["none"]["flat_s"]) == ("", "", 0)
    assert "too_few_beats" in REMARKS


def test_no_beat_no_stretch_and_no_remark_are_legal():
    beats = table([], "")
    episodes = find_episodes(beats, stretches(), ("V",), GAP_S)
    assert list(episodes) == list(EPISODE_COLUMNS)
    assert not len(episodes)
    noted = with_notes(pd.DataFrame({"corpus": ["c"], "record": ["r"]}), stretches(), episodes, NO_REMARK, ("V",))
    assert noted["n_pauses"].tolist() == [0]
