"""Attributions, players, archives, fusion, payloads and the choice of cases."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.explain.case.choice import WindowSettings, select_cases
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.methods.refine import screen, solve, strongest_players
from beatlens.explain.players.coalition import (
    cell_players,
    lead_players,
    refined_players,
    segment_edges,
    segment_players,
)
from beatlens.explain.result.archive import gather_archives, load_case, write_archive
from beatlens.explain.result.attribution import Attribution, rhythm_share
from beatlens.explain.result.fusion import fuse
from beatlens.explain.result.metadata import META_KEYS, AttributionMeta, EarlierStages, PlayerValues
from beatlens.explain.result.settings import FusionSettings
from beatlens.explain.result.views import from_payload, lead_spans, to_payload, top_leads
from beatlens.explain.settings import ExplainSettings

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
LEADS = ("II", "V1")
EDGES = segment_edges(100, 135, 10)


def attribution(values, *, case="V-correct-01", method="lime", rhythm=0.5, **meta):
    values = np.asarray(values, dtype=np.float32)
    known = {"corpus": "c", "record": "r", "beat_id": "c/r/1", "target": "beat", "case_class": "V", "units": "logit"}
    known |= {"rhythm_share": rhythm_share(values, rhythm, meta.get("unassigned", 0.0)), "n_evaluations": 10}
    own = AttributionMeta(case=case, method=method, rhythm=rhythm, **known | meta)
    return Attribution(values, LEADS, 200.0, 1.5, own)


def random_attribution(seed, **meta):
    return attribution(np.random.default_rng(seed).normal(size=(2, 30)), **meta)


# ---------------------------------------------------------------- players and attributions


def test_segments_of_a_window():
    assert EDGES.tolist() == [100, 110, 120, 130, 135]
    with pytest.raises(ValueError, match="stop > start"):
        segment_edges(5, 5, 10)


def test_segments_lie_alike_in_every_beat():
    peaks = np.array([120, 161, 205])
    edges = segment_edges(100, 240, 10, peaks)
    # Beats meet at 141 and 183. From R - 5 on both sides by tens; remainders of less than 5 join their neighbours.
    assert edges.tolist() == [
        100, 105, 115, 125, 135, 141, 146, 156, 166, 176, 183, 190, 200, 210, 220, 230, 240
    ]  # fmt: skip
    later = segment_edges(141, 240, 10, peaks[1:])  # the window without its first beat: the others are cut as before
    assert later.tolist() == edges[edges >= 141].tolist()
    with pytest.raises(ValueError, match="expected ascending places from 100 to 240"):
        segment_edges(100, 240, 10, peaks[::-1])


@pytest.mark.parametrize(
    "players",
    [
        segment_players(LEADS, EDGES, rhythm=True),
        lead_players(LEADS, EDGES, rhythm=False),
        cell_players(LEADS, EDGES, rhythm=True),
        refined_players(LEADS, EDGES, [2, 0], rhythm=True),
    ],
)
def test_spread_values_add_up_over_each_players_samples(players):
    values = np.random.default_rng(0).normal(size=len(players))
    dense = players.spread(values)
    assert dense.shape == (2, 35)
    for k in range(len(players)):
        own = np.repeat(players.cell_player == k, np.diff(EDGES), axis=1)
        if k == players.rhythm:
            assert not own.any()
        else:
            np.testing.assert_allclose(dense[own].sum(), values[k])
            assert np.ptp(dense[own]) < 1e-12


def test_masks_to_cells():
    players = refined_players(LEADS, EDGES, [1], rhythm=True)
    assert players.names == ("II@110-120", "V1@110-120", "rest", "rhythm")
    cells = players.cells_on(np.array([[True, False, True, False], [True, True, False, True]]))
    assert cells[0].tolist() == [[True] * 4, [True, False, True, True]]
    assert cells[1].tolist() == [[False, True, False, False]] * 2
    assert players.rhythm_on(np.array([[True, False, True, False]])).tolist() == [False]
    with pytest.raises(ValueError, match="masks of shape"):
        players.cells_on(np.ones((2, 3), dtype=bool))


def test_the_strongest_events_are_found_and_the_rest_is_one_player():
    """The target is known in closed form: 2 from one segment, 1 from the rhythm, -0.5 from another segment."""
    edges = segment_edges(0, 400, 10)
    settings = ExplainSettings(**CONFIG["explain"] | {"kernelshap": {"samples": 300}})
    events = segment_players(LEADS, edges, rhythm=True)

    def value(masks, players):
        cells, rhythm = players.cells_on(masks), players.rhythm_on(masks)
        return 2.0 * cells[:, :, 17].all(axis=1) + 1.0 * rhythm - 0.5 * cells[:, :, 3].all(axis=1)

    screening = screen(value, events)
    assert screening.n_evaluations == 2 * 41 + 2
    players = strongest_players(events, screening.values, 2)
    assert players.names == ("30-40", "170-180", "rest", "rhythm")
    assert (players.cells_on(np.eye(4, dtype=bool)).sum(axis=(1, 2)) == [2, 2, 2 * 38, 0]).all()
    solution = solve(value, players, "kernelshap", settings, 1)
    np.testing.assert_allclose(solution.values, [-0.5, 2.0, 0.0, 1.0], atol=1e-8)
    everything = strongest_players(events, screening.values, 40)
    assert everything.names == events.names


def test_attribution_file(tmp_path):
    first = random_attribution(1)
    first.save(tmp_path / "a.npz")
    again = Attribution.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(first.values, again.values)
    assert (again.leads, again.fs, again.start_s, again.meta) == (first.leads, first.fs, first.start_s, first.meta)
    assert first.to_bytes() == again.to_bytes()


@pytest.mark.parametrize("values", [np.zeros((2, 30)), np.zeros((2, 0)), np.ones((2, 30)), -np.ones((2, 30))])
def test_legal_attributions(values, tmp_path):
    attribution(values).save(tmp_path / "a.npz")
    assert Attribution.load(tmp_path / "a.npz").values.shape == values.shape


def test_attributions_that_are_refused(tmp_path):
    values = np.zeros((2, 5), dtype=np.float32)
    values[1, 3] = np.nan
    with pytest.raises(ValueError, match="1 values that are not finite"):
        attribution(values)
    with pytest.raises(ValueError, match="expected \\(2 leads"):
        attribution(np.zeros((3, 5)))
    good = attribution(np.zeros((2, 5)))
    np.savez(tmp_path / "a.npz", values=values, leads=np.array(LEADS), fs=200.0, start_s=0.0, metadata="{}")
    with pytest.raises(ValueError, match=r"a\.npz"):
        Attribution.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", values=good.values)
    with pytest.raises(ValueError, match="expected an attribution"):
        Attribution.load(tmp_path / "b.npz")


# ---------------------------------------------------------------- fusion


def settings(**changes):
    return FusionSettings(**CONFIG["fusion"] | changes)


@pytest.mark.parametrize("aggregate", ["geomean", "mean", "min", "max"])
@pytest.mark.parametrize("sign", ["penalise", "drop"])
def test_fusing_with_itself_is_the_identity(aggregate, sign):
    own = random_attribution(2, unassigned=-3.0)
    fused = fuse({"a": own, "b": own}, settings(aggregate=aggregate, sign=sign, tau=0.0))
    mass = np.abs(own.values.astype(float)).sum() + 0.5 + 3.0
    assert fused.unassigned == pytest.approx(-3.0 / mass)
    np.testing.assert_allclose(fused.values, own.values / mass, atol=1e-6)
    assert fused.rhythm == pytest.approx(0.5 / mass)
    assert fused.rhythm_share == pytest.approx(own.rhythm_share)
    assert fused.meta.fusion.lost_to_conflict == pytest.approx(0)
    assert fused.meta.fusion.lost_unmatched == pytest.approx(0)
    assert fused.meta.units == "relative"


def test_a_method_that_does_not_apply_is_left_out_and_named(tmp_path):
    first, second = random_attribution(1), random_attribution(2)
    none = attribution(np.zeros((2, 30)), rhythm=None, absent="the values lack 1 of 2")
    fused = fuse({"a": first, "b": second, "c": none}, settings())
    expected = fuse({"a": first, "b": second}, settings())
    np.testing.assert_array_equal(fused.values, expected.values)
    assert fused.rhythm == expected.rhythm
    assert (fused.meta.fusion.methods, fused.meta.fusion.left_out) == (("a", "b"), ("c",))
    assert "left_out" not in expected.meta.to_json()["fusion"]
    empty = fuse({"c": none}, settings())
    assert empty.meta.absent == "no method applies to this case, of c"
    for one in (fused, none, empty):
        one.save(tmp_path / "one.npz")
        assert Attribution.load(tmp_path / "one.npz").meta == one.meta


def test_fusion_by_hand():
    """Two cells agree, one conflicts, one has a single method."""
    first = attribution([[4, 2, 2, 0], [0, 0, 0, 0]], rhythm=None)
    second = attribution([[1, 3, -2, 2], [0, 0, 0, 0]], rhythm=None)
    options = {"aggregate": "geomean", "beta": 0.5, "tau": 0.0}
    fused = fuse({"a": first, "b": second}, settings(sign="penalise", **options))
    raw = np.array([np.sqrt(4 / 8 * 1 / 8), np.sqrt(2 / 8 * 3 / 8), 0.0, 0.5 * 2 / 8])
    np.testing.assert_allclose(fused.values[0], raw / raw.sum(), rtol=1e-6)
    joined = raw + np.array([0, 0, 2 / 8, 0.5 * 2 / 8])
    assert fused.meta.fusion.lost_to_conflict == pytest.approx(2 / 8 / joined.sum())
    assert fused.meta.fusion.lost_unmatched == pytest.approx(0.5 * 2 / 8 / joined.sum())
    assert fuse({"a": first, "b": second}, settings(sign="abs", **options)).values[0, 2] > 0
    pruned = fuse({"a": first, "b": second}, settings(sign="drop", **options | {"tau": 0.6}))
    assert np.sign(pruned.values[0]).tolist() == [1, 1, -1, 1]  # the conflict's partner was pruned


@pytest.mark.parametrize("aggregate", ["geomean", "mean", "min", "max"])
def test_a_method_without_a_rhythm_player_has_no_say_about_the_rhythm(aggregate):
    """Fused with a method that has the same map at another scale and can't attribute rhythm, a map stays itself."""
    own = random_attribution(4, rhythm=80.0)
    cam = attribution(7 * own.values, rhythm=None, method="gradcam", units="relative")
    fused = fuse({"a": own, "b": cam}, settings(aggregate=aggregate, tau=0.0))
    np.testing.assert_allclose(fused.values, own.values / (np.abs(own.values).sum() + 80), rtol=1e-5)
    assert fused.rhythm_share == pytest.approx(own.rhythm_share)
    assert own.rhythm_share > 0.6
    assert fuse({"a": cam, "b": cam}, settings()).rhythm_share is None


