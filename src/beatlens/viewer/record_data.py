"""A record as the viewer is given it: signal, beats, stretches and explained cases, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.class_names import MEANINGS
from beatlens.figures.paper.colour_maps import TWO_SIDED, colours
from beatlens.figures.paper.style import class_colours
from beatlens.shards.stretches import KINDS
from beatlens.viewer.maps import ExplainedCase, case_data
from beatlens.viewer.tiles import BIN_S, TILE_S, UNIT_MV, encode, overview

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
TIME_STEP_S = 1e-4
PROBABILITY_STEP = 1e-3
SCALE_STEPS = 65


@dataclass(frozen=True)
class RecordData:
    """What a page shows of a record.

    Attributes
    ----------
    corpus, record
        Its names.
    signal
        (n_leads, n_samples) mV, conditioned.
    leads, fs
        Lead names, and rate in Hz.
    classes
        Class ids of the run in their order, by which colours go.
    beats
        Predictions of its beats in time order (``predictions/beats.parquet``); without predictions the detected beats.
    stretches
        Stretches in which beats can't be told (`beatlens.shards.stretches.STRETCH_COLUMNS`).
    ectopic
        Those of the classes that are ectopic.
    cases
        Its explained cases.
    """

    corpus: str
    record: str
    signal: FloatArray
    leads: tuple[str, ...]
    fs: float
    classes: tuple[str, ...]
    beats: pd.DataFrame
    stretches: pd.DataFrame
    ectopic: tuple[str, ...] = ()
    cases: Sequence[ExplainedCase] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.signal.shape[1] / self.fs)

    @property
    def predicted(self) -> bool:
        """Whether its beats have classes."""
        return "pred" in self.beats


@dataclass(frozen=True)
class ViewerSettings:
    """How the viewer opens.

    Attributes
    ----------
    speed_mm_s, gain_mm_mv
        Paper scale.
    colour_map
        Colours of maps (`beatlens.figures.paper.colour_maps`).
    reasons
        Words for codes of reasons of review; a code without words is its own.
    """

    speed_mm_s: float = 25.0
    gain_mm_mv: float = 10.0
    colour_map: str = TWO_SIDED
    reasons: Mapping[str, str] = field(default_factory=dict)


def record_json(data: RecordData, settings: ViewerSettings) -> str:
    """Return the JSON object of a page; nothing in it can end the script element that holds it.

    Parameters
    ----------
    data
        The record.
    settings
        How the viewer opens.
    """
    value = {
        "corpus": data.corpus,
        "record": data.record,
        "leads": list(data.leads),
        "fs": float(data.fs),
        "n": int(data.signal.shape[1]),
        "unit": UNIT_MV,
        "tile_s": TILE_S,
        "bin_s": round(BIN_S * data.fs) / data.fs,  # whole samples, also where the rate is no whole number
        "speed": settings.speed_mm_s,
        "gain": settings.gain_mm_mv,
        "scale": _scale(settings.colour_map),
        "reasons": dict(settings.reasons),
        "overview": encode(overview(data.signal, data.fs)),
        "classes": _classes(data),
        "beats": _beats(data),
        "stretches": [
            [round(float(row.start_s), 3), round(float(row.end_s), 3), KINDS.get(row.kind, row.kind)]
            for row in data.stretches.itertuples()
        ],
        "cases": case_data(data.cases),
    }
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _scale(colour_map: str) -> list[list[float]]:
    """Return the colours from the limit against a class to that for it: red, green, blue to 255, opacity."""
    shades = colours(np.linspace(-1, 1, SCALE_STEPS), 1.0, colour_map=colour_map)
    return [[*(round(255 * float(part)) for part in shade[:3]), round(float(shade[3]), 3)] for shade in shades]


def _classes(data: RecordData) -> list[dict[str, str]]:
    of_class = class_colours(data.classes)
    return [
        {
            "id": name,
            "name": MEANINGS[name].name if name in MEANINGS else name,
            "meaning": MEANINGS[name].meaning if name in MEANINGS else "",
            "colour": of_class[name],
        }
        for name in data.classes
    ]


def _beats(data: RecordData) -> dict[str, Any]:
    """Return the beats column by column: times and samples as differences, words as places in a list."""
    beats = data.beats
    columns: dict[str, Any] = {
        "r": _differences(beats["r_sample"].to_numpy()),
        "t": _differences(np.rint(beats["r_time_s"].to_numpy() / TIME_STEP_S)),
    }
    if not data.predicted:
        return columns
    names = [*data.classes, "noise"]
    shares = beats[[f"p_{name}" for name in names]].to_numpy(dtype=np.float64)
    return columns | {
        "p": [int(value) for value in np.rint(np.nan_to_num(shares) / PROBABILITY_STEP).ravel()],
        "review": "".join("01"[int(value)] for value in beats["review"]),
        **{
            key: _places(beats[column])
            for key, column in (
                ("pred", "pred"),
                ("label", "label"),
                ("source", "label_source"),
                ("reason", "reason"),
                ("set", "conformal_set"),
            )
            if column in beats
        },
    }


def _differences(values: npt.NDArray[Any]) -> list[int]:
    return [int(value) for value in np.diff(values.astype(np.int64), prepend=0)]


def _places(column: pd.Series) -> dict[str, Any]:
    codes, names = column.fillna("").astype(str).factorize(sort=True)
    return {"of": [int(code) for code in codes], "names": [str(name) for name in names]}
