"""The attention of beats of a made shard from the library's side: report, files, figures, summary, and its tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from beatlens.api import capture
from beatlens.beats.settings import BeatSettings
from beatlens.core.files import write_table
from beatlens.evaluate.attention.arrays import AttentionArrays
from beatlens.evaluate.attention.case_report import PARTS, perturbation_evidence
from beatlens.evaluate.attention.summary import summarise
from beatlens.evaluate.attention.writing import as_json, case_text, summary_text
from beatlens.evaluate.probes.sanity import randomisation
from beatlens.evaluate.probes.shared import ProbeSettings
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.explainer import Explainer
from beatlens.explain.settings import OF_ATTENTION, ExplainSettings
from beatlens.figures.attention_summary import agreement_words, attention_summary_figure
from beatlens.figures.explained_cases import UNCHECKED, attention_note
from beatlens.inputs.stored_predictions import reference_table
from beatlens.models.settings import ModelSettings
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.shards.writer import ShardWriter
from beatlens.workbench.explanation import case_of
from beatlens.workbench.predicted import PredictedRecord, Predictions
from makers import add_record, make_bundle

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))
BEATS, GEOMETRY = BeatSettings(**CONFIG["beats"]), BeatGeometry(100.0, 25, 40)
EVALUATE = EvaluateSettings(**CONFIG["evaluate"] | {"bootstrap": 20})
NETWORK = ModelSettings("crossmodal", 2, True, True, (6, 8), (5, 3), 3, 8, 4, 6, 9, 12, 0.0, 2)


def make_predictions(folder, network):
    torch.manual_seed(0)
    bundle = make_bundle(GEOMETRY, BEATS, network, signal=CONFIG["signal"])
    shape = np.exp(-0.5 * (np.arange(-25, 40) / 2.0) ** 2) + 0.2 * np.exp(-0.5 * ((np.arange(-25, 40) - 28) / 5.0) ** 2)
    with ShardWriter(folder / "shard") as writer:
        for k in range(2):
            rng = np.random.default_rng(k)
            r_sample = 40 + np.cumsum(rng.integers(70, 95, 9))
            signal = rng.normal(size=(2, int(r_sample[-1]) + 60)) * 0.03
            for r in r_sample:
                signal[:, r - 25 : r + 40] += np.outer([1.0, 0.6], shape)
            add_record(
                writer, signal, r_sample, ["N"] * 9, settings=BEATS, leads=("II", "V1"), record=f"r{k}", patient=f"p{k}"
            )
    shard, beside = Shard(folder / "shard"), Beside(references=[])
    beside = Beside(references=[reference_table(shard.beats().iloc[:0], None, bundle.spec)])
    splits = dict.fromkeys(shard.beat_records(), "test")
    table = predict_beats(shard, shard.beats(), splits, bundle, bundle.network(), beside=beside)
    write_table(folder / "said" / "beats.parquet", table)
    write_table(folder / "said" / "look_alikes.parquet", pd.concat(beside.references, ignore_index=True))
    return Predictions((shard,), (folder / "said",), bundle, CONFIG)


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    return make_predictions(tmp_path_factory.mktemp("attention"), NETWORK)


@pytest.fixture(scope="module")
def found(predictions):
    asked = capture(predictions.bundle)
    records = [PredictedRecord("c", f"r{k}", predictions) for k in range(2)]
    return [
        asked.explain(record, record.beats["beat_id"].iloc[4], case_class="V", evidence=("occlusion",))
        for record in records
    ]


def test_the_library_gives_logits_weights_statistics_and_a_figure(found):
    one = found[0]
    assert one.logits.shape == (2,)
    # 2 leads x 3 slots ask; 2 leads x 3 bands x 3 slots of each of the beats in the window answer
    n_beats = int(one.arrays.tokens["waveform"].valid.sum()) // 6
    assert one.weights["waveform->spectrogram"].shape == (2, 2, 6, 18 * n_beats)
    assert one.weights["spectrogram->waveform"].shape == (2, 2, 18, 6 * n_beats)
    assert len(one.statistics["spectrogram->waveform"]) == 2
    assert one.statistics["spectrogram->waveform"][0].entropy.shape == (2,)
    assert one.plot().axes
    assert set(one.report.evidence["attention"]) == {"occlusion"}
    assert "attention_relevance" in one.text()
    assert "agree with occlusion" in one.text() or "agrees with occlusion" in one.text()
    apart = one.report.directions[0].redundancy[0, 1]  # of two heads
    assert f"mean {apart:.3f}, least {apart:.3f} (heads 1 and 2)" in one.text()


def test_a_map_of_attention_says_whether_perturbations_agree(found, tmp_path):
    assert attention_note(tmp_path, "any", "lime") == ""
    assert attention_note(None, "any", "attention") == attention_note(tmp_path, "none", "attention") == UNCHECKED
    report = as_json(found[0].report)
    (tmp_path / "one.json").write_text(json.dumps(report))
    of = report["evidence"]["attention"]["occlusion"]
    said = attention_note(tmp_path, "one", "attention")
    verb = "Agrees" if of["p"] <= 0.05 and of["value"] > of["even"] else "Does not agree"
    assert said.startswith(f"{verb} with occlusion: r ")
    assert said.endswith(f"even attention {of['even']:.2f}".replace("-", "−"))


def test_named_pairs_speak_of_waves_beats_leads_and_bands(found):
    pairs = [pair for one in found[0].report.directions for pair in one.pairs]
    of_waves = [pair for pair in pairs if "Hz" not in pair.query]
    assert of_waves
    for pair in of_waves:
        assert pair.query.split(" of ")[0] in {"P", "QRS", "ST", "T", "between waves"}
        assert pair.query.endswith(("in II", "in V1"))
        assert " Hz at " in pair.key


def test_profiles_are_shares_and_uniform_counts_tokens(found):
    for name in ("profile", "uniform"):
        for shares in getattr(found[0].report, name).values():
            assert shares.sum() == pytest.approx(1)
            assert len(shares) == len(PARTS)
    n_beats = int(found[0].arrays.tokens["waveform"].valid.sum()) // 6
    assert found[0].report.uniform["waveform"][PARTS.index("other beats")] <= (n_beats - 1) / n_beats + 0.1


def test_files_hold_what_figures_need(found, tmp_path):
    arrays = found[0].arrays
    arrays.save(tmp_path / "case.npz")
    again = AttentionArrays.load(tmp_path / "case.npz")
    np.testing.assert_array_equal(again.weights["waveform"], arrays.weights["waveform"])
    np.testing.assert_array_equal(again.tokens["spectrogram"].low_hz, arrays.tokens["spectrogram"].low_hz)
    assert again.r_s == arrays.r_s
    assert again.bands.keys() == set(OF_ATTENTION)
    text = json.dumps(as_json(found[0].report), allow_nan=False)
    assert json.loads(text)["directions"][0]["statistics"].keys() >= {"entropy", "gini", "effective_keys"}


def test_a_summary_counts_patients_and_says_what_is_absent(found):
    summary = summarise([one.report for one in found], ("N", "V"), EVALUATE, 1)
    assert (summary.n_cases, summary.n_patients) == (2, 2)
    assert summary.absent == ("N: never predicted among the cases",)
    assert [one.name for one in summary.classes] == ["V"]
    assert "a comparison needs 2 of each" in summary.classes[0].comparisons["agreement of the directions"].absent
    sizes = [head.magnitude for head in summary.heads]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 8  # two directions, members and heads
    said = as_json(summary)
    assert json.dumps(said, allow_nan=False)
    assert attention_summary_figure(said).axes
    words = agreement_words(said)
    assert len(words) == 1 + 3
    assert all(text in summary_text(summary).replace("_", " ") for text in (one[1:] for one, _ in words))
    with pytest.raises(ValueError, match="attention of no case"):
        summarise([], ("N", "V"), EVALUATE, 1)


def test_without_perturbations_report_and_figure_say_that_nothing_supports_attention(predictions):
    record = PredictedRecord("c", "r1", predictions)
    bare = capture(predictions.bundle).explain(record, record.beats["beat_id"].iloc[0], evidence=())
    assert "attention: no perturbation evidence to hold it against" in case_text(bare.report)
    texts = [text.get_text() for text in bare.plot().texts]
    assert "No perturbation method was run: nothing says whether this attention means anything." in texts
    summary = summarise([bare.report], predictions.bundle.classes, EVALUATE, 1)
    assert "no perturbation method was run (explain.methods)" in " ".join(summary.absent)


def test_evidence_is_of_perturbations_alone(found, predictions):
    record = PredictedRecord("c", "r0", predictions)
    with pytest.raises(ValueError, match=r"evidence \['gradcam'\]; expected some of"):
        capture(predictions.bundle).explain(record, record.beats["beat_id"].iloc[0], evidence=("gradcam",))
    assert perturbation_evidence({}) == {}


def test_randomised_weights_are_tried_on_every_method_of_attention(predictions):
    settings = ExplainSettings(**predictions.config["explain"] | {"methods": OF_ATTENTION})
    record = PredictedRecord("c", "r0", predictions)
    explainer = Explainer(predictions.views, predictions.bundle, predictions.network, settings, seed=1)
    prepared = explainer.prepare(case_of(record, record.beats["beat_id"].iloc[4], "V"))
    probes = list(randomisation(prepared, ProbeSettings(**CONFIG["probes"] | {"reinitialisations": 1})))
    whole = {probe.method: probe.value for probe in probes if probe.detail == "all" and probe.metric == "spearman"}
    assert whole.keys() == set(OF_ATTENTION)
    assert np.isfinite(list(whole.values())).all()


def test_another_bundle_and_a_network_without_attention_are_refused(predictions, tmp_path):
    hybrid = make_bundle(GEOMETRY, BEATS, replace(NETWORK, name="hybrid"))
    with pytest.raises(ValueError, match=r"HybridNet has no torch.nn.MultiheadAttention"):
        capture(hybrid)
    record = PredictedRecord("c", "r0", predictions)
    other = capture(make_bundle(GEOMETRY, BEATS, NETWORK))
    with pytest.raises(ValueError, match="c/r0: predicted with another bundle"):
        other.explain(record, record.beats["beat_id"].iloc[0])
