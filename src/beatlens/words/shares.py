"""What an explanation rests on: the share of the rhythm, of each wave of the beat in each lead, of the other beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beatlens.explain.case.instance import Instance
from beatlens.explain.players.waves import wave_players
from beatlens.explain.result.attribution import Attribution

WAVES = ("P", "QRS", "ST", "T")
RHYTHM, OTHER_BEATS = "rhythm", "other beats"


@dataclass(frozen=True)
class Part:
    """A part of an explanation.

    Attributes
    ----------
    name
        A wave of the explained beat, `OTHER_BEATS` or `RHYTHM`.
    lead
        Its lead, "" for the last two.
    share
        Of the absolute mass, 0 to 1.
    sign
        1 where it speaks for the class, -1 against it, 0 neither.
    """

    name: str
    lead: str
    share: float
    sign: int


def explanation_parts(attribution: Attribution, instance: Instance, row: int) -> list[Part]:
    """Return the parts of an explanation, the largest first; none where all is 0.

    Parameters
    ----------
    attribution
        The explanation.
    instance
        The case.
    row
        Which beat of the record is explained. Its waves lie where `wave_players` puts them, by the R peaks alone.
    """
    values = attribution.values.astype(np.float64)
    rhythm = attribution.rhythm or 0.0
    mass = float(np.abs(values).sum()) + abs(rhythm) + abs(attribution.unassigned)
    if not mass > 0:
        return []
    waves = wave_players(instance, rhythm=False)
    names = np.repeat([waves.names[k] for k in waves.cell_player[0]], np.diff(waves.edges))
    number = int(np.searchsorted(instance.record_rows, row)) + 1

    def part(name: str, lead: str, cells: np.ndarray) -> Part:
        return Part(name, lead, float(np.abs(cells).sum()) / mass, int(np.sign(cells.sum())))

    of_beat = np.isin(names, [f"{wave} {number}" for wave in WAVES])
    parts = [Part(RHYTHM, "", abs(rhythm) / mass, int(np.sign(rhythm))), part(OTHER_BEATS, "", values[:, ~of_beat])]
    for wave in WAVES:
        inside = names == f"{wave} {number}"
        parts += [part(wave, lead, values[k, inside]) for k, lead in enumerate(attribution.leads)]
    return sorted((one for one in parts if one.share > 0), key=lambda one: -one.share)
