"""Who was recorded, by the comments of a WFDB header: patient, age and sex.

PhysioNet's databases write ``#Age: 85`` and ``#Sex: Male`` (Challenge 2020 and 2021, with or without a blank after #),
``#Age: 62  Sex: M`` (edb), ``#<age>: 65 <sex>: F <diagnoses> ...`` (incartdb, ludb), ``# 69 M 1085 1629 x1`` (mitdb,
nsrdb) and ``# patient 1`` (incartdb).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from beatlens.core.record import Finding

OLDEST = 120.0
"""Oldest age that is taken for one, in years. In PTB-XL 300 stands for any above 89."""

_AGE = re.compile(r"(?:^|\s)<?age>?\s*:\s*(?P<age>[^\s<]+)", re.IGNORECASE)
_SEX = re.compile(r"(?:^|\s)<?sex>?\s*:\s*(?P<sex>[A-Za-z]+)", re.IGNORECASE)
_BOTH = re.compile(r"(?P<age>\d{1,3}) (?P<sex>[MF])(?: .*)?")
_PATIENT = re.compile(r"patient (?P<patient>\S+)", re.IGNORECASE)
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}
_SAYS_NOTHING = {"", "unknown", "?"}


class Person(NamedTuple):
    """Patient id, "" where there is none; age in years, NaN where unknown; F, M or ""; and what was found amiss."""

    patient: str
    age: float
    sex: str
    findings: tuple[Finding, ...] = ()


def person_of(comments: Iterable[str]) -> Person:
    """Return who a header's comments (without #, as `beatlens.corpora.wfdb.header.Header` has them) tell of."""
    comments = list(comments)
    patient = next((match["patient"] for match in map(_PATIENT.fullmatch, comments) if match), "")
    ages = [match["age"] for match in map(_AGE.search, comments) if match]
    sexes = [match["sex"] for match in map(_SEX.search, comments) if match]
    both = next(filter(None, map(_BOTH.fullmatch, comments)), None)
    if both is not None and not ages and not sexes:
        ages, sexes = [both["age"]], [both["sex"]]
    age, findings = age_of(ages[0] if ages else "")
    return Person(patient, age, sex_of(sexes[0] if sexes else ""), findings)


def age_of(text: str) -> tuple[float, tuple[Finding, ...]]:
    """Return an age in years, NaN where it is unknown, with a remark where something else stands for it."""
    if text.lower() in _SAYS_NOTHING:
        return math.nan, ()
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if 0 <= age <= OLDEST:
        return age, ()
    return math.nan, (Finding("age", f"age {text[:40]!r}; expected 0 to {OLDEST:g} years"),)


def sex_of(text: str) -> str:
    """Return F or M, "" for anything else."""
    return _SEXES.get(text.lower(), "")
