"""The ``explain`` section of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beatlens.explain.baselines import BASELINES
from beatlens.explain.target import UNITS

METHODS = ("lime", "kernelshap")


@dataclass(frozen=True)
class LimeSettings:
    """Section ``explain.lime``: evaluations a stage, width of the kernel, ridge penalty."""

    samples: int
    kernel_width: float
    ridge: float

    def __post_init__(self) -> None:
        if self.samples < 4 or not self.kernel_width > 0 or self.ridge < 0:
            raise ValueError(
                f"explain.lime: samples {self.samples}, kernel_width {self.kernel_width}, ridge {self.ridge}; "
                "expected >= 4, > 0 and >= 0"
            )


@dataclass(frozen=True)
class KernelShapSettings:
    """Section ``explain.kernelshap``: evaluations a stage."""

    samples: int

    def __post_init__(self) -> None:
        if self.samples < 4:
            raise ValueError(f"explain.kernelshap.samples: {self.samples}; expected >= 4")


@dataclass(frozen=True)
class ExplainSettings:
    """Section ``explain``.

    Attributes
    ----------
    methods
        Methods that the run makes.
    target
        Units of the target: ``probability`` or ``logit`` of the predicted class at the target beat.
    segment_s
        Length of a segment in seconds.
    baseline
        What a segment becomes where it is off.
    rhythm
        Whether the RR features are a player.
    top_segments
        Segments whose leads are explained one by one; the rest is pooled as one player.
    lime, kernelshap
        Settings of the methods.
    """

    methods: Sequence[str]
    target: str
    segment_s: float
    baseline: str
    rhythm: bool
    top_segments: int
    lime: LimeSettings
    kernelshap: KernelShapSettings

    def __post_init__(self) -> None:
        for name, kind in (("lime", LimeSettings), ("kernelshap", KernelShapSettings)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                object.__setattr__(self, name, kind(**value))
        unknown = sorted(set(self.methods) - set(METHODS))
        if unknown:
            raise ValueError(f"explain.methods: {unknown}; expected some of {METHODS}")
        if self.target not in UNITS or self.baseline not in BASELINES:
            raise ValueError(
                f"explain: target {self.target!r}, baseline {self.baseline!r}; "
                f"expected one of {UNITS} and one of {BASELINES}"
            )
        if not self.segment_s > 0 or self.top_segments < 1:
            raise ValueError(
                f"explain: segment_s {self.segment_s}, top_segments {self.top_segments}; expected > 0 and >= 1"
            )
