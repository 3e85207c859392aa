"""A corpus of made records with planted classes, and the programs of the graph run over it one after another."""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beatlens.config.load import load_config, merge
from beatlens.core.files import read_table
from beatlens.corpora.index import corpus_folder, update_sheet
from beatlens.run import programs

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "shards": 2,
    "device": "cpu",
    "classes": ["N", "S", "V"],
    "leads": ["II", "V1"],
    "corpora": [{"name": "made", "format": "wfdb", "role": "train", "labels": "labels.csv"}],
    "signal": {"fs": 100},
    "library": {"components": 3, "clusters": 3},
    "model": {"channels": [8, 8], "kernels": [7, 5], "embedding": 8, "lstm_hidden": 8, "head_hidden": 8},
    "training": {"epochs": 2, "noise_fraction": 0.5},
    "evaluate": {"bootstrap": 10},
}
"""Over config/config.yaml: networks and budgets as small as they come."""
LABELS = "symbol,aux,class,description\nN,,N,normal\nA,,S,atrial\nV,,V,ventricular\n+,,,rhythm\n~,,,noise\n"


def make_record(
    write: Callable[..., np.ndarray],
    folder: Path,
    name: str,
    symbols: str,
    person: int,
    leads: Sequence[str] = ("II", "V1"),
    fs: float = 250,
    comments: Sequence[str] = (),
    labelled: bool = True,
    noise: float = 0.02,
) -> None:
    """Write a record of a person with a beat for each symbol (N, A or V); A comes early, V early and wide.

    Each person has P, Q, R, S and T waves of their own in each lead, which is what tells people apart.
    """
    own = np.random.default_rng([7, person])
    here = np.random.default_rng([11, person, *name.encode()])
    low, high = [0.05, -0.6, 0.6, -1.2, -0.2], [0.2, 0.0, 1.6, 0.0, 0.6]
    height = {lead: own.uniform(low, high) for lead in ("II", "V1", "V5")}
    width = own.uniform([0.02, 0.01, 0.01, 0.01, 0.04], [0.035, 0.018, 0.018, 0.018, 0.07])
    place = np.array([-0.17, -0.035, 0.0, 0.035, own.uniform(0.22, 0.32)])
    rr = np.where(np.array(list(symbols)) == "N", 0.8, 0.55) * here.uniform(0.95, 1.05, len(symbols))
    peaks = 0.5 + np.cumsum(rr)
    time = np.arange(int((peaks[-1] + 0.8) * fs)) / fs
    signal = noise * here.standard_normal((len(leads), len(time)))
    for peak, symbol in zip(peaks, symbols, strict=True):
        shape = {"A": (0, 1, 1, 1, 1), "V": (0, 0, 1.6, 1.6, -1.3)}.get(symbol, (1, 1, 1, 1, 1))  # P Q R S T
        wide = (1, 1, 2, 2, 1) if symbol == "V" else (1, 1, 1, 1, 1)
        for row, lead in enumerate(leads):
            for k, (centre, spread) in enumerate(zip(place, width, strict=True)):
                bump = np.exp(-0.5 * ((time - peak - centre * wide[k]) / (spread * wide[k])) ** 2)
                signal[row] += shape[k] * height[lead][k] * bump
    write(
        folder, name, signal, fs, leads, symbols if labelled else None, np.rint(peaks * fs).astype(int),
        comments=comments, gain=1000,
    )  # fmt: skip


