"""The section ``training`` of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, NonNegativeFloat, PositiveFloat, PositiveInt, Share, ShareBelowOne
from beatlens.core.options import Settings


@dataclass(frozen=True)
class TrainingSettings(Settings, section="training"):
    """Training of the network."""

    folds: Literal[0] | Annotated[int, Allowed(minimum=2, maximum=50)] = 0
    """Folds for cross-fitting, 0 for none. For each fold one more network is trained without that fold of the training
    patients. Their outputs are what calibration and review thresholds rest on. With 0 the split `calibrate` sets
    patients aside."""

    epochs: PositiveInt = 20
    """Passes over the training beats. All of them are run, and the last one's weights are saved."""

    batch_beats: PositiveInt = 128
    """Target beats of a step, about."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Numbers that training computes with. bfloat16 is mixed precision (Micikevicius et al. 2018), for a GPU: the
    network's convolutions, products of matrices and what follows from them, up to the logits, are in bfloat16, which
    has the range of float32 and needs no scaling of the loss. Losses, weights, steps and all that is done with the
    trained network are in float32."""

    learning_rate: PositiveFloat = 0.003
    """Highest learning rate of the one-cycle schedule (Smith and Topin 2019)."""

    weight_decay: NonNegativeFloat = 0.0001
    """Decoupled weight decay (AdamW)."""

    class_weight_power: Share = 0.5
    """A class's weight in the loss is (1 / frequency) to this power. 0 weighs beats alike. The mean weight over the
    training beats is 1."""

    gate_loss_weight: NonNegativeFloat = 0.5
    """Weight of the noise gate's loss beside the class loss."""

    noise_fraction: ShareBelowOne = 0.15
    """Share of training beats that get noise added."""

    noise_snr_db: tuple[float, float] = (-6, 24)
    """Lowest and highest signal-to-noise ratio of added noise, in dB after conditioning."""

    noisy_below_db: float = 0
    """Signal-to-noise ratio in dB below which a beat is noise for the gate."""

    clean_above_db: float = 6
    """Signal-to-noise ratio in dB from which on a beat is clean for the gate. Between the two ratios the gate learns
    nothing."""

    gain_jitter: NonNegativeFloat = 0.0
    """Standard deviation of the logarithm of a random gain for each run of beats and lead."""

    position_jitter_s: Annotated[float, Allowed(minimum=0, maximum=0.05)] = 0.01
    """Standard deviation in seconds of a shift of R. Annotators and detectors place R differently. One shift is for a
    run of beats and its typical beat, another for each beat."""

    shape_jitter: Share = 0.0
    """Largest standard deviation of the taps of a random filter for each run and lead. It has either sign. Beats and
    typical beat go through the same filter and keep their size, so the network learns how a beat differs from its
    record's typical beat. Meant for corpora of few patients."""

    lead_dropout: Share = 0.0
    """Chance that one lead of a run of beats is left out, where there are several."""

    rhythm_fraction: Share = 0.0
    """Share of the runs of normal beats that get a simulated rhythm. Its timing says which of
    `look_alikes.rhythm_classes` a beat is. Meant for corpora whose patients are too few to learn timing from."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        lowest, highest = self.noise_snr_db
        if not lowest < highest:
            yield "noise_snr_db", "the lower ratio first, and a higher one"
        if self.noisy_below_db > self.clean_above_db:
            yield "noisy_below_db", f"at most training.clean_above_db, {self.clean_above_db:g}"
