"""The section ``diagnoses`` of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, NonNegativeFloat, PositiveFloat, PositiveInt, ShareBelowOne, Text
from beatlens.core.options import Settings

DiagnosisId = Annotated[str, Allowed(pattern="^[A-Za-z][A-Za-z0-9_]{0,31}$")]


@dataclass(frozen=True)
class DiagnosisSettings(Settings, section="diagnoses"):
    """Diagnoses of records, learnt from labels of records (`targets`)."""

    bundle: Text | None = None
    """Folder of a trained bundle of diagnoses, or null to train one. With it nothing of this section is learnt, and all
    records are predicted by it. Records must be conditioned and cut as those that it learnt from."""

    classes: Annotated[tuple[DiagnosisId, ...], Allowed(uniqueItems=True)] = ()
    """Diagnoses to learn, by the ids of the diagnosis tables. Empty for all scored ones of the tables that have at
    least `min_positives` records. A record may have any number of them."""

    min_positives: Annotated[int, Allowed(minimum=2)] = 10
    """Training records that have a diagnosis, below which it isn't learnt where `classes` is empty."""

    folds: Annotated[int, Allowed(minimum=3, maximum=50)] = 5
    """Folds of the training patients. Each fold is predicted by networks that were made without it. What is calibrated
    on other patients leaves out one more fold at a time."""

    folds_by: Literal["patient", "database", "corpus"] = "patient"
    """How patients are dealt to the folds. `patient` deals them by their rarest diagnosis; `database` makes a fold of
    each database, so that scores are of databases that were left out; `corpus` takes the folds that the corpora give,
    such as PTB-XL's ten, in equal turns, and deals the patients of corpora that give none."""

    encoder: Text | None = None
    """Bundle of beats whose encoder describes each lead of each beat as well, or null.

    It is the folder of a trained bundle, `hybrid` or `context`. The encoder stays as it is, and must not have learnt
    from patients of this run."""

    members: PositiveInt = 4
    """Networks side by side whose logits are averaged."""

    width: PositiveInt = 32
    """Hidden units of a beat, of one member; a multiple of `heads`."""

    heads: PositiveInt = 2
    """Ways of a member to attend to the beats of a record."""

    steps: Annotated[int, Allowed(minimum=10)] = 100
    """Steps of the training. A step takes all training records."""

    beats: PositiveInt = 2
    """Beats drawn of each record in a step."""

    learning_rate: PositiveFloat = 0.01
    """Highest learning rate of the one-cycle schedule (Smith and Topin 2019)."""

    weight_decay: NonNegativeFloat = 3.0
    """Decoupled weight decay (AdamW) of what leads bring to a beat. That of the head is a tenth of it."""

    dropout: ShareBelowOne = 0.6
    """Share of the features, of leads and of rhythm, that a member doesn't see in a step."""

    lead_dropout: ShareBelowOne = 0.15
    """Chance that a lead of a record is left out in a step."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if self.width % self.heads:
            yield "heads", f"a divisor of diagnoses.width, {self.width}"
