"""The network of diagnoses as the perturbation engine runs it: in parts, on many states of one record at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.engine.fast_network import CHUNK_CPU, CHUNK_GPU, chunks
from beatlens.models.shared_encoder import BeatView

if TYPE_CHECKING:
    from beatlens.inputs.diagnoses.record_example import RecordExample
    from beatlens.models.diagnosis import DiagnosisNetwork

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class RecordNetwork:
    """Evaluation of a network of diagnoses for many perturbations of one record.

    Parameters
    ----------
    network
        In evaluation mode, on `device`.
    device
        ``cpu`` or ``cuda``.
    """

    def __init__(self, network: DiagnosisNetwork, device: str) -> None:
        if network.training:
            raise ValueError("the network is in training mode; expected evaluation mode")
        self.network, self.device = network, device
        self.size = network.members * network.config.width
        self.chunk = CHUNK_CPU if device == "cpu" else CHUNK_GPU

    def terms(self, waves: FloatArray, intervals: FloatArray, lead: IntArray, record: RecordExample) -> Tensor:
        """Return what leads of beats bring to a mix, (m, D).

        Parameters
        ----------
        waves, intervals
            (m, T) and (m, B) of `RecordInstance.inputs_of`.
        lead
            (m,) which of the record's leads.
        record
            The record, as it is.
        """
        result = torch.empty(len(waves), self.size, device=self.device)
        for place in np.unique(lead).tolist():  # by lead, so that a lead's weights are taken once
            name = self.tensor(record.lead_ids[place])
            for rows in np.array_split(of_lead := np.flatnonzero(lead == place), -(-len(of_lead) // self.chunk)):
                parts = self.tensor(waves[rows]), self.tensor(intervals[rows])
                features = self.network.encode_leads(*parts, self._view(waves[rows], lead[rows], record))
                result[self.tensor(rows)] = self.network.lead_terms(features, name)
        return result

    def _view(self, waves: FloatArray, lead: IntArray, record: RecordExample) -> BeatView | None:
        if self.network.shared is None:
            return None
        shown, typical, lead_ids = record.beat_view(waves, lead)
        return BeatView(self.tensor(shown), self.tensor(typical), self.tensor(lead_ids))

    def logits(self, terms: Tensor, rows: IntArray, shown: IntArray, rhythm: FloatArray) -> FloatArray:
        """Return logits (M, K).

        Parameters
        ----------
        terms
            (states, D) of `terms`.
        rows
            (n, L) states of the distinct beats' leads, -1 for an absent lead.
        shown
            (M, B) the distinct beat that each mask shows.
        rhythm
            (M, R) statistics of the RR series.
        """
        states = self.tensor(rows)
        beats = torch.cat(
            [
                self.network.combine(terms[states[chunk].clamp(min=0)], states[chunk] >= 0)
                for chunk in chunks(len(rows), 4 * self.chunk)
            ]
        )
        number, rr = self.tensor(shown), self.tensor(rhythm)
        parts = []
        for chunk in chunks(len(shown), self.chunk):
            of_mask = number[chunk]
            record = torch.arange(len(of_mask), device=self.device).repeat_interleave(of_mask.shape[1])
            pooled = self.network.pool(beats[of_mask.flatten()], record, len(of_mask))
            parts.append(self.network.classify(pooled, rr[chunk]))
        return np.asarray(torch.cat(parts).cpu().numpy())

    def tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        """Return an array as a tensor on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
