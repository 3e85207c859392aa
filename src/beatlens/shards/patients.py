"""Who a patient is over all corpora of a run.

Standard library only, because the record sheet is updated whenever the Snakefile is parsed.
"""

from __future__ import annotations

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
