"""The configuration: defaults, overlays, and refusals that name key, value and what is allowed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from beatlens.config.cross_checks import meaning_problems
from beatlens.config.documentation import document
from beatlens.config.load import ConfigError, candidate_config, load_config, merge, sections, typed_entries
from beatlens.config.schema import schema_problems
from beatlens.prediction.bundle_file import SCHEMA_VERSION, content_digest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.json").read_text(encoding="utf-8"))
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


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda file: file.name)
def test_the_shipped_configurations_are_accepted(file):
    value = yaml.safe_load(file.read_text(encoding="utf-8"))
    below = file.with_name(file.stem.partition("-")[0] + ".yaml")  # mitdb-dev.yaml stands on mitdb.yaml
    if below != file and below.is_file():  # beats-all.yaml stands by itself
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
        ({"cases.per_class": 1}, "cases.per_class", "a space after each colon: cases: {per_class: ...}"),
        ({"cases": {"per_class:1": None}}, "cases.per_class:1", "a space after each colon: per_class: {1: ...}"),
        ({"leads": "II"}, "leads", "expected a list, entries >= 1"),
        ({"signal": 5}, "signal", "expected a section with some of the keys fs, band_hz,"),
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
        ({"model": {"name": "crossmodal", "heads": 7}}, "model.heads", "a divisor of model.embedding, 64"),
        ({"model": {"name": "crossmodal", "time_bins": 1}}, "model.time_bins", "2 or more"),
        ({"training": {"noise_snr_db": [9, 1]}}, "training.noise_snr_db", "lower ratio first"),
        ({"training": {"noise_snr_db": [6, 6]}}, "training.noise_snr_db", "and a higher one"),
        (
            {"classes": ["N", "V"], "training": {"rhythm_fraction": 0.2}},
            "training.rhythm_fraction",
            "0.2; expected 0, since look_alikes.rhythm_classes, ['N', 'S'], aren't a normal and a premature one",
        ),
        ({"training": {"noise_fraction": 1}}, "training.noise_fraction", "1; expected number, >= 0, < 1"),
        (
            {"training": {"noisy_below_db": 7}},
            "training.noisy_below_db",
            "7; expected at most training.clean_above",
        ),
        ({"training": {"folds": 1}}, "training.folds", "1; expected 0, or integer, >= 2, <= 50"),
        ({"training": {"folds": 3}}, "training.folds", "0, since split.fractions.calibrate sets patients aside"),
        (
            {"split": {"fractions": {"calibrate": 0, "test": 0.4}}},
            "training.folds",
            "0; expected 2 or more, since split.fractions.calibrate sets nobody aside",
        ),
        ({"split": {"scheme": "table", "table": "LICENSE"}}, "split.table", "the columns corpus, record and split"),
        ({"review": {"max_error": 1}}, "review.max_error", "1; expected number, >= 0, < 1"),
        ({"review": {"max_clean_loss": 1}}, "review.max_clean_loss", "1; expected number, >= 0, < 1"),
        ({"review": {"max_distance_loss": 1}}, "review.max_distance_loss", "1; expected number, >= 0, < 1"),
        ({"beats": {"short_usual_beats": 30}}, "beats.short_usual_beats", "30; expected an odd number"),
        ({"beats": {"long_variation_beats": 100}}, "beats.long_variation_beats", "100; expected an odd number"),
        ({"synthetic": {"truth_band_hz": [40, 1]}}, "synthetic.truth_band_hz", "low cut < high cut < 125 Hz"),
        (
            {"synthetic": {"ambulatory_patients": 0, "clinical_patients": 0}},
            "synthetic.ambulatory_patients",
            "1 or more",
        ),
        ({"run": "../elsewhere"}, "run", "matching"),
        ({"run": "a/b"}, "run", "matching"),
        ({"data_dir": "../data"}, "data_dir", "without '..'"),
        ({"bundle": "no/such/bundle"}, "bundle", "a path that exists"),
        ({"leads": ["AVR"]}, "leads[0]", "aVR"),
        ({"explain": {"methods": ["shap"]}}, "explain.methods[0]", "lime, kernelshap"),
        (
            {"explain": {"methods": ["lime", "attention"]}},
            "explain.methods",
            "model.name: crossmodal): hybrid has none",
        ),
        ({"watch": {"methods": ["attention"]}}, "watch.methods", "model.name: crossmodal): hybrid has none"),
        ({"fusion": {"weights": {"gradcam": 1}}}, "fusion.weights.gradcam", "one of explain.methods"),
        ({"fusion": {"weights": {"lime": 0}}}, "fusion.weights.lime", "> 0"),
        ({"figures": {"colour_map": "viridi"}}, "figures.colour_map", "near it are viridis"),
        ({"figures": {"methods": ["fused", "lim"]}}, "figures.methods", "kernelshap (did you mean lime?)"),
        ({"figures": {"classes": ["N", "PVC"]}}, "figures.classes", "some of N, S, V, RBBB"),
        ({"figures": {"watch": ["hirescam"]}, "watch": {"methods": ["gradcam"]}}, "figures.watch", "some of gradcam"),
        ({"corpora": []}, "corpora", "entries >= 1"),
        ({"select": {"folds": 1}}, "select.folds", "integer, >= 2"),
        ({"select": {"table": "no/such.csv"}}, "select.table", "a path that exists"),
        ({"select": {"candidates": [{"name": "A b", "change": {}}]}}, "select.candidates[0].name", "matching"),
        (candidates({"modl": {}}), "select.candidates[1].change.modl", "did you mean model?"),
        (candidates({"signal": {"fs": 100}}), "select.candidates[1].change.signal", "one of the keys model, training"),
        (candidates({"training": {"epoch": 3}}), "select.candidates[1].change.training.epoch", "did you mean epochs?"),
        (candidates({"training": {"epochs": 0}}), "select.candidates[1].change.training.epochs", "integer, >= 1"),
        (candidates({"training": {"folds": 3}}), "select.candidates[1].change.training.folds", "select.folds"),
        (candidates({"model": None}), "select.candidates[1].change.model", "expected a section"),
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
        ({"format": "edf9"}, "one of synthetic, wfdb, challenge, ptb-xl, strips"),
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


def test_a_split_table_counts_for_the_folds_as_far_as_the_run_takes_its_records(tmp_path):
    (tmp_path / "split.csv").write_text("# who\ncorpus,record,split\nsynthetic,a01,calibrate\nsynthetic,a02,train\n")
    split = {"scheme": "table", "table": "split.csv"}
    assert load_config({"split": split}, ROOT, tmp_path)["training"]["folds"] == 0
    with pytest.raises(ConfigError, match=r"training.folds: 2; expected 0, since split.csv sets patients aside"):
        load_config({"split": split, "training": {"folds": 2}}, ROOT, tmp_path)
    own = {**DEFAULTS["corpora"][0], "records": ["a02"]}
    assert load_config({"split": split, "training": {"folds": 2}, "corpora": [own]}, ROOT, tmp_path)
    with pytest.raises(ConfigError, match=r"training.folds: 0; expected 2 or more"):
        load_config({"split": split, "corpora": [own]}, ROOT, tmp_path)


MINE = {"corpora": [{"name": "mine", "format": "wfdb", "role": "predict"}], "bundle": "given"}


@pytest.fixture
def bundle_json(tmp_path):
    """Return a function that writes the bundle.json of a model for three classes, five leads and another band."""

    def write(**changes):
        value = {
            "schema_version": SCHEMA_VERSION,
            "classes": ["N", "S", "V"],
            "leads": ["II", "V1"],
            "signal": {**DEFAULTS["signal"], "fs": 125.0, "band_hz": [1, 40], "order": 2},
            "rpeaks": {"detector": "sleepecg", "refine_s": 0.05},
            "beats": {**DEFAULTS["beats"], "before_s": 0.1, "context": 7},
            "quality": {**DEFAULTS["quality"], "flat_mv": 0.03},
            "network": {"settings": {"name": "hybrid"}},
            "origin": {"made": False, "corpora": [{"name": "theirs", "noise": False}]},
        }
        (tmp_path / "given").mkdir(exist_ok=True)
        written = value | changes
        written["digest"] = content_digest(written)
        (tmp_path / "given" / "bundle.json").write_text(json.dumps(written), encoding="utf-8")
        return value

    return write


def test_a_given_bundle_decides_all_that_shapes_its_inputs(bundle_json, tmp_path):
    value = bundle_json()
    config = load_config(MINE, ROOT, tmp_path)
    decided = ("classes", "leads", "signal", "rpeaks", "beats", "quality")
    value["rpeaks"]["match_s"] = DEFAULTS["rpeaks"]["match_s"]  # only scores: the user's
    assert {name: config[name] for name in decided} == {name: value[name] for name in decided}
    assert {name: config[name] for name in DEFAULTS if name not in {*decided, *MINE}} == {
        name: DEFAULTS[name] for name in DEFAULTS if name not in {*decided, *MINE}
    }
    said = {"classes": ["N", "S", "V"], "signal": {"fs": 125, "order": 2}, "beats": {"context": 7}}
    assert load_config(MINE | said, ROOT, tmp_path) == config
    assert load_config(config, ROOT, tmp_path) == config, "a run's written configuration is one"
    labels = {"labels": "config/labels/mitdb.csv"}
    bundle_json(classes=["N", "V", "STE"])
    assert load_config(MINE | {"corpora": [MINE["corpora"][0] | labels]}, ROOT, tmp_path)["classes"][2] == "STE"


def test_methods_of_attention_are_for_networks_that_have_it(bundle_json, tmp_path):
    asked = {"explain": {"methods": ["attention_rollout"]}}
    bundle_json()
    with pytest.raises(ConfigError, match=r'explain.methods: \["attention_rollout"\]; .* hybrid has none'):
        load_config(MINE | asked, ROOT, tmp_path)
    bundle_json(network={"settings": {"name": "crossmodal"}})
    assert load_config(MINE | asked, ROOT, tmp_path)["model"]["name"] == "crossmodal"
    assert load_config(merge(asked, {"model": {"name": "crossmodal"}}), ROOT, tmp_path)["explain"]["methods"]
    bundle_json(network=None)
    with pytest.raises(ConfigError, match="a bundle that says what its network is"):
        load_config(MINE, ROOT, tmp_path)


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"classes": ["N", "V"]}, r'classes: \["N", "V"\]; expected \["N", "S", "V"\], that of given/bundle.json'),
        ({"leads": ["V1", "II"]}, r'leads: \["V1", "II"\]; expected \["II", "V1"\], that of'),
        ({"signal": {"order": 3}}, "signal.order: 3; expected 2, that of given/bundle.json"),
        ({"signal": {"band_hz": [0.5, 45]}}, r"signal.band_hz: \[0.5, 45\]; expected \[1, 40\], that of"),
        ({"beats": {"context": 5, "after_s": 0.4}}, "beats.context: 5; expected 7, that of"),
        ({"rpeaks": {"detector": "gqrs", "match_s": 0.1}}, 'rpeaks.detector: "gqrs"; expected "sleepecg", that of'),
        ({"quality": {"flat_mv": 0.02}}, "quality.flat_mv: 0.02; expected 0.03, that of"),
    ],
)
def test_what_contradicts_a_given_bundle_is_refused_even_where_it_is_the_default(bundle_json, tmp_path, overlay, words):
    bundle_json()
    with pytest.raises(ConfigError, match=words) as error:
        load_config(MINE | overlay, ROOT, tmp_path)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"signal": {**DEFAULTS["signal"], "fs": 2e6}},
            "signal.fs number, >= 50, <= 2000; .*bundle.json says 2000000.0",
        ),
        ({"quality": {**DEFAULTS["quality"], "flat_mv": "0"}}, "quality.flat_mv number, >= 0"),
        ({"classes": ["N", "N; rm"]}, r"classes\[1\] string, matching"),
        ({"leads": ["II", "../x"]}, r"leads\[1\] one of I, II"),
        ({"signal": {**DEFAULTS["signal"], "fs": 60}}, r"given/bundle.json: signal.band_hz: .*< 30 Hz"),
    ],
    ids=range(5),
)
def test_the_sections_of_a_bundle_must_be_such_as_a_configuration_may_have(bundle_json, tmp_path, changes, words):
    bundle_json(**changes)
    with pytest.raises(ConfigError, match=words) as error:
        load_config(MINE, ROOT, tmp_path)
    assert len(error.value.problems) == 1


def test_the_shipped_bundle_has_sections_that_the_schema_allows():
    recordings = [{"name": "mine", "format": "wfdb", "role": "predict", "folder": "tests"}]
    assert load({"bundle": "models/mitdb", "corpora": recordings})["classes"] == ["N", "S", "V"]


def test_what_is_no_bundle_is_refused_by_its_name(bundle_json, tmp_path):
    (tmp_path / "given").mkdir()
    with pytest.raises(ConfigError, match=r'bundle: "given"; expected the folder of a bundle, with a bundle.json'):
        load_config(MINE, ROOT, tmp_path)
    bundle_json(schema_version=1)
    with pytest.raises(ConfigError, match=rf"given/bundle.json: schema version 1; expected {SCHEMA_VERSION}"):
        load_config(MINE, ROOT, tmp_path)
    bundle_json(beats={"before_s": 0.1})
    with pytest.raises(ConfigError, match="what its beats are"):
        load_config(MINE, ROOT, tmp_path)
    bundle_json(origin=None)
    with pytest.raises(ConfigError, match="says what it learnt from; .*given/bundle.json has no origin"):
        load_config(MINE, ROOT, tmp_path)


def test_a_bundle_of_made_records_on_recordings_is_refused_unless_it_is_allowed(bundle_json, tmp_path):
    noise = {"name": "nstdb", "noise": True}
    bundle_json(origin={"made": True, "corpora": [{"name": "synthetic", "noise": False}, noise]})
    with pytest.raises(ConfigError) as error:
        load_config(MINE, ROOT, tmp_path)
    said = str(error.value)
    for part in (
        "bundle",
        "since mine holds recordings",
        "made records alone (synthetic)",
        "models/mitdb",
        "allow_made",
    ):
        assert part in said
    assert load_config(MINE | {"allow_made_bundle": True}, ROOT, tmp_path)["classes"] == ["N", "S", "V"]
    made = [{"name": "synthetic", "format": "synthetic", "role": "predict"}, {**MINE["corpora"][0], "role": "noise"}]
    assert load_config(MINE | {"corpora": made}, ROOT, tmp_path)["bundle"] == "given"
    assert load_config({"bundle": "given"}, ROOT, tmp_path), "made on made, as the corpora of the defaults are"


def test_a_corpus_may_lie_anywhere(bundle_json, tmp_path):
    bundle_json()
    place = tmp_path / "elsewhere" / "my recordings"
    corpus = MINE["corpora"][0] | {"folder": str(place)}
    with pytest.raises(ConfigError, match=r"corpora\[0\].folder: .*; expected a folder that exists"):
        load_config(MINE | {"corpora": [corpus]}, ROOT, tmp_path)
    place.mkdir(parents=True)
    assert load_config(MINE | {"corpora": [corpus]}, ROOT, tmp_path)["corpora"][0]["folder"] == str(place)
    relative = corpus | {"folder": "elsewhere/my recordings"}
    assert load_config(MINE | {"corpora": [relative]}, ROOT, tmp_path)


def test_values_of_the_command_line_are_yaml_and_what_is_none_is_refused():
    assert typed_entries(["seed=2", "leads=[II, V1]", "cases={per_class: 1}", "bundle="]) == {
        "seed": 2, "leads": ["II", "V1"], "cases": {"per_class": 1}, "bundle": None,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"cases: \"{per_class: \[}\"; expected a value in YAML"):
        typed_entries(["seed=2", "cases={per_class: [}"])
    with pytest.raises(ConfigError, match='seed: "3"; expected each key once; it is 2 already'):
        typed_entries(["seed=2", "seed=3"])


def options(schema, path=()):
    """Yield path and schema of every option, also of those that entries of lists have."""
    for name, option in schema.get("properties", {}).items():
        yield (*path, name), option
        yield from options(option, (*path, name))
        yield from options(option.get("items") or {}, (*path, name, 0))


def with_value(path, value):
    """Return an overlay that sets an option of a section, or of the first corpus or candidate."""
    if not path:
        return value
    if path[0] == 0:
        return [with_value(path[1:], value)]
    return {path[0]: with_value(path[1:], value)}


def kinds(option):
    alternatives = [option, *option.get("oneOf", ())]
    found = {
        kind
        for one in alternatives
        for kind in ([one["type"]] if isinstance(one.get("type"), str) else one.get("type", []))
    }
    return found, option.get("pattern")


NUMBERS = [path for path, option in options(SCHEMA) if kinds(option)[0] & {"number", "integer"}]
INTEGERS = [path for path in NUMBERS if "number" not in kinds(dict(options(SCHEMA))[path])[0]]
PATTERNS = [path for path, option in options(SCHEMA) if option.get("pattern", "").endswith("$")]


def problems_of(path, value):
    found = list(schema_problems(merge(DEFAULTS, with_value(path, value)), SCHEMA))
    return {key: allowed for key, _, allowed in found}


def test_numbers_are_finite_and_integers_written_as_such_in_every_key():
    assert len(NUMBERS) > 89
    for path in NUMBERS:
        key = ".".join(map(str, path)).replace(".0.", "[0].")
        for value in (float("nan"), float("inf"), -float("inf")):
            assert "a finite number" in problems_of(path, value)[key]
        if path in INTEGERS:
            for value in (2.0, True, 2**63):
                assert key in problems_of(path, value), (key, value)


def test_no_pattern_lets_a_line_end_pass():
    assert ("run",) in PATTERNS
    for path in PATTERNS:
        key = ".".join(map(str, path)).replace(".0.", "[0].")
        fits = "a/1" if key == "cases.spans[0].record" else "a1"
        assert key not in problems_of(path, fits)
        assert "matching" in problems_of(path, f"{fits}\n")[key]


def test_made_records_are_at_most_so_many():
    with pytest.raises(ConfigError, match="ambulatory_patients: 1000000000; expected integer, >= 0, <= 10000"):
        load({"synthetic": {"ambulatory_patients": 10**9}})


def test_tables_that_hold_up_or_fill_memory_are_refused_by_their_key(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "big.csv").touch()
    os.truncate(tmp_path / "big.csv", 10**10)
    (tmp_path / "bad.csv").write_text("symbol,aux,class,description\nN,,N,x\nN,,V,x\n")
    for table, words in (("pipe.csv", "regular file"), ("big.csv", "at most 100000000"), ("bad.csv", "line 3")):
        corpora = [{**DEFAULTS["corpora"][0], "labels": table, "patients": table}]
        overlay = {"corpora": corpora, "split": {"scheme": "table", "table": table}, "select": {"table": table}}
        with pytest.raises(ConfigError, match=words) as error:
            load_config(overlay, ROOT, tmp_path)
        keys = {"corpora[0].labels", "corpora[0].patients", "split.table", "select.table"}
        assert {problem[0] for problem in error.value.problems} == keys


@pytest.mark.parametrize("value", [None, 0, float("nan"), "", {}, [None], [{}], {"a": 1}], ids=repr)
def test_no_value_of_any_section_is_an_error_of_another_kind(value):
    for name in SCHEMA["properties"]:
        config = merge(DEFAULTS, {name: value})
        problems = list(schema_problems(config, SCHEMA)) or list(meaning_problems(config, [ROOT]))
        assert all(key and allowed for key, _, allowed in problems)
        assert problems or config == DEFAULTS or load({name: value})
