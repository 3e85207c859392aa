"""A record with known beats, pulses and a map, and its page written to a folder, for tests of the viewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import AttributionMeta, PlayerValues
from beatlens.report.records.cases import CaseSections
from beatlens.report.records.page import Beside, Person, RecordPage, render_record, svg_uri
from beatlens.shards.stretches import STRETCH_COLUMNS
from beatlens.viewer.maps import CaseMap, ExplainedCase
from beatlens.viewer.record_data import RecordData, ViewerSettings
from beatlens.viewer.strips import strip_files
from beatlens.viewer.tiles import tile_scripts, tiles

CLASSES = ("N", "S", "V")
FS = 200.0
NASTY = "</script><script>alert(1)</script>"
PULSE_MV, RR_S = 1.0, 0.8


def beat_rows(times: np.ndarray, pred: list[str], review: np.ndarray, record: str = "r1") -> pd.DataFrame:
    """Return predictions of beats as a run writes them, R peaks at a file rate of 1,000 Hz."""
    sample = np.rint(times * 1000).astype(int)
    table = pd.DataFrame(
        {
            "beat_id": [f"c/{record}/{k}" for k in sample],
            "corpus": "c",
            "record": record,
            "r_sample": sample,
            "r_time_s": times,
            "label": pred,
            "label_source": "beat",
            "pred": pred,
            "p_noise": 0.01,
            "review": review,
            "reason": np.where(review, "low_confidence", ""),
            "conformal_set": [f"{name};N" if name != "N" else name for name in pred],
        }
    )
    return table.assign(**{f"p_{name}": [0.9 if name == one else 0.05 for one in pred] for name in CLASSES})


def make_data(duration_s: float = 60.0, leads: tuple[str, ...] = ("II", "V1"), **changes: Any) -> RecordData:
    """Return a record of triangles of 1 mV in the first lead; every fifth beat is a V, every tenth in review."""
    n = round(duration_s * FS)
    times = np.arange(0.5, duration_s - 0.3, RR_S)
    signal = np.zeros((len(leads), n), dtype=np.float32)
    for time in times:
        at = round(time * FS)
        for step in range(-4, 5):
            if 0 <= at + step < n:
                signal[:, at + step] = (PULSE_MV * (1 - abs(step) / 5)) / np.arange(1, len(leads) + 1)
    k = np.arange(len(times))
    pred = np.where(k % 5 == 3, "V", "N").tolist()
    data = RecordData(
        corpus="c",
        record="r1",
        signal=signal,
        leads=leads,
        fs=FS,
        classes=CLASSES,
        beats=beat_rows(times, pred, k % 10 == 7),
        stretches=pd.DataFrame(columns=list(STRETCH_COLUMNS)),
        ectopic=("S", "V"),
    )
    return replace(data, **changes)


def make_case(data: RecordData, beat: int) -> ExplainedCase:
    """Return an explained beat whose map is at its limit 100 ms around the R peak in the first lead, in two methods."""
    row = data.beats.iloc[beat]
    start = float(row["r_time_s"]) - 0.5
    values = np.zeros((len(data.leads), round(FS)), dtype=np.float32)
    values[0, 90:110] = 2.0 / (FS * 0.05)
    maps = []
    for method in ("fused", "lime"):
        meta = AttributionMeta(
            case="V-correct-01",
            corpus=data.corpus,
            record=data.record,
            beat_id=row["beat_id"],
            target="beat",
            case_class=row["pred"],
            method=method,
            units="logit",
            players=PlayerValues("segments", ("200-220", "rhythm"), (1.5, -0.5)),
            baseline="interpolation",
            rhythm=-0.5,
            rhythm_share=0.25,
        )
        maps.append(CaseMap(Attribution(values, data.leads, FS, start, meta), 2.0))
    return ExplainedCase("V-correct-01", "Called V.", maps)


def page_of(data: RecordData, **changes: Any) -> RecordPage:
    """Return the page of a record that holds its tiles."""
    strips = strip_files(data, data.leads[0])
    page = RecordPage(
        title="a run",
        run="run",
        data=data,
        person=Person("p1", "61", "female", "test"),
        summary=None,
        diagnoses=None,
        cases=CaseSections([], 0),
        remarks=[],
        strips=strips,
        lead=data.leads[0],
        paper="",
        tiles=tiles(data.signal, data.fs),
        beside=Beside("", [svg_uri(strip.svg) for strip in strips], "../../report.html", ""),
        viewer=ViewerSettings(),
    )
    return replace(page, **changes)


def write_page(folder: Path, data: RecordData, *, beside: bool = False) -> Path:
    """Write a page, its tiles beside it or in it."""
    path = folder / f"{data.record}.html"
    page = page_of(data)
    if beside:
        beside_it = folder / f"{data.record}.tiles"
        beside_it.mkdir()
        for k, script in enumerate(tile_scripts(data.signal, data.fs)):
            (beside_it / f"{k}.js").write_text(script, encoding="utf-8")
        for k, strip in enumerate(page.strips):
            (beside_it / f"strip-{k}.svg").write_text(strip.svg, encoding="utf-8")
        places = [f"{beside_it.name}/strip-{k}.svg" for k in range(len(page.strips))]
        page = replace(page, tiles=None, beside=Beside(beside_it.name, places, "../../report.html", ""))
    path.write_text(render_record(page), encoding="utf-8")
    return path
