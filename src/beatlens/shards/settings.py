"""The section ``split`` of the configuration."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from beatlens.core.allowed import NonNegativeInt, Share, Text
from beatlens.core.options import Settings


@dataclass(frozen=True)
class SplitFractions(Settings, section="split.fractions"):
    """Shares of patients in each split, for the scheme `stratified`; they add up to 1."""

    train: Share = 0.5
    """Share that trains."""

    select: Share = 0.1
    """Share that the network is scored on after each epoch, for its history. Nothing is chosen by it."""

    calibrate: Share = 0.15
    """Share that calibrates probabilities and sets the review thresholds."""

    test: Share = 0.25
    """Share that scores."""


@dataclass(frozen=True)
class SplitSettings(Settings, section="split"):
    """Who is in which split; always whole patients."""

    scheme: Literal["stratified", "table"] = "stratified"
    """`stratified` deals patients by their rarest class, `table` reads them from a file."""

    table: Text | None = None
    """CSV of corpus, record and split, for the scheme `table`."""

    seed: NonNegativeInt = 1
    """Seed of the dealing and of mining. It isn't the run's, so another `seed` trains anew on the same patients."""

    fractions: SplitFractions = SplitFractions()

    def _rules(self) -> Iterator[tuple[str, str]]:
        total = math.fsum(vars(self.fractions).values())
        if not math.isclose(total, 1, abs_tol=1e-6):
            yield "fractions", f"shares that add up to 1 (they add up to {total:g})"
        if (self.scheme == "table") != (self.table is not None):
            yield "table", "a file with the scheme table, and null with any other"
