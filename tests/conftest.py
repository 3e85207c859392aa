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
