"""The injected artefact: a network learns a leak that was planted, and the explainer must point to it.

Half of the beats get a spike at one place in one lead. A fresh network of the run's sizes learns to tell them from the
others. Nothing else distinguishes the two, so an explanation of its predictions must lie on the spike (Adebayo et al.
2020, spurious correlation).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from beatlens.core.seeds import derive_seed
from beatlens.decision.calibration import Calibration
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.evaluate.probes.settings import ProbeSettings
from beatlens.evaluate.probes.shared import Probe
from beatlens.explain.case.baselines import CONTRAST, median_beat
from beatlens.explain.case.instance import make_instance
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.explainer import case_edges
from beatlens.explain.methods.registry import explain
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.network_inputs import RecordInputs, prepare_record
from beatlens.models.build import build_network
from beatlens.models.network import BeatNetwork
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import Shard, cut_beats

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

SPIKE_S = (0.18, 0.20)
"""Where the spike stands, in seconds after R: on the ST segment, where nothing steep is."""
RECORD_BEATS = 64
"""Most beats of a record that are used, so that many records are."""
RECORD_CASES = 3
"""Predictions of a record that are explained."""
LEARNING_RATE = 0.003
CALIBRATION = Calibration(1.0, (0.0, 0.0), 1.0, 0.0)


@dataclass(frozen=True)
class LeakyRecord:
    """A record with spikes.

    Attributes
    ----------
    clean
        (n, L, T) waves without the spikes.
    table, inputs
        Its beats in play, the network's inputs with the spikes.
    spiked
        (n,) whether a beat has one.
    """

    clean: npt.NDArray[np.float32]
    table: pd.DataFrame
    inputs: RecordInputs
    spiked: npt.NDArray[np.bool_]


def plant(
    shard: Shard, table: pd.DataFrame, bundle: Bundle, *, lead: str, height_mv: float, rng: np.random.Generator
) -> LeakyRecord:
    """Put a spike into half of a record's beats, chosen at random, in one lead."""
    inputs = prepare_record(shard, table, bundle.spec)
    record = inputs.record
    signal = np.array(record.signal)
    r_index = table["r_index"].to_numpy(dtype=np.int64)
    spiked = np.zeros(len(table), dtype=bool)
    spiked[rng.permutation(len(table))[: len(table) // 2]] = True
    first, last = (round(second * bundle.geometry.fs) for second in SPIKE_S)
    for peak in r_index[spiked]:
        signal[record.leads.index(lead), peak + first : peak + last] += height_mv
    waves = cut_beats(signal, r_index, bundle.geometry) / record.lead_scale[:, None]
    return LeakyRecord(inputs.waves, table, replace(inputs, record=record.with_signal(signal), waves=waves), spiked)


def learn(records: Sequence[LeakyRecord], bundle: Bundle, epochs: int, seed: int) -> BeatNetwork:
    """Train a fresh network of the bundle's sizes to tell beats with a spike from those without."""
    config = bundle.network_config
    config = replace(config, n_classes=2, n_similarity=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "artefact") % 2**63)
        network = build_network(config)
        rr = np.concatenate([record.inputs.record.rr for record in records])
        network.set_scaler(torch.from_numpy(rr.mean(axis=0)), torch.from_numpy(rr.std(axis=0)))
        optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, foreach=False)
        rng = np.random.default_rng(derive_seed(seed, "artefact order"))
        network.train()
        for _ in range(epochs):
            for place in rng.permutation(len(records)):
                record = records[place]
                loss = torch.nn.functional.cross_entropy(
                    _logits(network, record.inputs), torch.from_numpy(record.spiked.astype(np.int64))
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    return network.eval()


def _logits(network: BeatNetwork, inputs: RecordInputs) -> torch.Tensor:
    (n, n_leads, length), record = inputs.waves.shape, inputs.record
    waves, typical = torch.from_numpy(inputs.waves), torch.from_numpy(record.typical).repeat(n, 1)
    features = network.encode_leads(waves.reshape(n * n_leads, length), typical).view(n, n_leads, -1)
    present = torch.ones((n, n_leads), dtype=torch.bool)
    embeddings = network.mix_leads(features, present, torch.from_numpy(record.lead_ids))
    arrays = (
        inputs.record.rr,
        np.zeros((n, 0), np.float32),
        inputs.record.windows,
        inputs.record.lengths,
        inputs.record.positions,
    )
    logits, _ = network.classify(embeddings, *(torch.from_numpy(array) for array in arrays))
    return logits


def artefact_test(
    shards: Sequence[Shard], bundle: Bundle, settings: ExplainSettings, probes: ProbeSettings, seed: int
) -> Iterator[Probe]:
    """Plant, learn, explain: whether the largest cell and the strongest lead of explanations are the spike's.

    Records of some patients teach the network. In those of others, right predictions of a spike are explained.
    ``pointing`` is beside the chance that a random cell meets the spike, ``lead`` beside that of a random lead.

    Raises
    ------
    ValueError
        Where no two patients share a lead.
    """
    teaching, explained = _deal(shards, bundle, probes, seed)
    network = learn(teaching, bundle, probes.artefact_epochs, seed)
    done = 0
    for record in explained:
        with torch.inference_mode():
            right = _logits(network, record.inputs).argmax(1).numpy() == record.spiked
        logger.info("%s: %d of %d beats right", record.inputs.record.record, int(right.sum()), len(right))
        found = np.flatnonzero(right & record.spiked)
        for row in found[:: max(1, len(found) // RECORD_CASES)][:RECORD_CASES]:
            if done < probes.cases:
                yield from _explain(record, int(row), network, bundle=bundle, settings=settings, seed=seed)
                done += 1


def _deal(
    shards: Sequence[Shard], bundle: Bundle, probes: ProbeSettings, seed: int
) -> tuple[list[LeakyRecord], list[LeakyRecord]]:
    """Plant spikes in records that have the most frequent lead but the first; one record a patient."""
    import pandas as pd

    found = pd.concat([shard.records.assign(shard=k) for k, shard in enumerate(shards)], ignore_index=True)
    found = found.sort_values(["corpus", "record"]).drop_duplicates(["corpus", "patient"])
    leads = [set(text.split(";")) & set(bundle.leads) for text in found["leads"]]
    counts = {lead: sum(lead in of_record for of_record in leads) for lead in bundle.leads}
    lead = max(reversed(bundle.leads), key=lambda name: counts[name])
    found = found[[lead in of_record for of_record in leads]]
    if len(found) < 2:
        raise ValueError(f"artefact test: {len(found)} patients with a common lead; expected two or more")
    rng = np.random.default_rng(derive_seed(seed, "artefact records"))
    beats = [shard.beats("detected") for shard in shards]
    teaching: list[LeakyRecord] = []
    explained: list[LeakyRecord] = []
    taught = 0
    for k, place in enumerate(rng.permutation(len(found))):
        row = found.iloc[place]
        table = beats[int(row["shard"])]
        record_beats = table[(table["corpus"] == row["corpus"]) & (table["record"] == row["record"])]
        record_beats = record_beats.iloc[:RECORD_BEATS].reset_index(drop=True)
        if len(record_beats) < 4:
            continue
        record = plant(
            shards[int(row["shard"])], record_beats, bundle, lead=lead, height_mv=probes.artefact_mv, rng=rng
        )
        if k % 3 == 2:
            explained.append(record)
        elif taught < probes.artefact_beats:
            teaching.append(record)
            taught += len(record_beats)
    logger.info("spike in lead %s: %d records teach, %d are explained", lead, len(teaching), len(explained))
    if not teaching or not explained:
        raise ValueError("artefact test: too few records with beats; expected some to learn from and some to explain")
    return teaching, explained


def _explain(
    record: LeakyRecord, row: int, network: BeatNetwork, *, bundle: Bundle, settings: ExplainSettings, seed: int
) -> Iterator[Probe]:
    beat = str(record.table["beat_id"].iloc[row])
    instance = make_instance(record.inputs.record, [row], bundle.spec.beats)
    if settings.baseline == CONTRAST:
        instance = replace(
            instance, contrast=median_beat(instance, ~record.spiked), contrast_name="without a spike (record)"
        )
    engine = PerturbationEngine(
        instance,
        network,
        bank=bundle.bank,
        calibration=CALIBRATION,
        baseline=settings.baseline,
        lead_off=settings.lead_off,
    )
    target = Target("beat", 1, settings.target)
    edges = case_edges(instance, settings)
    lead = int(np.abs(record.inputs.waves[row] - record.clean[row]).sum(axis=1).argmax())
    first, last = (
        int(instance.record.r_index[row]) + round(second * instance.record.geometry.fs) for second in SPIKE_S
    )
    patient, n_leads = instance.record.patient, len(instance.record.leads)
    inside = np.zeros((n_leads, len(edges) - 1), dtype=bool)
    inside[lead, (edges[:-1] < last) & (edges[1:] > first)] = True
    for method in settings.methods:
        found = explain(engine, target, method, settings, derive_seed(seed, beat))
        cells = cell_sums(found.values.astype(np.float32), np.diff(edges))
        best = np.unravel_index(int(cells.argmax()), cells.shape)
        hit = float(inside[best] and cells[best] > 0)
        strongest = int(np.maximum(found.values, 0).sum(axis=1).argmax())
        yield Probe("artefact", "", method, "pointing", patient, hit, "random cell", float(inside.mean()))
        yield Probe("artefact", "", method, "lead", patient, float(strongest == lead), "random lead", 1 / n_leads)
