"""The package by itself: the same numbers as the graph, docstrings and examples as they stand, and the command."""

from __future__ import annotations

import doctest
import inspect
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens import api, cli
from beatlens.explain.result.views import to_payload

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LABELS = ROOT / "config" / "labels" / "synthetic.csv"
FROM_CSV = ("start_s", "end_s", "window_start_s", "window_end_s", "probability")
"""Numbers of a case that a table of text may round in the last digit."""


@pytest.fixture(scope="module")
def run(finished_folder):
    return api.open_run(finished_folder / "results" / "tiny")


@pytest.fixture(scope="module")
def corpus(finished_folder):
    return finished_folder / "results" / "corpora" / "synthetic"


@pytest.fixture(scope="module")
def bundle(run):
    return api.load_bundle(run.folder / "model" / "bundle")


def test_a_record_from_its_file_has_the_predictions_of_the_run(run, corpus, bundle):
    beats = run.beats()
    for one in api.find_records(corpus):
        record = api.predict(one.load(), bundle, labels=LABELS, allow_made_bundle=True)
        wanted = beats[beats["record"] == one.name].reset_index(drop=True)
        assert len(wanted) > 3
        pd.testing.assert_frame_equal(
            record.beats.drop(columns="split"), wanted.drop(columns="split"), check_exact=True
        )
        opened = run.record(f"synthetic/{one.name}")
        np.testing.assert_array_equal(record.signal, opened.signal)
        np.testing.assert_array_equal(record.waveforms(["V5", "II"]), opened.waveforms(["V5", "II"]))
        pd.testing.assert_frame_equal(record.measurements, opened.measurements, check_exact=True)
        pd.testing.assert_frame_equal(opened.beats, wanted, check_exact=True)


def test_the_files_of_a_prediction_go_with_it(corpus, bundle):
    record = api.predict(corpus / "c01_1", bundle, allow_made_bundle=True)
    folder = record.shard.path
    assert folder.is_dir()
    del record
    assert not folder.exists()


def test_an_explanation_made_by_hand_is_that_of_the_run(run, corpus, bundle):
    """From the run's record, and from the file alone where the patient has no other record to be contrasted with."""
    cases = run.cases()
    cases = cases[cases["target"] == "beat"]
    assert len(cases)
    alone = 0
    for row in cases.itertuples():
        sources = [run.record(f"{row.corpus}/{row.record}")]
        if row.record.startswith("a"):
            sources.append(api.predict(corpus / row.record, bundle, labels=LABELS, allow_made_bundle=True))
            alone += 1
        for method in ("fused", "lime"):
            wanted = run.case(row.case, method)
            for record in sources:
                found = api.explain(record, row.beat_id, method=method, settings=run.config["explain"])
                np.testing.assert_array_equal(found.values, wanted.values)
                assert found.leads == wanted.leads
                assert found.rhythm_share == wanted.rhythm_share
                assert set(found.methods) == set(wanted.methods)
                own, other = asdict(found.case), asdict(wanted.case)
                for name in set(own) - {"case", "relaxed", *FROM_CSV}:
                    assert own[name] == other[name], name
                assert [own[name] for name in FROM_CSV] == pytest.approx([other[name] for name in FROM_CSV])
    assert alone


def test_an_explanation_is_drawn_as_in_the_run(run, tmp_path):
    case = run.cases()["case"][0]
    explanation = run.case(case)
    facts = pd.read_csv(run.folder / "figures" / "cases" / "facts.csv").set_index("case").loc[case]
    own = explanation.facts()
    assert own["top_leads"] == facts["top_leads"]
    assert own["agreement"] == pytest.approx(facts["agreement"], nan_ok=True)
    written = [text.get_text() for text in explanation.plot().axes[0].texts]
    assert any("rhythm holds" in text for text in written)
    explanation.save(tmp_path / "case.npz")
    kept = run.folder / "explanations" / "fused" / f"{case}.npz"
    assert (tmp_path / "case.npz").read_bytes() == kept.read_bytes()


def test_what_a_run_has_not_got_is_told(run, corpus, bundle):
    with pytest.raises(ValueError, match="0 records 'zz'; expected one of its"):
        run.record("zz")
    with pytest.raises(ValueError, match="no case 'zz'; expected one of"):
        run.case("zz")
    with pytest.raises(ValueError, match="no explanations by 'gradcam'; expected fused, lime, kernelshap"):
        run.case(run.cases()["case"][0], "gradcam")
    record = run.record("a01")
    with pytest.raises(ValueError, match=r"beat 'x': 0 of \d+ beats; expected the beat_id of one \(synthetic/a01/"):
        api.explain(record, "x")
    beat = record.beats["beat_id"][0]
    with pytest.raises(ValueError, match="class 'X'; expected one of N, S, V"):
        api.explain(record, beat, case_class="X")
    with pytest.raises(ValueError, match=r"options \['sgment_s'\]"):
        api.explain(record, beat, settings={"sgment_s": 1})
    with pytest.raises(ValueError, match="stretch from 0 to 1000 s; expected one within 0 to"):
        record.plot(end_s=1000)
    with pytest.raises(ValueError, match="has seen made records alone"):
        api.predict(corpus / "a01", bundle)


