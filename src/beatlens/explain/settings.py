"""The section ``explain`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from beatlens.core.allowed import Allowed, NonNegativeFloat, PositiveFloat, PositiveInt
from beatlens.core.options import Settings

Method = Literal[
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
    "attention",
    "attention_rollout",
    "attention_relevance",
]
Streams = Literal["both", "waveform", "spectrogram"]
Unit = Literal["probability", "logit"]
Events = Literal["segments", "waves", "beats"]
Players = Literal[Events, "leads", "cells"]
Baseline = Literal["interpolation", "lead_mean", "zero", "median_beat", "contrast_beat"]
LeadOff = Literal["baseline", "absent"]
METHODS: tuple[str, ...] = get_args(Method)
"""What `beatlens.explain.methods.registry.TABLE` has."""
OF_ATTENTION = ("attention", "attention_rollout", "attention_relevance")
"""Methods that only a network with attention has."""
STREAMS: tuple[str, ...] = get_args(Streams)
UNITS: tuple[str, ...] = get_args(Unit)
EVENT_SETS: tuple[str, ...] = get_args(Events)
"""Player sets that are alike in all leads."""
PLAYERS: tuple[str, ...] = get_args(Players)
BASELINES: tuple[str, ...] = get_args(Baseline)
LEAD_OFF: tuple[str, ...] = get_args(LeadOff)


@dataclass(frozen=True)
class LimeSettings(Settings, section="explain.lime"):
    """LIME: masks of a set of players, the width of its kernel, its penalty."""

    samples: Annotated[int, Allowed(minimum=16)] = 4000
    """Evaluations for a set of more than 12 players (the budget); a budget for half of all masks evaluates all. Up to
    12 players all masks are evaluated, at most 4096, even where the budget is smaller."""

    kernel_width: PositiveFloat = 0.25
    """Width of the kernel over the cosine distance to the full mask."""

    ridge: NonNegativeFloat = 0.001
    """Penalty of the ridge regression. Before the kernel is applied, masks have a mean weight of 1."""


@dataclass(frozen=True)
class KernelShapSettings(Settings, section="explain.kernelshap"):
    """KernelSHAP: masks of a set of players."""

    samples: Annotated[int, Allowed(minimum=16)] = 4000
    """Evaluations for a set of more than 12 players (the budget); a budget for half of all masks evaluates all. Up to
    12 players all masks are evaluated, at most 4096, even where the budget is smaller."""


@dataclass(frozen=True)
class TimeShapSettings(Settings, section="explain.timeshap"):
    """TimeSHAP: masks of a level, pruning, and what makes its cells."""

    samples: Annotated[int, Allowed(minimum=16)] = 16000
    """Evaluations for each level (events, leads, cells) of more than 12 players; all masks as for `kernelshap`."""

    tolerance: NonNegativeFloat = 0.02
    """An end of the window is pruned as long as its Shapley value is at most this share of full minus empty."""

    top_segments: PositiveInt = 6
    """Strongest segments that make cells."""

    top_leads: PositiveInt = 4
    """Leads that make cells with the strongest segments."""


@dataclass(frozen=True)
class IntegratedGradientsSettings(Settings, section="explain.integrated_gradients"):
    """Integrated gradients: points of the path."""

    steps: PositiveInt = 64
    """Points of the path."""


@dataclass(frozen=True)
class AttentionSettings(Settings, section="explain.attention"):
    """Attention, attention rollout and attention relevance."""

    streams: Streams = "both"
    """Tokens whose mass is shown. With `both` the maps of both streams are added."""


@dataclass(frozen=True)
class ExplainSettings(Settings, section="explain"):
    """Explanations of predictions."""

    methods: Annotated[tuple[Method, ...], Allowed(minItems=1, uniqueItems=True)] = ("lime", "kernelshap")
    """Methods to run. Two or more are fused. Those of attention need a network that has it, such as `crossmodal`."""

    target: Unit = "logit"
    """Output that is explained, of the predicted class."""

    players: Players = "segments"
    """What perturbation methods switch off. `segments` have equal length, `waves` are P, QRS, ST and T, `leads` are
    over the whole window, `cells` are each segment of each lead. Of segments, waves and beats, LIME and KernelSHAP
    explain the strongest over all leads, and average with whole beats and whole beats in single leads."""

    segment_s: PositiveFloat = 0.07
    """Length of a segment in seconds. One is centred on each R peak."""

    baseline: Baseline = "contrast_beat"
    """What fills a part that is switched off. `contrast_beat` is the median beat of another class, brought to the
    signal's level and to where it fits best; which beat that is, is told in the section *The contrast* of
    docs/architecture.md. Where there is none, `interpolation` is used."""

    lead_off: LeadOff = "baseline"
    """What becomes of a lead whose every segment is off. `baseline` fills it; `absent` takes it from the mix over
    leads, as if the record lacked it. Gradient methods don't switch leads off."""

    rhythm: bool = True
    """Whether the RR features are a player of their own."""

    top_segments: PositiveInt = 12
    """Strongest segments, waves or beats that LIME and KernelSHAP explain one by one. The rest is pooled as one player.
    With more of them, seeds agree less."""

    lime: LimeSettings = LimeSettings()
    kernelshap: KernelShapSettings = KernelShapSettings()
    timeshap: TimeShapSettings = TimeShapSettings()
    integrated_gradients: IntegratedGradientsSettings = IntegratedGradientsSettings()
    attention: AttentionSettings = AttentionSettings()
