from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.beats.beat_table import (
    DEFAULT_RR_S,
    RR_COLUMNS,
    RR_FEATURES,
    beat_table,
    constant_rhythm_features,
    context_windows,
    match_beats,
    rr_columns,
    rr_features,
    stretch_ids,
    stretches,
)
from beatlens.beats.settings import BeatSettings
from beatlens.shards.shard import BEAT_COLUMNS

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = BeatSettings(**CONFIG["beats"])


def table_of(r_sample: list[int], fs: float = 100.0, **changes: object):
    n = len(r_sample)
    arguments = {
        "corpus": "c",
        "record": "r",
        "patient": "p",
        "r_sample": np.array(r_sample, dtype=np.int64),
        "fs_file": fs,
        "fs": 200.0,
        "n_samples": 100_000,
        "labels": ["N"] * n,
        "symbols": ["N"] * n,
        "labelled": True,
        "partner": np.full(n, -1, dtype=np.int64),
        "annotated_noise": np.zeros(n, dtype=bool),
        "settings": SETTINGS,
    }
    return beat_table(**(arguments | changes))  # type: ignore[arg-type]


def naive_usual(rr: list[float], median: float, width: int) -> list[tuple[float, float]]:
    """Return the usual interval and the spread at each beat of a stretch with intervals `rr`."""
    half, n = width // 2, len(rr) + 1
    around = [range(max(k - half, 1), min(k + half, n - 1) + 1) for k in range(n)]  # interval j ends at beat j
    usual = [float(np.median([rr[j - 1] for j in own])) if own else median for own in around]
    return [
        (usual[k], float(np.median([abs(np.log(rr[j - 1] / usual[j])) for j in own])) if own else 0.0)
        for k, own in enumerate(around)
    ]


