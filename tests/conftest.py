"""Fixtures that the tests share: the configuration, small WFDB records, and real data where it is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes longest first, so that two workers end together."""
    items.sort(key=lambda item: (item.path.name != "test_readme.py", item.get_closest_marker("slow") is None))


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """Return config/config.yaml."""
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def _write_wfdb_record(
    folder: Path,
    name: str,
    signal: np.ndarray | None = None,
    fs: float = 360,
    leads: Sequence[str] = ("MLII", "V1"),
    symbols: Sequence[str] | None = None,
    samples: Sequence[int] | None = None,
    aux: Sequence[str] | None = None,
    subtype: Sequence[int] | None = None,
    *,
    units: str = "mV",
    gain: float = 200,
    fmt: str = "16",
    comments: Sequence[str] = (),
    annotator: str = "atr",
) -> np.ndarray:
    """Write a WFDB record, with annotations if there are symbols; returns the (n_leads, n_samples) signal written.

    `signal` is in `units`, NaN where there is no valid sample; by default three seconds of a pulse train. Annotations
    without `samples` stand every 0.5 s.
    """
    import wfdb

    folder.mkdir(parents=True, exist_ok=True)
    if signal is None:
        time = np.arange(int(3 * fs)) / fs
        pulses = np.exp(-0.5 * (((time + 0.25) % 0.5 - 0.25) / 0.02) ** 2)
        signal = np.stack([pulses * (1 + 0.1 * k) for k in range(len(leads))])
    invalid = {"16": -32768, "212": -2048}[fmt]
    digital = np.where(np.isnan(signal), invalid, np.rint(np.nan_to_num(signal) * gain)).astype(np.int64)
    n = len(leads)
    wfdb.wrsamp(
        name,
        fs=fs,
        units=[units] * n,
        sig_name=list(leads),
        d_signal=digital.T,
        fmt=[fmt] * n,
        adc_gain=[float(gain)] * n,
        baseline=[0] * n,
        comments=list(comments),
        write_dir=str(folder),
    )
    if symbols is not None:
        wfdb.wrann(
            name,
            annotator,
            sample=np.asarray(samples if samples is not None else (0.5 * fs * np.arange(len(symbols))), dtype=int),
            symbol=list(symbols),
            aux_note=None if aux is None else list(aux),
            subtype=None if subtype is None else np.asarray(subtype),
            write_dir=str(folder),
        )
    return signal


@pytest.fixture(scope="session")
def write_wfdb_record() -> Callable[..., np.ndarray]:
    """Return a function that writes a WFDB record; see `_write_wfdb_record`."""
    return _write_wfdb_record


@pytest.fixture(scope="session")
def real_corpus() -> Callable[[str], Path]:
    """Return a function that gives a real corpus's folder, or skips the test where it isn't there."""

    def find(name: str) -> Path:
        folder = Path(os.environ.get("BEATLENS_DATA") or ROOT / "data") / name
        if not folder.is_dir():
            pytest.skip(f"no corpus {name} under BEATLENS_DATA or data/")
        return folder

    return find


SIZES = {
    "GROUP_ROWS": "beatlens.core.files",
    "_BLOCK": "beatlens.core.bootstrap",
    "FILTER_BLOCK": "beatlens.signals.conditioning",
    "LOCK_TIMEOUT_S": "beatlens.corpora.index",
    "MAX_LISTING_BYTES": "beatlens.corpora.downloads.download",
    "MAX_ANNOTATION_BYTES": "beatlens.corpora.downloads.download",
    "BLOCK_SAMPLES": "beatlens.corpora.wfdb.stored_values",
    "MAX_SAMPLES": "beatlens.corpora.wfdb.samples",
    "SLOWEST_S": "beatlens.corpora.wfdb.record",
    "BLOCK_BEATS": "beatlens.prototypes.space",
    "CHUNK_BEATS": "beatlens.prediction.predict",
    "SERIES": "beatlens.learning.simulated_rhythm",
    "MAX_STATES": "beatlens.explain.engine.beat_states",
}
"""Blocks and limits that are no option, by the module that holds them.

No result may depend on how much work is one block, and a limit is tried where it is small.
"""


@pytest.fixture
def resize(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Return a function that gives one of `SIZES` another value."""
    return lambda name, value: monkeypatch.setattr(f"{SIZES[name]}.{name}", value)


PLANTED_WIDTH_S = {"N": 0.012, "S": 0.012, "V": 0.045}
"""Width of the QRS wave of each planted class; S differs from N by its early beat alone."""


def _plant_shards(
    folder: Path,
    patients: dict[str, tuple[str, ...]],
    beat_settings: Any,
    n_shards: int = 1,
    n_beats: int = 60,
    classes: Sequence[str] = ("N", "S", "V"),
    seed: int = 0,
) -> list[Any]:
    """Write shards of one record a patient (with the leads given), whose beats have known classes; 100 Hz, 1 mV.

    A ventricular beat is wide, a supraventricular one comes early, and the last tenth of each record is annotated,
    loud noise.
    """
    import pandas as pd

    from beatlens.shards.shard import Shard
    from beatlens.shards.writer import ShardWriter
    from makers import add_record

    fs = 100.0
    names = list(patients)
    for shard in range(n_shards):
        with ShardWriter(folder / f"{shard}of{n_shards}") as writer:
            for k, patient in enumerate(names):
                if k % n_shards != shard:
                    continue
                rng = np.random.default_rng([seed, k])
                labels = rng.choice(
                    list(classes), size=n_beats, p=[1 - 0.2 * (len(classes) - 1)] + [0.2] * (len(classes) - 1)
                )
                labels[: len(classes)] = classes
                rr = np.where(labels == "S", 0.5, 0.8) * rng.uniform(0.95, 1.05, n_beats)
                r_sample = np.rint(np.cumsum(rr) * fs).astype(np.int64)
                time = np.arange(r_sample[-1] + 80)
                signal = 0.02 * rng.standard_normal((len(patients[patient]), len(time)))
                for r, label in zip(r_sample, labels, strict=True):
                    wave = np.exp(-0.5 * ((time - r) / (PLANTED_WIDTH_S[label] * fs * (1 + 0.05 * (k % 3)))) ** 2)
                    signal += wave * (1 - 0.3 * np.arange(len(signal))[:, None])
                noisy = time >= r_sample[min(int(np.ceil(0.9 * n_beats)), n_beats - 1)] - 25
                signal += noisy * 0.6 * rng.standard_normal(signal.shape)
                add_record(
                    writer, signal, r_sample, labels.tolist(), settings=beat_settings, leads=patients[patient],
                    record=f"r{patient}", patient=patient, corpus="planted", fs=fs, lead_scale=0.8,
                    annotated_noise=np.arange(n_beats) >= 0.9 * n_beats,
                )  # fmt: skip
    shards = [Shard(folder / f"{shard}of{n_shards}") for shard in range(n_shards)]
    assert sum(len(pd.DataFrame(shard.records)) for shard in shards) == len(names)
    return shards


@pytest.fixture(scope="session")
def plant_shards() -> Callable[..., list[Any]]:
    """Return a function that writes shards with beats of known classes; see `_plant_shards`."""
    return _plant_shards
