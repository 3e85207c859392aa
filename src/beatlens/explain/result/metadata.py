"""How an attribution came about: what its file says beside the values, as a JSON object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

VALUE = "value"
"""Units of values that a person gave: a sample's value is what is shown, and sums mean nothing."""
UNITS = ("probability", "logit", "relative", VALUE)
META_KEYS = (
    "case",
    "corpus",
    "record",
    "beat_id",
    "target",
    "class",
    "method",
    "units",
    "spread",
    "players",
    "baseline",
    "seed",
    "n_evaluations",
    "standard_error",
    "completeness_error",
    "rhythm",
    "rhythm_share",
)
"""Keys that the metadata of every attribution has; a value that a method hasn't got is None."""

CASE = ("case", "corpus", "record", "beat_id", "target", "case_class")
"""What all attributions of a case have in common, whatever the method."""

SPREAD = "a player's value is spread evenly over its samples, so a sum over samples gives the players' values back"


@dataclass(frozen=True)
class PlayerValues:
    """Players with their values.

    Attributes
    ----------
    kind
        What they are: events, cells, samples and so on.
    names, values
        Of each; none where each sample is its own.
    segment_s
        Length of a segment in seconds, where that had a part.
    """

    kind: str
    names: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    segment_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        segment = {} if self.segment_s is None else {"segment_s": self.segment_s}
        return {"kind": self.kind, "names": list(self.names), "values": list(self.values), **segment}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlayerValues:
        """Build from what `to_json` gave."""
        return cls(value["kind"], tuple(value["names"]), tuple(value["values"]), value.get("segment_s"))


@dataclass(frozen=True)
class EarlierStages:
    """What a method of several stages found before its last one; None where it has none.

    Attributes
    ----------
    events, leads
        Players of the stages before.
    kept
        First event that is kept and one past the last.
    """

    events: PlayerValues | None = None
    leads: PlayerValues | None = None
    kept: tuple[int, int] | None = None


@dataclass(frozen=True)
class FusionMetadata:
    """How a fused attribution came about.

    Attributes
    ----------
    methods, weights
        What was fused, and with which weights.
    aggregate, beta, tau, sign
        See `beatlens.explain.result.fusion.FusionSettings`.
    lost_to_conflict, lost_unmatched
        Share of the mass that conflict of signs and missing partners took.
    kept_after_pruning
        Share of each method's mass that pruning left.
    left_out
        Methods that don't apply to the case.
    """

    methods: tuple[str, ...]
    aggregate: str
    beta: float
    tau: float
    sign: str
    weights: Mapping[str, float]
    lost_to_conflict: float
    lost_unmatched: float
    kept_after_pruning: Mapping[str, float]
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        mappings = {name: dict(plain[name]) for name in ("weights", "kept_after_pruning")}
        lists = {name: list(plain.pop(name)) for name in ("methods", "left_out")}
        return {**plain, **mappings, **{name: names for name, names in lists.items() if names}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FusionMetadata:
        """Build from what `to_json` gave."""
        lists = {name: tuple(value[name]) for name in ("methods", "left_out") if name in value}
        return cls(**{**value, **lists})


@dataclass(frozen=True, kw_only=True)
class AttributionMeta:
    """How an attribution came about; None for what a method hasn't got.

    Attributes
    ----------
    case, corpus, record, beat_id, target, case_class
        The case: all its attributions have these in common. In files the class is named ``class``.
    method, units
        Its name; ``probability``, ``logit``, ``relative``, or ``value`` for values that a person gave.
    spread
        In words, how players' values went to samples.
    players
        Players and their values.
    baseline, contrast, lead_off
        What fills parts that are off, the beat it is taken from, and what a lead is whose parts all are off.
    seed, n_evaluations
        Of the method.
    standard_error, completeness_error
        Of each player; and what the players' values lack of full minus empty.
    rhythm, rhythm_share
        The rhythm player's value, and its share of the absolute mass.
    unassigned
        Value of players that were pooled and have no place.
    full, empty
        The target with all players on, and with all off.
    earlier
        What earlier stages found.
    fusion
        Of a fused attribution.
    absent
        Why the method doesn't apply to the case: its values are all 0 and mean nothing, and it isn't scored.
    """

    case: str
    corpus: str
    record: str
    beat_id: str
    target: str
    case_class: str
    method: str
    units: str
    spread: str | None = None
    players: PlayerValues | None = None
    baseline: str | None = None
    contrast: str | None = None
    lead_off: str | None = None
    seed: int | None = None
    n_evaluations: int | None = None
    standard_error: Sequence[float] | None = None
    completeness_error: float | None = None
    rhythm: float | None = None
    rhythm_share: float | None = None
    unassigned: float | None = None
    full: float | None = None
    empty: float | None = None
    earlier: EarlierStages = field(default_factory=EarlierStages)
    fusion: FusionMetadata | None = None
    absent: str | None = None

    def __post_init__(self) -> None:
        if self.rhythm is not None and not math.isfinite(self.rhythm):
            raise ValueError(f"{self.name}: rhythm {self.rhythm}; expected a finite number or None")
        if self.units not in UNITS:
            raise ValueError(f"{self.name}: units {self.units!r}; expected one of {UNITS}")

    @property
    def name(self) -> str:
        """What errors call the attribution."""
        return f"attribution {self.case}/{self.method}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object: `META_KEYS`, and of the others those that there are."""
        found: dict[str, Any] = {_KEY.get(entry.name, entry.name): getattr(self, entry.name) for entry in fields(self)}
        earlier = found.pop("earlier")
        found |= {entry.name: getattr(earlier, entry.name) for entry in fields(earlier)}
        plain = {key: value.to_json() if hasattr(value, "to_json") else value for key, value in found.items()}
        return {key: value for key, value in plain.items() if key in META_KEYS or value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AttributionMeta:
        """Build from what `to_json` gave.

        Raises
        ------
        ValueError
            For keys that are missing or unknown.
        """
        name = f"attribution {value.get('case', '?')}/{value.get('method', '?')}"
        missing = [key for key in META_KEYS if key not in value]
        if missing:
            raise ValueError(f"{name}: no metadata {missing}; expected all of {META_KEYS}")
        stages = {entry.name for entry in fields(EarlierStages)}
        attribute = {_KEY.get(entry.name, entry.name): entry.name for entry in fields(cls) if entry.name != "earlier"}
        unknown = sorted(value.keys() - attribute.keys() - stages)
        if unknown:
            raise ValueError(f"{name}: metadata {unknown}; expected {[*attribute, *sorted(stages)]}")
        built: dict[str, Any] = {attribute[key]: entry for key, entry in value.items() if key in attribute}
        built["players"] = _players(value["players"])
        if value.get("fusion") is not None:
            built["fusion"] = FusionMetadata.from_json(value["fusion"])
        kept = value.get("kept")
        earlier = EarlierStages(
            _players(value.get("events")), _players(value.get("leads")), (kept[0], kept[1]) if kept else None
        )
        return cls(**built, earlier=earlier)


_KEY = {"case_class": "class"}
"""What an attribute is called in files, where that is no name in Python."""


def _players(value: Mapping[str, Any] | None) -> PlayerValues | None:
    return None if value is None else PlayerValues.from_json(value)