def naive_rr(times: np.ndarray, gap_s: float, short: int, long_: int) -> list[dict[str, float]]:
    """Loop over beats with lists of intervals, stretch by stretch."""
    runs: list[list[float]] = [[times[0]]]
    for before, now in itertools.pairwise(times):
        if now - before > gap_s:
            runs.append([])
        runs[-1].append(now)
    every = [b - a for run in runs for a, b in itertools.pairwise(run)]
    median = float(np.median(every)) if every else DEFAULT_RR_S
    rows = []
    for run in runs:
        rr = [b - a for a, b in itertools.pairwise(run)]
        usual = {n: naive_usual(rr, median, n) for n in (SETTINGS.short_usual_beats, SETTINGS.long_usual_beats)}
        for k in range(len(run)):
            before = rr[k - 1] if k > 0 else usual[SETTINGS.short_usual_beats][k][0]
            after = rr[k] if k < len(rr) else usual[SETTINGS.short_usual_beats][k][0]
            earlier = rr[: max(k - 1, 0)]
            row = {
                "rr_before_s": before,
                "rr_after_s": after,
                "rr_previous_s": rr[k - 2] if k > 1 else before,
                "rr_next_s": rr[k + 1] if k + 1 < len(rr) else after,
                "rr_short_mean_s": float(np.mean(earlier[-short:])) if earlier else before,
                "rr_long_mean_s": float(np.mean(earlier[-long_:])) if earlier else before,
                "rr_filled": not (0 < k < len(rr)),
            }
            steps = [np.log(rr[j] / rr[j - 1]) ** 2 for j in range(1, k)][-short:]
            size = {j: abs(np.log(rr[j - 1] / rr[j - 2])) for j in range(2, len(run))}  # at the beat that ends both
            around = {
                n: [size[j] for j in range(k - n // 2, k + n // 2 + 1) if j in size] or [0.0]
                for n in (SETTINGS.short_variation_beats, SETTINGS.long_variation_beats)
            }
            row["rr_variation_short"] = float(np.median(around[SETTINGS.short_variation_beats]))
            row["rr_variation_long"] = float(np.median(around[SETTINGS.long_variation_beats]))
            row["rr_variation_mean"] = float(np.mean(around[SETTINGS.long_variation_beats]))
            row["rr_usual_short_s"], row["rr_spread_short"] = usual[SETTINGS.short_usual_beats][k]
            row["rr_usual_long_s"], row["rr_spread_long"] = usual[SETTINGS.long_usual_beats][k]
            row["rr_irregularity"] = float(np.sqrt(np.mean(steps))) if steps else 0.0
            rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_rr_columns_equal_a_plain_loop_with_gaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    interval = rng.uniform(0.4, 1.4, 300)
    interval[rng.choice(300, 12, replace=False)] = rng.uniform(4.1, 20, 12)
    interval[[50, 51]] = 9.0  # a stretch of one beat
    times = np.cumsum(interval)
    columns = rr_columns(times, stretches(times, SETTINGS.gap_s), SETTINGS)
    expected = naive_rr(times, SETTINGS.gap_s, SETTINGS.short_mean_beats, SETTINGS.long_mean_beats)
    assert list(columns) == list(RR_COLUMNS)
    for name, values in columns.items():
        np.testing.assert_allclose(values, [row[name] for row in expected], atol=1e-9, err_msg=name)


def test_no_interval_crosses_a_gap() -> None:
    table = table_of([100, 180, 260, 1260, 1340])
    assert table["stretch"].tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(table["rr_before_s"], [0.8] * 5)
    assert table["rr_filled"].tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("samples", [[], [50], [0, 99_999]])
def test_tiny_records_have_typed_finite_tables(samples: list[int]) -> None:
    table = table_of(samples, fs=360.0)
    assert list(table.columns) == [*BEAT_COLUMNS, *RR_COLUMNS]
    assert table["r_sample"].dtype == np.int64
    assert table["matched"].dtype == table["rr_filled"].dtype == bool
    features = rr_features(table, SETTINGS)
    assert features.shape == (len(samples), len(RR_FEATURES))
    assert np.isfinite(features).all()


@pytest.mark.parametrize("rate", [False, True])
def test_features_of_a_constant_rhythm_are_zero_but_for_its_rate(rate: bool) -> None:
    fast, slow = list(range(100, 10_000, 75)), list(range(20_000, 40_000, 140))  # a gap between the two
    settings = dataclasses.replace(SETTINGS, rate=rate)
    table = table_of(fast + slow)
    features = rr_features(table, settings)
    assert features.shape[1] == len(settings.rr_features)
    expected = np.stack([constant_rhythm_features(interval, settings) for interval in table["rr_before_s"]])
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert (expected[:, -len(RR_FEATURES) :] == 0).all()
    assert len(np.unique(expected[:, 0])) == 1 + rate


def test_a_premature_beat_stands_out_and_later_beats_do_not_change_the_past() -> None:
    samples = [*range(100, 3000, 80), 2996 + 40, 2996 + 160]
    features = rr_features(table_of(samples), SETTINGS)
    premature = features[-2]
    assert premature[RR_FEATURES.index("log_before_long")] < -0.3
    assert premature[RR_FEATURES.index("log_before_after")] < -0.5
    causal = [RR_FEATURES.index(name) for name in ("log_before_short", "log_before_long", "irregularity")]
    cut = rr_features(table_of(samples[:20]), SETTINGS)
    np.testing.assert_allclose(features[1:20, causal], cut[1:, causal], atol=1e-6)


def test_features_of_part_of_a_table_are_the_same_rows() -> None:
    rng = np.random.default_rng(1)
    table = table_of(np.cumsum(rng.integers(50, 120, 200)).tolist())
    part = table.sample(frac=0.3, random_state=1)
    np.testing.assert_array_equal(rr_features(part, SETTINGS), rr_features(table, SETTINGS)[part.index])


def test_log_ratios_are_limited() -> None:
    settings = dataclasses.replace(SETTINGS, max_log_ratio=0.1)
    features = rr_features(table_of([100, 180, 260, 300, 420]), settings)
    assert np.abs(features[:, :8]).max() == pytest.approx(0.1)


@pytest.mark.parametrize("window", [1, 3, 5, 9])
def test_context_windows_equal_a_plain_loop(window: int) -> None:
    rng = np.random.default_rng(window)
    sizes = [1, 2, 7, 30, 3, 1]
    ids = np.repeat(rng.permutation(len(sizes)), sizes)
    windows, lengths, positions = context_windows(ids, window)
    for k in range(len(ids)):
        expected = [j for j in range(k - window // 2, k + window // 2 + 1) if 0 <= j < len(ids) and ids[j] == ids[k]]
        assert windows[k, : lengths[k]].tolist() == expected
        assert windows[k, lengths[k] :].tolist() == [0] * (window - lengths[k])
        assert windows[k, positions[k]] == k
    assert windows.dtype == lengths.dtype == positions.dtype == np.int64


def test_contexts_do_not_cross_records_with_the_same_stretch_number() -> None:
    import pandas as pd

    table = pd.concat([table_of([100, 180]), table_of([90, 170], record="q")], ignore_index=True)
    assert stretch_ids(table).tolist() == [0, 0, 1, 1]
    assert context_windows(stretch_ids(table), 5)[1].tolist() == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="separate runs"):
        context_windows(np.array([0, 1, 0]), 3)
    with pytest.raises(ValueError, match="odd"):
        context_windows(np.array([0, 1]), 4)


def best_matching(a: np.ndarray, b: np.ndarray, tolerance: float) -> tuple[int, float]:
    """Pairs and least total distance by scipy's assignment: as many allowed pairs as possible, then the nearest."""
    from scipy.optimize import linear_sum_assignment

    distance = np.abs(a[:, None] - b[None, :])
    cost = np.where(distance <= tolerance, distance - 1e3, 0.0)
    rows, columns = linear_sum_assignment(cost)
    allowed = distance[rows, columns] <= tolerance
    return int(allowed.sum()), float(distance[rows, columns][allowed].sum())


@pytest.mark.parametrize("seed", range(20))
def test_matching_is_optimal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.sort(rng.uniform(0, 8, rng.integers(0, 40))), np.sort(rng.uniform(0, 8, rng.integers(1, 40)))
    of_a, of_b = match_beats(a, b, 0.15)
    pairs = np.flatnonzero(of_a >= 0)
    assert np.abs(a[pairs] - b[of_a[pairs]]).max(initial=0) <= 0.15
    assert (of_b[of_a[pairs]] == pairs).all()
    assert (of_b >= 0).sum() == len(pairs)
    count, distance = best_matching(a, b, 0.15) if len(a) else (0, 0.0)
    assert len(pairs) == count
    assert np.abs(a[pairs] - b[of_a[pairs]]).sum() == pytest.approx(distance)


def test_a_greedy_first_match_would_lose_a_beat() -> None:
    of_detected, _ = match_beats(np.array([1.0, 1.2]), np.array([0.9, 1.1]), 0.15)
    assert of_detected.tolist() == [0, 1]
    of_detected, _ = match_beats(np.array([1.1]), np.array([1.0, 1.12]), 0.15)
    assert of_detected.tolist() == [1]


def test_two_peaks_at_one_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="strictly ascending"):
        table_of([100, 100])


@pytest.mark.parametrize("change", [{"context": 4}, {"short_mean_beats": 100}, {"gap_s": 0}, {"max_log_ratio": 0}])
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="beats"):
        BeatSettings(**(CONFIG["beats"] | change))


def test_edge_beats_keep_their_index_inside_the_signal() -> None:
    table = table_of([0, 360, 719], fs=360.0, n_samples=400)
    assert table["r_index"].tolist() == [0, 200, 399]
    assert table["beat_id"].tolist() == ["c/r/0", "c/r/360", "c/r/719"]
