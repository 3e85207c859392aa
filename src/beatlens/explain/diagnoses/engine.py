"""The perturbation engine of a record: its logits when players are switched off, with each encoding made once.

A mask changes a beat in a lead only through a small local state: which of the segments are on that overlap what the
network is given of that beat (its waveform, and the stretch to the next beat), and for interpolation the anchors of a
hole that crosses the edge of that. Each distinct (beat, lead, state) is encoded once. A mask then costs the mixing over
leads, the pooling over beats and the head. The logits equal a naive re-run of the whole chain on the perturbed record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.case.baselines import ABSENT
from beatlens.explain.diagnoses.instance import RecordInstance
from beatlens.explain.diagnoses.network import RecordNetwork
from beatlens.explain.diagnoses.states import RecordStates
from beatlens.explain.diagnoses.target import CalibratedDiagnoses, DiagnosisTarget
from beatlens.explain.engine.distinct_rows import distinct_beats
from beatlens.explain.players.coalition import Players
from beatlens.explain.settings import BASELINES, LEAD_OFF

if TYPE_CHECKING:
    from beatlens.models.diagnosis import DiagnosisNetwork

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

BLOCK_BEATS = 50_000
"""Beats, of all masks, that are evaluated together; bounds memory."""


class RecordEngine:
    """Evaluates masks of players on one record.

    Parameters
    ----------
    instance
        The record.
    network
        In evaluation mode, on `device`.
    calibration
        Of the bundle.
    baseline
        One of `BASELINES`; ``contrast_beat`` needs an instance with a contrast.
    device
        ``cpu`` or ``cuda``.
    lead_off
        One of `LEAD_OFF`. An absent lead takes part in no mix, as if the record lacked it.
    """

    def __init__(
        self,
        instance: RecordInstance,
        network: DiagnosisNetwork,
        *,
        calibration: CalibratedDiagnoses,
        baseline: str,
        device: str = "cpu",
        lead_off: str = "baseline",
    ) -> None:
        if baseline not in BASELINES or lead_off not in LEAD_OFF:
            raise ValueError(
                f"explain: baseline {baseline!r}, lead_off {lead_off!r}; expected one of {BASELINES} and of {LEAD_OFF}"
            )
        self.instance, self.calibration, self.baseline, self.lead_off = instance, calibration, baseline, lead_off
        self.network, self.device = network, device
        self.n_evaluations = 0
        self._network = RecordNetwork(network, device)
        self._states = RecordStates(instance, self._network, baseline)

    @property
    def n_encoded(self) -> int:
        """Encodings made so far."""
        return self._states.n_encoded

    def values(self, masks: BoolArray, players: Players, target: DiagnosisTarget) -> Array:
        """Return the (M,) target under each of the (M, n_players) masks."""
        return self.cell_values(players.cells_on(masks), players.rhythm_on(masks), players.edges, target)

    def cell_values(self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray, target: DiagnosisTarget) -> Array:
        """Return the (M,) target for cells (M, n_leads, n_segments) and rhythm (M,) that are on."""
        return target.values(self.logits(cells_on, rhythm_on, edges), self.calibration)

    def logits(self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray) -> FloatArray:
        """Return the logits (M, K) of all diagnoses.

        Parameters
        ----------
        cells_on
            (M, n_leads, n_segments) bool.
        rhythm_on
            (M,) bool.
        edges
            (n_segments + 1,) samples of the record; the segments cover it exactly.
        """
        instance = self.instance
        shape = (len(rhythm_on), len(instance.record.leads), len(edges) - 1)
        if cells_on.shape != shape or (edges[0], edges[-1]) != (instance.start, instance.stop):
            raise ValueError(
                f"{instance.record.name}: cells {cells_on.shape} over samples {edges[0]} to {edges[-1]}; "
                f"expected {shape} over {instance.start} to {instance.stop}"
            )
        size = max(1, BLOCK_BEATS // len(instance.r_index))
        blocks = [slice(first, first + size) for first in range(0, len(rhythm_on), size)]
        with torch.inference_mode():
            parts = [self._block(cells_on[block], rhythm_on[block], edges) for block in blocks]
        self.n_evaluations += len(rhythm_on)
        logits = np.concatenate(parts)
        if not np.isfinite(logits).all():
            raise ValueError(f"{instance.record.name}: logits that are not finite under a perturbation")
        return logits

    def _block(self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray) -> FloatArray:
        states = self._states.rows(cells_on, edges)
        if self.lead_off == ABSENT:
            states = np.where(np.any(cells_on, axis=2, keepdims=True).swapaxes(1, 2), states, -1)
        rows, _, shown = distinct_beats(states)
        rhythm = np.where(rhythm_on[:, None], self.instance.record.rhythm, self.instance.rhythm_off)
        return self._network.logits(self._states.terms, rows, shown, rhythm)
