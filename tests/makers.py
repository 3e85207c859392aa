"""Makers that tests share: small networks, prototype banks, records of shards, bundles, instances of random signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from beatlens.beats.beat_table import beat_table
from beatlens.beats.settings import RR_FEATURES, BeatSettings
from beatlens.core.leads import lead_id
from beatlens.decision.calibration import Calibration
from beatlens.decision.conformal import ConformalSets
from beatlens.decision.review import Thresholds
from beatlens.explain.case.instance import Instance
from beatlens.inputs.network_inputs import InputSpec
from beatlens.inputs.prepared_record import PreparedRecord
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.models.build import build_network, network_to_arrays
from beatlens.models.network import BeatNetwork
from beatlens.models.settings import ModelSettings, NetworkConfig
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import BeatGeometry
from beatlens.shards.writer import ShardWriter

CLASSES, GEOMETRY, CONTEXT = ("N", "S", "V"), BeatGeometry(100.0, 12, 20), 5


def make_network(name: str = "hybrid", members: int = 1) -> BeatNetwork:
    """Return a network in evaluation mode, with batch norms and embeddings of leads that do something."""
    settings = ModelSettings(name, members, True, True, (6, 8), (5, 3), 3, 10, 4, 6, 9, 12, 0.1, 2)
    n_similarity = 2 * len(CLASSES) if name != "context" else 0
    torch.manual_seed(3)
    sizes = NetworkConfig(settings, len(CLASSES), GEOMETRY.length, len(RR_FEATURES), n_similarity, CONTEXT)
    network = build_network(sizes)
    torch.nn.init.normal_((network.tokens if name == "crossmodal" else network.mixer).leads.weight)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def make_bank(rng: np.random.Generator, leads: tuple[str, ...]) -> PrototypeBank:
    """Return nine prototypes of four patients, some without some lead."""
    n = 9
    present = rng.random((n, len(leads))) < 0.8
    present[:, 0] = True
    waves = rng.normal(size=(n, len(leads), GEOMETRY.length)).astype(np.float32) * present[..., None]
    labels = np.array([CLASSES[k % 3] for k in range(n)])
    patients, ids = np.array([f"c/p{k % 4}" for k in range(n)]), np.array([f"b{k}" for k in range(n)])
    return PrototypeBank(waves, present, leads, CLASSES, labels, patients, ids, 2)


def make_record(
    rng: np.random.Generator, leads: tuple[str, ...], r_index: np.ndarray, n_samples: int, **given: Any
) -> PreparedRecord:
    """Return a record of random signals, scales, typical beats and RR features, with contexts of `make_instance`."""
    n = len(r_index)
    made = {
        "corpus": "c", "record": "r", "patient": "c/p1", "fs_file": GEOMETRY.fs, "leads": leads, "geometry": GEOMETRY,
        "lead_ids": np.array([lead_id(lead) for lead in leads]),
        "stored": (rng.normal(size=(len(leads), n_samples)).cumsum(axis=1) * 0.2).astype(np.float32),
        "rows": np.arange(len(leads)),
        "lead_scale": rng.uniform(0.5, 2, len(leads)).astype(np.float32),
        "typical": rng.normal(size=(len(leads), GEOMETRY.length)).astype(np.float32),
        "r_index": r_index, "rr": rng.normal(size=(n, len(RR_FEATURES))).astype(np.float32),
        "usual_rr_s": np.full(n, 0.8), "windows": np.zeros((n, CONTEXT), dtype=np.int64),
        "lengths": np.ones(n, dtype=np.int64), "positions": np.zeros(n, dtype=np.int64),
    }  # fmt: skip
    return PreparedRecord(**made | given)


def make_instance(record: PreparedRecord, targets: Sequence[int], rng: np.random.Generator, **given: Any) -> Instance:
    """Return the instance of some targets among all beats of a record."""
    n, half = len(record), CONTEXT // 2
    reach = [np.arange(max(0, target - half), min(n, target + half + 1)) for target in targets]
    windows = np.zeros((len(targets), CONTEXT), dtype=np.int64)
    for row, beats in zip(windows, reach, strict=True):
        row[: len(beats)] = beats
    return Instance(
        record=record,
        record_rows=np.arange(n),
        rr_off=rng.normal(size=len(RR_FEATURES)).astype(np.float32),
        windows=windows,
        lengths=np.array([len(beats) for beats in reach]),
        positions=np.array([target - beats[0] for target, beats in zip(targets, reach, strict=True)]),
        **given,
    )


def add_record(
    writer: ShardWriter,
    signal: np.ndarray,
    r_sample: np.ndarray,
    labels: Sequence[str],
    *,
    settings: BeatSettings,
    leads: Sequence[str],
    record: str,
    patient: str,
    corpus: str = "c",
    fs: float = GEOMETRY.fs,
    lead_scale: float = 1.0,
    annotated_noise: np.ndarray | None = None,
    truth: Sequence[dict[str, Any]] = (),
) -> None:
    """Add a labelled record of known beats to a shard, whose detected beats are the annotated ones."""
    n, n_samples = len(r_sample), signal.shape[1]
    noise = np.zeros(n, dtype=bool) if annotated_noise is None else annotated_noise
    table = beat_table(
        corpus=corpus, record=record, patient=patient, r_sample=r_sample, fs_file=fs, fs=fs, n_samples=n_samples,
        labels=list(labels), symbols=list(labels), labelled=True, partner=r_sample, annotated_noise=noise,
        settings=settings,
    )  # fmt: skip
    row = {
        "corpus": corpus, "record": record, "patient": patient, "role": "train", "leads": ";".join(leads), "fs": fs,
        "fs_file": fs, "duration_s": n_samples / fs, "dx": "", "labelled": True,
        "lead_scale": ";".join([str(lead_scale)] * len(leads)),
    }  # fmt: skip
    writer.add(row, signal.astype(np.float32), table, table, list(truth))
    writer.set_status(corpus, record, "train")


def make_bundle(geometry: BeatGeometry, beats: BeatSettings, network: ModelSettings, **given: Any) -> Bundle:
    """Return a bundle of a network with random weights for the classes N and V in the leads II and V1."""
    classes, leads, rng = ("N", "V"), ("II", "V1"), np.random.default_rng(0)
    config = NetworkConfig(network, 2, geometry.length, len(RR_FEATURES), 4, beats.context)
    text, labels = np.array(["x", "y", "z", "w"]), np.array(["N", "N", "V", "V"])
    waves = rng.normal(size=(4, 2, geometry.length)).astype(np.float32)
    bank = PrototypeBank(waves, np.ones((4, 2), dtype=bool), leads, classes, labels, text, text, 2)
    made = {
        "spec": InputSpec(classes, leads, geometry, beats, bank), "network_config": config,
        "weights": network_to_arrays(build_network(config)), "calibration": Calibration(1.0, (0.0, 0.0), 1.0, 0.0),
        "thresholds": Thresholds(0.0, 1.1, (np.inf, np.inf)), "signal": {}, "provenance": {},
        "conformal": ConformalSets(0.1, (0.0, 0.0), ("patient", "patient"), (0, 0), (0, 0)),
    }  # fmt: skip
    return Bundle(**made | given)
