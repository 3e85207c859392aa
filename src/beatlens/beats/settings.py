"""The section ``beats`` of the configuration, and the RR features that it asks for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, PositiveFloat, PositiveInt, PositiveShare
from beatlens.core.options import Settings

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
class BeatSettings(Settings, section="beats"):
    """How beats are cut and put into context."""

    before_s: PositiveShare = 0.25
    """Seconds of a beat before its R peak."""

    after_s: PositiveShare = 0.4
    """Seconds of a beat from its R peak on."""

    context: Annotated[int, Allowed(minimum=1, maximum=101)] = 5
    """Beats in a context window, an odd number with the target in the middle."""

    short_mean_beats: PositiveInt = 10
    """Beats of the short causal mean of RR that ratios refer to."""

    long_mean_beats: PositiveInt = 80
    """Beats of the long causal mean of RR that ratios refer to."""

    short_variation_beats: PositiveInt = 21
    """Beats around each, an odd number, over which the short variation of RR is taken."""

    long_variation_beats: PositiveInt = 101
    """Beats around each, an odd number, over which the long variation of RR is taken."""

    short_usual_beats: PositiveInt = 31
    """Beats around each, an odd number, over which the usual RR interval and its spread are taken."""

    long_usual_beats: PositiveInt = 121
    """Beats around each, an odd number, over which the same is taken over a longer time."""

    gap_s: PositiveFloat = 4.0
    """RR interval in seconds above which a record is cut into stretches that contexts don't cross."""

    max_log_ratio: PositiveFloat = 2.0
    """Log ratios among the RR features are clipped to this on both sides."""

    rate: bool = False
    """Whether the RR features tell the heart rate as well as ratios of intervals. Fast runs stand out by it. Where the
    classes of few patients go with their rates, the model may learn the rate in place of the shape."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if self.context % 2 == 0:
            yield "context", "an odd number, with the target beat in the middle"
        for name in ("short_variation_beats", "long_variation_beats", "short_usual_beats", "long_usual_beats"):
            if getattr(self, name) % 2 == 0:
                yield name, "an odd number, with the beat in the middle"
        if not self.short_mean_beats < self.long_mean_beats:
            yield "short_mean_beats", f"less than beats.long_mean_beats, {self.long_mean_beats}"

    @property
    def rr_features(self) -> tuple[str, ...]:
        """Names of the columns of `rr_features`."""
        return (*RATE_FEATURES, *RR_FEATURES) if self.rate else RR_FEATURES


def feature_columns(names: Iterable[str]) -> list[int]:
    """Return the columns of `RR_FEATURES` by name, counted from the end: those of the rate, if any, stand before."""
    return [RR_FEATURES.index(name) - len(RR_FEATURES) for name in names]
