"""The objective of a training step: forward pass of a batch, losses, class weights, learning rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from beatlens.learning.batches import Batch
from beatlens.models.network import BeatNetwork

WARM_UP = 0.15
"""Share of all steps in which the learning rate rises."""


def class_weights(counts: npt.NDArray[np.int64], power: float) -> npt.NDArray[np.float32]:
    """Return (K,) loss weights of classes with (K,) beats: (1 / frequency) ** power with mean 1 over the beats.

    Raises
    ------
    ValueError
        Where there is no beat at all. A class without beats has weight 0.
    """
    total = counts.sum()
    if not total:
        raise ValueError("no labelled training beat; expected some in the patients of the split 'train'")
    raw = np.where(counts > 0, (np.maximum(counts, 1) / total) ** -power, 0.0)
    weights: npt.NDArray[np.float32] = (raw * total / (raw * counts).sum()).astype(np.float32)
    return weights


def learning_rate(step: int, n_steps: int, highest: float) -> float:
    """Return the learning rate of a step: a rise, then half a cosine down to a hundredth of the highest."""
    rise = max(1.0, WARM_UP * n_steps)
    if step < rise:
        return highest * (0.04 + 0.96 * step / rise)
    fall = (step - rise) / max(1.0, n_steps - rise)
    return highest * (0.01 + 0.99 * 0.5 * (1.0 + float(np.cos(np.pi * min(fall, 1.0)))))


def to_tensors(batch: Batch, device: str) -> dict[str, Tensor]:
    """Move a batch to a device."""
    names = "waves typical row column lead_ids rr similarity windows lengths positions target gate competing".split()
    return {name: torch.from_numpy(getattr(batch, name)).to(device) for name in names}


def forward(network: BeatNetwork, batch: dict[str, Tensor], n_beats: int) -> tuple[Tensor, Tensor]:
    """Return each member's logits (n, members, K) and gate logits (n, members); each (beat, lead) is encoded once."""
    encoded = network.encode_leads(batch["waves"], batch["typical"])
    terms = network.lead_terms(encoded, batch["lead_ids"][batch["column"]])
    n_leads = len(batch["lead_ids"])
    cell = batch["row"] * n_leads + batch["column"]
    laid = terms.new_zeros(n_beats * n_leads, terms.shape[1]).index_copy(0, cell, terms)
    present = torch.zeros(n_beats * n_leads, dtype=torch.bool, device=terms.device)
    present[cell] = True
    embeddings = network.mix_terms(laid.view(n_beats, n_leads, -1), present.view(n_beats, n_leads))
    return network.member_outputs(
        embeddings, batch["rr"], batch["similarity"], batch["windows"], batch["lengths"], batch["positions"]
    )


def losses(
    logits: Tensor, gate: Tensor, batch: dict[str, Tensor], weights: Tensor, gate_loss_weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return total, class and gate loss of `forward`; targets of -1 and gate labels of NaN are left out.

    The losses are means over members. Where only some classes compete, the class loss is that of the conditional
    probability given these classes.
    """
    n, members, _ = logits.shape
    labelled = batch["target"] >= 0
    target = batch["target"].clamp(min=0)
    logits = logits.masked_fill(~batch["competing"][:, None], -1e9)
    each = functional.cross_entropy(logits.transpose(1, 2), target[:, None].expand(n, members), reduction="none")
    class_loss = (each.mean(1) * weights[target] * labelled).sum() / labelled.sum().clamp(min=1)
    known = ~torch.isnan(batch["gate"])
    wanted = torch.where(known, batch["gate"], torch.zeros_like(batch["gate"]))[:, None].expand(n, members)
    each_gate = functional.binary_cross_entropy_with_logits(gate, wanted, reduction="none").mean(1) * known
    gate_loss = each_gate.sum() / known.sum().clamp(min=1)
    return class_loss + gate_loss_weight * gate_loss, class_loss, gate_loss


def macro_f1(target: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that occur among the targets, NaN where there is no target."""
    scores = []
    for k in np.unique(target):
        hit = ((target == k) & (predicted == k)).sum()
        scores.append(2.0 * hit / ((target == k).sum() + (predicted == k).sum()))
    return float(np.mean(scores)) if scores else float("nan")
