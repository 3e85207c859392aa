"""What a method finds, and what methods that switch players off ask of an engine, whatever its target is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.players.coalition import Players
from beatlens.explain.result.attribution import Attribution, rhythm_share
from beatlens.explain.result.metadata import SPREAD, AttributionMeta, EarlierStages, PlayerValues

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
    absent
        Why the method doesn't apply: its values are 0 then, and mean nothing.
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
    absent: str | None = None


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
    lead_off: str

    @property
    def instance(self) -> Perturbed:
        """What is perturbed."""

    def values(self, masks: npt.NDArray[np.bool_], players: Players, target: Asked, /) -> Array:
        """Return the (M,) target under each of the (M, n_players) masks."""


class Named(Protocol):
    """What all attributions of a case have in common (`beatlens.explain.result.metadata.CASE`)."""

    @property
    def case(self) -> str:
        """Its id."""

    @property
    def corpus(self) -> str:
        """Corpus of the record."""

    @property
    def record(self) -> str:
        """Name of the record."""

    @property
    def beat_id(self) -> str:
        """The beat, "" for a record."""

    @property
    def target(self) -> str:
        """Kind of target."""

    @property
    def case_class(self) -> str:
        """What is explained."""


def attribution_of(
    found: Explained,
    engine: Masked[Wanted],
    case: Named,
    *,
    method: str,
    segment_s: float,
    seed: int,
    contrast: str,
) -> Attribution:
    """Return what a method found as an attribution, with all that is needed to judge it.

    Parameters
    ----------
    found
        By the method.
    engine
        Of the case.
    case
        The case.
    method, segment_s, seed
        What it was explained with.
    contrast
        Beat that it is contrasted with, "" for none.
    """
    values, instance = found.values.astype(np.float32), engine.instance
    meta = AttributionMeta(
        case=case.case,
        corpus=case.corpus,
        record=case.record,
        beat_id=case.beat_id,
        target=case.target,
        case_class=case.case_class,
        method=method,
        units=found.units,
        spread=found.spread,
        players=replace(found.players, segment_s=segment_s),
        baseline=engine.baseline,
        contrast=contrast,
        lead_off=engine.lead_off,
        seed=seed,
        n_evaluations=found.n_evaluations,
        standard_error=found.standard_error,
        completeness_error=found.completeness_error,
        full=found.full,
        empty=found.empty,
        rhythm=found.rhythm,
        rhythm_share=rhythm_share(values, found.rhythm, found.unassigned or 0.0),
        unassigned=found.unassigned,
        earlier=found.earlier,
        absent=found.absent,
    )
    fs = instance.record.geometry.fs
    return Attribution(values, instance.record.leads, fs, float(instance.start / fs), meta)
