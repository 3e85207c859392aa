"""What the tests of sanity and of stability share: their settings, their cases, and their table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import patient_mean
from beatlens.core.files import read_table, sha256_of
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.evaluate.probes.settings import ProbeSettings
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.choice import WindowSettings, record_by_record, select_cases
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.explainer import Explainer, PreparedCase
from beatlens.explain.methods.registry import explain
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.models.build import choose_device
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

PROBE_COLUMNS = (
    "test", "detail", "method", "metric", "value", "lo", "hi", "null_name", "null_value", "n_cases", "n_patients",
    "bundle_sha256",
)  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """One number of one case."""

    test: str
    detail: str
    method: str
    metric: str
    patient: str
    value: float
    null_name: str = ""
    null_value: float = float("nan")


def cell_values(prepared: PreparedCase, method: str) -> Array:
    """Explain and return the value of every cell (lead x segment), flat, and of the rhythm where it is a player.

    NaN throughout where the method doesn't apply (`told`).
    """
    found = explain(prepared.engine, prepared.target, method, prepared.settings, prepared.seed)
    cells = cell_sums(found.values.astype(np.float32), np.diff(prepared.edges)).ravel()
    if found.absent:
        return np.full(len(cells), np.nan)
    return cells if found.rhythm is None else np.append(cells, found.rhythm)


def told(*values: Array) -> bool:
    """Tell whether the method applied to each of several `cell_values`, so that they can be compared."""
    return all(bool(np.isfinite(of_one).all()) for of_one in values)


def probe_table(probes: Iterable[Probe], settings: EvaluateSettings, seed: int, bundle_sha256: str) -> pd.DataFrame:
    """Average over cases, with intervals over patients: one row a test, detail, method and metric.

    The digest of ``bundle.json`` stands in each row, so that a report doesn't show tests of another model.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(probe) for probe in probes])
    if table.empty:
        return pd.DataFrame(columns=list(PROBE_COLUMNS))
    rows = []
    keys = ["test", "detail", "method", "metric", "null_name"]
    for key, group in table.groupby(keys, sort=False):
        test, detail, method, metric, null_name = key
        values = group["value"].to_numpy(dtype=np.float64)
        interval = patient_mean(
            values,
            group["patient"].tolist(),
            draws=settings.bootstrap,
            level=settings.level,
            seed=derive_seed(seed, "probes", *key),
        )
        null = group["null_value"].to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        rows.append(
            {
                "test": test,
                "detail": detail,
                "method": method,
                "metric": metric,
                **interval._asdict(),
                "null_name": null_name,
                "null_value": float(null[np.isfinite(null)].mean()) if np.isfinite(null).any() else np.nan,
                "n_cases": int(known.sum()),
                "n_patients": int(group.loc[known, "patient"].nunique()),
                "bundle_sha256": bundle_sha256,
            }
        )
    return pd.DataFrame(rows, columns=list(PROBE_COLUMNS))


@dataclass(frozen=True)
class ProbeInputs:
    """What the programs of these tests are given."""

    cases: pd.DataFrame
    shards: list[Shard]
    explainer: Explainer
    bundle_sha256: str
    evaluate: EvaluateSettings
    probes: ProbeSettings

    def each(self, do: Callable[[PreparedCase], Sequence[Probe]]) -> Iterator[Sequence[Probe]]:
        """Yield what a test finds of each case, in the order of the case table."""
        return record_by_record(self.cases, lambda case: do(self.explainer.prepare(case)))


def probe_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `read_probe_arguments` reads."""
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected beats")
    parser.add_argument("--records", type=Path, required=True, help="table of records")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="preprocessed shards")
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="folders of their predictions")
    parser.add_argument("--bundle", type=Path, required=True, help="trained bundle")
    parser.add_argument("--output", type=Path, required=True, help="table to write")


def read_probe_arguments(arguments: argparse.Namespace) -> ProbeInputs:
    """Read inputs and settings; cases are chosen as a run's are, but as many as the section ``probes`` says."""
    import torch

    settings = arguments.settings
    torch.set_num_threads(settings["compute_threads"])
    probes, seed, beats = ProbeSettings.read(settings["probes"]), settings["seed"], settings["beats"]
    cases = select_cases(
        read_table(arguments.beats),
        read_table(arguments.records),
        settings["classes"],
        settings=replace(
            CaseSettings.read({**settings["cases"], "max_windows": 0, "beats": [], "spans": []}),
            per_class=probes.cases,
            max_cases=probes.cases,
        ),
        window=WindowSettings(**{name: beats[name] for name in ("before_s", "after_s", "context", "gap_s")}),
        seed=seed,
    )
    bundle, shards = Bundle.load(arguments.bundle), [Shard(path) for path in arguments.shards]
    device = choose_device(settings["device"])
    return ProbeInputs(
        cases=cases,
        shards=shards,
        explainer=Explainer(
            RecordViews(shards, arguments.predictions, bundle.spec),
            bundle,
            bundle.network(device),
            ExplainSettings.read(settings["explain"]),
            seed,
            device,
        ),
        bundle_sha256=sha256_of(arguments.bundle / "bundle.json"),
        evaluate=EvaluateSettings.read(settings["evaluate"]),
        probes=probes,
    )
