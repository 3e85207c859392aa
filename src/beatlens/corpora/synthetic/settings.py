"""The section ``synthetic`` of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, NonNegativeInt, PositiveFloat, PositiveInt, Share
from beatlens.core.options import Settings


@dataclass(frozen=True)
class SyntheticSettings(Settings, section="synthetic"):
    """The made corpus. It has a seed of its own, so another `seed` of the run trains anew on the same records."""

    seed: NonNegativeInt = 7
    """Seed of the made corpus."""

    ambulatory_patients: Annotated[int, Allowed(minimum=0, maximum=10000)] = 32
    """Patients with one two-lead record each. Records are listed one by one, so their number has a limit."""

    ambulatory_s: Annotated[float, Allowed(minimum=30, maximum=86400)] = 150
    """Longest two-lead record, in seconds. The shortest are half as long. A record is made in memory."""

    ambulatory_fs: Annotated[tuple[Annotated[float, Allowed(minimum=200, maximum=4000)], ...], Allowed(minItems=1)] = (
        360,
        250,
    )
    """Rates of the two-lead records in Hz, given to the patients in turn."""

    clinical_patients: Annotated[int, Allowed(minimum=0, maximum=10000)] = 10
    """Patients with 12-lead records."""

    clinical_records: Annotated[int, Allowed(minimum=1, maximum=20)] = 4
    """Records of each of these patients."""

    clinical_s: Annotated[float, Allowed(minimum=8, maximum=3600)] = 10
    """Length of a 12-lead record, in seconds."""

    clinical_fs: Annotated[float, Allowed(minimum=200, maximum=4000)] = 500
    """Rate of the 12-lead records in Hz."""

    noise_share: Share = 0.5
    """Share of the two-lead records that have stretches of strong noise."""

    decoy_share: Share = 0.5
    """Share of the beats, of any class, that have decoys. These are changes that mean nothing: a bump, a notch, another
    amplitude, a shifted T wave."""

    truth_mv: PositiveFloat = 0.1
    """Least difference in mV that is planted truth. It is that of a conditioned beat from its patient's normal beat."""

    truth_band_hz: tuple[PositiveFloat, PositiveFloat] = (0.5, 45)
    """Band in Hz of the zero-phase filter that conditions the planted truth."""

    truth_order: PositiveInt = 3
    """Order of the filter that conditions the planted truth."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if not self.ambulatory_patients + self.clinical_patients:
            yield "ambulatory_patients", "1 or more, or clinical_patients of 1 or more"
        low, high = self.truth_band_hz
        nyquist = min(*self.ambulatory_fs, self.clinical_fs) / 2
        if not low < high < nyquist:
            yield "truth_band_hz", f"low cut < high cut < {nyquist:g} Hz (half of the lowest rate)"
