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
    null, even
        Mean of the null, and of what even attention has, -1 to 1; NaN where even attention has no meaning.
    gain
        Mean of what the rank correlation exceeds even attention's by, with its interval over patients.
    beyond_chance
        Share of the cases that agree by themselves (`Agreement.beyond_chance`); at most .05 of them by chance alone.
    n_cases
        Cases in which it can be told.
    """

    what: str
    value: Interval
    null: float
    even: float
    gain: Interval
    beyond_chance: float
    n_cases: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AgreementSummary:
        """Build from what a report has as JSON, in which None is what isn't known."""
        bounds = [Interval(*(known(value[name][key]) for key in ("value", "lo", "hi"))) for name in ("value", "gain")]
        null, even, share = (known(value[name]) for name in ("null", "even", "beyond_chance"))
        return cls(value["what"], bounds[0], null, even, bounds[1], share, value["n_cases"])

    @property
    def agrees(self) -> bool:
        """Whether the intervals lie above the null and above even attention, in more cases than chance gives."""
        above = self.value.lo > self.null and (np.isnan(self.even) or self.gain.lo > 0)
        return bool(above and self.beyond_chance > CLEAR)

    def words(self) -> str:
        """Say in words whether there is agreement."""
        if not self.n_cases or not np.isfinite(self.value.value):
            return f"{self.what}: can't be told"
        bounds = (
            f" ({self.value.lo:.2f} to {self.value.hi:.2f})"
            if np.isfinite(self.value.lo)
            else " (one patient, no interval)"
        )
        even = "" if np.isnan(self.even) else f", even attention {self.even:.2f}"
        verdict = "agree" if self.agrees else "do not agree beyond chance"
        return (
            f"{self.what}: {verdict}. Mean rank correlation {self.value.value:.2f}{bounds}, chance "
            f"{self.null:.2f}{even}; beyond chance in {100 * self.beyond_chance:.0f} % of {self.n_cases} cases"
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
        nothing = Interval(np.nan, np.nan, np.nan)
        return AgreementSummary(what, nothing, np.nan, np.nan, nothing, np.nan, 0)
    some, people = [one for one, _ in told], [patient for _, patient in told]
    value, gain = (
        patient_mean(values, people, draws=settings.bootstrap, level=settings.level, seed=seed)
        for values in ([one.value for one in some], [one.value - one.even for one in some])
    )
    null, even = (float(np.mean(values)) for values in ([one.null_mean for one in some], [one.even for one in some]))
    return AgreementSummary(
        what, value, null, even, gain, float(np.mean([one.beyond_chance for one in some])), len(some)
    )
