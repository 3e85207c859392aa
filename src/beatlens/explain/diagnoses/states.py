"""The encoded states of a record's beats in its leads: what each brings to a mix over leads."""

from __future__ import annotations

import numpy as np
import torch

from beatlens.explain.diagnoses.instance import RecordInstance
from beatlens.explain.diagnoses.network import RecordNetwork
from beatlens.explain.engine.states import NewStates, States

MAX_NUMBERS = 100_000_000
"""Numbers that the states' terms may hold. A call that would need more starts afresh."""


class RecordStates(States):
    """Encoded states of a record.

    Attributes
    ----------
    terms
        (capacity, D) tensor: what a state brings to a mix over leads.

    Parameters
    ----------
    instance, network, baseline
        Of the engine.
    """

    instance: RecordInstance

    def __init__(self, instance: RecordInstance, network: RecordNetwork, baseline: str) -> None:
        super().__init__(instance, baseline)
        self.network = network
        self.terms = torch.empty(0, network.size, device=network.device)

    def _is_full(self) -> bool:
        return self.count * self.terms.shape[-1] > MAX_NUMBERS

    def _encode(self, found: list[NewStates]) -> None:
        made, leads = [], []
        for beat in dict.fromkeys(new.beat for new in found):  # all leads of a beat at once
            of_beat = [new for new in found if new.beat == beat]
            lead = np.repeat([new.lead for new in of_beat], [len(new.waves) for new in of_beat])
            made.append(self.instance.inputs_of(beat, lead, np.concatenate([new.waves for new in of_beat])))
            leads.append(lead)
        waves, intervals = (np.concatenate(parts) for parts in zip(*made, strict=True))
        terms = self.network.terms(waves, intervals, np.concatenate(leads), self.instance.record)
        first, last = self.count, self.count + len(terms)
        if last > len(self.terms):
            grown = terms.new_empty(max(last, 2 * len(self.terms)), terms.shape[1])
            grown[:first] = self.terms[:first]
            self.terms = grown
        self.terms[first:last] = terms
        self.count = last
        self.n_encoded += len(terms)
