"""The section ``training`` of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, NonNegativeFloat, PositiveFloat, PositiveInt, Share, ShareBelowOne
from beatlens.core.options import Settings


@dataclass(frozen=True)
class TrainingSettings(Settings, section="training"):
    """Training of the network."""

    folds: Literal[0] | Annotated[int, Allowed(minimum=2, maximum=50)] = 0
    """Folds for cross-fitting: one more network for each, trained without that fold of the training patients. Their
    outputs are what calibration and review thresholds rest on. 0 where the split `calibrate` sets patients aside."""

    epochs: PositiveInt = 20
    """Passes over the training beats."""

    batch_beats: PositiveInt = 128
    """Target beats of a batch."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Numbers that training computes with; bfloat16 is mixed precision, for a GPU."""

    learning_rate: PositiveFloat = 0.003
    """Largest learning rate of the schedule."""

    weight_decay: NonNegativeFloat = 0.0001
    """Decoupled weight decay."""

    class_weight_power: Share = 0.5
    """A class's weight in the loss is (1 / frequency) to this power; 0 weighs beats alike."""

    gate_loss_weight: NonNegativeFloat = 0.5
    """Weight of the noise gate in the loss."""

    noise_fraction: ShareBelowOne = 0.15
    """Share of training beats that get noise added."""

    noise_snr_db: tuple[float, float] = (-6, 24)
    """Lowest and highest signal-to-noise ratio of added noise, in dB after conditioning."""

    noisy_below_db: float = 0
    """Signal-to-noise ratio in dB below which a beat counts as noise for the gate."""

    clean_above_db: float = 6
    """Signal-to-noise ratio in dB above which a beat with added noise counts as clean for the gate."""

    gain_jitter: NonNegativeFloat = 0.0
    """Standard deviation of the logarithm of a random gain for each run of beats and lead."""

    position_jitter_s: Annotated[float, Allowed(minimum=0, maximum=0.05)] = 0.01
    """Standard deviation in seconds of a shift of R, since annotators and detectors place R differently: one shift for
    a run of beats, another for each beat."""

    shape_jitter: Share = 0.0
    """Largest standard deviation of the taps of a random filter (and its sign) for each run of beats and lead. Beats
    and typical beat go through the same filter. Meant for corpora of few patients."""

    lead_dropout: Share = 0.0
    """Chance that one lead of a run of beats is left out, where there are several."""

    rhythm_fraction: Share = 0.0
    """Share of the runs of normal beats that get a simulated rhythm, and by its timing the classes
    `look_alikes.rhythm_classes`. Meant for corpora whose patients are too few to learn timing from."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        lowest, highest = self.noise_snr_db
        if not lowest < highest:
            yield "noise_snr_db", "the lower ratio first, and a higher one"
        if self.noisy_below_db > self.clean_above_db:
            yield "noisy_below_db", f"at most training.clean_above_db, {self.clean_above_db:g}"
