"""Rhythm: a bidirectional LSTM over the beats around a target, read out at the target."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class GateInput(nn.Module):
    """A beat's part of the gates: its embedding narrowed to a few numbers, and its RR features.

    What a neighbour says about the target is mostly when it came and whether it looked unlike the rest; a whole
    embedding for each of many neighbours would let the branch learn its patients by heart.

    Parameters
    ----------
    embedding, narrowed, n_rr, hidden
        Sizes.
    """

    def __init__(self, embedding: int, narrowed: int, n_rr: int, hidden: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.narrow = nn.Linear(embedding, narrowed)
        self.gates = nn.Linear(narrowed + n_rr, 4 * hidden)

    def forward(self, beats: Tensor) -> Tensor:
        """Return (n, 4 hidden) for beats (n, embedding + n_rr)."""
        narrowed = torch.relu(self.narrow(beats[:, : self.embedding]))
        return cast(Tensor, self.gates(torch.cat([narrowed, beats[:, self.embedding :]], dim=1)))


class TowardsTarget(nn.Module):
    """One direction of an LSTM that ends at the target beat.

    The output of a bidirectional LSTM at one position needs the forward direction up to it and the backward direction
    down to it, and no more; so each direction runs over half a window. The input's part of the gates is computed once
    a beat and gathered. Slots outside the window come first and leave the state 0: padding changes no output.
    Plain tensor operations: gradients work in evaluation mode on every device.

    Parameters
    ----------
    embedding, narrowed, n_rr, hidden
        Sizes.
    """

    def __init__(self, embedding: int, narrowed: int, n_rr: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.input = GateInput(embedding, narrowed, n_rr, hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)
        with torch.no_grad():  # gates in the order input, forget, output, candidate; remember at first
            self.input.gates.bias[hidden : 2 * hidden] += 1.0

    def forward(self, beats: Tensor, index: Tensor, valid: Tensor) -> Tensor:
        """Run over beats (n_beats, embedding + n_rr) in the order of index (n, steps) where valid: (n, hidden)."""
        return self.follow(self.input(beats), index, valid)

    def follow(self, gates_of_beats: Tensor, index: Tensor, valid: Tensor) -> Tensor:
        """Do what `forward` does, given the input's part of the gates of each beat, (n_beats, 4 hidden).

        Slots that aren't valid must come before those that are.
        """
        inside = valid.to(gates_of_beats.dtype)
        state = memory = gates_of_beats.new_zeros(len(index), self.hidden)
        for step in range(index.shape[1]):
            gates = gates_of_beats.index_select(0, index[:, step])
            if step:
                gates = gates + self.recurrent(state)
            entry, forget, output = torch.sigmoid(gates[:, : 3 * self.hidden]).chunk(3, dim=1)
            candidate = torch.tanh(gates[:, 3 * self.hidden :])
            memory = inside[:, step, None] * (forget * memory + entry * candidate)
            state = output * torch.tanh(memory)
        return state


class RhythmBranch(nn.Module):
    """Both directions towards the target.

    Parameters
    ----------
    embedding, narrowed, n_rr, hidden
        Sizes of a beat's embedding, of what is left of it, of its RR features and of each direction's state.
    context
        Beats of a window, odd.
    """

    def __init__(self, embedding: int, narrowed: int, n_rr: int, hidden: int, context: int) -> None:
        super().__init__()
        self.side = context // 2
        self.before = TowardsTarget(embedding, narrowed, n_rr, hidden)
        self.after = TowardsTarget(embedding, narrowed, n_rr, hidden)

    def forward(self, beats: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Read out at the targets.

        Parameters
        ----------
        beats
            (n_beats, embedding + n_rr).
        windows
            (n, W) long, rows of `beats`, left-aligned in time order; slots from the length on are never read.
        lengths, positions
            (n,) long, beats of a window and the target's slot.

        Returns
        -------
        (n, 2 * hidden)
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
