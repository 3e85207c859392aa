from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import write_table
from beatlens.figures.paper.style import CLASS_COLOURS
from beatlens.report.images import Image
from beatlens.report.page_paths import page_link, page_path, tiles_folder
from beatlens.report.records.build import PageSettings, RecordPages, build_on_demand
from beatlens.report.records.cases import MAX_CASES, CaseLimits, case_sections, explained_cases
from beatlens.report.records.diagnoses import diagnosis_section
from beatlens.report.records.files import RunFiles
from beatlens.report.records.old_pages import remove_old_pages
from beatlens.report.records.page import Person, render_record
from beatlens.report.records.paper import _short
from beatlens.viewer import assets
from beatlens.viewer.maps import case_data
from beatlens.viewer.record_data import ViewerSettings, record_json
from beatlens.viewer.strips import strip_files
from beatlens.viewer.tiles import MISSING, UNIT_MV, decode, encode, overview, quantised, tile_scripts
from beatlens.viewer.trend import trend_svg
from record_page_makers import CLASSES, FS, NASTY, beat_rows, make_case, make_data, page_of

CONFIG: dict[str, Any] = {
    "run": "x",
    "classes": list(CLASSES),
    "strips": {"ectopic": ["S", "V"]},
    "explain": {"methods": []},
    "diagnosis_explanations": {"methods": []},
    "figures": {"colour_map": "two_sided"},
    "report": {"title": NASTY, "speed_mm_s": 25, "gain_mm_mv": 10, "single_file": False, "pages": 500},
}


@pytest.mark.parametrize("name", ["100", "..", ".", "", "a/../../b", NASTY, "ä b", "x" * 300, "a.html", "%41"])
def test_page_stays_in_its_folder(name):
    path = page_path("c", name)
    assert path.parts[:2] == ("records", "c")
    assert len(path.parts) == 3
    assert not path.name.startswith(".")
    assert len(path.name.encode()) < 255
    assert re.fullmatch(r"[A-Za-z0-9_.%/-]+", page_link("c", name))
    assert page_path("c", name + "y") != path
    assert tiles_folder("c", name) != page_path("c", name + ".tiles")


def test_samples_come_back_within_half_a_step():
    rng = np.random.default_rng(1)
    signal = np.cumsum(rng.normal(0, 0.3, (2, 5000)), axis=1).astype(np.float32)
    signal[0, 100:120] = np.nan
    signal[1, 7] = 400.0
    found = decode(encode(quantised(signal)), 2)
    assert (found[0, 100:120] == MISSING).all()
    assert found[1, 7] == 32767
    known = np.isfinite(signal) & (np.abs(signal) < 160)
    assert np.abs(found[known] * UNIT_MV - signal[known]).max() <= UNIT_MV / 2 + 1e-6
    extreme = rng.integers(-32768, 32768, (3, 999)).astype(np.int16)
    assert np.array_equal(decode(encode(extreme), 3), extreme)


def test_overview_has_the_least_and_greatest_of_each_second():
    data = make_data(10.5)
    bins = overview(data.signal, FS)
    assert bins.shape == (4, 11)
    first = quantised(data.signal[0])
    for k in range(11):
        part = first[k * 200 : (k + 1) * 200]
        assert (bins[0, k], bins[1, k]) == (part.min(), part.max())
    empty = overview(np.full((1, 400), np.nan, dtype=np.float32), FS)
    assert (empty == MISSING).all()


