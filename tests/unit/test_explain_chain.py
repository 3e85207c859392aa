"""Cases to scores on a made shard with a random network: shards change nothing, and bad input is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import read_table, write_table
from beatlens.core.seeds import derive_seed
from beatlens.decision.calibration import Calibration
from beatlens.decision.review import Thresholds
from beatlens.evaluate.explanations.cases import score_cases
from beatlens.evaluate.explanations.faithfulness import (
    cell_sums,
    deletion_insertion,
    greedy_areas,
    random_area,
    ranked_cells,
)
from beatlens.evaluate.explanations.localisation import METRICS
from beatlens.evaluate.explanations.model_scores import model_scores
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.evaluate.explanations.table import scores_table
from beatlens.evaluate.explanations.truths import NullMaps
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.choice import CASE_COLUMNS, WindowSettings, case_rows, select_cases
from beatlens.explain.case.contrast import find_contrast
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.explainer import Explainer, explain_case, explain_shard
from beatlens.explain.result.archive import gather_archives, load_case, write_archive
from beatlens.explain.result.fusion import fuse
from beatlens.explain.result.settings import FusionSettings
from beatlens.explain.result.views import from_payload, to_payload
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.network_inputs import prepare_record
from beatlens.inputs.record_view import RecordViews
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.inputs.stored_predictions import reference_table
from beatlens.models.settings import ModelSettings
from beatlens.prediction.predict import Beside, network_outputs, predict_beats
from beatlens.shards.shard import BeatGeometry, Shard, cut_beats
from beatlens.shards.writer import ShardWriter
from counting import calls
from makers import add_record, make_bundle

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))
REGIONS = read_regions(Path(__file__).parents[2] / "config/diagnostic_regions.csv")
CLASSES, LEADS = ("N", "V"), ("II", "V1")
GEOMETRY = BeatGeometry(100.0, 25, 40)
BEATS = BeatSettings(**CONFIG["beats"])
EXPLAIN = ExplainSettings(
    **CONFIG["explain"] | {"lime": {**CONFIG["explain"]["lime"], "samples": 80}, "kernelshap": {"samples": 80}}
)
EVALUATE = EvaluateSettings(**CONFIG["evaluate"] | {"random_draws": 2, "deletion_steps": 3, "bootstrap": 20})


def write_shard(path, records):
    """Write records of name -> (leads, number of beats); truth: a stretch of lead II of each beat labelled V."""
    with ShardWriter(path) as shard:
        for name, (leads, n_beats) in records.items():
            rng = np.random.default_rng(len(name) + n_beats)
            n_samples = 60 + 80 * n_beats
            r_sample = 30 + 80 * np.arange(n_beats)
            labels = ["V" if k % 3 == 1 else "N" for k in range(n_beats)]
            truth = [
                {"corpus": "c", "record": name, "lead": "II", "label": "V", "r_sample": int(r)}
                | {"start_s": r / 100 - 0.05, "end_s": r / 100 + 0.1}
                for r, label in zip(r_sample, labels, strict=True)
                if label == "V"
            ]
            signal = rng.normal(size=(len(leads), n_samples))
            add_record(
                shard,
                signal,
                r_sample,
                labels,
                settings=BEATS,
                leads=leads,
                record=name,
                patient=f"p_{name}",
                truth=truth,
            )
    return Shard(path)


LOOK_ALIKES = LookAlikeSettings(**CONFIG["look_alikes"] | {"min_similarity": 0.2})  # signals are noise
RECORDS = {"one": (("II",), 6), "single": (("II", "V1"), 1), "both": (LEADS, 12)}


@pytest.fixture(scope="module")
def bundle():
    torch.manual_seed(1)
    network = ModelSettings("hybrid", 1, True, True, (4, 6), (5, 3), 2, 8, 2, 4, 6, 8, 0.0)
    made = make_bundle(GEOMETRY, BEATS, network)
    # V, the class with planted truth, is what most beats are taken for
    spec, calibration = replace(made.spec, look_alikes=LOOK_ALIKES), Calibration(0.2, (0.0, 2.0), 1.0, 0.0)
    return replace(made, spec=spec, calibration=calibration)


def predict(shard, bundle):
    """Predict a shard as the rule does: what explaining reads lies in the shard's own folder ``predictions``."""
    splits = dict.fromkeys(shard.beat_records(), "test")
    beside = Beside(references=[reference_table(shard.beats().iloc[:0], None, bundle.spec)])
    table = predict_beats(shard, shard.beats(), splits, bundle, bundle.network(), beside=beside)
    write_table(shard.path / "predictions/beats.parquet", table)
    write_table(shard.path / "predictions/look_alikes.parquet", pd.concat(beside.references, ignore_index=True))
    return table


