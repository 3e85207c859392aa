"""The section ``diagnosis_explanations`` of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, NonNegativeInt, PositiveFloat, PositiveInt, Share, Text
from beatlens.core.options import Settings
from beatlens.explain.settings import ExplainSettings

P_WAVE_S, QRS_S = 0.04, 0.05
_SEGMENTS = dict.fromkeys(("SR", "STach", "SB", "SA", "IAVB", "LPR", "PAC", "AF", "AFL"), P_WAVE_S) | dict.fromkeys(
    ("RBBB", "IRBBB", "LBBB", "BBB", "NSIVCB", "LAnFB", "LAD", "RAD", "QAb", "LQRSV", "PVC", "PR", "PRWP"), QRS_S
)

Method = Literal["lime", "kernelshap", "timeshap", "occlusion", "integrated_gradients", "gradient_input"]
USUAL = "usual"
"""A rhythm that is off has the rate that others have."""
Outcome = Literal["correct", "wrong", "review", "unlabelled"]


@dataclass(frozen=True)
class DiagnosisExplanationSettings(Settings, section="diagnosis_explanations"):
    """Which diagnoses of records are explained, and how. What isn't said here is as in the section `explain`."""

    methods: Annotated[tuple[Method, ...], Allowed(minItems=1, uniqueItems=True)] = ("lime", "kernelshap")
    """Methods to run. Two or more are fused."""

    diagnoses: tuple[Text, ...] = ()
    """Diagnoses to explain, each by its id, its name or one of its codes; none for all that are predicted."""

    per_diagnosis: PositiveInt = 2
    """Records of each diagnosis and outcome."""

    outcomes: Annotated[tuple[Outcome, ...], Allowed(minItems=1, uniqueItems=True)] = (
        "correct", "wrong", "review", "unlabelled",
    )  # fmt: skip
    """Outcomes to explain. `unlabelled` is a diagnosis of a record that isn't known to have or to lack it."""

    max_cases: NonNegativeInt = 24
    """Most cases in all."""

    min_probability: Share = 0.5
    """Least probability of the diagnosis. Where too few records reach it, the most probable others that are predicted
    to have it are taken and marked as relaxed."""

    max_duration_s: PositiveFloat = 30
    """Longest record in seconds that is explained: the whole of it is perturbed."""

    baseline: Literal["interpolation", "lead_mean", "zero", "median_beat", "contrast_beat"] = "contrast_beat"
    """What fills a part that is switched off. `contrast_beat` is the median usual beat of the five most similar records
    of other patients that don't have the diagnosis. Where there are fewer than ten, `interpolation` is used."""

    rhythm_off: Literal["steady", "usual"] = "steady"
    """What the rhythm becomes where it is switched off: a constant series at a `steady` or at the `usual` rate.

    `steady` is the record's own usual interval, `usual` the median usual interval of other patients' records without
    the diagnosis. With `usual` the heart rate is part of the rhythm, which explains tachycardia and bradycardia. Where
    there are fewer than ten such records, `steady` is used."""

    samples: Annotated[int, Allowed(minimum=16)] = 1000
    """Evaluations of each set of more than 12 players."""

    segment_s: PositiveFloat = 0.08
    """Length of a segment in seconds. Diagnoses about P waves have .04, those about QRS complexes .05: shorter than the
    wave."""

    segments: Mapping[str, PositiveFloat] = field(default_factory=dict)
    """Length of a segment in seconds by diagnosis id, where another is wanted."""

    def explain_settings(self, general: ExplainSettings, diagnosis: str) -> ExplainSettings:
        """Return how a diagnosis is explained: the section `explain` with what this one says."""
        return replace(
            general,
            players="segments",
            segment_s=self.segments.get(diagnosis, _SEGMENTS.get(diagnosis, self.segment_s)),
            baseline=self.baseline,
            lime=replace(general.lime, samples=self.samples),
            kernelshap=replace(general.kernelshap, samples=self.samples),
            timeshap=replace(general.timeshap, samples=self.samples),
        )
