"""The section ``signal`` of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, PositiveFloat
from beatlens.core.options import Settings


@dataclass(frozen=True)
class SignalSettings(Settings, section="signal"):
    """Conditioning of the signals."""

    fs: Annotated[float, Allowed(minimum=50, maximum=2000)] = 200
    """The model's sampling rate in Hz; every record is resampled to it."""

    band_hz: tuple[PositiveFloat, PositiveFloat] = (0.5, 45)
    """Low and high cut of the zero-phase band-pass, in Hz."""

    order: Annotated[int, Allowed(minimum=1, maximum=8)] = 3
    """Order of the Butterworth filter."""

    notch_hz: PositiveFloat | None = None
    """Mains frequency to remove in Hz, or null."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        low, high = self.band_hz
        nyquist = self.fs / 2
        if not low < high < nyquist:
            yield "band_hz", f"low cut < high cut < {nyquist:g} Hz (half of signal.fs)"
        if self.notch_hz is not None and not self.notch_hz < nyquist:
            yield "notch_hz", f"less than {nyquist:g} Hz (half of signal.fs), or null"
