"""The section ``probes`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import PositiveFloat, PositiveInt, PositiveShare
from beatlens.core.options import Settings


@dataclass(frozen=True)
class ProbeSettings(Settings, section="probes"):
    """Tests of the explanations' sanity and stability, run by the target sanity."""

    cases: PositiveInt = 30
    """Cases of a test, chosen as those of the run are."""

    reinitialisations: PositiveInt = 10
    """Random networks for full randomisation of a case. Each step towards it uses a fifth of them."""

    explainer_seeds: PositiveInt = 3
    """Further seeds of the explainer."""

    noise_snr_db: float = 20
    """Ratio of signal to added noise in each lead, in decibels."""

    top_share: PositiveShare = 0.1
    """Share of the cells that count as the largest."""

    artefact_beats: PositiveInt = 1500
    """Beats that the network of the artefact test learns from."""

    artefact_epochs: PositiveInt = 8
    """Epochs of that network."""

    artefact_mv: PositiveFloat = 0.5
    """Height of the planted spike in millivolts."""
