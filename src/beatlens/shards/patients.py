"""Who a patient is over all corpora of a run.

Standard library only, because the record sheet is updated whenever the Snakefile is parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

ELSEWHERE = "@"
"""How the id of a patient begins who is one of another corpus: ``@ptb-xl/15709``."""


def patient_elsewhere(corpus: str, patient: str) -> str:
    """Return the id, in any corpus, of a patient of `corpus`."""
    return f"{ELSEWHERE}{corpus}/{patient}"


def person(corpus: str, patient: str) -> tuple[str, str]:
    """Return the corpus that a patient of `corpus` is of, and the id there."""
    home, slash, name = patient.removeprefix(ELSEWHERE).partition("/")
    return (home, name) if patient.startswith(ELSEWHERE) and slash else (corpus, patient)


def patient_key(corpus: str, patient: str) -> str:
    """Return ``corpus/patient``: one key for one person, in whichever corpora."""
    return "/".join(person(corpus, patient))


def patient_keys(table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Return the (n,) `patient_key` of each row of a table with the columns corpus and patient."""
    import numpy as np

    return np.array([patient_key(*row) for row in zip(table["corpus"], table["patient"], strict=True)], dtype=np.str_)
