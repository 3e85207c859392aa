"""What a model uses for a diagnosis: mean share of the explanation by wave and lead, over the cases of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.core.bootstrap import patient_ratios
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.diagnoses.players import WAVES, record_waves
from beatlens.explain.result.attribution import Attribution

if TYPE_CHECKING:
    import pandas as pd

RHYTHM = "rhythm"
COLUMNS = ("diagnosis", "wave", "lead", "share", "lo", "hi", "n", "patients")
"""``share``: mean signed share of the explanation's mass, of right predictions; that of the rhythm has no lead. lo, hi
resample patients."""


@dataclass(frozen=True)
class DiagnosisParts:
    """One case: ``corpus/patient``, diagnosis, whether ``correct``, and shares by (wave, lead)."""

    patient: str
    diagnosis: str
    outcome: str
    shares: Mapping[tuple[str, str], float]


def wave_shares(attribution: Attribution, instance: Perturbed) -> dict[tuple[str, str], float]:
    """Return the signed share of an attribution's mass by (wave, lead) over all beats, and that of the rhythm."""
    waves = record_waves(instance, rhythm=False)
    sums = cell_sums(attribution.values, np.diff(waves.edges))
    rhythm = attribution.rhythm or 0.0
    mass = float(np.abs(attribution.values.astype(np.float64)).sum()) + abs(rhythm) + abs(attribution.unassigned)
    scale = 1 / mass if mass > 0 else 0.0
    shares = {(RHYTHM, ""): rhythm * scale}
    for place, wave in enumerate(waves.names):
        chosen = waves.cell_player[0] == place
        for row, lead in enumerate(attribution.leads):
            shares[wave, lead] = float(sums[row, chosen].sum()) * scale
    return shares


def diagnosis_cohort(
    cases: Sequence[DiagnosisParts], diagnoses: Sequence[str], settings: EvaluateSettings, seed: int
) -> pd.DataFrame:
    """Average the shares of the right predictions of each diagnosis.

    Parameters
    ----------
    cases
        Of all diagnoses and outcomes.
    diagnoses
        Ids, in order.
    settings, seed
        Of the intervals.

    Returns
    -------
    Table of `COLUMNS`; legal without a row. A lead that a record lacks isn't counted there.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for diagnosis in diagnoses:
        right = [case for case in cases if case.diagnosis == diagnosis and case.outcome == "correct"]
        keys = dict.fromkeys(key for case in right for key in case.shares)
        for wave, lead in sorted(keys, key=lambda key: (RHYTHM, *WAVES).index(key[0])):
            having = [case for case in right if (wave, lead) in case.shares]
            patients = [case.patient for case in having]
            found = patient_ratios(
                np.array([[case.shares[wave, lead]] for case in having]),
                np.ones(len(having)),
                patients,
                draws=settings.bootstrap,
                level=settings.level,
                seed=derive_seed(seed, "diagnosis cohort", diagnosis),
            ).at(0)
            rows.append(
                {
                    "diagnosis": diagnosis,
                    "wave": wave,
                    "lead": lead,
                    "share": found.value,
                    "lo": found.lo,
                    "hi": found.hi,
                    "n": len(having),
                    "patients": len(set(patients)),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))
