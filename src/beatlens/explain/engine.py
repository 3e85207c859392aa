"""The perturbation engine: what the target becomes when players are switched off, every encoding made once.

A mask changes one lead of one beat only through a small local state: which of the segments that overlap the beat are
on and, for interpolation, the anchors of a hole that crosses the beat's edge. Each distinct (beat, lead, state) is
encoded once; a mask then costs the mixing over leads, the recurrent branch and the heads. The result equals a naive
re-run of the whole chain on the perturbed record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.baselines import BASELINES, INTERPOLATION, fill_signal, interpolated_waves
from beatlens.explain.distinct import distinct_beats, distinct_rows
from beatlens.explain.players import Players
from beatlens.explain.scene import Scene
from beatlens.explain.target import Calibrated, Target
from beatlens.prototypes.similarity import PrototypeBank, class_features, combine, lead_products

if TYPE_CHECKING:
    from beatlens.models.hybrid import HybridNet

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

BLOCK_MASKS = 4096
"""Masks evaluated together; bounds memory."""
CHUNK_WAVES = 2048
"""Waves or beats in one pass of the network."""


@dataclass(frozen=True)
class _States:
    """Distinct states of a block of masks.

    Attributes
    ----------
    waves
        (m, T) float32, scaled.
    lead
        (m,) index of the lead of each.
    index
        (M, B, L) row of `waves` that a mask's beat shows in a lead.
    """

    waves: FloatArray
    lead: IntArray
    index: IntArray


class PerturbationEngine:
    """Evaluates masks of players on one case.

    Parameters
    ----------
    scene
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
    """

    def __init__(
        self,
        scene: Scene,
        network: HybridNet,
        bank: PrototypeBank,
        calibration: Calibrated,
        baseline: str,
        device: str = "cpu",
    ) -> None:
        if baseline not in BASELINES:
            raise ValueError(f"explain.baseline: {baseline!r}; expected one of {BASELINES}")
        self.scene, self.network, self.calibration = scene, network, calibration
        self.baseline, self.device = baseline, device
        self.n_evaluations = 0
        self.n_encoded = 0
        self._bank = bank.for_leads(scene.leads)
        self._fill = fill_signal(scene, baseline)
        self._mean = scene.signal.mean(axis=1, dtype=np.float64)

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
        scene = self.scene
        shape = (len(rhythm_on), len(scene.leads), len(edges) - 1)
        if cells_on.shape != shape:
            raise ValueError(f"{scene.corpus}/{scene.record}: cells {cells_on.shape}; expected {shape}")
        if edges[0] != scene.start or edges[-1] != scene.stop:
            raise ValueError(
                f"{scene.corpus}/{scene.record}: segments cover samples {edges[0]} to {edges[-1]}; "
                f"expected {scene.start} to {scene.stop}"
            )
        parts = []
        with torch.inference_mode():
            for first in range(0, len(rhythm_on), BLOCK_MASKS):
                block = slice(first, first + BLOCK_MASKS)
                parts.append(self._block(cells_on[block], rhythm_on[block], edges))
        self.n_evaluations += len(rhythm_on)
        logits = np.concatenate([part[0] for part in parts])
        if not np.isfinite(logits).all():
            raise ValueError(f"{scene.corpus}/{scene.record}: logits that are not finite under a perturbation")
        return logits, np.concatenate([part[1] for part in parts])

    def _block(self, cells_on: BoolArray, rhythm_on: BoolArray, edges: IntArray) -> tuple[FloatArray, FloatArray]:
        states = self._states(cells_on, edges)
        n_masks, n_beats, _ = states.index.shape
        hidden, score = self._encode(states)
        rows, beats, index = distinct_beats(states.index)
        embeddings = self._mix(hidden, score, rows)
        features = self._prototypes(states, rows, beats)
        # A beat with the rhythm off is another row with the same embedding.
        index = 2 * index + ~rhythm_on[:, None]
        used, index = np.unique(index, return_inverse=True)
        index = index.reshape(n_masks, n_beats)
        rr = self.scene.rr[beats[used // 2]]
        rr[used % 2 == 1] = self.scene.rr_off
        return self._classify(embeddings[self._tensor(used // 2)], rr, features[used // 2], index)

    def _states(self, cells_on: BoolArray, edges: IntArray) -> _States:
        """Find the distinct states of each beat in each lead, and make their waves."""
        scene, n_segments = self.scene, len(edges) - 1
        numbers = np.arange(n_segments)
        left = np.maximum.accumulate(np.where(cells_on, numbers, -1), axis=2)
        right = np.minimum.accumulate(np.where(cells_on, numbers, n_segments)[:, :, ::-1], axis=2)[:, :, ::-1]
        waves, leads, count = [], [], 0
        index = np.empty((len(cells_on), len(scene.r_index), len(scene.leads)), dtype=np.int64)
        for beat in range(len(scene.r_index)):
            samples = scene.beat_samples(beat)
            segment = np.searchsorted(edges, samples, side="right") - 1
            low, high = int(segment[0]), int(segment[-1])
            for lead in range(len(scene.leads)):
                on = cells_on[:, lead]
                columns = [(on[:, k], 2) for k in range(low, high + 1)]
                if self.baseline == INTERPOLATION:
                    anchors = left[:, lead, low] + 1, right[:, lead, high]
                    columns += [(anchor, n_segments + 1) for anchor in anchors]
                first, inverse = distinct_rows(columns)
                index[:, beat, lead] = inverse + count
                count += len(first)
                if self.baseline == INTERPOLATION:
                    wave = interpolated_waves(
                        scene.signal[lead],
                        float(self._mean[lead]),
                        on[first],
                        left[first, lead],
                        right[first, lead],
                        edges,
                        samples,
                        segment,
                    )
                else:
                    fill = self._fill[lead, samples - scene.start]
                    wave = np.where(on[first][:, segment], scene.signal[lead, samples], fill)
                waves.append(wave / scene.lead_scale[lead])
                leads.append(np.full(len(first), lead))
        return _States(np.concatenate(waves), np.concatenate(leads), index)

    def _encode(self, states: _States) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode each state once, up to what the mixing over leads needs of it."""
        parts = []
        ids = self._tensor(self.scene.lead_ids[states.lead])
        for first in range(0, len(states.waves), CHUNK_WAVES):
            chunk = slice(first, first + CHUNK_WAVES)
            features = self.network.encode_leads(self._tensor(states.waves[chunk]))
            parts.append(self.network.lead_terms(features, ids[chunk]))
        self.n_encoded += len(states.waves)
        return torch.cat([hidden for hidden, _ in parts]), torch.cat([score for _, score in parts])

    def _mix(self, hidden: torch.Tensor, score: torch.Tensor, rows: IntArray) -> torch.Tensor:
        parts = []
        for first in range(0, len(rows), CHUNK_WAVES):
            chunk = self._tensor(rows[first : first + CHUNK_WAVES])
            present = torch.ones(chunk.shape, dtype=torch.bool, device=self.device)
            parts.append(self.network.mix_terms(hidden[chunk], score[chunk], present))
        return torch.cat(parts)

    def _prototypes(self, states: _States, rows: IntArray, beats: IntArray) -> FloatArray:
        """Return prototype features of the distinct beats that are targets, 0 for the others.

        Dot products and squared norms are made a state, summed over leads, then divided.
        """
        features = np.zeros((len(rows), self._bank.n_features), dtype=np.float32)
        if not self.network.uses_prototypes:
            return features
        wanted = np.flatnonzero(np.isin(beats, self.scene.target_rows))
        distinct, local = np.unique(rows[wanted], return_inverse=True)
        dots = np.empty((len(distinct), len(self._bank)), dtype=np.float32)
        norm2 = np.empty(len(distinct), dtype=np.float32)
        for lead in range(len(self.scene.leads)):
            own = np.flatnonzero(states.lead[distinct] == lead)
            dots[own], norm2[own] = lead_products(states.waves[distinct[own]], lead, self._bank)
        local = local.reshape(len(wanted), -1)
        similarity = combine(
            dots[local], norm2[local], np.ones(local.shape, dtype=bool), self._bank, self.scene.patient
        )
        features[wanted] = class_features(similarity, self._bank)
        return features

    def _classify(
        self, embeddings: torch.Tensor, rr: FloatArray, features: FloatArray, index: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Run the recurrent branch and the heads; `index` (M, B) are rows of the embeddings."""
        scene, n_masks = self.scene, len(index)
        windows = index[:, scene.windows]  # (M, n_targets, W)
        targets = index[:, scene.target_rows]
        n_targets = targets.shape[1]
        logits, gates = self.network.classify(
            embeddings,
            self._tensor(rr),
            self._tensor(features[targets.reshape(-1)]),
            self._tensor(windows.reshape(n_masks * n_targets, -1)),
            self._tensor(np.tile(scene.lengths, n_masks)),
            self._tensor(np.tile(scene.positions, n_masks)),
        )
        return (
            logits.cpu().numpy().reshape(n_masks, n_targets, -1),
            gates.cpu().numpy().reshape(n_masks, n_targets),
        )

    def _tensor(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
