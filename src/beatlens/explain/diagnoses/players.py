"""Waves of a whole record as players: each P wave, QRS complex, ST-T and TQ stretch over all beats, lead by lead.

Where a wave lies follows from the R peaks alone (`beatlens.explain.players.waves.wave_players`).
"""

from __future__ import annotations

from dataclasses import replace

from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.players.coalition import Players, pooled_players, split_leads
from beatlens.explain.players.waves import wave_players

WAVES = ("P", "QRS", "ST-T", "TQ")
_PART_OF = {"P": "P", "QRS": "QRS", "ST": "ST-T", "T": "ST-T", "TQ": "TQ"}


def record_waves(instance: Perturbed, rhythm: bool) -> Players:
    """Return `WAVES` as players, each of all beats and all leads; those that a record has no sample of are left out."""
    single = wave_players(instance, rhythm)
    waves = [_PART_OF[name.split()[0]] for name in single.names[: len(single) - rhythm]]
    names = [wave for wave in WAVES if wave in waves]
    pools = [[place for place, wave in enumerate(waves) if wave == name] for name in names]
    return pooled_players(single, pools, names, "waves")


def waves_in_leads(instance: Perturbed, rhythm: bool) -> Players:
    """Return each of `WAVES` in each lead, over all beats, as a player."""
    waves = record_waves(instance, rhythm)
    return replace(split_leads(waves, range(len(waves) - rhythm)), kind="waves in leads")