def stand_in(text: str) -> str:
    """Return text with the tiny run in the place of the demo's."""
    return text.replace("results/demo", "results/tiny")


def test_the_examples_of_docstrings_run_as_they_stand(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    modules = {inspect.getmodule(getattr(api, name)) for name in api.__all__ if callable(getattr(api, name))}
    runner = doctest.DocTestRunner()
    for module in sorted({api, *modules}, key=lambda module: module.__name__):
        for test in doctest.DocTestFinder(exclude_empty=True).find(module):
            text = stand_in(test.docstring)
            runner.run(doctest.DocTestParser().get_doctest(text, {}, test.name, test.filename, test.lineno))
    assert runner.summarize(verbose=False) == (0, runner.tries)
    assert runner.tries > 20


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example, finished):
    text = stand_in(example.read_text(encoding="utf-8"))
    assert text.startswith("# ---\n")
    assert "# %% [markdown]\n" in text
    script = finished.folder / example.name
    script.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "models", finished.folder / "models")
    environment = finished.environment | {"PYTHONPATH": "src", "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}
    answer = subprocess.run(
        [sys.executable, example.name],
        cwd=finished.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert answer.returncode == 0, answer.stderr[-4000:]
    for name in text.split('savefig("')[1:]:
        assert (finished.folder / name.split('"')[0]).stat().st_size > 0
    assert answer.stdout


def test_the_api_imports_nothing_heavy(tmp_path):
    heavy = ("torch", "sklearn", "neurokit2", "pandas", "matplotlib", "scipy", "wfdb", "snakemake")
    code = f"import beatlens.cli, sys; print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_the_command_predicts_explains_and_draws(corpus, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in corpus.glob("c01_*"):
        shutil.copy(file, folder)
    assert cli.main(["predict", str(folder), "-o", str(tmp_path / "beats.csv")]) == 0
    beats = pd.read_csv(tmp_path / "beats.csv")
    assert set(beats["record"]) == {"c01_1", "c01_2"}
    wanted = api.predict(folder / "c01_1").beats
    assert beats.loc[beats["record"] == "c01_1", "beat_id"].tolist() == wanted["beat_id"].tolist()
    (folder / "c01_2.dat").write_bytes(b"")
    capsys.readouterr()
    assert cli.main(["predict", str(folder)]) == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 + len(wanted)
    assert "c01_2 left out: truncated_signal:" in said.err
    record = str(folder / "c01_1.hea")
    assert cli.main(["explain", record, "--at", "3", "-o", str(tmp_path / "beat.svg")]) == 0
    assert capsys.readouterr().out.count("\n") == 2
    assert "<svg" in (tmp_path / "beat.svg").read_text()
    assert cli.main(["explain", record, "--beats", "2", "--method", "lime", "-o", str(tmp_path / "figures")]) == 0
    assert len(list((tmp_path / "figures").glob("mine-c01_1-*.svg"))) == capsys.readouterr().out.count("\n") - 1 > 0
    assert cli.main(["plot", record, "--start", "2", "--end", "5", "-o", str(tmp_path / "strip.pdf")]) == 0
    assert (tmp_path / "strip.pdf").read_bytes().startswith(b"%PDF")


def test_the_command_explains_a_beat_of_a_run(run, tmp_path, capsys):
    case = run.cases().query("target == 'beat'").iloc[0]
    figure, payload = tmp_path / "beat.svg", tmp_path / "beat.json"
    arguments = ["explain", case["beat_id"], "--run", str(run.folder), "-o", str(figure), "--payload", str(payload)]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.count("\n") == 2
    assert "<svg" in figure.read_text()
    found = json.loads(payload.read_text())
    wanted = to_payload(run.case(case["case"]).attribution, found["mat_path"])
    assert found == json.loads(json.dumps(wanted))
    assert Path(f"{found['mat_path']}.hea").is_file()
    for wrong, said in (
        ([f"{case['corpus']}/{case['record']}/1"], "a detected beat; the nearest are"),
        (["a/b"], "expected an id, corpus/record/r_sample"),
        (["synthetic/zz/1"], "0 records 'synthetic/zz'"),
        ([case["beat_id"], "--at", "3"], "--at with --run"),
        ([case["beat_id"], "--class", "X"], "class 'X'; expected one of N, S, V"),
    ):
        assert cli.main(["explain", *wrong, "--run", str(run.folder)]) == 2
        assert said in capsys.readouterr().err