def test_what_has_no_place_counts_in_the_rhythms_share():
    assert rhythm_share([0.5, -0.5], 1.0, -2.0) == 0.25
    assert rhythm_share([1.0], None, 2.0) is None


def test_metadata_of_a_fusion_and_of_a_payload_are_their_own():
    """What was true of the first method, in its units, isn't said of what was made of it."""
    own = random_attribution(
        2,
        full=3.0,
        empty=-1.0,
        unassigned=2.0,
        earlier=EarlierStages(PlayerValues("waves")),
        baseline="zero",
        standard_error=[1.0],
    )
    fused, again = fuse({"a": own}, settings()), from_payload(to_payload(own, "r"), own, "r")
    assert set(fused.meta.to_json()) == {*META_KEYS, "fusion", "unassigned"}
    assert set(again.meta.to_json()) == set(META_KEYS)
    for made in (fused, again):
        assert made.meta.seed is made.meta.standard_error is None
        assert (made.meta.case, made.meta.case_class, made.meta.beat_id) == ("V-correct-01", "V", "c/r/1")
    assert (fused.meta.baseline, again.meta.baseline) == ("zero", None)
    assert fuse({"a": own, "b": random_attribution(2, baseline="lead_mean")}, settings()).meta.baseline is None


def test_fusion_with_an_empty_attribution_and_of_empty_ones():
    own, empty = random_attribution(3), attribution(np.zeros((2, 30)), rhythm=0.0)
    fused = fuse({"a": own, "b": empty}, settings(tau=0.0))
    np.testing.assert_allclose(np.abs(fused.values).sum() + abs(fused.rhythm), 1, rtol=1e-5)
    assert not fuse({"a": empty, "b": empty}, settings()).values.any()


