"""The bundle that comes along, the defaults, and computing as a run's jobs do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from beatlens.prediction.bundle import Bundle

CHECKOUT = Path(__file__).parents[3]
"""The folder of the project, where the package is imported from its checkout."""
SHIPPED = "models/mitdb"


def load_bundle(path: str | Path | None = None) -> Bundle:
    """Read a trained bundle and check it.

    Parameters
    ----------
    path
        Folder with ``bundle.json``, ``weights.npz`` and ``prototypes.npz``, such as ``results/demo/model/bundle``; by
        default the bundle that comes along, ``models/mitdb``.

    Returns
    -------
    beatlens.prediction.bundle.Bundle
        Classes, leads, settings, weights, calibration and what it learnt from (``bundle.origin``).

    Raises
    ------
    ValueError
        Where the folder holds no bundle, one of another version, or a file differs from its sha256.

    Examples
    --------
    >>> from beatlens.api import load_bundle
    >>> load_bundle().classes
    ('N', 'S', 'V')
    """
    folder = _beside_the_package(SHIPPED) if path is None else Path(path).expanduser()
    if not (folder / "bundle.json").is_file():
        raise ValueError(f"{folder}: no bundle.json; expected the folder of a bundle, such as {SHIPPED}")
    return Bundle.load(folder)


def default_config(bundle: Bundle | None = None) -> dict[str, Any]:
    """Return the defaults of every option, with the sections that a bundle decides as it has them.

    Parameters
    ----------
    bundle
        A trained bundle, or None for the defaults alone.
    """
    from beatlens.config.load import merge
    from beatlens.config.sections import Configuration
    from beatlens.core.options import plain

    config: dict[str, Any] = plain(Configuration())
    return config if bundle is None else merge(config, _decided(bundle))


def _decided(bundle: Bundle) -> Mapping[str, Any]:
    """Return the sections `beatlens.prediction.bundled_sections.DECIDED` as a bundle has them."""
    return {
        "classes": list(bundle.classes),
        "leads": list(bundle.leads),
        "signal": dict(bundle.signal),
        "rpeaks": dict(bundle.rpeaks),
        "beats": asdict(bundle.spec.beats),
        "quality": dict(bundle.quality),
    }


def _beside_the_package(name: str) -> Path:
    path = CHECKOUT / name
    if not path.exists():
        raise ValueError(
            f"{path}: not there; expected the package to be imported from a checkout of beatlens (make .venv, or "
            "pip install -e .), which has it"
        )
    return path


@contextmanager
def as_in_a_run(threads: int) -> Iterator[None]:
    """Compute with as many numeric threads as a job of a run, so that sums have the same bits; then as before.

    Parameters
    ----------
    threads
        The option ``compute_threads``.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)
