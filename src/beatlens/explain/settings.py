"""The ``explain`` section of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beatlens.explain.case.baselines import BASELINES, LEAD_OFF
from beatlens.explain.case.target import UNITS
from beatlens.explain.players.waves import EVENT_SETS

METHODS = (
    "lime",
    "kernelshap",
    "timeshap",
    "occlusion",
    "integrated_gradients",
    "gradient_input",
    "gradcam",
    "gradcam_plus_plus",
    "hirescam",
    "guided_gradcam",
)
"""What `beatlens.explain.methods.registry.TABLE` has."""
PLAYERS = (*EVENT_SETS, "leads", "cells")


@dataclass(frozen=True)
class LimeSettings:
    """Section ``explain.lime``: evaluations a stage (as of `KernelShapSettings`), width of the kernel, penalty."""

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
    """Section ``explain.kernelshap``: evaluations a stage, or all coalitions where `sampling.is_exact` says so."""

    samples: int

    def __post_init__(self) -> None:
        if self.samples < 4:
            raise ValueError(f"explain.kernelshap.samples: {self.samples}; expected >= 4")


@dataclass(frozen=True)
class TimeShapSettings:
    """Section ``explain.timeshap``.

    Attributes
    ----------
    samples
        Evaluations a level, or all coalitions where `sampling.is_exact` says so.
    tolerance
        An end is pruned as long as its Shapley value is at most this share of full minus empty.
    top_segments, top_leads
        Strongest segments and leads, which make the cells.
    """

    samples: int
    tolerance: float
    top_segments: int
    top_leads: int

    def __post_init__(self) -> None:
        if self.samples < 4 or self.tolerance < 0 or min(self.top_segments, self.top_leads) < 1:
            raise ValueError(
                f"explain.timeshap: samples {self.samples}, tolerance {self.tolerance}, top_segments "
                f"{self.top_segments}, top_leads {self.top_leads}; expected >= 4, >= 0, >= 1 and >= 1"
            )


@dataclass(frozen=True)
class IntegratedGradientsSettings:
    """Section ``explain.integrated_gradients``: points of the path."""

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"explain.integrated_gradients.steps: {self.steps}; expected >= 1")


_SECTIONS = {
    "lime": LimeSettings,
    "kernelshap": KernelShapSettings,
    "timeshap": TimeShapSettings,
    "integrated_gradients": IntegratedGradientsSettings,
}


@dataclass(frozen=True)
class ExplainSettings:
    """Section ``explain``.

    Attributes
    ----------
    methods
        Methods that the run makes.
    target
        Units of the target: ``probability`` or ``logit`` of the predicted class at the target beat.
    players
        What perturbation methods switch off: ``segments``, ``waves``, ``beats``, ``leads`` over the whole window, or
        ``cells``, each segment of each lead. Of segments, waves or beats, LIME and KernelSHAP explain the strongest
        over all leads, together with whole beats and whole beats in their leads
        (`beatlens.explain.players.multiscale`).
    segment_s
        Length of a segment in seconds; one is centred on each R peak.
    baseline
        What a segment becomes where it is off.
    lead_off
        What becomes of a lead whose every segment is off: it is filled with its ``baseline``, or ``absent`` from the
        mix over leads, as if the record lacked it. Gradient methods don't switch leads off.
    rhythm
        Whether the RR features are a player.
    top_segments
        Strongest events, which LIME and KernelSHAP explain one by one; the rest is pooled as one player.
    lime, kernelshap, timeshap, integrated_gradients
        Settings of the methods.
    """

    methods: Sequence[str]
    target: str
    players: str
    segment_s: float
    baseline: str
    lead_off: str
    rhythm: bool
    top_segments: int
    lime: LimeSettings
    kernelshap: KernelShapSettings
    timeshap: TimeShapSettings
    integrated_gradients: IntegratedGradientsSettings

    def __post_init__(self) -> None:
        for name, kind in _SECTIONS.items():
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
        if self.lead_off not in LEAD_OFF:
            raise ValueError(f"explain.lead_off: {self.lead_off!r}; expected one of {LEAD_OFF}")
        if self.players not in PLAYERS:
            raise ValueError(f"explain.players: {self.players!r}; expected one of {PLAYERS}")
        if not self.segment_s > 0 or self.top_segments < 1:
            raise ValueError(
                f"explain: segment_s {self.segment_s}, top_segments {self.top_segments}; expected > 0 and >= 1"
            )