def test_json_tells_every_beat_and_ends_no_script():
    data = make_data(beats=make_data().beats.assign(reason=NASTY, label=NASTY), record=NASTY, leads=(NASTY, "V1"))
    text = record_json(data, ViewerSettings())
    assert "<" not in text
    assert ">" not in text
    value = json.loads(text)
    assert value["record"] == NASTY
    beats = value["beats"]
    assert np.array_equal(np.cumsum(beats["r"]), data.beats["r_sample"])
    assert np.allclose(np.cumsum(beats["t"]) / 1e4, data.beats["r_time_s"], atol=1e-4)
    assert [beats["pred"]["names"][k] for k in beats["pred"]["of"]] == data.beats["pred"].tolist()
    assert beats["review"] == "".join(str(int(one)) for one in data.beats["review"])
    shares = np.array(beats["p"]).reshape(len(data.beats), 4) / 1000
    assert np.allclose(shares, data.beats[["p_N", "p_S", "p_V", "p_noise"]], atol=5e-4)


def test_map_comes_back_in_its_scale():
    data = make_data()
    (case,) = case_data([make_case(data, 3)])
    first, second = case["maps"]
    values = decode(first["values"], 2) / first["steps"] * first["limit"]
    assert first["fs"] == 100
    assert np.allclose(values[0, 45:55], 2.0, atol=0.02)
    assert not values[0, :45].any()
    assert not values[1].any()
    assert second["players"] == [("1.00 to 1.10 s", 1.5), ("rhythm", -0.5)]


def test_strips_have_each_beat_once():
    data = make_data(4000.0)
    files = strip_files(data, "II")
    assert [(file.start_s, file.n_rows) for file in files] == [(0, 30), (1800, 30), (3600, 7)]
    drawn = [re.findall(r'<text class="b"[^>]*>(\w+)</text>', file.svg) for file in files]
    letters = "".join("".join(part) for part in drawn)
    counts = data.beats["pred"].value_counts()
    assert (letters.count("N"), letters.count("V")) == (counts["N"], counts["V"])
    hatched = "".join(re.findall(r'class="h" d="([^"]*)"', "".join(file.svg for file in files)))
    assert hatched.count("M") == data.beats["review"].sum()
    assert "2250 beats" in files[0].text


def test_no_name_of_a_class_lies_over_another():
    data = make_data(60.0)
    times = data.beats["r_time_s"].to_numpy()
    letters = ["RBBB" if k % 7 == 2 or 30 < k < 42 else "V" if k % 7 in (3, 5) else "N" for k in range(len(times))]
    names = ("N", "V", "RBBB")
    beats = data.beats.assign(pred=letters)
    (file,) = strip_files(replace(data, beats=beats, classes=names), "II")
    spans = []
    for x, text in re.findall(r'<text class="b"[^>]*x="([^"]*)"[^>]*>(\w+)</text>', file.svg):
        single = len(x.split()) > 1 or len(text) == 1
        spans += [(float(at), 7.5 * (1 if single else len(text)), text) for at in x.split()]
    for at, width, text in spans:
        if text == "RBBB":
            apart = [abs(at - other) - (width + wide) / 2 for other, wide, _ in spans if other != at]
            assert min(apart) >= 0
    ticks = re.findall(r'd="(M[^"]*v5)" style', file.svg)
    assert "".join(ticks).count("M") == letters.count("RBBB")
    assert 0 < sum(text == "RBBB" for *_, text in spans)


def luminance(colour: np.ndarray) -> float:
    """Return the relative luminance of WCAG 2."""
    share = colour / 255
    return float(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("paper", "ink"), [("#fffdfb", "#1f2328"), ("#15181c", "#e6e9ed")])
