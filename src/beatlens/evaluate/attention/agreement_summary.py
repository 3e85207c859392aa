"""Agreements of many cases together, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beatlens.core.bootstrap import Interval, patient_mean
from beatlens.evaluate.attention.alignment import CLEAR, Agreement, known
from beatlens.evaluate.settings import EvaluateSettings


@dataclass(frozen=True)
class AgreementSummary:
    """Agreements of all cases of one kind.

    Attributes
    ----------
    what
        What was compared.
    value
        Mean rank correlation, with its interval over patients, -1 to 1.
    null
        Mean of the null, -1 to 1.
    beyond_chance
        Share of the cases whose own p is at most .05; .05 of them by chance alone.
    n_cases
        Cases in which it can be told.
    """

    what: str
    value: Interval
    null: float
    beyond_chance: float
    n_cases: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AgreementSummary:
        """Build from what a report has as JSON, in which None is what isn't known."""
        bounds = Interval(*(known(value["value"][key]) for key in ("value", "lo", "hi")))
        null, share = known(value["null"]), known(value["beyond_chance"])
        return cls(value["what"], bounds, null, share, value["n_cases"])

    @property
    def agrees(self) -> bool:
        """Whether the interval of the mean lies above the null's mean, in more cases than chance gives."""
        return bool(self.value.lo > self.null and self.beyond_chance > CLEAR)

    def words(self) -> str:
        """Say in words whether there is agreement."""
        if not self.n_cases or not np.isfinite(self.value.value):
            return f"{self.what}: can't be told"
        bounds = (
            f" ({self.value.lo:.2f} to {self.value.hi:.2f})"
            if np.isfinite(self.value.lo)
            else " (one patient, no interval)"
        )
        verdict = "agree" if self.agrees else "do not agree beyond chance"
        return (
            f"{self.what}: {verdict}. Mean rank correlation {self.value.value:.2f}{bounds}, chance {self.null:.2f}; "
            f"beyond chance in {100 * self.beyond_chance:.0f} % of {self.n_cases} cases"
        )


def summarise_agreement(
    what: str, found: Sequence[Agreement], patients: Sequence[str], settings: EvaluateSettings, seed: int
) -> AgreementSummary:
    """Summarise agreements, one a case; the interval is over patients, and cases without a value don't count.

    Parameters
    ----------
    what
        What was compared.
    found, patients
        (n,) agreements and patient ids.
    settings
        Section ``evaluate``.
    seed
        Of the bootstrap.
    """
    told = [(one, patient) for one, patient in zip(found, patients, strict=True) if np.isfinite(one.value)]
    if not told:
        return AgreementSummary(what, Interval(np.nan, np.nan, np.nan), np.nan, np.nan, 0)
    some = [one for one, _ in told]
    value = patient_mean(
        [one.value for one in some],
        [patient for _, patient in told],
        draws=settings.bootstrap,
        level=settings.level,
        seed=seed,
    )
    null = float(np.mean([one.null_mean for one in some]))
    return AgreementSummary(what, value, null, float(np.mean([one.beyond_chance for one in some])), len(some))
