"""The section ``report`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import PositiveFloat
from beatlens.core.options import Settings


@dataclass(frozen=True)
class ReportSettings(Settings, section="report"):
    """The report."""

    title: str | None = None
    """Title of the report, or null for beatlens and the run's name."""

    speed_mm_s: PositiveFloat = 25
    """Paper speed of ECG figures in mm/s."""

    gain_mm_mv: PositiveFloat = 10
    """Gain of ECG figures in mm/mV."""