def test_letters_of_classes_have_contrast(paper, ink):
    def rgb(text: str) -> np.ndarray:
        return np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)], dtype=float)

    drawn = "".join(assets.scripts()) + strip_files(make_data(), "II")[0].svg
    (share,) = {float(one) / 100 for one in re.findall(r"color-mix\(in srgb, ?\S+ (\d+)%", drawn)}
    for colour in CLASS_COLOURS:
        mixed = rgb(colour) * share + rgb(ink) * (1 - share)
        low, high = sorted([luminance(mixed), luminance(rgb(paper))])
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_trend_of_a_long_record_has_its_rate_and_ectopic_beats():
    data = make_data(1200.0)
    svg = trend_svg(data)
    assert 'aria-label="Rate from 75 to 75 a minute' in svg
    counts = np.bincount((data.beats["r_time_s"][data.beats["pred"] == "V"] // 60).astype(int))
    assert f">{counts.max()}</text>" in svg
    assert trend_svg(replace(data, beats=data.beats.iloc[:2])) == ""


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_trend_of_a_long_record_with_few_beats(n):
    data = make_data(700.0)
    svg = trend_svg(replace(data, beats=data.beats.iloc[:n]))
    assert 'aria-label="Rate from 75 to 75 a minute' in svg


def test_trend_counts_beats_in_review_as_the_summary_does():
    data = make_data(700.0)
    assert "Rate from 75 to 75" in trend_svg(replace(data, beats=data.beats.assign(review=True)))


def test_classes_of_no_further_case_are_an_empty_table(tmp_path):
    files = RunFiles(tmp_path, frozenset(), True)
    row = {"corpus": "c", "record": "r1", "case": "V-1", "class": "V", "outcome": "correct", "probability": 0.9}
    empty = pd.DataFrame({"corpus": [], "record": [], "case": []}, dtype=float)
    tables = {"cases": pd.DataFrame([row | {"label": "V"}]), "class-cases": empty}
    (case,) = explained_cases(files, tables, ("c", "r1"), CaseLimits({}, {}))
    assert list(case.maps) == []


def test_a_bin_of_the_overview_has_whole_samples():
    data = make_data(20.0, fs=FS + 0.4)
    value = json.loads(record_json(data, ViewerSettings()))
    bins = decode(value["overview"], 4)
    at = int(np.argmax(data.signal[0, 3000:3400])) + 3000
    place = int(at / data.fs / value["bin_s"])
    assert bins[1, place] == quantised(data.signal[:1])[0, at]
    assert value["bin_s"] * data.fs == pytest.approx(200, abs=1e-9)


class Parsed(HTMLParser):
    """Scripts, policy and images of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.policy, self.kind = "", ""
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "meta" and given.get("http-equiv"):
            self.policy = given["content"]
        self.kind = given.get("type", "run") if tag == "script" else ""

    def handle_endtag(self, tag):
        self.kind = ""

    def handle_data(self, data):
        if self.kind == "run":
            self.scripts.append(data)


def test_page_runs_its_own_scripts_alone():
    data = make_data(record=NASTY, leads=(NASTY, "V1"))
    page = page_of(data, title=NASTY, run=NASTY, remarks=[NASTY], person=Person(NASTY, NASTY, NASTY, NASTY), lead=NASTY)
    text = render_record(page)
    parsed = Parsed(text)
    assert tuple(parsed.scripts) == assets.scripts()
    for script in parsed.scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in parsed.policy
    assert "'unsafe-inline'" not in parsed.policy.partition("script-src")[2].partition(";")[0]
    assert "alert(1)</script>" not in text.lower()
    assert not [given for _, given in parsed.tags if any(name.startswith("on") for name in given)]
    addresses = [given.get(name, "") for _, given in parsed.tags for name in ("src", "href")]
    assert not [address for address in addresses if re.match(r"(?i)(https?:|//|javascript:)", address)]


def test_sizes():
    assert sum(len(script.encode()) for script in assets.scripts()) + len(assets.styles()) <= 150_000
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    noisy = make_data(10.0, leads)
    rng = np.random.default_rng(0)
    signal = (noisy.signal + 0.01 * rng.standard_normal(noisy.signal.shape)).astype(np.float32)
    assert len(render_record(page_of(replace(noisy, signal=signal))).encode()) <= 250_000


def plant_run(folder: Path, plant_shards: Any, n: int = 3) -> pd.DataFrame:
    """Write the files of a run of `n` records in two shards that pages need, and return its records."""
    patients = {f"p{k}": ("II", "V1") for k in range(n)}
    shards = plant_shards(folder / "preprocess", patients, BeatSettings(), n_shards=2)
    tables = []
    for shard in shards:
        beats = shard.beats()
        rows = [
            beat_rows(part["r_time_s"].to_numpy(), part["label"].tolist(), np.zeros(len(part), dtype=bool), record)
            for record, part in beats.groupby("record")
        ]
        table = pd.concat(rows, ignore_index=True).assign(corpus="planted")
        table["beat_id"] = table["corpus"] + "/" + table["record"] + "/" + table["r_sample"].astype(str)
        write_table(folder / "predictions" / "shards" / shard.path.name / "beats.parquet", table)
        tables.append(shard.records[["corpus", "record", "patient"]])
    records = pd.concat(tables, ignore_index=True).assign(split="test")
    write_table(folder / "records.tsv", records)
    (folder / "run_config.yaml").write_text("bundle: null\n", encoding="utf-8")
    return records


def test_pages_of_a_run(tmp_path, plant_shards):
    records = plant_run(tmp_path, plant_shards)
    files = RunFiles.all_of(tmp_path)
    pages = RecordPages(files, PageSettings.of(CONFIG))
    rows = [row for name in ("0of2", "1of2") for row in pages.write_shard(name)]
    assert {row["record"] for row in rows} == set(records["record"])
    for row in rows:
        content = (tmp_path / row["page"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row["bytes"], row["sha256"])
        assert b'href="../../report.html"' in content
    few = RecordPages(files, PageSettings.of(CONFIG | {"report": CONFIG["report"] | {"pages": 1}}))
    assert few.chosen() == [("planted", "rp0")]
    made = list(few.write_shard("0of2"))
    for shard in ("0of2", "1of2"):
        remove_old_pages(tmp_path, shard, made)
    left = sorted(path.name for path in (tmp_path / "records" / "planted").iterdir())
    assert left == [Path(row["page"]).name for row in made]
    path = build_on_demand(tmp_path, "planted/rp2", CONFIG)
    assert path.is_file()
    with pytest.raises(ValueError, match="no record 'planted/none'"):
        build_on_demand(tmp_path, "planted/none", CONFIG)


def test_tiles_lie_beside_a_long_record_or_in_it(tmp_path, plant_shards, monkeypatch):
    plant_run(tmp_path, plant_shards, n=2)
    monkeypatch.setattr("beatlens.report.records.build.TILE_S", 10.0)
    files = RunFiles.all_of(tmp_path)
    (row,) = RecordPages(files, PageSettings.of(CONFIG)).write_shard("0of2")
    folder = tmp_path / tiles_folder(row["corpus"], row["record"])
    assert {"0.js", "strip-0.svg"} <= {path.name for path in folder.iterdir()}
    assert 'id="beatlens-tiles"' not in (tmp_path / row["page"]).read_text()
    one = CONFIG | {"report": CONFIG["report"] | {"single_file": True}}
    (row,) = RecordPages(files, PageSettings.of(one)).write_shard("0of2")
    assert not folder.exists()
    text = (tmp_path / row["page"]).read_text()
    assert 'id="beatlens-tiles"' in text
    assert not re.search(r'src="(?!data:)', text)


def test_steps_of_a_path_lead_to_its_places():
    rng = np.random.default_rng(0)
    places = np.round(rng.uniform(0, 700, (50, 2)), 2)
    steps = _short("M " + " \nL ".join(f"{x} {y}" for x, y in places) + " \nz")
    assert steps.endswith("z")
    first, rest = re.fullmatch(r"M(\S+ \S+)l(.*)z", steps).groups()
    numbers = np.array(f"{first} {rest}".split(), dtype=float).reshape(-1, 2)
    assert np.abs(np.cumsum(numbers, axis=0) - places).max() <= 0.051
    assert _short("M 1 2 C 1 2 3 4 5 6") == "M 1 2 C 1 2 3 4 5 6"


def test_scripts_of_tiles_hold_all_samples():
    data = make_data(700.0)
    scripts = tile_scripts(data.signal, FS)
    values = [json.loads(script[len("beatlens.tile(") : -3]) for script in scripts]
    assert [value["name"] for value in values] == ["0", "1", "2"]
    joined = np.concatenate([decode(value["data"], 2) for value in values], axis=1)
    assert np.array_equal(joined, quantised(data.signal))


def test_diagnoses_of_a_record():
    row = {"pred": "AF", "conformal_set": "AF;RBBB", "review": True, "reason": "low_confidence"}
    table = pd.DataFrame([row | {"p_SR": 0.02, "p_AF": 0.8, "p_RBBB": 0.4, "label_AF": 0, "label_SR": 1}])
    found = diagnosis_section(table, {"AF": "atrial fibrillation", "RBBB": NASTY, "SR": "sinus rhythm"})
    assert found.given == "atrial fibrillation"
    assert [(one.name, one.given, one.possible, one.known) for one in found.rows] == [
        ("atrial fibrillation", True, True, "no"),
        (NASTY, False, True, ""),
        ("sinus rhythm", False, False, "yes"),
    ]
    assert "its probabilities lies close" in found.review
    assert diagnosis_section(table.iloc[:0], {}) is None
    assert NASTY not in render_record(page_of(make_data(3.0), diagnoses=found))


@pytest.mark.parametrize("beats", [0, 1])
def test_hardly_any_beats_and_all_in_review(beats):
    data = make_data(5.0)
    few = data.beats.iloc[:beats].assign(review=True)
    text = render_record(page_of(replace(data, beats=few)))
    assert ("No beat was found" in text) == (beats == 0)
    unpredicted = replace(data, beats=data.beats[["beat_id", "corpus", "record", "r_sample", "r_time_s"]], classes=())
    assert "Rate and ectopy" not in render_record(page_of(unpredicted))


def test_ten_thousand_cases(tmp_path):
    data = make_data()
    row = {"corpus": "c", "record": "r1", "beat_id": "c/r1/500", "class": "V", "target": "beat", "label": "V"}
    cases = pd.DataFrame([row | {"outcome": "correct", "probability": 0.9}] * 10_000)
    tables = {"cases": cases.assign(case=[f"V-{k:05d}" for k in range(10_000)])}
    names, image = ("V-00000", "V-000000", "V-00000_as_N"), Image("figure.png", 80.0)
    found = case_sections(RunFiles(tmp_path, frozenset(), True), tables, data, names=names, image=lambda name: image)
    assert len(found.shown) == MAX_CASES
    assert found.n_hidden == 10_000 - MAX_CASES
    assert found.shown[0].title == "V (ventricular premature beat) at 0.5 s"
    assert len(found.shown[0].figures) == 2
    assert "9960 more" in render_record(page_of(data, cases=found))


def test_further_classes_have_the_scale_of_their_own_figures(tmp_path, monkeypatch):
    made = make_case(make_data(), 3).maps[0].attribution
    monkeypatch.setattr(RunFiles, "attribution", lambda *_: made)
    row = {"corpus": "c", "record": "r1", "class": "V", "outcome": "correct", "probability": 0.9, "label": "V"}
    cases, others = pd.DataFrame([row | {"case": "V-1"}]), pd.DataFrame([row | {"case": "V-1_as_N"}])
    limits = CaseLimits({"fused": 2.0, "lime": 3.0}, {"fused": 5.0, "lime": 7.0})
    files, tables = RunFiles(tmp_path, frozenset(), True), {"cases": cases, "class-cases": others}
    (case,) = explained_cases(files, tables, ("c", "r1"), limits)
    assert [one.limit for one in case.maps] == [2.0, 3.0, 5.0, 7.0]
