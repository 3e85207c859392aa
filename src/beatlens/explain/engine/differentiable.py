"""The target as a differentiable function of the case window's signal and RR features, for gradient methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.case.instance import Instance
from beatlens.explain.case.target import Target
from beatlens.inputs.look_alikes import LookAlikes
from beatlens.inputs.prototype_bank import PrototypeBank

if TYPE_CHECKING:
    from beatlens.decision.calibration import Calibration
    from beatlens.models.network import BeatNetwork


class SignalModel:
    """From the signal of a case window to the target, in plain tensor operations.

    The recurrent branch has no fused kernels, so that gradients work in evaluation mode on every device.

    Parameters
    ----------
    instance, network, calibration, device
        As in `beatlens.explain.engine.perturbation.PerturbationEngine`.
    bank
        Prototype bank in the instance's leads.
    target
        What is explained.
    """

    def __init__(
        self,
        instance: Instance,
        network: BeatNetwork,
        *,
        bank: PrototypeBank,
        calibration: Calibration,
        target: Target,
        device: str,
    ) -> None:
        if target.kind != "window" and len(instance.positions) != 1:
            raise ValueError(f"target {target.kind!r} over {len(instance.positions)} beats; expected one")
        self.instance, self.network, self.calibration, self.target, self.device = (
            instance, network, calibration, target, device,
        )  # fmt: skip
        samples = np.stack([instance.beat_samples(row) for row in range(len(instance.r_index))]) - instance.start
        self._samples, self._scale = self.tensor(samples), self.tensor(instance.record.lead_scale)
        self._lead_ids, self._targets = self.tensor(instance.record.lead_ids), self.tensor(instance.target_rows)
        self._windows, self._lengths = self.tensor(instance.windows), self.tensor(instance.lengths)
        self._positions = self.tensor(instance.positions)
        self._typical = self.tensor(instance.record.typical)
        usable = bank.patients != instance.record.patient
        self._prototypes = self.tensor(bank.waves[usable] * bank.present[usable, :, None])
        self._present = self.tensor(bank.present[usable].astype(np.float32))
        self._norm2 = self.tensor(bank.norm2[usable])
        self._by_class = [self.tensor(np.flatnonzero(bank.labels[usable] == name)) for name in bank.classes]
        self._top = bank.top_similar

    def tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        """Return an array as a tensor on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def waves(self, signal: Tensor) -> Tensor:
        """Cut the beats of signals (m, L, window) mV, scaled: (m, B, L, T)."""
        return signal[:, :, self._samples].permute(0, 2, 1, 3) / self._scale[:, None]

    def feature_maps(self, waves: Tensor) -> Tensor:
        """Return the last feature map of each beat and lead, (m, B, L, channels, positions)."""
        maps = self.network.encoder.feature_map(waves.flatten(0, 2), self._typical_of(waves))
        return maps.view(*waves.shape[:3], *maps.shape[1:])

    def values(self, signal: Tensor, rr: Tensor) -> Tensor:
        """Return the (m,) target of signals (m, L, window) mV and RR features (m, B, R)."""
        waves = self.waves(signal)
        return self.values_of_maps(self.feature_maps(waves), waves, rr)

    def values_of_maps(self, maps: Tensor, waves: Tensor, rr: Tensor) -> Tensor:
        """Return the (m,) target of `feature_maps`, the waves that prototypes are compared with, and RR features."""
        logits, gates = self._outputs(maps, waves, rr)
        return self.target_of(logits, gates, self.said(waves))

    def outputs(self, signal: Tensor, rr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the network's own class logits (m, n_targets, K), gate logits (m, n_targets), and the waves it saw."""
        waves = self.waves(signal)
        return (*self._outputs(self.feature_maps(waves), waves, rr), waves)

    def _outputs(self, maps: Tensor, waves: Tensor, rr: Tensor) -> tuple[Tensor, Tensor]:
        m, n_beats, n_leads = maps.shape[:3]
        n_targets = len(self._targets)
        compared = waves.flatten(0, 2), self._typical_of(waves)
        features = self.network.encoder.pool(maps.flatten(0, 2), *compared).view(m * n_beats, n_leads, -1)
        present = torch.ones(m * n_beats, n_leads, dtype=torch.bool, device=self.device)
        embeddings = self.network.mix_leads(features, present, self._lead_ids)
        offset = torch.arange(m, device=self.device)[:, None, None] * n_beats
        similarity = self._similarity(waves[:, self._targets].flatten(0, 1))
        logits, gates = self.network.classify(
            embeddings,
            rr.flatten(0, 1),
            similarity,
            (self._windows + offset).flatten(0, 1),
            self._lengths.repeat(m),
            self._positions.repeat(m),
        )
        return logits.view(m, n_targets, -1).double(), gates.view(m, n_targets).double()

    def target_of(self, logits: Tensor, gates: Tensor, said: Tensor | None) -> Tensor:
        """Return the (m,) target of outputs and of what the look-alikes say (`said`)."""
        alike = self.instance.look_alikes
        return self._target(logits if said is None or alike is None else _shifted(logits, said, alike), gates)

    def said(self, waves: Tensor) -> Tensor | None:
        """Return what the targets' look-alikes say, (m, n_targets, G), for waves (m, B, L, T); None without them.

        Which beats are look-alikes changes in steps, which no gradient sees.
        """
        alike = self.instance.look_alikes
        if alike is None:
            return None
        return self.tensor(alike.say(*self._parts(waves, alike))).view(len(waves), len(self._targets), -1)

    def chosen(self, waves: Tensor) -> Tensor | None:
        """Return which of the record's references are look-alikes, (m, n_targets, n_references) of 0 and 1."""
        alike = self.instance.look_alikes
        if alike is None:
            return None
        chosen = alike.chosen(*self._parts(waves, alike)).astype(np.float32)
        return self.tensor(chosen).view(len(waves), len(self._targets), -1)

    def shape_similarity(self, waves: Tensor) -> Tensor:
        """Return the correlation of the targets with each reference, (m, n_targets, n_references)."""
        alike = self.instance.look_alikes
        if alike is None:
            raise ValueError("an instance without look-alikes; expected some")
        unit = self._shapes(waves, alike) / self.shape_size(waves)[..., None].clamp(min=1e-12)
        return torch.matmul(unit, self.tensor(alike.shapes).flatten(1).T)

    def shape_size(self, waves: Tensor) -> Tensor:
        """Return how large the targets' shapes are that are compared with references, (m, n_targets)."""
        alike = self.instance.look_alikes
        if alike is None:
            raise ValueError("an instance without look-alikes; expected some")
        return cast(Tensor, self._shapes(waves, alike).norm(dim=2))

    def _shapes(self, waves: Tensor, alike: LookAlikes) -> Tensor:
        """Return the targets' shapes without each lead's mean, (m, n_targets, L * samples)."""
        parts = waves[:, self._targets][..., alike.samples]
        return (parts - parts.mean(3, keepdim=True)).flatten(2)

    def _parts(self, waves: Tensor, alike: LookAlikes) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return what of the targets is compared with other beats, one after another, and which beats they are."""
        parts = waves.detach()[:, self._targets][..., alike.samples].flatten(0, 1).float().cpu().numpy()
        return parts, np.tile(self.instance.record_rows[self.instance.target_rows], len(waves))

    def _typical_of(self, waves: Tensor) -> Tensor:
        """Return the typical beat beside each of waves (m, B, L, T): (m * B * L, T)."""
        return self._typical.expand(waves.shape).flatten(0, 2)

    def _similarity(self, waves: Tensor) -> Tensor:
        """Do what `combine` and `class_features` do, on (n, L, T)."""
        if not self.network.uses_prototypes:
            return waves.new_zeros(len(waves), 0)
        top = torch.einsum("nlt,plt->np", waves, self._prototypes)
        product = (waves.pow(2).sum(2) @ self._present.T) * self._norm2.sum(1)
        some = product > 0
        similarity = torch.where(some, top / torch.where(some, product, 1.0).sqrt(), 0.0).clamp(-1.0, 1.0)
        none = waves.new_zeros(len(waves))
        highest, means = [], []
        for columns in self._by_class:
            count = min(self._top, len(columns))
            best = similarity[:, columns].topk(count, dim=1).values
            highest.append(best[:, 0] if count else none)
            means.append(best.mean(1) if count else none)
        return torch.stack([*highest, *means], dim=1)

    def _target(self, logits: Tensor, gates: Tensor) -> Tensor:
        calibration, k = self.calibration, self.target.class_index
        if k is None:
            odds = calibration.gate_slope * gates[:, 0] + calibration.gate_offset
            return odds if self.target.units == "logit" else torch.sigmoid(odds)
        logs = torch.log_softmax(logits / calibration.temperature + self.tensor(np.array(calibration.bias)), dim=2)
        others = torch.cat([logs[:, :, :k], logs[:, :, k + 1 :]], dim=2)
        none = torch.logsumexp(others, dim=2).sum(1)
        some = logs[:, 0, k] if logs.shape[1] == 1 else torch.log(-torch.expm1(none))
        return some - none if self.target.units == "logit" else some.exp()


def _shifted(logits: Tensor, said: Tensor, alike: LookAlikes) -> Tensor:
    """Add to logits (m, n_targets, K) what `LookAlikes.shift` does."""
    group, logs = torch.from_numpy(alike.group).to(logits.device), torch.log_softmax(logits, dim=2)
    log_p = [torch.logsumexp(logs[:, :, group == g], dim=2) for g in range(int(alike.group.max()) + 1)]
    change = alike.settings.weight * (said - torch.stack(log_p, dim=2))
    return logits + torch.where(said.isnan(), 0.0, change)[:, :, group]