class Chain:
    """The programs of the graph, run in this process over a folder of records, with the files that the rules use."""

    def __init__(self, folder: Path, overlay: Mapping[str, Any]) -> None:
        self.folder, self.results = folder, folder / "results" / "run"
        (folder / "labels.csv").write_text(LABELS, encoding="utf-8")
        self.config = load_config(merge(SMALL, overlay), ROOT, folder)

    def path(self, *names: str) -> list[Path]:
        """Return places below the results."""
        return [self.results / name for name in names]

    def call(self, program: str, *arguments: str | Path | Sequence[Path]) -> None:
        """Run a program of scripts/ with all settings; lists become several arguments."""
        words = [str(word) for one in arguments for word in (one if isinstance(one, list) else [one])]
        spec = importlib.util.spec_from_file_location(f"program_{program}", ROOT / "scripts" / f"{program}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [program, *words, "--settings", json.dumps(self.config)])
            patch.setattr(programs, "open_log", lambda path: None)  # pytest's log stays as it is
            module.main()

    @property
    def shards(self) -> list[Path]:
        """The shard directories."""
        return [self.results / "preprocess" / f"{k}of{self.config['shards']}" for k in range(self.config["shards"])]

    def preprocess(self) -> None:
        """Index the records, condition them and deal the patients."""
        corpora, data = self.config["corpora"], self.folder / "data"
        update_sheet(corpora, self.results / "record_sheet.tsv", data, self.folder / "results")
        roots = [f"{corpus['name']}={corpus_folder(corpus, data, self.folder / 'results')}" for corpus in corpora]
        named = [f"{corpus['name']}={self.folder / corpus['labels']}" for corpus in corpora if corpus.get("labels")]
        for k, shard in enumerate(self.shards):
            self.call(
                "preprocess", "--sheet", *self.path("record_sheet.tsv"), "--data-root", *roots, "--labels", *named,
                "--shard", str(k), "--shards", str(len(self.shards)), "--output", shard,
            )  # fmt: skip
        self.split()

    def split(self) -> None:
        """List the records and deal the patients."""
        table = self.config["split"]["table"]
        status = ["--status", *self.path("status.tsv"), "--page", *self.path("status.html")]
        self.call("list_records", "--shards", self.shards, "--sheet", *self.path("record_sheet.tsv"), *status)
        self.call(
            "split", "--shards", self.shards, "--sheet", *self.path("record_sheet.tsv"),
            *(["--table", self.folder / table] if table else []),
            "--records", *self.path("records.tsv"), *status,
        )  # fmt: skip

    def train(self) -> None:
        """Mine prototypes, train and make the bundle."""
        library = ["--library", self.results / "library.csv", "--waves", self.results / "waves.npz"]
        records = ["--records", self.results / "records.tsv"]
        trained = [
            "--weights", self.results / "weights.npz", "--model", self.results / "model.json",
            "--held-out", self.results / "held_out.npz",
        ]  # fmt: skip
        inputs = ["--shards", self.shards, *records, *library]
        tables = [[f"--{name}", self.results / f"{name}.csv"] for name in ("validation", "summary", "clusters")]
        arrays = [[f"--{name}", self.results / f"{name}.npz"] for name in ("space", "templates")]
        self.call("mine_prototypes", *inputs, *tables, *arrays)
        self.call("train", *inputs, *trained, "--history", *self.path("history.csv"))
        self.call("bundle", *inputs, *trained, "--output", *self.path("bundle"))

    def predict(self, bundle: Path | None = None) -> None:
        """Classify all beats, and aggregate them by strip and record."""
        records = ["--records", self.results / "records.tsv"]
        numbers = range(len(self.shards))
        beats, annotated = ([self.results / f"{name}{k}.parquet" for k in numbers] for name in ("beats", "annotated"))
        remarks = [self.results / f"remarks{k}.tsv" for k in numbers]
        for k, shard in enumerate(self.shards):
            self.call(
                "predict", "--shard", shard, *records, "--bundle", bundle or self.results / "bundle",
                "--beats", beats[k], "--annotated", annotated[k], "--remarks", remarks[k],
                "--look-alikes", self.results / f"look_alikes{k}.parquet",
            )  # fmt: skip
        self.call(
            "gather_predictions", "--beats", beats, "--annotated", annotated,
            "--stretches", [shard / "stretches.parquet" for shard in self.shards],
            "--remarks", [*(shard / "remarks.tsv" for shard in self.shards), *remarks],
            "--output-stretches", *self.path("stretches.parquet"), "--output-remarks", *self.path("remarks.tsv"),
            "--output-beats", *self.path("beats.parquet"), "--output-annotated", *self.path("annotated.parquet"),
        )  # fmt: skip
        self.call(
            "aggregate_strips", *self.predictions, *records,
            "--stretches", *self.path("stretches.parquet"), "--remarks", *self.path("remarks.tsv"),
            "--episodes", *self.path("episodes.parquet"),
            "--strips", *self.path("strips.parquet"), "--record-table", *self.path("records.parquet"),
        )  # fmt: skip

    @property
    def predictions(self) -> list[str | Path]:
        """Arguments that name the tables of predictions."""
        return ["--beats", self.results / "beats.parquet", "--annotated", self.results / "annotated.parquet"]

    def evaluate(self, bundle: Path | None = None) -> None:
        """Score the predictions and look for leaks."""
        table = self.config["split"]["table"]
        training = ["--history", *self.path("history.csv"), "--held-out", *self.path("held_out.npz")]
        self.call(
            "evaluate_classification", *self.predictions, "--records", *self.path("records.tsv"),
            "--shards", self.shards, "--bundle", bundle or self.results / "bundle", [] if bundle else training,
            *(["--table", self.folder / table] if table else []),
            "--metrics", *self.path("classification.csv"), "--confusion", *self.path("confusion.csv"),
            "--leaks", *self.path("leaks.csv"),
        )  # fmt: skip
        self.call(
            "evaluate_presence", "--strips", *self.path("strips.parquet"),
            "--record-table", *self.path("records.parquet"), "--presence", *self.path("presence.csv"),
        )  # fmt: skip

    def everything(self) -> None:
        """Run all of it."""
        self.preprocess()
        self.train()
        self.predict()
        self.evaluate()

    def table(self, name: str) -> Any:
        """Read a table of the results."""
        return read_table(self.results / name)

    def metric(self, metric: str, name: str = "all", split: str = "test") -> float:
        """Return a score over all detected beats of a split."""
        table = self.table("classification.csv")
        row = table[(table["split"] == split) & (table["scope"] == "all") & (table["metric"] == metric)]
        return float(row.loc[row["class"] == name, "value"].iloc[0])


@pytest.fixture(scope="session")
def make_chain() -> Callable[..., Chain]:
    """Return a function that makes a `Chain` in a folder, with an overlay of the configuration."""
    return lambda folder, **overlay: Chain(folder, copy.deepcopy(overlay))


@pytest.fixture(scope="session")
def make_ecg(write_wfdb_record: Callable[..., np.ndarray]) -> Callable[..., None]:
    """Return `make_record` with the writer filled in."""
    return lambda *arguments, **options: make_record(write_wfdb_record, *arguments, **options)
