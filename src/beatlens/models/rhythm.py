"""Rhythm: a bidirectional LSTM over the beats around a target, read out at the target.

The members of an ensemble (`groups` here) lie side by side in every last dimension; RR features are shared.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from beatlens.models.grouped import GroupedLinear, beside


class GateInput(nn.Module):
    """A beat's part of the gates: its embedding narrowed to a few numbers, and its RR features.

    What a neighbour says about the target is mostly when it came and whether it looked unlike the rest; a whole
    embedding for each of many neighbours would let the branch learn its patients by heart.

    Parameters
    ----------
    groups, embedding, narrowed, n_rr, hidden
        Members and the sizes of each.
    """

    def __init__(self, groups: int, embedding: int, narrowed: int, n_rr: int, hidden: int) -> None:
        super().__init__()
        self.groups, self.embedding = groups, groups * embedding
        self.narrow = GroupedLinear(groups, embedding, narrowed)
        self.gates = GroupedLinear(groups, narrowed + n_rr, 4 * hidden)

    def forward(self, beats: Tensor) -> Tensor:
        """Return (n, groups * 4 hidden) for beats (n, groups * embedding + n_rr)."""
        narrowed = torch.relu(self.narrow(beats[:, : self.embedding]))
        return cast(Tensor, self.gates(beside(narrowed, beats[:, self.embedding :], self.groups)))


class TowardsTarget(nn.Module):
    """One direction of an LSTM that ends at the target beat.

    The output of a bidirectional LSTM at one position needs the forward direction up to it and the backward direction
    down to it, and no more; so each direction runs over half a window. The input's part of the gates is computed once
    a beat and gathered. Slots outside the window come first and leave the state 0: padding changes no output.
    Plain tensor operations: gradients work in evaluation mode on every device.

    Parameters
    ----------
    groups, embedding, narrowed, n_rr, hidden
        Members and the sizes of each.
    """

    def __init__(self, groups: int, embedding: int, narrowed: int, n_rr: int, hidden: int) -> None:
        super().__init__()
        self.groups, self.hidden = groups, hidden
        self.input = GateInput(groups, embedding, narrowed, n_rr, hidden)
        self.recurrent = GroupedLinear(groups, hidden, 4 * hidden, bias=False)
        bias = cast(Tensor, self.input.gates.bias)
        with torch.no_grad():  # gates in the order input, forget, output, candidate; remember at first
            bias[:, hidden : 2 * hidden] += 1.0

    def forward(self, beats: Tensor, index: Tensor, valid: Tensor) -> Tensor:
        """Run over beats (n_beats, groups * embedding + n_rr) in the order of index (n, steps) where valid.

        Returns (n, groups * hidden).
        """
        return self.follow(self.input(beats), index, valid)

    def follow(self, gates_of_beats: Tensor, index: Tensor, valid: Tensor) -> Tensor:
        """Do what `forward` does, given the input's part of the gates of each beat, (n_beats, groups * 4 hidden).

        Slots that aren't valid must come before those that are.
        """
        n, size = len(index), self.groups * self.hidden
        inside = valid.to(gates_of_beats.dtype)
        state = memory = gates_of_beats.new_zeros(n, size)
        for step in range(index.shape[1]):
            gates = gates_of_beats.index_select(0, index[:, step])
            if step:
                gates = gates + self.recurrent(state)
            gates = gates.view(n, self.groups, 4 * self.hidden)
            entry, forget, output = torch.sigmoid(gates[..., : 3 * self.hidden]).chunk(3, dim=2)
            candidate = torch.tanh(gates[..., 3 * self.hidden :])
            kept = forget * memory.view(n, self.groups, self.hidden)
            memory = inside[:, step, None] * (kept + entry * candidate).view(n, size)
            state = output.reshape(n, size) * torch.tanh(memory)
        return state


class RhythmBranch(nn.Module):
    """Both directions towards the target.

    Parameters
    ----------
    groups, embedding, narrowed, n_rr, hidden
        Members, and of each the sizes of a beat's embedding, of what is left of it, of its RR features and of each
        direction's state.
    context
        Beats of a window, odd.
    """

    def __init__(self, groups: int, *, embedding: int, narrowed: int, n_rr: int, hidden: int, context: int) -> None:
        super().__init__()
        self.side = context // 2
        self.before = TowardsTarget(groups, embedding, narrowed, n_rr, hidden)
        self.after = TowardsTarget(groups, embedding, narrowed, n_rr, hidden)

    def forward(self, beats: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Read out at the targets.

        Parameters
        ----------
        beats
            (n_beats, groups * embedding + n_rr).
        windows
            (n, W) long, rows of `beats`, left-aligned in time order; slots from the length on are never read.
        lengths, positions
            (n,) long, beats of a window and the target's slot.

        Returns
        -------
        (n, 2 * groups * hidden), one direction after the other
        """
        steps = torch.arange(self.side + 1, device=windows.device)
        slot_before = positions[:, None] - self.side + steps
        slot_after = positions[:, None] + self.side - steps
        target = windows.gather(1, positions[:, None])

        def rows(slot: Tensor, valid: Tensor) -> Tensor:
            return torch.where(valid, windows.gather(1, slot.clamp(0, windows.shape[1] - 1)), target)

        valid_before, valid_after = slot_before >= 0, slot_after < lengths[:, None]
        return torch.cat(
            [
                self.before(beats, rows(slot_before, valid_before), valid_before),
                self.after(beats, rows(slot_after, valid_after), valid_after),
            ],
            dim=1,
        )
