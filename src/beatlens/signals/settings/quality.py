"""The section ``quality`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import Correlation, NonNegativeFloat, PositiveFloat, PositiveShare
from beatlens.core.options import Settings


@dataclass(frozen=True)
class QualitySettings(Settings, section="quality"):
    """Quality rules; they flag a beat with a reason and never delete one."""

    flat_mv: NonNegativeFloat = 0.02
    """Peak-to-peak amplitude in mV below which a lead of a beat is flat."""

    saturated_fraction: PositiveShare = 0.1
    """Share of a beat's samples at the record's extreme value above which a lead is saturated."""

    baseline_mv: PositiveFloat = 1.0
    """Largest excursion of the baseline (below 0.7 Hz) inside a beat, in mV."""

    high_frequency_ratio: PositiveShare = 0.12
    """Largest RMS of what is above about 20 Hz outside QRS complexes, over the amplitude of the lead."""

    min_template_correlation: Correlation = 0.6
    """Least correlation with the most similar other beats of the record. The median over the beat and its two
    neighbours counts."""
