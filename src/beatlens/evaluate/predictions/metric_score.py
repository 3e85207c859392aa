"""One score of the classifier, as a row of the table of metrics has it."""

from __future__ import annotations

from typing import NamedTuple

from beatlens.core.bootstrap import Interval


class MetricScore(NamedTuple):
    """A metric of a class (or of ``all``), with its interval, and the number of beats it rests on."""

    label: str
    metric: str
    interval: Interval
    n: float

    def row(self) -> dict[str, str | float | int]:
        """Return the columns class, metric, value, lo, hi and n."""
        value, lo, hi = map(float, self.interval)
        return {"class": self.label, "metric": self.metric, "value": value, "lo": lo, "hi": hi, "n": int(self.n)}
