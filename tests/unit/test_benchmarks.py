"""The plain implementations that benchmarks compare with give the same numbers, and the benchmarks can be imported."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    before = dict(os.environ)
    yield importlib.import_module
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_benchmark_can_be_imported(name: str, load: Callable[[str], ModuleType]) -> None:
    module = load(name)
    assert module.__doc__
    for stage, functions in getattr(module, "STAGES", {}).items():
        for owner, function in functions:
            assert callable(getattr(owner, function)), stage


def test_plain_intervals_are_ours(load: Callable[[str], ModuleType]) -> None:
    module, rng = load("beats_speed"), np.random.default_rng(0)
    for share in (0.0, 0.1, 0.6):
        times = np.cumsum(np.where(rng.random(250) < share, rng.uniform(4.1, 9, 250), rng.uniform(0.4, 1.4, 250)))
        plain, ours = module.PlainIntervals(times, module.RR), module.our_features(times)
        np.testing.assert_allclose(plain.with_numpy(), ours, atol=1e-6)
        np.testing.assert_allclose(plain.with_lists(), ours, atol=1e-6)


def test_windows_of_their_own_beats_give_the_same_logits(load: Callable[[str], ModuleType]) -> None:
    import torch
    import yaml

    from beatlens.beats.context_windows import context_windows
    from beatlens.learning.batches import Batch
    from beatlens.learning.objective import forward, to_tensors
    from beatlens.models.hybrid import HybridNet
    from beatlens.models.settings import ModelSettings, NetworkConfig

    module, rng = load("training_speed"), np.random.default_rng(0)
    config = yaml.safe_load((FOLDER.parent / "config/config.yaml").read_text(encoding="utf-8"))
    n, length, n_rr = 9, 130, 11
    windows, lengths, positions = context_windows(np.repeat([0, 1], [6, 3]), 5)
    row, column = np.nonzero(np.array([[1, 1]] * 5 + [[1, 0]] * 2 + [[0, 1]] * 2))  # leads that differ
    random = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    batch = Batch(
        random(len(row), length), random(len(row), length), row, column, np.array([1, 6]), n, random(n, n_rr),
        random(n, 6), windows, lengths, positions, np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.float32),
        np.ones((n, 3), dtype=bool),
    )  # fmt: skip
    other = module.each_window_anew(batch)
    assert other.n_beats == lengths.sum()
    torch.manual_seed(0)
    network = HybridNet(NetworkConfig(ModelSettings(**config["model"]), 3, length, n_rr, 6, 5)).eval()
    with torch.inference_mode():
        own, anew = (forward(network, to_tensors(b, "cpu"), b.n_beats) for b in (batch, other))
    for expected, found in zip(own, anew, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert float(own[0].std()) > 1e-3


def test_comparison_of_runs_sees_one_bit(load: Callable[[str], ModuleType], tmp_path: Path) -> None:
    import pandas as pd

    from beatlens.core.files import write_arrays, write_json, write_table

    module = load("same_results")
    values = np.array([0.5, np.nan, -1.0])
    for name in ("before", "after"):
        write_table(tmp_path / name / "beats.parquet", pd.DataFrame({"p": values, "label": ["N", "", "V"]}))
        write_arrays(tmp_path / name / "waves.npz", {"waves": values})
        write_json(tmp_path / name / "model/bundle.json", {"sha256": name, "bias": [0.1, 0.2]})
        (tmp_path / name / "logs").mkdir()
        (tmp_path / name / "logs/run.tsv").write_text(name)
    find = lambda: [(found.kind, found.place) for found in module.compare(tmp_path / "before", tmp_path / "after")]  # noqa: E731
    assert find() == []
    changed = values.copy()
    changed[0] = np.nextafter(0.5, 1)
    write_table(tmp_path / "after/beats.parquet", pd.DataFrame({"p": changed, "more": [0, 1, 2]}))
    write_arrays(tmp_path / "after/waves.npz", {"waves": changed})
    write_json(tmp_path / "after/model/bundle.json", {"sha256": "after", "bias": [0.1, 0.3]})
    assert find() == [
        ("gone", "beats.parquet: label"),
        ("added", "beats.parquet: more"),
        ("other", "beats.parquet: p"),
        ("other", "model/bundle.json: bias"),
        ("other", "waves.npz: waves.npy"),
    ]
    (tmp_path / "after/waves.npz").unlink()
    assert ("gone", "waves.npz") in find()


def test_minirocket_filters_as_a_plain_sum_does(load: Callable[[str], ModuleType]) -> None:
    module, rng = load("minirocket"), np.random.default_rng(0)
    signals = [rng.normal(size=(12, n)).astype(np.float32) for n in (300, 400)]
    rocket = module.MiniRocket(seed=1)
    assert sum(map(len, rocket.levels)) == 10_000 // 84
    k, kernel = 3, 5
    dilation, taps = rocket.dilations[k], np.full(9, -1.0)
    taps[module.KERNELS[kernel]] = 2
    padded = np.pad(rocket.leads[k, kernel] @ signals[0], 4 * dilation)
    plain = sum(taps[j] * padded[j * dilation : j * dilation + 300] for j in range(9))
    plain = plain[4 * dilation : -4 * dilation] if (kernel + k) % 2 else plain
    np.testing.assert_allclose(rocket.filtered(signals[0], k, np.array([kernel]))[0], plain, atol=1e-4)
    rocket.dilations, rocket.levels, rocket.leads = rocket.dilations[:1], rocket.levels[:1], rocket.leads[:1]
    biases = rocket.biases(signals)
    features = rocket.features(signals, [biases])
    row = rocket.filtered(signals[1], 0, np.array([2]))[0]
    n = len(rocket.levels[0])
    np.testing.assert_allclose(features[0, 1, 2 * n : 3 * n], [(row > bias).mean() for bias in biases[0][2]], atol=1e-6)
