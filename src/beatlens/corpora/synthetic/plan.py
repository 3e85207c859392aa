"""Which patients and records the embedded corpus has, and which beat classes each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beatlens.core.leads import STANDARD_LEADS
from beatlens.core.seeds import derive_seed

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
class SyntheticSettings:
    """Section ``synthetic`` of the configuration.

    Attributes
    ----------
    seed
        Seed of the corpus, apart from the run's.
    ambulatory_patients, ambulatory_s, ambulatory_fs
        Patients with one two-lead record of at most `ambulatory_s` seconds, at these rates in turn (Hz).
    clinical_patients, clinical_records, clinical_s, clinical_fs
        Patients with so many twelve-lead records of this length and rate.
    noise_share
        Share of ambulatory records with stretches of strong noise.
    decoy_share
        Share of the beats of any class that have changes which mean nothing (`beatlens.corpora.synthetic.decoys`).
    truth_mv, truth_band_hz, truth_order
        The planted truth: conditioned by a zero-phase Butterworth band-pass of this order, samples that differ from
        the patient's normal beat by more than `truth_mv`.
    """

    seed: int
    ambulatory_patients: int
    ambulatory_s: float
    ambulatory_fs: Sequence[float]
    clinical_patients: int
    clinical_records: int
    clinical_s: float
    clinical_fs: float
    noise_share: float
    decoy_share: float
    truth_mv: float
    truth_band_hz: Sequence[float]
    truth_order: int

    def __post_init__(self) -> None:
        """Refuse what can't be made."""
        if self.ambulatory_patients + self.clinical_patients * self.clinical_records < 1:
            raise ValueError("synthetic: no records; expected ambulatory_patients or clinical_patients >= 1")
        if not (min(self.ambulatory_patients, self.clinical_patients, self.clinical_records) >= 0):
            raise ValueError("synthetic: a negative number of patients or records; expected >= 0")
        if self.ambulatory_s < 30 or self.clinical_s < 8:
            raise ValueError(
                f"synthetic: ambulatory_s {self.ambulatory_s}, clinical_s {self.clinical_s}; expected >= 30 and >= 8"
            )
        rates = [*self.ambulatory_fs, self.clinical_fs]
        if not self.ambulatory_fs or min(rates) < 200:
            raise ValueError(f"synthetic: rates {rates} Hz; expected at least one, each >= 200")
        for name in ("noise_share", "decoy_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"synthetic: {name} {getattr(self, name)}; expected 0 to 1")
        if len(self.truth_band_hz) != 2 or not 0 < self.truth_band_hz[0] < self.truth_band_hz[1] < min(rates) / 2:
            raise ValueError(f"synthetic: truth_band_hz {self.truth_band_hz}; expected low < high < half the rate")
        if not self.truth_mv > 0 or self.truth_order < 1:
            raise ValueError(f"synthetic: truth_mv {self.truth_mv}, truth_order {self.truth_order}; expected > 0, >= 1")


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
