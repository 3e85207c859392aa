"""Predictions of a shard: record by record, in chunks of a fixed size. So no result depends on the shards."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.remarks import Remark
from beatlens.decision.review import reasons
from beatlens.inputs.look_alikes import LookAlikes, look_alikes_of
from beatlens.inputs.network_inputs import InputSpec, RecordInputs, prepare, prepare_record, prototype_features
from beatlens.inputs.stored_predictions import reference_table
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.familiar_records import unlike
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.network import BeatNetwork

logger = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float32]

CHUNK_BEATS = 512
"""Targets in one pass of the network. With larger batches the default allocator spends its time on page faults."""

__all__ = [
    "CHUNK_BEATS", "NetworkOutputs", "network_outputs", "predict_beats", "predict_record", "prediction_columns",
    "prepare", "prepare_record",
]  # fmt: skip


@dataclass(frozen=True)
class NetworkOutputs:
    """What a network says of a record's beats.

    Attributes
    ----------
    logits
        (n, K) class logits, look-alikes included.
    look_alikes
        Among which beats look-alikes are looked for; None where nothing is shared.
    gates
        (n,) logits of the noise gate.
    distance
        (n,) to the nearest prototype of another patient.
    remarks
        What the record is unlike, as `predict_record` finds.
    """

    logits: FloatArray
    look_alikes: LookAlikes | None
    gates: FloatArray
    distance: FloatArray
    remarks: tuple[Remark, ...] = ()


def network_outputs(inputs: RecordInputs, spec: InputSpec, network: BeatNetwork, device: str = "cpu") -> NetworkOutputs:
    """Run the network over a record. Each chunk also encodes the neighbours in its targets' windows.

    Parameters
    ----------
    inputs
        Of one record.
    spec
        How inputs are made.
    network
        In evaluation mode, on `device`.
    device
        ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        For logits that are not finite.
    """
    import torch

    features, distance = prototype_features(inputs, spec.bank)
    half = spec.beats.context // 2
    logits = np.empty((len(inputs), len(spec.classes)), dtype=np.float32)
    gates = np.empty(len(inputs), dtype=np.float32)
    lead_ids = torch.from_numpy(inputs.record.lead_ids).to(device)
    typical = torch.from_numpy(inputs.record.typical).to(device)
    with torch.inference_mode():
        for start in range(0, len(inputs), CHUNK_BEATS):
            stop = min(start + CHUNK_BEATS, len(inputs))
            low, high = max(start - half, 0), min(stop + half, len(inputs))
            n, n_leads = high - low, len(inputs.record.leads)
            waves = torch.from_numpy(inputs.waves[low:high].reshape(n * n_leads, -1)).to(device)
            encoded = network.encode_leads(waves, typical.repeat(n, 1)).view(n, n_leads, -1)
            present = torch.ones((n, n_leads), dtype=torch.bool, device=device)
            # Slots beyond a window's length hold row 0 of the record, which may lie outside the chunk: never read.
            windows = np.clip(inputs.record.windows[start:stop] - low, 0, n - 1)
            logit, gate = network.classify(
                network.mix_leads(encoded, present, lead_ids),
                torch.from_numpy(inputs.record.rr[low:high]).to(device),
                torch.from_numpy(features[start:stop]).to(device),
                torch.from_numpy(windows).to(device),
                torch.from_numpy(inputs.record.lengths[start:stop]).to(device),
                torch.from_numpy(inputs.record.positions[start:stop]).to(device),
            )
            logits[start:stop] = logit.cpu().numpy()
            gates[start:stop] = gate.cpu().numpy()
    if not np.isfinite(logits).all():
        raise ValueError(f"{inputs.record.name}: logits that are not finite; expected finite inputs")
    alike = look_alikes_of(logits, inputs.waves, spec.geometry, spec.classes, spec.look_alikes)
    if alike is not None:
        logits = logits + alike.shift(logits, alike.say(inputs.waves[:, :, alike.samples], np.arange(len(inputs))))
    return NetworkOutputs(logits, alike, gates, distance)


def prediction_columns(classes: tuple[str, ...]) -> list[str]:
    """Return the columns of a table of predictions."""
    return [
        *("beat_id", "corpus", "record", "patient", "split", "r_sample", "r_time_s", "label"),
        *(f"p_{name}" for name in classes),
        *("p_noise", "pred", "review", "reason", "matched", "distance", "conformal_set", "label_source"),
    ]


@dataclass(frozen=True)
class Beside:
    """What predicting gives beside the table of beats, record by record.

    Attributes
    ----------
    remarks
        What is to be known of the records.
    references
        What the network says of the beats among which look-alikes are looked for
        (`beatlens.inputs.stored_predictions.reference_table`).
    """

    remarks: list[Remark] = field(default_factory=list)
    references: list[pd.DataFrame] = field(default_factory=list)


def predict_beats(
    shard: Shard,
    beats: pd.DataFrame,
    splits: Mapping[tuple[str, str], str],
    bundle: Bundle,
    network: BeatNetwork,
    *,
    device: str = "cpu",
    beside: Beside | None = None,
) -> pd.DataFrame:
    """Predict every beat of a table.

    Parameters
    ----------
    shard
        Holds the records of `beats`.
    beats
        A beat table of the shard, at detected or at annotated peaks.
    splits
        Split of each ``(corpus, record)``.
    bundle
        Calibration, thresholds and how inputs are made.
    network
        ``bundle.network(device)``.
    device
        ``cpu`` or ``cuda``; noted in the table's attributes.
    beside
        Collects what later stages need beside the table; None where it isn't needed.

    Returns
    -------
    One row a beat, in the order of `beats`: see `prediction_columns`
    """
    import pandas as pd

    parts = []
    for inputs in prepare(shard, beats, bundle.spec):
        split = splits.get((inputs.record.corpus, inputs.record.record))
        if split is None:
            raise ValueError(f"{shard.path}: {inputs.record.name} is not in the record table; expected a split")
        table, found = predict_record(inputs, split, bundle, network, device)
        parts.append(table)
        if beside is not None:
            beside.remarks.extend(found.remarks)
            beside.references.append(reference_table(inputs.beats, found.look_alikes, bundle.spec))
    if not parts:
        parts = [_empty_table(beats, bundle.classes)]
    result = pd.concat(parts, ignore_index=True)
    if len(result) != len(beats) or not (result["beat_id"].to_numpy() == beats["beat_id"].to_numpy()).all():
        raise AssertionError(f"{shard.path}: {len(result)} predictions for {len(beats)} beats, or in another order")
    result.attrs["device"] = device
    return result


def predict_record(
    inputs: RecordInputs, split: str, bundle: Bundle, network: BeatNetwork, device: str = "cpu"
) -> tuple[pd.DataFrame, NetworkOutputs]:
    """Predict one record's beats: their table, as `predict_beats` gives it, and the network's outputs behind it."""
    found = network_outputs(inputs, bundle.spec, network, device)
    probability = bundle.calibration.probabilities(found.logits)
    noise = bundle.calibration.noise(found.gates)
    far = bundle.thresholds.far(probability, found.distance)
    found = replace(found, remarks=tuple(unlike(inputs, bundle.spec, bundle.familiar, far, bundle.signal)))
    quality, codes = inputs.beats["reason"].tolist(), [remark.remark for remark in found.remarks]
    reason = reasons(
        probability, noise=noise, distance=found.distance, quality=quality, thresholds=bundle.thresholds, record=codes
    )
    known = ["beat_id", "corpus", "record", "patient", "r_sample", "r_time_s", "label", "matched", "label_source"]
    table = inputs.beats[known].copy()
    table["split"] = split
    for k, name in enumerate(bundle.classes):
        table[f"p_{name}"] = probability[:, k]
    table["p_noise"] = noise
    table["pred"] = np.array(bundle.classes, dtype=object)[probability.argmax(axis=1)]
    table["review"] = reason != ""
    table["reason"] = reason
    table["distance"] = found.distance
    table["conformal_set"] = bundle.conformal.sets(probability, bundle.classes)
    return table[prediction_columns(bundle.classes)], found


def _empty_table(beats: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in prediction_columns(classes):
        if name in beats.columns:
            columns[name] = beats[name].iloc[:0]
        elif name in {"split", "pred", "reason", "conformal_set"}:
            columns[name] = pd.Series([], dtype=object)
        else:
            columns[name] = pd.Series(
                [], dtype=bool if name == "review" else np.float32 if name == "distance" else float
            )
    return pd.DataFrame(columns)
