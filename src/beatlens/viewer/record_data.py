"""A record as the viewer is given it: signal, beats, stretches and explained cases, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.class_names import MEANINGS
from beatlens.figures.paper.style import class_colours
from beatlens.shards.stretches import KINDS
from beatlens.viewer.maps import ExplainedCase, case_data
from beatlens.viewer.tiles import BIN_S, TILE_S, UNIT_MV, encode, overview

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
TIME_STEP_S = 1e-4
PROBABILITY_STEP = 1e-3


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
    cases: Sequence[ExplainedCase] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.signal.shape[1] / self.fs)

    @property
    def predicted(self) -> bool:
        """Whether its beats have classes."""
        return "pred" in self.beats


def record_json(data: RecordData, paper: tuple[float, float]) -> str:
    """Return the JSON object of a page; nothing in it can end the script element that holds it.

    Parameters
    ----------
    data
        The record.
    paper
        Speed in mm/s and gain in mm/mV with which the viewer opens.
    """
    value = {
        "corpus": data.corpus,
        "record": data.record,
        "leads": list(data.leads),
        "fs": float(data.fs),
        "n": int(data.signal.shape[1]),
        "unit": UNIT_MV,
        "tile_s": TILE_S,
        "bin_s": BIN_S,
        "speed": paper[0],
        "gain": paper[1],
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


def _classes(data: RecordData) -> list[dict[str, str]]:
    colours = class_colours(data.classes)
    return [
        {
            "id": name,
            "name": MEANINGS[name].name if name in MEANINGS else name,
            "meaning": MEANINGS[name].meaning if name in MEANINGS else "",
            "colour": colours[name],
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
