"""Options: the settings are the one source of what stands in files, and refuse what the schema refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from beatlens.beats.settings import BeatSettings
from beatlens.config.documentation import document
from beatlens.config.documents import config_text, meanings, schema_text
from beatlens.config.schema import schema_problems
from beatlens.config.sections import Configuration
from beatlens.core.allowed import fits, schema_of
from beatlens.core.options import OptionError, Settings, plain
from beatlens.explain.settings import ExplainSettings, LimeSettings
from beatlens.run.fingerprint import import_closure

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads(schema_text())
SECTIONS = [kind for kind in Configuration.types().values() if isinstance(kind, type) and issubclass(kind, Settings)]
STAGES = sorted({*(ROOT / "scripts").glob("*.py")} - {ROOT / "scripts" / f"{name}.py" for name in (
    "document_config", "index_records", "predict_folder")})  # fmt: skip


def page() -> str:
    return (ROOT / "config/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "made"),
    [
        ("workflow/schemas/config.schema.json", schema_text),
        ("config/config.yaml", config_text),
        ("config/README.md", lambda: document(page(), SCHEMA)),
    ],
)
def test_what_is_made_from_the_settings_is_in_step_with_them(file, made):
    assert (ROOT / file).read_text(encoding="utf-8") == made(), "make docs"


def test_the_written_defaults_are_those_of_the_settings():
    assert yaml.safe_load(config_text()) == plain(Configuration())
    assert Configuration.read(plain(Configuration())) == Configuration()


def test_every_option_has_a_comment_that_fits_on_a_line():
    options = [line for line in config_text().splitlines() if line.startswith("  ") and ":" in line]
    assert len(options) > 120
    for line in options:
        assert " # " in line, line
        assert len(line) < 160, line


VALUES = [
    *(None, True, 0, 1, 2, -1, 60, 0.0, 0.5, 1.0, 1.5, -3.5, 1e9, float("nan")),
    *("", "x", "auto", "lime", "table", "a b", "a1\n"),
    *([], [1], [1, 2], [0.5, 45.0], [45, 0.5, 1], ["N"], ["N", "N"], ["II", "V1"], [None], [[]], [["a"]]),
    *({}, {"lime": 1.0}, {"lime": 0}),
]


def options():
    """Return (section, name, schema) of every option that is no section."""
    found = [(kind, name, schema) for kind in SECTIONS for name, schema in kind.schema()["properties"].items()]
    return [(kind, name, schema) for kind, name, schema in found if "properties" not in schema]


def test_the_settings_allow_what_the_schema_allows():
    """The oracle is jsonschema's validator."""
    for kind, name, schema in options():
        whole = {"type": "object", "properties": {name: schema}}
        for value in [*VALUES, plain(kind.default(name))]:
            refused = list(schema_problems({name: value}, whole))
            assert fits(value, schema) == (not refused), (kind.__name__, name, value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: BeatSettings(context=4),
            "beats.context: 4; expected an odd number",
        ),
        (lambda: BeatSettings(gap_s=0), "beats.gap_s: 0; expected number, > 0"),
        (lambda: LimeSettings(samples=2), "explain.lime.samples: 2; expected integer, >= 16"),
        (lambda: ExplainSettings(lime={"samples": 20}), "explain.lime.kernel_width"),
        (lambda: BeatSettings.read({"context": 5}), "beats.rate: None; expected the keys before_s, after_s, context"),
        (
            lambda: BeatSettings.read(plain(BeatSettings()) | {"contxt": 5}),
            "beats.contxt: 5; expected the keys before_s",
        ),
    ],
)
def test_a_wrong_option_is_refused_by_its_key(make, words):
    with pytest.raises(OptionError) as error:
        make()
    assert words in str(error.value)


def test_a_type_that_no_schema_has_and_an_option_without_a_meaning_are_refused():
    with pytest.raises(TypeError, match="expected a type that can stand in a JSON schema"):
        schema_of(complex)
    for kind in SECTIONS:
        assert all(len(meaning) > 10 for meaning in meanings(kind).values())


@pytest.mark.parametrize("program", STAGES, ids=lambda file: file.stem)
def test_no_stage_program_reaches_the_sections_of_others(program):
    assert "beatlens.config.sections" not in import_closure(program, ROOT / "src" / "beatlens")


def test_settings_need_the_standard_library_alone():
    for kind in SECTIONS:
        file = ROOT / "src" / Path(*kind.__module__.split(".")).with_suffix(".py")
        reached = import_closure(file, ROOT / "src" / "beatlens")
        heavy = [name for name, path in reached.items() if "import numpy" in path.read_text(encoding="utf-8")]
        assert heavy == [], kind
