"""Which patients and records the embedded corpus has, and which beat classes each of them shows."""

from __future__ import annotations

from dataclasses import dataclass

from beatlens.core.leads import STANDARD_LEADS
from beatlens.core.seeds import derive_seed
from beatlens.corpora.synthetic.settings import SyntheticSettings

CLASS_CYCLE = (
    ("RBBB", "S"),
    ("LBBB", "V"),
    ("STE", "S"),
    ("RBBB", "STE", "V"),
    ("LBBB", "S"),
    ("STE", "S", "V"),
    ("RBBB", "STE", "S"),
    ("LBBB", "V"),
    ("RBBB", "STE", "S", "V"),
    ("LBBB", "S", "V"),
)
"""Classes beside N of successive patients: each class in at least 4 of 10, so that every split gets some."""

PERMANENT_SLOT = 7
"""Patients at this place of the cycle have their bundle branch block in every beat; elsewhere it comes and goes."""

AMBULATORY_LEADS = (("MLII", "V1"), ("MLII", "V5"), ("MLII", "V1"), ("MLII", "V2"), ("V5", "MLII"), ("MLII", "V1"))
RHYTHMS = ("sinus", "sinus", "bradycardia", "sinus", "sinus", "fibrillation", "tachycardia", "sinus")
RR_RANGES_S = {
    "sinus": (0.72, 0.95),
    "bradycardia": (1.10, 1.30),
    "tachycardia": (0.50, 0.57),
    "fibrillation": (0.62, 0.80),
}


@dataclass(frozen=True)
class RecordPlan:
    """One record to be made.

    Attributes
    ----------
    name, patient
        Record name and patient id.
    leads
        Names as the header gives them.
    fs, duration_s
        Rate in Hz and length in s.
    classes
        Beat classes beside N that the patient shows.
    rhythm
        One of `RR_RANGES_S`.
    index
        Number of the record within its patient.
    clinical
        Twelve leads and a few seconds, or two leads and minutes.
    permanent
        A bundle branch block is in every beat.
    noisy
        The record has stretches of strong noise.
    mains_hz
        Mains frequency.
    """

    name: str
    patient: str
    leads: tuple[str, ...]
    fs: float
    duration_s: float
    classes: tuple[str, ...]
    rhythm: str
    index: int
    clinical: bool
    permanent: bool
    noisy: bool
    mains_hz: float

    @property
    def n_samples(self) -> int:
        """Samples a lead."""
        return round(self.duration_s * self.fs)


def _classes(number: int, rhythm: str) -> tuple[str, ...]:
    """Classes of a patient; no premature atrial beats where the atria fibrillate."""
    classes = CLASS_CYCLE[number % len(CLASS_CYCLE)]
    return tuple(name for name in classes if not (rhythm == "fibrillation" and name == "S"))


def plan_records(settings: SyntheticSettings) -> list[RecordPlan]:
    """Return every record of the corpus, in the order of RECORDS; reads and writes no file."""
    plans = []
    for number in range(settings.ambulatory_patients):
        patient = f"A{number + 1:02d}"
        rhythm = RHYTHMS[number % len(RHYTHMS)]
        share = 0.5 + 0.5 * derive_seed(settings.seed, "duration", patient) / 2**63
        before, after = (int(settings.noise_share * k + 1e-9) for k in (number, number + 1))
        plans.append(
            RecordPlan(
                name=patient.lower(),
                patient=patient,
                leads=AMBULATORY_LEADS[number % len(AMBULATORY_LEADS)],
                fs=float(settings.ambulatory_fs[number % len(settings.ambulatory_fs)]),
                duration_s=max(30.0, round(share * settings.ambulatory_s)),
                classes=_classes(number, rhythm),
                rhythm=rhythm,
                index=0,
                clinical=False,
                permanent=number % len(CLASS_CYCLE) == PERMANENT_SLOT,
                noisy=after > before,
                mains_hz=(60.0, 50.0)[number % 3 == 1],
            )
        )
    for number in range(settings.clinical_patients):
        patient = f"C{number + 1:02d}"
        rhythm = RHYTHMS[number % len(RHYTHMS)]
        plans += [
            RecordPlan(
                name=f"{patient.lower()}_{index + 1}",
                patient=patient,
                leads=STANDARD_LEADS,
                fs=float(settings.clinical_fs),
                duration_s=float(settings.clinical_s),
                classes=_classes(number, rhythm),
                rhythm=rhythm,
                index=index,
                clinical=True,
                permanent=number % len(CLASS_CYCLE) == PERMANENT_SLOT,
                noisy=False,
                mains_hz=(50.0, 60.0)[number % 2],
            )
            for index in range(settings.clinical_records)
        ]
    return plans


def record_names(settings: SyntheticSettings) -> list[str]:
    """Return the names of the records that `make_corpus` makes, in the order of RECORDS, without making them."""
    return [plan.name for plan in plan_records(settings)]
