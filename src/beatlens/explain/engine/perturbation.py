"""The perturbation engine: the target when players are switched off, with each encoding made once.

A mask changes one lead of one beat only through a small local state: which of the segments that overlap the beat are on
and, for interpolation, the anchors of a hole that crosses the beat's edge. Each distinct (beat, lead, state) is encoded
once; a mask then costs the mixing over leads and what the network makes of the beats' windows
(`beatlens.explain.engine.readout`). The result equals a naive re-run of the whole chain on the perturbed record. What
the beats are compared with stays as it is: the typical beat, the prototypes, and the record's beats among which
look-alikes are looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.case.baselines import ABSENT
from beatlens.explain.case.instance import Instance
from beatlens.explain.case.target import Target
from beatlens.explain.engine.attention_readout import AttentionWindows
from beatlens.explain.engine.beat_states import StateStore
from beatlens.explain.engine.distinct_rows import distinct_beats
from beatlens.explain.engine.fast_network import EngineNetwork
from beatlens.explain.engine.readout import HalfWindows, Readout, ShownBeats, WholeWindows
from beatlens.explain.players.coalition import Players
from beatlens.explain.settings import BASELINES, LEAD_OFF
from beatlens.inputs.prototype_bank import PrototypeBank, class_features, combine
from beatlens.models.crossmodal import CrossModalNet
from beatlens.models.hybrid import HybridNet

if TYPE_CHECKING:
    from beatlens.decision.calibration import Calibration
    from beatlens.inputs.look_alikes import LookAlikes
    from beatlens.models.network import BeatNetwork

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

BLOCK_MASKS = 4096
"""Masks evaluated together; bounds memory."""


class PerturbationEngine:
    """Evaluates masks of players on one case.

    Parameters
    ----------
    instance
        The case.
    network
        In evaluation mode, on `device`.
    bank
        Prototype bank of the bundle.
    calibration
        Calibration of the bundle.
    baseline
        One of `BASELINES`.
    device
        ``cpu`` or ``cuda``.
    lead_off
        One of `LEAD_OFF`. An absent lead takes part in no mix and no similarity, as if the record lacked it.
    """

    def __init__(
        self,
        instance: Instance,
        network: BeatNetwork,
        *,
        bank: PrototypeBank,
        calibration: Calibration,
        baseline: str,
        device: str = "cpu",
        lead_off: str = "baseline",
    ) -> None:
        if baseline not in BASELINES or lead_off not in LEAD_OFF:
            raise ValueError(
                f"explain: baseline {baseline!r}, lead_off {lead_off!r}; expected one of {BASELINES} and of {LEAD_OFF}"
            )
        self.instance, self.network, self.calibration = instance, network, calibration
        self.baseline, self.device, self.lead_off = baseline, device, lead_off
        self.n_evaluations = 0
        self.bank = bank.for_leads(instance.record.leads)
        self._fast = EngineNetwork(network, device)
        self._store = StateStore(instance, self._fast, self.bank, baseline)
        self._readout = make_readout(instance, self._fast)

    def of(
        self, *, instance: Instance | None = None, network: BeatNetwork | None = None, baseline: str | None = None
    ) -> PerturbationEngine:
        """Return a fresh engine with another instance, network or baseline, and all else the same."""
        return PerturbationEngine(
            instance or self.instance,
            network or self.network,
            bank=self.bank,
            calibration=self.calibration,
            baseline=baseline or self.baseline,
            device=self.device,
            lead_off=self.lead_off,
        )

    @property
    def n_encoded(self) -> int:
        """Encodings made so far."""
        return self._store.n_encoded

    def values(self, masks: npt.NDArray[np.bool_], players: Players, target: Target) -> npt.NDArray[np.float64]:
        """Return the (M,) target under each of the (M, n_players) masks."""
        return self.cell_values(players.cells_on(masks), players.rhythm_on(masks), players.edges, target)

    def cell_values(
        self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray, target: Target
    ) -> npt.NDArray[np.float64]:
        """Return the (M,) target for cells (M, n_leads, n_segments) and rhythm (M,) that are on."""
        logits, gates = self.outputs(cells_on, rhythm_on, edges)
        return target.values(logits, gates, self.calibration)

    def outputs(self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return class logits (M, n_targets, K) and noise-gate logits (M, n_targets).

        Parameters
        ----------
        cells_on
            (M, n_leads, n_segments) bool.
        rhythm_on
            (M,) bool.
        edges
            (n_segments + 1,) samples of the record; the segments cover the case window exactly.
        """
        instance = self.instance
        shape = (len(rhythm_on), len(instance.record.leads), len(edges) - 1)
        if cells_on.shape != shape:
            raise ValueError(f"{instance.record.name}: cells {cells_on.shape}; expected {shape}")
        if edges[0] != instance.start or edges[-1] != instance.stop:
            raise ValueError(
                f"{instance.record.name}: segments cover samples {edges[0]} to {edges[-1]}; "
                f"expected {instance.start} to {instance.stop}"
            )
        parts = []
        with torch.inference_mode():
            for first in range(0, len(rhythm_on), BLOCK_MASKS):
                block = slice(first, first + BLOCK_MASKS)
                parts.append(self._block(cells_on[block], rhythm_on[block], edges))
        self.n_evaluations += len(rhythm_on)
        logits = np.concatenate([part[0] for part in parts])
        if not np.isfinite(logits).all():
            raise ValueError(f"{instance.record.name}: logits that are not finite under a perturbation")
        return logits, np.concatenate([part[1] for part in parts])

    def _block(self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray) -> tuple[FloatArray, FloatArray]:
        instance, store = self.instance, self._store
        states = store.rows(cells_on, edges)
        if self.lead_off == ABSENT:
            states = np.where(np.any(cells_on, axis=2, keepdims=True).swapaxes(1, 2), states, -1)
        rows, beats, index = distinct_beats(states)
        rr = instance.rr[beats]
        if not rhythm_on.all():  # a beat with the rhythm off is another beat of the same states
            index = index + len(rows) * ~rhythm_on[:, None]
            rr = np.concatenate([rr, np.broadcast_to(instance.rr_off, rr.shape)])
        return self._read(rows, beats, rr, index)

    def rhythm_values(self, rr: FloatArray, target: Target) -> npt.NDArray[np.float64]:
        """Return the (M,) target of the signal as it is under each of M sets of RR features of the beats in play.

        Parameters
        ----------
        rr
            (M, B, R), as `Instance.rr`.
        target
            What is explained.
        """
        instance, n_sets = self.instance, len(rr)
        if rr.shape[1:] != instance.rr.shape:
            raise ValueError(f"{instance.record.name}: RR features {rr.shape}; expected (M, *{instance.rr.shape})")
        with torch.inference_mode():
            cells_on = np.ones((1, len(instance.record.leads), 1), dtype=bool)
            rows, beats, index = distinct_beats(self._store.rows(cells_on, np.array([instance.start, instance.stop])))
            index = index + len(rows) * np.arange(n_sets)[:, None]
            logits, gates = self._read(rows, beats, rr[:, beats].reshape(-1, rr.shape[2]), index)
        self.n_evaluations += n_sets
        return target.values(logits, gates, self.calibration)

    def _read(self, rows: IntArray, beats: IntArray, rr: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return class and noise-gate logits of what `ShownBeats` has, look-alikes included."""
        instance, store = self.instance, self._store
        read = self._readout.read(ShownBeats(rows, rr, self._prototypes(rows, beats), index), store.terms)
        found = read.logits
        if instance.look_alikes is not None:
            said = self._said(instance.look_alikes, rows, beats)[read.target % len(rows)]
            found = found + instance.look_alikes.shift(found, said)
        return found[read.inverse], read.gates[read.inverse]

    def _prototypes(self, rows: IntArray, beats: IntArray) -> FloatArray:
        """Return prototype features of the distinct beats that are targets, 0 for the others.

        Dot products and squared norms are made for each state, summed over leads, then divided.
        """
        features = np.zeros((len(rows), self.bank.n_features), dtype=np.float32)
        if not self.network.uses_prototypes:
            return features
        wanted = np.flatnonzero(np.isin(beats, self.instance.target_rows))
        states = rows[wanted]
        present, states = states >= 0, np.maximum(states, 0)
        similarity = combine(
            self._store.dots[states], self._store.norm2[states], present, self.bank, self.instance.record.patient
        )
        features[wanted] = class_features(similarity, self.bank)
        return features

    def _said(self, alike: LookAlikes, rows: IntArray, beats: IntArray) -> npt.NDArray[np.float64]:
        """Return what the look-alikes of the distinct beats say, (n, G); NaN for beats that are no targets."""
        said = np.full((len(rows), alike.evidence.shape[1]), np.nan)
        wanted = np.flatnonzero(np.isin(beats, self.instance.target_rows))
        parts = self._store.parts[np.maximum(rows[wanted], 0)]
        parts[rows[wanted] < 0] = np.nan
        said[wanted] = alike.say(parts, self.instance.record_rows[beats[wanted]])
        return said


def make_readout(instance: Instance, network: EngineNetwork) -> Readout:
    """Return the cheapest way to ask a network about many windows of a case."""
    asked = network.network
    if isinstance(asked, HybridNet):
        return HalfWindows(instance, network, asked)
    if isinstance(asked, CrossModalNet):
        return AttentionWindows(instance, network, asked)
    return WholeWindows(instance, network)
