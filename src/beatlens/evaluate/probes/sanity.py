"""Whether an explanation depends on what the network has learnt, and on which class is asked for.

Layer-by-layer randomisation (Adebayo et al. 2018): an explanation of a network with random weights must not look like
that of the trained one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.agreement import spearman
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.evaluate.probes.settings import ProbeSettings
from beatlens.evaluate.probes.shared import Array, Probe, cell_values, told
from beatlens.explain.explainer import PreparedCase

if TYPE_CHECKING:
    from beatlens.models.network import BeatNetwork

STEP_SHARE = 5
"""Full randomisation uses this many times as many random networks as each step towards it."""


def randomised(network: BeatNetwork, parts: Sequence[str], seed: int) -> BeatNetwork:
    """Return a copy whose parts have new initial weights; the noise gate goes with the head.

    Parameters
    ----------
    network
        Trained.
    parts
        Some of its `parts`.
    seed
        Of the new weights.
    """
    result = copy.deepcopy(network)
    names = [*parts, *(["gate"] if "head" in parts else [])]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        for name in names:
            found = 0
            for module in getattr(result, name).modules():
                reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
                if callable(reset):
                    reset()
                    found += 1
            if not found:
                raise ValueError(f"network part {name!r} has no layer with initial weights")
    return result.eval()


def with_network(prepared: PreparedCase, network: BeatNetwork) -> PreparedCase:
    """Return a case of the same instance and baseline with another network, which look-alikes tell nothing."""
    instance = replace(prepared.instance, look_alikes=None)
    return replace(prepared, engine=prepared.engine.of(network=network, instance=instance))


def randomisation(probe: PreparedCase, probes: ProbeSettings) -> Iterator[Probe]:
    """Compare the explanation of the trained network with those of networks randomised from the output down.

    Signal, baseline, players and the explainer's seed stay the same. The values of all cells and of the rhythm are
    compared with their sign, and by magnitude, beside what the magnitude of the signal itself would score.
    """
    instance, network = probe.engine.instance, probe.engine.network
    signal = instance.window / instance.record.lead_scale[:, None]
    size = np.abs(signal - np.median(signal, axis=1, keepdims=True)).astype(np.float32)
    cascade = network.parts
    null_cells = cell_sums(size, np.diff(probe.edges)).ravel()
    for method in probe.settings.methods:
        trained = cell_values(probe, method)
        for last in range(len(cascade)):
            parts = cascade[: last + 1]
            count = probes.reinitialisations
            if last + 1 < len(cascade):
                count = max(1, count // STEP_SHARE)
            signed, magnitude = [], []
            for draw in range(count):
                other = randomised(network, parts, derive_seed(probe.seed, "randomised", *parts, draw))
                random = cell_values(with_network(probe, other), method)
                if told(trained, random):
                    signed.append(spearman(trained, random))
                    magnitude.append(spearman(np.abs(trained), np.abs(random)))
            detail = "all" if last + 1 == len(cascade) else "+".join(parts)
            yield Probe("randomisation", detail, method, "spearman", probe.patient, _mean(signed))
            against = spearman(np.abs(trained[: len(null_cells)]), null_cells) if told(trained) else float("nan")
            yield Probe(
                "randomisation",
                detail,
                method,
                "spearman_magnitude",
                probe.patient,
                _mean(magnitude),
                "signal",
                against,
            )


def class_sensitivity(probe: PreparedCase, n_classes: int) -> Iterator[Probe]:
    """Compare the explanation of the class with that of each other class: what speaks for one must not for the other.

    Both use the same seed. Beside them stands the agreement of the class with itself under another seed.
    """
    explained = probe.target.class_index
    if explained is None:
        return
    for method in probe.settings.methods:
        first = cell_values(probe, method)
        again = cell_values(replace(probe, seed=derive_seed(probe.seed, "again")), method)
        others = [
            cell_values(replace(probe, target=replace(probe.target, class_index=k)), method)
            for k in range(n_classes)
            if k != explained
        ]
        value = _mean([spearman(first, other) for other in others if told(first, other)])
        own_class = spearman(first, again) if told(first, again) else float("nan")
        yield Probe(
            "class_sensitivity", "other classes", method, "spearman", probe.patient, value, "own class",
            own_class,
        )  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the finite values, NaN without any: a constant explanation has no rank correlation."""
    known: Array = np.array([value for value in values if np.isfinite(value)])
    return float(known.mean()) if len(known) else float("nan")