def views_of(shards, bundle):
    return RecordViews(shards, [shard.path / "predictions" for shard in shards], bundle.spec)


def choose(shards, bundle):
    tables = [predict(shard, bundle) for shard in shards]
    records = pd.concat([shard.records for shard in shards])[["corpus", "record", "duration_s", "role", "labelled"]]
    window = WindowSettings(0.25, 0.4, BEATS.context, BEATS.gap_s)
    settings = CaseSettings(**CONFIG["cases"] | {"per_class": 3})
    return select_cases(
        pd.concat(tables, ignore_index=True), records, CLASSES, settings=settings, window=window, seed=1
    )


def explainer_of(shards, bundle):
    return Explainer(views_of(shards, bundle), bundle, bundle.network(), EXPLAIN, seed=1)


def run(folder, shards, cases, bundle):
    """Run the rules of the explanation stage, as functions."""
    explainer = explainer_of(shards, bundle)
    for method in EXPLAIN.methods:
        archives = []
        for k, shard in enumerate(shards):
            archives.append(folder / f"{method}.{k}.zip")
            write_archive(archives[-1], explain_shard(cases, shard, explainer, method))
        gather_archives(archives, cases["case"].tolist(), folder / method)
    methods = {method: folder / method for method in EXPLAIN.methods}
    scores = list(score_cases(cases, explainer, methods, settings=EVALUATE, regions=REGIONS))
    return scores_table(scores, CLASSES, EVALUATE, 1)


def test_number_of_shards_changes_no_byte(tmp_path, bundle):
    whole = [write_shard(tmp_path / "all", RECORDS)]
    parts = [write_shard(tmp_path / name, {name: RECORDS[name]}) for name in RECORDS]
    cases = choose(whole, bundle)
    pd.testing.assert_frame_equal(cases, choose(parts, bundle))
    write_table(tmp_path / "cases.csv", cases)
    cases = read_table(tmp_path / "cases.csv")
    assert {"one", "both"} <= set(cases["record"])
    tables = []
    for name, shards in (("a", whole), ("b", parts)):
        (tmp_path / name).mkdir()
        tables.append(run(tmp_path / name, shards, cases, bundle))
    for method in EXPLAIN.methods:
        for case in cases["case"]:
            first, second = ((tmp_path / name / method / f"{case}.npz").read_bytes() for name in "ab")
            assert first == second
    pd.testing.assert_frame_equal(*tables)
    table = tables[0]
    assert {*METRICS, "rhythm_share", "deletion", "insertion", "span_deletion", "sensitivity_n", "infidelity"} <= set(
        table["metric"]
    )
    own = table[table["metric"] == "deletion_auc"]
    assert set(own["truth"]) == {"model", "model, interpolation", "model, zero"}
    # What a null's order reaches stands beside what the explanation's reaches.
    own = table[(table["metric"] == "deletion") & (table["scope"] == "all")]
    assert {"random", "signal", "target_change", "uniform"} <= set(own["null_name"])
    assert (own.loc[own["null_name"] == "random", "null_value"] == 0).all()
    assert set(table[table["metric"] == "auprc"]["null_name"]) == {
        "empty", "random", "uniform", "signal", "r_peak", "target_beat", "change", "target_change", "wrong_class",
    }  # fmt: skip
    # Truth is scored only where the case's class is the beat's own.
    scored = set(table[(table["metric"] == "auprc") & (table["scope"] == "case")]["case"])
    assert scored == set(cases[(cases["class"] == "V") & (cases["label"] == "V")]["case"])
    for case in cases.itertuples():
        own = load_case(tmp_path / "a" / "kernelshap", case.case)
        assert own.meta.beat_id == case.beat_id
        assert own.start_s == pytest.approx(case.start_s, abs=0.02)
        assert own.times_s[-1] == pytest.approx(case.end_s, abs=0.02)
        total = own.values.sum(dtype=np.float64) + own.rhythm + own.meta.unassigned
        assert total == pytest.approx(own.meta.full - own.meta.empty, abs=1e-4)
        assert abs(own.meta.completeness_error) < 1e-8
        mass = np.abs(own.values).sum(dtype=np.float64) + abs(own.rhythm) + abs(own.unassigned)
        assert own.rhythm_share == pytest.approx(abs(own.rhythm) / mass)
        # What is explained is what was predicted, look-alikes included.
        assert own.meta.full == pytest.approx(np.log(case.probability / (1 - case.probability)), abs=2e-4)


