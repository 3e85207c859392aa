"""The attention of one case in numbers: statistics of its heads, what they are worth, and whether evidence agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.attention.alignment import Agreement, cells_agreement, directions_agreement
from beatlens.evaluate.attention.arrays import AttentionArrays
from beatlens.evaluate.attention.heads import head_importance
from beatlens.evaluate.attention.statistics import Direction, HeadStatistics, head_statistics, redundancy, top_pairs
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.explain.attention.case import case_attention, signal_target
from beatlens.explain.attention.placing import TokenWords, place_bands
from beatlens.explain.attention.weights import DIRECTIONS, OTHER, STREAMS, CaseAttention, tokens_of
from beatlens.explain.case.choice import Case, record_by_record
from beatlens.explain.case.instance import Instance
from beatlens.explain.explainer import Explainer, PreparedCase
from beatlens.explain.methods.attention import KINDS, attention_map, even_map
from beatlens.explain.methods.registry import signal_model
from beatlens.explain.players.waves import BETWEEN, wave_players
from beatlens.explain.result.archive import load_case
from beatlens.explain.result.attribution import Attribution

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

EVIDENCE = ("lime", "kernelshap", "timeshap", "occlusion")
"""Methods that change the signal and see what the network then says."""
PERMUTATIONS = 199
"""Draws of a null."""
PAIRS = 3
"""Pairs that are named, of each direction and member."""
PARTS = ("P", "QRS", "ST", "T", "between", "other beats")
"""Where mass lies: waves of the target beat, what lies between waves, and other beats."""


@dataclass(frozen=True)
class NamedPair:
    """A query and a key that a head ties together, in words; see `beatlens.evaluate.attention.statistics.Pair`."""

    head: int
    query: str
    key: str
    weight: float
    ratio: float


@dataclass(frozen=True)
class MemberDirection:
    """One direction of one member's attention at the target beat.

    Attributes
    ----------
    direction, member
        Such as ``waveform->spectrogram``, and the number of the network among the members.
    weights
        (heads, queries, keys) over tokens that are there: shares, 0 to 1; a row adds up to 1.
    statistics
        A value a head.
    importance
        (heads,) change of the class's probability without the head, -1 to 1; above 0 it speaks for the class.
    redundancy
        (heads, heads) Jensen-Shannon divergence in bits, 0 (same) to 1.
    pairs
        The largest weights, in words.
    """

    direction: str
    member: int
    weights: Array
    statistics: HeadStatistics
    importance: Array
    redundancy: Array
    pairs: tuple[NamedPair, ...]


@dataclass(frozen=True)
class CaseReport:
    """What attention says of a case.

    Attributes
    ----------
    case
        The case.
    patient
        ``corpus/patient``.
    probability
        Of the class, as the network gives it here, 0 to 1.
    directions
        Both directions of each member.
    alignment
        For each member, the agreement of the directions head by head and, last, of the means over heads, over tokens
        of the target beat.
    evidence
        Attention method -> evidence (``fused``, ``lime`` ...) -> agreement over cells (leads x segments).
    profile, uniform
        Stream -> share of the mean attention on each of `PARTS`, and the same if all keys had as much; shares, 0 to 1.
    """

    case: Case
    patient: str
    probability: float
    directions: tuple[MemberDirection, ...]
    alignment: tuple[tuple[Agreement, ...], ...]
    evidence: Mapping[str, Mapping[str, Agreement]]
    profile: Mapping[str, Array]
    uniform: Mapping[str, Array]

    @property
    def correct(self) -> bool | None:
        """Whether the label is the class, None without a label."""
        return None if not self.case.label else self.case.label == self.case.case_class

    @property
    def strongest(self) -> tuple[MemberDirection, int]:
        """The direction and head whose loss takes most probability from the class."""
        return max(
            ((one, int(one.importance.argmax())) for one in self.directions),
            key=lambda pair: float(pair[0].importance[pair[1]]),
        )


@dataclass(frozen=True)
class CaseFindings:
    """The report of a case, with what figures need beside it, and (K,) logits of its beat before calibration."""

    report: CaseReport
    arrays: AttentionArrays
    logits: npt.NDArray[np.float32]


def examine(prepared: PreparedCase, evidence: Mapping[str, Attribution]) -> CaseFindings:
    """Return what attention says of a case.

    Weights and their statistics are those of the case's own beat; maps are over all target beats of a window.

    Parameters
    ----------
    prepared
        The case.
    evidence
        Perturbation methods -> attribution of this case, which attention is held against.
    """
    instance, case, seed = prepared.instance, prepared.case, prepared.seed
    row_of_case = int(np.flatnonzero(prepared.view.beats["beat_id"].to_numpy() == case.beat_id)[0])
    target = int(np.flatnonzero(instance.record_rows[instance.target_rows] == row_of_case)[0])
    model = signal_model(prepared.engine, prepared.target)
    of_probability = signal_model(prepared.engine, replace(prepared.target, units="probability"))
    logits, attention = case_attention(model)
    maps = {kind: attention_map(model, kind, streams="both", baseline=prepared.engine.baseline) for kind in KINDS}
    importance = head_importance(of_probability)
    members = range(len(attention.waveform))
    lengths = np.diff(prepared.edges)
    evens = {kind: cell_sums(even_map(attention, instance, kind), lengths) for kind in KINDS}
    cells = {name: cell_sums(one.values, lengths) for found in (maps, evidence) for name, one in found.items()}
    report = CaseReport(
        case=case,
        patient=prepared.patient,
        probability=signal_target(of_probability).item(),
        directions=tuple(
            _direction(attention, stream, member, target, importance[stream][member], instance)
            for member in members
            for stream in STREAMS
        ),
        alignment=tuple(_alignment(attention, member, target, seed) for member in members),
        evidence={
            kind: {
                name: cells_agreement(
                    cells[kind], cells[name], evens[kind], draws=PERMUTATIONS, seed=derive_seed(seed, kind, name)
                )
                for name in evidence
            }
            for kind in KINDS
        },
        profile={stream: _profile(attention, stream, target, instance) for stream in STREAMS},
        uniform={stream: _profile(attention, stream, target, instance, uniform=True) for stream in STREAMS},
    )
    arrays = AttentionArrays(
        {stream: attention.asked_by(stream)[:, target].astype(np.float32) for stream in STREAMS},
        {stream: tokens_of(attention.tokens[target], stream) for stream in STREAMS},
        float(instance.r_index[instance.target_rows[target]] / instance.record.geometry.fs),
        {kind: found.values.astype(np.float32) for kind, found in maps.items()},
        {kind: found.bands for kind, found in maps.items()},
    )
    return CaseFindings(report, arrays, logits[target])


def examine_cases(cases: pd.DataFrame, explainer: Explainer, methods: Mapping[str, Path]) -> Iterator[CaseFindings]:
    """Examine every case, in the order of the case table.

    Parameters
    ----------
    cases
        The case table.
    explainer
        What they were explained with.
    methods
        Method -> directory of ``<case>.npz``. Attention is held against those of `EVIDENCE`, and against what they
        agree on where no other method is part of it.
    """

    def examined(case: Case) -> CaseFindings:
        loaded = {name: load_case(folder, case.case) for name, folder in methods.items()}
        return examine(explainer.prepare(case), perturbation_evidence(loaded))

    return record_by_record(cases, examined)


def perturbation_evidence(attributions: Mapping[str, Attribution]) -> dict[str, Attribution]:
    """Return what perturbations say of a case, of all its attributions by method."""
    found = {name: one for name, one in attributions.items() if name in EVIDENCE}
    fusion = attributions["fused"].meta.fusion if "fused" in attributions else None
    if fusion is not None and set(fusion.methods) <= set(EVIDENCE):
        found["fused"] = attributions["fused"]
    return found


def beat_direction(attention: CaseAttention, stream: str, member: int, target: int) -> Direction:
    """Return the weights of one direction of one member at a target beat, over tokens that are there."""
    maps = attention.tokens[target]
    asking, asked = tokens_of(maps, stream), tokens_of(maps, OTHER[stream])
    keys = np.flatnonzero(asked.valid)
    weights = attention.asked_by(stream)[member, target][:, :, keys]
    return Direction(DIRECTIONS[stream], weights, np.flatnonzero(asking.beat == 0), keys)


def _direction(
    attention: CaseAttention, stream: str, member: int, target: int, importance: Array, instance: Instance
) -> MemberDirection:
    direction, maps = beat_direction(attention, stream, member, target), attention.tokens[target]
    words = TokenWords(instance, target)
    asking, asked = tokens_of(maps, stream), tokens_of(maps, OTHER[stream])
    pairs = [
        NamedPair(pair.head, words.of(asking, pair.query), words.of(asked, pair.key), pair.weight, pair.ratio)
        for pair in top_pairs(direction, PAIRS)
    ]
    return MemberDirection(
        direction.name,
        member,
        direction.weights,
        head_statistics(direction),
        importance,
        redundancy(direction),
        tuple(pairs),
    )


def _alignment(attention: CaseAttention, member: int, target: int, seed: int) -> tuple[Agreement, ...]:
    """Compare the directions over tokens of the target beat, which ask and answer in both."""
    both = []
    for stream in STREAMS:
        whole = beat_direction(attention, stream, member, target)
        inside = np.isin(whole.keys, np.flatnonzero(tokens_of(attention.tokens[target], OTHER[stream]).beat == 0))
        weights = whole.weights[:, :, inside]
        shares = weights / np.maximum(weights.sum(axis=2, keepdims=True), np.finfo(np.float64).tiny)
        both.append(Direction(whole.name, shares, whole.queries, whole.keys[inside]))
    return tuple(directions_agreement(both[0], both[1], PERMUTATIONS, derive_seed(seed, "directions", member)))


def _profile(attention: CaseAttention, stream: str, target: int, instance: Instance, *, uniform: bool = False) -> Array:
    """Return the share of the mean attention that each of `PARTS` gets from the other stream, in a stream's tokens."""
    tokens = tokens_of(attention.tokens[target], stream)
    received = attention.asked_by(OTHER[stream])[:, target].mean(axis=(0, 1, 2))
    mass = tokens.valid / tokens.valid.sum() if uniform else received
    waves = wave_players(instance, rhythm=False)
    placed = place_bands(mass, tokens, instance, target).sum(axis=(0, 1))
    number = str(int(instance.target_rows[target]) + 1)
    shares = np.zeros(len(PARTS))
    for first, stop, player in zip(waves.edges[:-1], waves.edges[1:], waves.cell_player[0], strict=True):
        name, _, beat = waves.names[player].partition(" ")
        part = "between" if name == BETWEEN else name if beat == number else "other beats"
        shares[PARTS.index(part)] += placed[first - instance.start : stop - instance.start].sum()
    result: Array = shares / shares.sum()
    return result
