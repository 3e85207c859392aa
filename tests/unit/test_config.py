"""The configuration: defaults, overlays, and refusals that name key, value and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from beatlens.config import ConfigError, candidate_config, load_config, merge, sections
from beatlens.configdoc import document

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def load(overlay=None):
    return load_config(overlay or {}, ROOT, ROOT)


def schema_defaults(schema):
    """Return the defaults of a schema as the configuration that they make."""
    return {
        name: schema_defaults(option) if "properties" in option else option["default"]
        for name, option in schema["properties"].items()
    }


def test_the_schema_is_one_and_its_defaults_are_those_of_the_configuration():
    Draft202012Validator.check_schema(SCHEMA)
    assert schema_defaults(SCHEMA) == DEFAULTS
    assert load() == DEFAULTS


def test_every_option_has_a_description_and_every_section_knows_its_keys():
    def options(schema, path=()):
        for name, option in schema["properties"].items():
            yield (*path, name), option
            if "properties" in option:
                yield from options(option, (*path, name))

    for path, option in options(SCHEMA):
        assert len(option["description"]) > 10, path
        assert len(path[-1]) > 1, path
        if "properties" in option:
            assert option["additionalProperties"] is False, path
            assert set(option["required"]) == set(option["properties"]), path
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_the_documentation_is_that_of_the_schema():
    page = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert document(page, SCHEMA) == page, "make docs"


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_the_shipped_configurations_are_accepted(file):
    value = yaml.safe_load(file.read_text(encoding="utf-8"))
    below = file.with_name(file.stem.partition("-")[0] + ".yaml")  # mitdb-dev.yaml stands on mitdb.yaml
    if below != file:
        value = merge(yaml.safe_load(below.read_text(encoding="utf-8")), value)
    assert load(value)["run"]


def test_an_overlay_changes_what_it_names_and_nothing_else():
    config = load({"signal": {"fs": 250}, "classes": ["N", "V"]})
    assert config == merge(DEFAULTS, {"signal": {**DEFAULTS["signal"], "fs": 250}, "classes": ["N", "V"]})


def test_sections_take_single_entries():
    assert json.loads(sections(DEFAULTS, "seed", "report.title")) == {
        "seed": DEFAULTS["seed"],
        "report": {"title": DEFAULTS["report"]["title"]},
    }


def candidates(*changes):
    """Return an overlay with candidates of a selection, the first of which changes nothing."""
    listed = [{"name": "other", "change": change} for change in changes]
    return {"select": {"candidates": [{"name": "first", "change": {}}, *listed]}}


@pytest.mark.parametrize(
    ("overlay", "key", "words"),
    [
        ({"sinal": {}}, "sinal", "did you mean signal?"),
        ({"signal": {"bandhz": [1, 2]}}, "signal.bandhz", "did you mean band_hz?"),
        ({"band_hz": [1, 2]}, "band_hz", "did you mean signal.band_hz?"),
        ({"seed": "one"}, "seed", 'seed: "one"; expected integer, >= 0'),
        ({"shards": 0}, "shards", "integer, >= 1, <= 4096, or auto"),
        ({"signal": 5}, "signal", "expected object"),
        ({"signal": {"band_hz": [45, 0.5]}}, "signal.band_hz", "low cut < high cut < 100 Hz"),
        ({"signal": {"fs": 60}}, "signal.band_hz", "low cut < high cut < 30 Hz"),
        ({"signal": {"notch_hz": 150}}, "signal.notch_hz", "less than 100 Hz"),
        ({"prototypes": {"top_similar": 0}}, "prototypes.top_similar", "0; expected integer, >= 1"),
        ({"classes": ["N", "VV"]}, "classes", "did you mean V?"),
        ({"classes": ["N", "N"]}, "classes", "each once"),
        ({"beats": {"context": 4}}, "beats.context", "odd"),
        ({"beats": {"short_mean_beats": 90}}, "beats.short_mean_beats", "less than beats.long_mean_beats, 80"),
        ({"look_alikes": {"before_s": 0.3}}, "look_alikes.before_s", "0.3; expected at most beats.before_s, 0.25"),
        (
            candidates({"beats": {"after_s": 0.1}}),
            "select.candidates[1].change.look_alikes.after_s",
            "beats.after_s, 0.1",
        ),
        ({"split": {"fractions": {"train": 0.9}}}, "split.fractions", "add up to 1.4"),
        ({"split": {"scheme": "table"}}, "split.table", "a file with the scheme table"),
        ({"model": {"kernels": [7, 4, 3]}}, "model.kernels", "odd numbers"),
        ({"model": {"channels": [8]}}, "model.kernels", "as many as model.channels, 1"),
        ({"training": {"noise_snr_db": [9, 1]}}, "training.noise_snr_db", "lower ratio first"),
        ({"run": "../elsewhere"}, "run", "matching"),
        ({"run": "a/b"}, "run", "matching"),
        ({"data_dir": "../data"}, "data_dir", "without '..'"),
        ({"bundle": "no/such/bundle"}, "bundle", "a path that exists"),
        ({"leads": ["AVR"]}, "leads[0]", "aVR"),
        ({"explain": {"methods": ["shap"]}}, "explain.methods[0]", "lime, kernelshap"),
        ({"fusion": {"weights": {"gradcam": 1}}}, "fusion.weights.gradcam", "one of explain.methods"),
        ({"corpora": []}, "corpora", "entries >= 1"),
        ({"select": {"folds": 1}}, "select.folds", "integer, >= 2"),
        ({"select": {"table": "no/such.csv"}}, "select.table", "a path that exists"),
        ({"select": {"candidates": [{"name": "A b", "change": {}}]}}, "select.candidates[0].name", "matching"),
        (candidates({"modl": {}}), "select.candidates[1].change.modl", "did you mean model?"),
        (candidates({"signal": {"fs": 100}}), "select.candidates[1].change.signal", "one of the keys model, training"),
        (candidates({"training": {"epoch": 3}}), "select.candidates[1].change.training.epoch", "did you mean epochs?"),
        (candidates({"training": {"epochs": 0}}), "select.candidates[1].change.training.epochs", "integer, >= 1"),
        (candidates({"training": {"folds": 3}}), "select.candidates[1].change.training.folds", "select.folds"),
        (candidates({"model": None}), "select.candidates[1].change.model", "expected object"),
        (candidates({"model": {"channels": [8]}}), "select.candidates[1].change.model.kernels", "as many as"),
        (candidates({"beats": {"gap_s": 3}}), "select.candidates[1].change.beats.gap_s", "one of the keys before_s"),
        (candidates({}, {}), "select.candidates", "each name once"),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_and_what_is_allowed(overlay, key, words):
    with pytest.raises(ConfigError) as error:
        load(overlay)
    assert key in [problem[0] for problem in error.value.problems]
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../x"}, "matching"),
        ({"labels": "config/labels/none.csv"}, "a path that exists"),
        ({"labels": "../labels.csv"}, "without '..'"),
        ({"labels": None}, "a label table, since the role is train"),
        ({"labels": "LICENSE"}, "a CSV with the columns symbol, aux and class"),
        ({"role": "predict"}, "at least one with role train"),
        ({"format": "edf9"}, "one of synthetic, wfdb, strips"),
        ({"colour": "red"}, "one of the keys name, format"),
    ],
)
def test_a_wrong_corpus_is_refused(change, words):
    with pytest.raises(ConfigError, match="corpora") as error:
        load({"corpora": [{**DEFAULTS["corpora"][0], **change}]})
    assert words in str(error.value)


def test_a_candidate_changes_what_it_names_with_leads_of_the_run_alone():
    config = load(candidates({"model": {"name": "context"}, "leads": ["V1", "II"], "beats": {"context": 7}}))
    changed = candidate_config(config, "other")
    assert changed == merge(config, {"model": {"name": "context"}, "leads": ["V1", "II"], "beats": {"context": 7}})
    assert candidate_config(config, "first") == config
    with pytest.raises(ConfigError, match=r"candidates\[1\].change.leads: .*expected some of the run's leads: II, V1"):
        load({**candidates({"leads": ["II", "V5"]}), "leads": ["II", "V1"]})


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigError) as error:
        load({"seed": -1, "shards": "many", "report": {"tilte": "x"}})
    assert [problem[0] for problem in error.value.problems] == ["report.tilte", "seed", "shards"]