def test_contrast_is_the_records_most_frequent_other_class_or_a_prototype(tmp_path, bundle):
    shard = write_shard(tmp_path / "s", {"both": RECORDS["both"]})
    predict(shard, bundle)
    views = views_of([shard], bundle)
    view = views.of("c", "both")
    waves = cut_beats(view.record.signal, view.record.r_index, GEOMETRY)
    review = np.arange(12) == 0
    elsewhere = None

    class Patient(RecordViews):
        def median_elsewhere(self, view, label, min_beats):
            return elsewhere

    patient = Patient([], [], bundle.spec)

    def contrast(pred, explained, probability=(0.1, 0.9), bank=bundle.bank):
        probabilities = np.tile(np.array(probability), (12, 1))
        changed = replace(view, pred=np.array([*pred], dtype=object), review=review, probability=probabilities)
        return find_contrast(patient, changed, 5, explained, bank)

    found = contrast("NNNNNVVVSSSS", "V")
    assert (found.label, found.source) == ("N", "record")
    np.testing.assert_allclose(found.wave, np.median(waves[1:5], axis=0), rtol=1e-6)
    found = contrast("VVVVVVVVVVVV", "V")
    assert (found.label, found.source) == ("N", "prototypes")
    scale = view.record.lead_scale[:, None]
    np.testing.assert_allclose(found.wave, bundle.bank.waves[:2].mean(axis=0) * scale, rtol=1e-5)
    elsewhere = waves[3]
    found = contrast("VVVVVVVVVVVV", "V")
    assert (found.label, found.source) == ("N", "patient")
    np.testing.assert_array_equal(found.wave, waves[3])
    elsewhere = None
    few = "NNSSSSVVVVVV"  # too few of the reference: prototypes before another class
    found = contrast(few, "V")
    assert (found.label, found.source) == ("N", "prototypes")
    found = contrast(few, "N", (0.9, 0.1))
    assert (found.label, found.source) == ("V", "record")
    bank = replace(bundle.bank, present=np.array([[True, False]] * 4))
    assert contrast("VVVVVVVVVVVV", "V", bank=bank) is None
    found = contrast(few, "V", bank=bank)
    assert (found.label, found.source) == ("S", "record")


def test_beats_of_the_patients_other_records_whatever_their_shard(tmp_path, bundle):
    """Accepted beats of the class, in the leads of the case's record; not the record itself, nor another patient's."""
    shards = [write_shard(tmp_path / name, {name: RECORDS[name]}) for name in RECORDS]
    tables = [predict(shard, bundle) for shard in shards]
    views = views_of(shards, bundle)
    view = views.of("c", "one")
    assert len(views.beats_elsewhere(view, "V")) == 0
    assert views.median_elsewhere(view, "V", 1) is None
    for shard in shards:
        shard.records["patient"] = "p"
    views = views_of(shards, bundle)
    view = replace(view, record=replace(view.record, patient="c/p"))
    found = views.beats_elsewhere(view, "V")
    others = pd.concat([table for table, name in zip(tables, RECORDS, strict=True) if name != "one"])
    assert len(found) == ((others["pred"] == "V") & ~others["review"]).sum() > 0
    turned = views_of(shards[::-1], bundle).median_elsewhere(view, "V", 1)
    np.testing.assert_array_equal(np.median(found, axis=0).astype(np.float32), turned)


def test_a_record_is_prepared_once_and_predicted_by_no_one_but_prediction(tmp_path, bundle):
    """For many cases and methods, scores included, and whatever the order of cases: counted, not timed."""
    shards = [write_shard(tmp_path / "s", RECORDS)]
    cases = choose(shards, bundle).sample(frac=1, random_state=0, ignore_index=True)
    assert len(cases) > cases["record"].nunique() > 1
    found, explainer = [], explainer_of(shards, bundle)
    counts = calls(lambda: found.extend(explain_shard(cases, shards[0], explainer, "kernelshap")))
    assert [one.meta.case for one in found] == cases["case"].tolist()
    assert counts["view_record"] == cases["record"].nunique()
    assert counts["network_outputs"] == 0
    counts = calls(lambda: run(tmp_path, shards, cases, bundle))
    jobs = len(EXPLAIN.methods) + 1  # each method, then scores; here they share the views of a run
    assert 0 < counts["view_record"] <= jobs * cases["record"].nunique()
    assert counts["network_outputs"] == 0


