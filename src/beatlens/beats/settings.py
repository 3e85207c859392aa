"""The section ``beats`` of the configuration, and the RR features that it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RATE = {"log_before": "rr_before_s", "log_after": "rr_after_s"}
"""Feature -> RR column whose logarithm it is."""
LOG_RATIOS = {
    "log_before_short": ("rr_before_s", "rr_short_mean_s"),
    "log_after_short": ("rr_after_s", "rr_short_mean_s"),
    "log_before_long": ("rr_before_s", "rr_long_mean_s"),
    "log_after_long": ("rr_after_s", "rr_long_mean_s"),
    "log_before_after": ("rr_before_s", "rr_after_s"),
    "log_before_previous": ("rr_before_s", "rr_previous_s"),
    "log_after_next": ("rr_after_s", "rr_next_s"),
}
"""Feature -> RR columns, the logarithm of whose ratio it is."""
SIZES = {
    "irregularity": "rr_irregularity",
    "variation_short": "rr_variation_short",
    "variation_long": "rr_variation_long",
    "variation_mean": "rr_variation_mean",
    "spread_short": "rr_spread_short",
    "spread_long": "rr_spread_long",
}
"""Feature -> RR column that it is: how much intervals vary."""
DEVIATIONS = {
    "before_usual_short": ("rr_before_s", "rr_usual_short_s", "rr_spread_short"),
    "after_usual_short": ("rr_after_s", "rr_usual_short_s", "rr_spread_short"),
    "before_usual_long": ("rr_before_s", "rr_usual_long_s", "rr_spread_long"),
    "after_usual_long": ("rr_after_s", "rr_usual_long_s", "rr_spread_long"),
}
"""Feature -> RR columns: an interval, what is usual there and its spread, in units of which the interval is off."""

RATE_FEATURES = tuple(RATE)
"""Names of the features that say the rate: the first columns of `rr_features`, where ``beats.rate`` is true."""

RR_FEATURES = (*LOG_RATIOS, *SIZES, *DEVIATIONS)
"""Names of the columns of `rr_features` that are 0 where the rhythm is constant, whatever its rate."""


@dataclass(frozen=True)
class BeatSettings:
    """Section ``beats`` of the configuration.

    Attributes
    ----------
    before_s, after_s
        Extent of a beat in seconds before and after R.
    context
        Beats in a context window, odd.
    short_mean_beats, long_mean_beats
        Intervals in the causal means of RR.
    short_variation_beats, long_variation_beats
        Beats around each, odd, over which the variation of RR is taken.
    short_usual_beats, long_usual_beats
        Beats around each, odd, whose median RR and spread say what is usual there.
    gap_s
        RR interval in seconds above which a record falls into stretches.
    max_log_ratio
        Limit of the log ratios among the RR features, on both sides.
    rate
        Whether the RR features say the rate too (`RATE_FEATURES`).
    """

    before_s: float
    after_s: float
    context: int
    short_mean_beats: int
    long_mean_beats: int
    short_variation_beats: int
    long_variation_beats: int
    short_usual_beats: int
    long_usual_beats: int
    gap_s: float
    max_log_ratio: float
    rate: bool = False

    @property
    def rr_features(self) -> tuple[str, ...]:
        """Names of the columns of `rr_features`."""
        return (*RATE_FEATURES, *RR_FEATURES) if self.rate else RR_FEATURES

    def __post_init__(self) -> None:
        if self.context < 1 or self.context % 2 == 0:
            raise ValueError(f"beats.context is {self.context}; expected an odd number of beats")
        if not 1 <= self.short_mean_beats <= self.long_mean_beats:
            raise ValueError(
                f"beats.short_mean_beats is {self.short_mean_beats}, long_mean_beats {self.long_mean_beats}; "
                "expected 1 <= short <= long"
            )
        for name in ("short_variation_beats", "long_variation_beats", "short_usual_beats", "long_usual_beats"):
            value = getattr(self, name)
            if value < 1 or value % 2 == 0:
                raise ValueError(f"beats.{name} is {value}; expected an odd number of beats")
        if not self.gap_s > 0 or not self.max_log_ratio > 0:
            raise ValueError(f"beats.gap_s is {self.gap_s}, max_log_ratio {self.max_log_ratio}; expected > 0")


def feature_columns(names: Iterable[str]) -> list[int]:
    """Return the columns of `RR_FEATURES` by name, counted from the end: those of the rate, if any, stand before."""
    return [RR_FEATURES.index(name) - len(RR_FEATURES) for name in names]
