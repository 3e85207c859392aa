"""The section ``alerts`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, PositiveInt, PositiveShare
from beatlens.core.options import Settings


@dataclass(frozen=True)
class AlertSettings(Settings, section="alerts"):
    """New patterns among the beats in review of records that the model has not learnt from."""

    min_beats: Annotated[int, Allowed(minimum=4)] = 20
    """Least number of beats of an alert."""

    min_patients: Annotated[int, Allowed(minimum=2)] = 3
    """Least number of patients of an alert."""

    min_patient_beats: PositiveInt = 3
    """Least number of beats with which a patient counts."""

    max_patient_beats: PositiveInt = 100
    """Most beats of a patient that are clustered, in review and accepted each. Of more, a random sample."""

    components: Annotated[int, Allowed(minimum=2)] = 10
    """Principal components of the embedding that are clustered."""

    min_review_share: PositiveShare = 0.8
    """Least share of a cluster's beats that are in review. A cluster with less belongs to what is known."""

    min_cohesion: PositiveShare = 0.8
    """Least median similarity of a beat to the median beat of the cluster's other patients."""

    bootstraps: PositiveInt = 20
    """Resamples that a cluster's stability is taken over."""

    min_stability: PositiveShare = 0.6
    """Least mean Jaccard index with which the resamples find the cluster again."""