def test_look_alikes_are_those_of_prediction(tmp_path, bundle):
    """What is stored gives the same look-alikes as the network's outputs of the whole record."""
    shard = write_shard(tmp_path / "s", {"both": RECORDS["both"]})
    predict(shard, bundle)
    stored = views_of([shard], bundle).of("c", "both").look_alikes
    made = network_outputs(prepare_record(shard, shard.beats(), bundle.spec), bundle.spec, bundle.network()).look_alikes
    for name in ("rows", "shapes", "evidence", "group"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(made, name))


def test_predictions_of_other_beats_are_refused(tmp_path, bundle):
    shard = write_shard(tmp_path / "s", {"both": RECORDS["both"]})
    table = predict(shard, bundle)
    write_table(shard.path / "predictions/beats.parquet", table.iloc[1:].reset_index(drop=True))
    with pytest.raises(ValueError, match=r"11 beats of c/both that aren't the 12 of its shard"):
        views_of([shard], bundle).of("c", "both")


# ---------------------------------------------------------------- bad input: each a clear result or error


def test_a_record_of_one_beat(tmp_path, bundle):
    shards = [write_shard(tmp_path / "s", {"single": RECORDS["single"]})]
    cases = choose(shards, bundle)
    assert len(cases) == 1
    table = run(tmp_path, shards, cases, bundle)
    assert load_case(tmp_path / "kernelshap", cases["case"][0]).meta.baseline == "contrast_beat"
    assert table["lo"].isna().all()  # one patient has no interval


def test_no_case_is_legal(tmp_path, bundle):
    shards = [write_shard(tmp_path / "s", {"one": RECORDS["one"]})]
    write_table(tmp_path / "cases.csv", pd.DataFrame(columns=list(CASE_COLUMNS)))
    table = run(tmp_path, shards, read_table(tmp_path / "cases.csv"), bundle)
    assert table.empty
    assert list((tmp_path / "lime").iterdir()) == []


def test_no_beats_is_an_error_that_names_record_and_case(tmp_path, bundle):
    shard = write_shard(tmp_path / "s", {"one": RECORDS["one"], "none": (("II",), 0)})
    case = case_rows(choose([shard], bundle))[0]
    explainer = explainer_of([shard], bundle)
    with pytest.raises(ValueError, match=r"no beats of c/none"):
        explainer.prepare(replace(case, record="none"))
    with pytest.raises(ValueError, match=rf"case {case.case}: no beat c/one/7 of c/one"):
        explainer.prepare(replace(case, beat_id="c/one/7"))
    with pytest.raises(ValueError, match="0 shards hold c/x"):
        explainer.prepare(replace(case, record="x"))
    with pytest.raises(ValueError, match="expected one of"):
        explainer.prepare(replace(case, case_class="X"))


def test_all_in_review(tmp_path, bundle):
    """Every beat is under review: cases say so, and a class is contrasted with prototypes, not with reviewed beats."""
    strict = replace(bundle, thresholds=Thresholds(1.1, 1.1, (np.inf,) * len(bundle.classes)))
    shards = [write_shard(tmp_path / "s", {"both": RECORDS["both"]})]
    cases = choose(shards, strict)
    assert set(cases["outcome"]) == {"review"}
    run(tmp_path, shards, cases, strict)
    meta = load_case(tmp_path / "kernelshap", cases["case"][0]).meta
    assert meta.contrast.endswith("(prototypes)")


def test_a_class_that_is_never_predicted_and_a_constant_model(tmp_path, bundle):
    """All beats are N, whatever the signal: nothing is attributed, and a class that no beat has can be asked for."""
    weights = {name: value * 0 if name.startswith("head.4") else value for name, value in bundle.weights.items()}
    assert weights.keys() == bundle.weights.keys()
    constant = replace(bundle, weights=weights, calibration=Calibration(1.0, (2.0, 0.0), 1.0, 0.0))
    shards = [write_shard(tmp_path / "s", {"both": RECORDS["both"]})]
    cases = choose(shards, constant)
    assert set(cases["class"]) == {"N"}
    table = run(tmp_path, shards, cases, constant)
    own = load_case(tmp_path / "kernelshap", cases["case"][0])
    assert np.abs(own.values).max() < 1e-6
    assert own.meta.completeness_error == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(table.loc[table["metric"] == "deletion_auc", "value"]).all()
    asked = cases.assign(**{"class": "V"})
    found = next(explain_shard(asked, shards[0], explainer_of(shards, constant), "kernelshap"))
    assert found.meta.case_class == "V"
    assert found.meta.full == pytest.approx(-2.0, abs=1e-5)  # log odds of the calibration's offsets


