"""The section ``select`` of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from beatlens.core.allowed import Allowed, NonNegativeInt, Text
from beatlens.core.options import Settings


@dataclass(frozen=True)
class Candidate(Settings, section="select.candidates[]"):
    """Settings to compare."""

    name: Annotated[str, Allowed(pattern="^[a-z][a-z0-9_]{0,39}$")]
    """Name of the candidate."""

    change: Mapping[str, Any]
    """What it changes, an overlay of the configuration."""


@dataclass(frozen=True)
class SelectSettings(Settings, section="select"):
    """Comparison of settings by leaving out training patients, run by the target select.

    Test patients are never read.
    """

    folds: Annotated[int, Allowed(minimum=2)] = 4
    """Folds of the training patients, each run through a network trained on the others."""

    seeds: Annotated[tuple[NonNegativeInt, ...], Allowed(minItems=1, uniqueItems=True)] = (1, 2)
    """Seeds of the networks and of the dealing to folds; scores are means over them."""

    table: Text | None = None
    """Split table whose `train` patients are dealt to the folds, or null for the run's own split."""

    candidates: tuple[Candidate, ...] = ()
    """The candidates in order of preference, each with a `name` and a `change`. In doubt the first is kept. A change is
    an overlay of `model`, `training`, `look_alikes`, `prototypes`, `leads` (some of the run's) and, of `beats`,
    `before_s`, `after_s`, `context`, `max_log_ratio`, `rate`. With `targets: [diagnoses]` it is one of what trains a
    network in `diagnoses`, from `members` to `lead_dropout`."""
