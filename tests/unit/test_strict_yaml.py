"""YAML that a plain reader takes in silence, waits for or chokes on, and the command line that names it."""

from __future__ import annotations

import os

import pytest
import yaml

from beatlens.config.command_line import fault
from beatlens.config.strict_yaml import parse_yaml, read_yaml
from counting import calls

LAUGHS = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 8)}]\n" for k in range(1, 40)
)
REFUSED = {
    "seed: 1\nmodel: {name: x}\nseed: 2\n": "line 3: seed again, after line 1; expected each key once",
    "cases:\n  per_class: 1\n  'per_class': 2\n": "line 3: cases.per_class again, after line 2",
    "corpora:\n- {name: a}\n- {name: b, role: train, name: c}\n": r"line 3: corpora\[1\].name again",
    LAUGHS: "line 6: more than 200000 values",
    "a: &a [*a]\n": r"line 1: the alias \*a; expected that of an earlier, whole value",
    "a: " + "[" * 100_000: "line 1: values nested deeper than 30",
    "a: " + "{a: " * 100_000: "line 1: values nested deeper than 30",
    "- " * 100_000: "line 1: values nested deeper than 30",
    "seed: " + "1" * 5000: "line 1: seed is a number of 5000 digits",
    "seed: 0x" + "f" * 5000: "line 1: seed is a number of 5002 digits",
    "a: !!python/object/apply:os.system ['true']": "line 1: could not determine a constructor for the tag",
    "a: [1, 2": "line 2: .*; expected YAML",
    "a: 1\n---\nb: 2\n": "line 2: but found another document",
    "? [a, b]\n: 1\n? {c: d}\n: 2\n": "unhashable key",
    "a: \x07": "expected YAML",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_is_told_in_words_before_much_of_it_is_read(text, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)

    def refused():
        with pytest.raises(ValueError, match=rf"mine\.yaml: .*{REFUSED[text]}"):
            read_yaml(tmp_path / "mine.yaml")

    assert calls(refused).total() < 10_000  # a few hundred; a call for each value would be 100,000 and more


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seed: 2\nrun: a\ncases: {per_class: 1, max_cases: 3}\n",
        "a: &x {b: 1, c: [1, 2.5, null, true]}\nd: {<<: *x, b: 2}\ne: *x\n",
        "a: {1: x, '1': y}\n",
        "[1, 2]",
    ],
)
def test_all_else_reads_as_ever(text):
    assert parse_yaml(text) == yaml.safe_load(text)


def test_what_is_no_file_of_a_sensible_size_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "huge.yaml").write_text("seed: 1\n" + "# x\n" * 300_000)
    (tmp_path / "code.yaml").write_text("__use_yte__: true\n?1 / 0:\n  seed: 1\n")
    (tmp_path / "list.yaml").write_text("[1, 2]\n")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfea")
    expected = {
        "pipe.yaml": "expected a regular file",
        "huge.yaml": "1200008 bytes; expected at most 1000000",
        "code.yaml": "the key __use_yte__, which runs code",
        "list.yaml": "expected keys of the configuration",
        "bytes.yaml": "expected text in UTF-8",
        "none.yaml": "no such file",
    }
    for name, words in expected.items():
        for options in (["--configfile", str(tmp_path / name)], [f"--configfiles={tmp_path / name}"]):
            said = fault(["-n", *options])
            assert said
            assert words in said
            assert name in said


def test_entries_of_the_command_line_are_strict_too_and_suggestions_can_be_pasted():
    said = fault(["--config", "cases={per_class: 1, per_class: 2}"])
    assert said
    assert "per_class again, after line 1; expected each key once" in said
    said = fault(["report", "--config", "seed=2", "report.title=it's"])
    assert said
    assert """--config 'report={title: it'"'"'s}'""" in said
    for words in ([], ["--cores", "1", "report"], ["--config", "seed=2", "cases={per_class: 1}", "bundle="]):
        assert fault(words) is None