def test_deletion_is_measured_in_what_is_explained(tmp_path, bundle):
    """In log odds, although probabilities are so near 1 that their curves are flat."""
    shard = write_shard(tmp_path / "s", {"one": RECORDS["one"]})
    sure = replace(bundle, calibration=replace(bundle.calibration, temperature=1e-3))
    case = case_rows(choose([shard], sure))[0]
    prepared = explainer_of([shard], sure).prepare(case)
    found = explain_case(prepared, "kernelshap")
    engine, target, edges = prepared.engine, prepared.target, prepared.edges
    shape, steps = (len(engine.instance.record.leads), len(edges) - 1), EVALUATE.deletion_steps
    scores = model_scores(prepared, {"kernelshap": found}, NullMaps({}), settings=EVALUATE, seed=7, greedy=True)
    score = next(score for score in scores if score.metric == "deletion")

    def log_odds(cells):
        return engine.cell_values(cells, np.ones(len(cells), dtype=bool), edges, target)

    order = ranked_cells(cell_sums(found.values, np.diff(edges)), np.random.default_rng(0))
    draws = np.random.default_rng(derive_seed(7, "random_orders"))
    chance = random_area(log_odds, shape, steps, EVALUATE.random_draws, draws)
    assert score.value == pytest.approx(chance - deletion_insertion(log_odds, order, shape, steps).deletion)
    assert score.denominator == pytest.approx(chance - greedy_areas(log_odds, shape, steps).deletion)
    assert score.denominator > 1  # more than any difference of probabilities


def test_a_damaged_attribution_file_is_refused_by_name(tmp_path, bundle):
    shards = [write_shard(tmp_path / "s", {"one": RECORDS["one"]})]
    cases = choose(shards, bundle)
    run(tmp_path, shards, cases, bundle)
    path = tmp_path / "lime" / f"{cases['case'][0]}.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["values"][0, 3] = np.nan
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=rf"{path.name}.*1 values that are not finite"):
        load_case(tmp_path / "lime", cases["case"][0])
    other = tmp_path / "lime" / "other.npz"
    other.write_bytes((tmp_path / "kernelshap" / path.name).read_bytes())
    with pytest.raises(ValueError, match="holds case"):
        load_case(tmp_path / "lime", "other")


def test_a_single_lead(tmp_path, bundle):
    """All parts work, and there is no score of leads where there are none to choose from."""
    shards = [write_shard(tmp_path / "s", {"one": RECORDS["one"]})]
    cases = choose(shards, bundle)
    table = run(tmp_path, shards, cases, bundle)
    own = load_case(tmp_path / "kernelshap", cases["case"][0])
    assert own.leads == ("II",)
    assert table.loc[table["metric"] == "lead_auc", "value"].isna().all()
    assert table.loc[table["metric"] == "time_auc", "value"].notna().any()
    again = fuse({"a": own, "b": own}, FusionSettings(**CONFIG["fusion"]))
    assert again.values.shape == own.values.shape


def test_a_record_without_beats_beside_another(tmp_path, bundle):
    """It has no case, and the other record's cases are what they are without it."""
    alone = write_shard(tmp_path / "a", {"both": RECORDS["both"]})
    beside = write_shard(tmp_path / "b", {"both": RECORDS["both"], "none": (("II",), 0)})
    cases = choose([alone], bundle)
    pd.testing.assert_frame_equal(choose([beside], bundle), cases)
    table = run(tmp_path, [beside], cases, bundle)
    assert set(table.loc[table["scope"] == "case", "record"]) == {"c/both"}


def test_a_payload_for_another_record_or_class(tmp_path, bundle):
    shards = [write_shard(tmp_path / "s", {"both": RECORDS["both"]})]
    cases = choose(shards, bundle)
    first = next(explain_shard(cases, shards[0], explainer_of(shards, bundle), "kernelshap"))
    payload = to_payload(first, "c/both.mat")
    with pytest.raises(ValueError, match=r"payload for 'c/both\.mat'.*expected 'c/other\.mat'"):
        from_payload(payload, first, "c/other.mat")
    with pytest.raises(ValueError, match=r"class 'X'; expected .*class"):
        from_payload(payload | {"target_label": "X"}, first, "c/both.mat")
    with pytest.raises(ValueError, match=r"lead 'V6'; expected one of \('II', 'V1'\)"):
        from_payload(payload | {"perlead_spans": {"V6": [[0.0, 0.1, 1.0]]}}, first, "c/both.mat")
    with pytest.raises(ValueError, match="outside the window"):
        from_payload(payload | {"perlead_spans": {"II": [[900.0, 900.1, 1.0]]}}, first, "c/both.mat")
    with pytest.raises(ValueError, match="payload without"):
        from_payload({"mat_path": "c/both.mat"}, first, "c/both.mat")
