"""The section ``seed_mining`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import PositiveInt, Text
from beatlens.core.options import Settings


@dataclass(frozen=True)
class SeedMiningSettings(Settings, section="seed_mining"):
    """Beats of the run that are most similar to given ones, by shape; run by the target seeds."""

    table: Text | None = None
    """CSV with the columns beat_id and label, whose beats are looked for, or null."""

    top: PositiveInt = 20
    """Beats that are listed for each given one."""

    max_records: PositiveInt | None = None
    """Records that are searched, or null for all. A sample depends on the records' names alone."""
