"""The section ``library`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import PositiveInt, Share
from beatlens.core.options import Settings


@dataclass(frozen=True)
class LibrarySettings(Settings, section="library"):
    """The label-free view of training beats, and which prototypes are suspicious."""

    components: PositiveInt = 8
    """Principal components of a beat's wave, beside two RR ratios."""

    clusters: PositiveInt = 20
    """Global clusters in that space."""

    max_patient_beats: PositiveInt = 300
    """Beats of a patient that the space is fitted on; a random sample of more."""

    min_size: PositiveInt = 3
    """A prototype of fewer beats is suspicious."""

    min_purity: Share = 0.5
    """A prototype less pure than this among beats of other patients is suspicious. It must be so with certainty: the
    upper end of the purity's interval counts."""

    max_noise_ratio: Share = 0.3
    """A prototype to which more than this share of noise is nearest is suspicious. The share is of the beats nearest to
    it."""