def test_fusion_of_other_grids_is_refused():
    with pytest.raises(ValueError, match="one case on one grid"):
        fuse({"a": random_attribution(1), "b": random_attribution(1, case="N-correct-01")}, settings())
    with pytest.raises(ValueError, match="one case on one grid"):
        fuse({"a": random_attribution(1), "b": attribution(np.ones((2, 31)))}, settings())


def test_the_fuse_program_does_without_torch():
    code = "import sys, runpy; runpy.run_path('scripts/fuse.py'); sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=1200)


# ---------------------------------------------------------------- archives and payloads


def test_archives_are_gathered_case_by_case(tmp_path):
    one, two = random_attribution(1, case="a"), random_attribution(2, case="b")
    write_archive(tmp_path / "0.zip", [one])
    write_archive(tmp_path / "1.zip", [two])
    write_archive(tmp_path / "none.zip", [])
    archives = [tmp_path / name for name in ("0.zip", "1.zip", "none.zip")]
    gather_archives(archives, ["a", "b"], tmp_path / "all")
    np.testing.assert_array_equal(load_case(tmp_path / "all", "b").values, two.values)
    write_archive(tmp_path / "again.zip", [one])
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "0.zip").read_bytes()
    for cases, files, message in (
        (["a", "b", "c"], archives, r"\['c'\]"),
        (["a"], archives, "no case of the case table"),
        (["a", "b"], [*archives, tmp_path / "again.zip"], "expected one"),
    ):
        with pytest.raises(ValueError, match=message):
            gather_archives(files, cases, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    gather_archives([tmp_path / "none.zip"], [], tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
    assert zipfile.ZipFile(tmp_path / "0.zip").infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_payload_round_trip():
    values = np.zeros((2, 30))
    values[0, 5:10], values[0, 12:14], values[1, 3:6], values[1, 20] = 2, 1, -4, 0.1
    own = attribution(values)
    assert [(round(s.start_s, 3), round(s.end_s, 3), s.weight) for s in lead_spans(own)["II"]] == [
        (1.525, 1.55, 10.0),
        (1.56, 1.57, 2.0),
    ]
    assert lead_spans(own)["V1"] == []  # 0.1 is below a tenth of the largest
    assert top_leads(own) == ["II", "V1"]
    payload = to_payload(own, "r.mat")
    again = from_payload(payload, own, "r.mat")
    np.testing.assert_allclose(again.values, np.where(values >= 0.2, values, 0), rtol=1e-6)
    with pytest.raises(ValueError, match=r"other\.mat"):
        from_payload(payload, own, "other.mat")
    broken = payload | {"perlead_spans": {"II": [[1.525, 1.55, float("nan")]]}}
    with pytest.raises(ValueError, match="not finite"):
        from_payload(broken, own, "r.mat")
    assert lead_spans(attribution(-np.ones((2, 30))))["II"] == []


# ---------------------------------------------------------------- cases


def predictions(n_patients=6, per_patient=30, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        for beat in range(per_patient):
            p = rng.dirichlet([4, 1, 1])
            rows.append(
                {
                    "beat_id": f"c/r{patient}/{beat * 100}",
                    "corpus": "c",
                    "record": f"r{patient}",
                    "patient": f"P{patient}",
                    "split": "test" if patient else "train",
                    "r_time_s": 0.5 + beat * 0.8,
                    "label": rng.choice(["N", "S", "none"]),
                    **{f"p_{name}": value for name, value in zip("NSV", p, strict=True)},
                    "pred": "NSV"[int(p[:2].argmax())],
                    "review": bool(rng.random() < 0.2),
                }
            )
    records = pd.DataFrame({"corpus": "c", "record": [f"r{k}" for k in range(n_patients)], "duration_s": 25.0})
    records = records.assign(role="train", labelled=True)
    return pd.DataFrame(rows), records


WINDOW = WindowSettings(0.25, 0.4, 5, 4.0)


def choose(beats, records, seed=1, **changes):
    return select_cases(
        beats,
        records,
        ["N", "S", "V"],
        settings=CaseSettings(**CONFIG["cases"] | {"max_windows": 0} | changes),
        window=WINDOW,
        seed=seed,
    )


def test_cases_are_seeded_of_test_patients_and_as_declared():
    beats, records = predictions()
    cases = choose(beats, records)
    pd.testing.assert_frame_equal(cases, choose(beats.sample(frac=1, random_state=3), records))
    assert not cases.equals(choose(beats, records, seed=2))
    assert cases["case"].is_unique
    assert cases["beat_id"].is_unique
    assert not cases["patient"].eq("P0").any()
    assert not cases["class"].eq("V").any()  # never predicted
    assert len(cases) == 2 * 3 * 2
    joined = cases.merge(beats, on="beat_id", suffixes=("", "_beat"))
    assert (joined["pred"] == joined["class"]).all()
    correct = joined["outcome"] == "correct"
    assert (joined["label"] == joined["class"])[correct].all()
    assert (joined["review"] == (joined["outcome"] == "review")).all()
    assert (joined["relaxed"] == (joined["probability"] < 0.5)).all()
    np.testing.assert_allclose(cases["end_s"] - cases["start_s"], 4 * 0.8 + 0.65, atol=1.7)
    for _, group in cases[cases["class"] == "N"].groupby("outcome"):
        assert group["patient"].is_unique
    assert len(choose(beats, records, max_cases=3)) == 3
    assert len(choose(beats, records, max_duration_s=0.1)) == 0


def test_no_cases_and_unlabelled_records():
    beats, records = predictions()
    assert choose(beats.iloc[:0], records).empty
    own = beats.assign(split="none", label="", review=False)
    unlabelled = records.assign(labelled=False)
    assert set(choose(own, unlabelled, outcomes=["unlabelled"])["outcome"]) == {"unlabelled"}
    with pytest.raises(ValueError, match="record table"):
        choose(beats, records.iloc[1:])


def test_corpora_to_predict_are_explained_with_labels_and_records_set_aside_are_not():
    beats, records = predictions()
    own = beats.assign(split="none")
    cases = choose(own, records.assign(role="predict"))
    assert set(cases["outcome"]) == {"correct", "wrong", "review"}
    assert cases["patient"].eq("P0").any()
    half = own.assign(label=own["label"].where(own.index % 2 == 0, ""))  # annotations that are no class of the table
    assert choose(half, records).empty, "labelled records that a split table sets aside"


def test_screening_takes_what_is_needed_and_what_suffices():
    """Both parts of an AND are needed, either part of an OR suffices, and a part without effect has none."""
    players = segment_players(LEADS, segment_edges(0, 50, 10), rhythm=False)

    def target(masks, _):
        return ((masks[:, 0] & masks[:, 1]) * 2.0 + (masks[:, 2] | masks[:, 3])).astype(float)

    solution = screen(target, players)
    np.testing.assert_allclose(solution.values, [1.0, 1.0, 0.5, 0.5, 0.0])
    assert solution.n_evaluations == 12
