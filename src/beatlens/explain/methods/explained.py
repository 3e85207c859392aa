"""What a method finds, and what methods that switch players off ask of an engine, whatever its target is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.players.coalition import Players
from beatlens.explain.result.metadata import SPREAD, EarlierStages, PlayerValues

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What a method finds.

    Attributes
    ----------
    values
        (L, window) float64.
    units
        The target's, or ``relative``.
    rhythm
        Value of the rhythm, None where it was no player.
    full, empty, completeness_error, n_evaluations
        As in `beatlens.explain.methods.solution.Solution`; no completeness error where values don't mean to add up.
    players
        Players and their values; no names where each sample is its own.
    standard_error
        Of each player, or None where the method has none or there were too few evaluations.
    unassigned
        Value of players that have no place, None where each has one.
    earlier
        What earlier stages found.
    spread
        In words, how players' values went to samples.
    """

    values: Array
    units: str
    rhythm: float | None
    full: float
    empty: float
    completeness_error: float | None
    n_evaluations: int
    players: PlayerValues
    standard_error: list[float] | None = None
    unassigned: float | None = None
    earlier: EarlierStages = EarlierStages()
    spread: str = SPREAD


class InUnits(Protocol):
    """A number that an engine gives for a mask, in one of `beatlens.explain.settings.UNITS`."""

    @property
    def units(self) -> str:
        """Its units."""


Wanted = TypeVar("Wanted", bound=InUnits)
Asked = TypeVar("Asked", bound=InUnits, contravariant=True)


class Masked(Protocol[Asked]):
    """What methods that switch players off ask of an engine, whatever its target is."""

    baseline: str

    @property
    def instance(self) -> Perturbed:
        """What is perturbed."""

    def values(self, masks: npt.NDArray[np.bool_], players: Players, target: Asked, /) -> Array:
        """Return the (M,) target under each of the (M, n_players) masks."""
