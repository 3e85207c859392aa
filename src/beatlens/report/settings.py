"""The section ``report`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import NonNegativeInt, PositiveFloat
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

    single_file: bool = False
    """Whether the page of a record holds its signal and figures, so that it can be sent on by itself. Otherwise they
    lie in files beside it."""

    pages: NonNegativeInt = 500
    """Most records that get a page of their own, the most urgent first. `beatlens page` makes the others on demand."""
