"""The ways in which Snakemake can be called: each works, and none but a real run of our own writes a record sheet."""

from __future__ import annotations

import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.core.files import read_table
from beatlens.prediction.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
RULE_FILES = [ROOT / "workflow" / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
RULES = [
    (file.name, text.split(":", 1)[0].strip(), text)
    for file in RULE_FILES
    for text in re.split(r"^ *rule ", file.read_text(encoding="utf-8"), flags=re.M)[1:]
]
JOBS = [(file, name, text) for file, name, text in RULES if "shell:" in text]
TARGETS = [
    "preprocess",
    "prototypes",
    "train",
    "predict",
    "explain",
    "evaluate",
    "sanity",
    "select",
    "figures",
    "report",
    "verify",
]
MODULE = """
module beatlens:
    snakefile: "{folder}/Snakefile"
    config: config

use rule * from beatlens as lens_*

rule everything:
    default_target: True
    input: rules.lens_split.output
"""


def no_sheet(project):
    return (
        not list((project.folder / "results").rglob("record_sheet*"))
        and not (project.folder / "results" / "corpora").exists()
    )


@pytest.mark.parametrize(
    "arguments",
    [("--dry-run",), ("--lint",), ("--unlock",), ("--dag",), ("--rulegraph",), ("--summary",), ("--list-rules",)],
    ids=lambda arguments: arguments[0].strip("-"),
)
def test_looking_writes_neither_sheet_nor_corpus(fresh, arguments):
    said = fresh.snakemake(*arguments)
    assert no_sheet(fresh)
    if arguments[0] in {"--dag", "--rulegraph"}:
        assert "digraph" in said
        assert "train_network" in said


def test_plain_snakemake_with_nothing_given_makes_the_report_in_few_jobs(fresh):
    planned = fresh.planned(config=None)
    assert sum(planned.values()) <= 44
    assert planned["preprocess_shard"] == 2
    assert planned["build_report"] == 1


def test_named_targets_are_there(fresh):
    planned = fresh.planned(*TARGETS)
    assert {target: planned.get(target) for target in TARGETS} == dict.fromkeys(TARGETS, 1)


def test_verify_asks_for_nothing_to_be_made(fresh):
    assert fresh.planned("verify") == {"verify": 1}


@pytest.mark.parametrize("target", TARGETS)
def test_named_targets_are_documented(target):
    assert any(name == target and text.split(":", 1)[1].lstrip().startswith('"""') for _, name, text in RULES)


def test_a_wrong_configuration_is_refused_at_start(fresh):
    said = fresh.snakemake("--dry-run", "--config", "signal={band_hz: [45, 0.5]}", "sead=3", ok=False)
    assert "sead: 3" in said
    assert "did you mean seed?" in said
    assert "Traceback" not in said
    said = fresh.snakemake("--dry-run", "--config", "signal={band_hz: [45, 0.5]}", ok=False)
    assert "signal.band_hz: [45, 0.5]; expected low cut < high cut" in said
    said = fresh.snakemake("--cores", "1", "--config", "run=../../elsewhere", ok=False)
    assert "run: " in said
    assert no_sheet(fresh)


COMMAND_LINES = {
    ("--config", "cases.per_class=1"): "expected --config 'cases={per_class: 1}'",
    ("--config", "seed=2", "explain.lime.samples=32"): "expected --config 'explain={lime: {samples: 32}}'",
    ("--config=cases.per_class=1",): "expected --config 'cases={per_class: 1}'",
    ("--config", "seed"): "--config seed: expected KEY=VALUE",
    ("--config", "cases={per_class:", "1}"): "--config 1}: expected KEY=VALUE, in quotes where it has spaces",
    ("--config", "seed=2", "report"): "--config report: expected KEY=VALUE",
    ("--config", "cases={per_class: [}"): 'cases: "{per_class: [}"; expected a value in YAML',
    ("--config", "cases=3"): "cases: 3; expected a section with some of the keys per_class",
    ("--configfile", "none.yaml"): "--configfile none.yaml: no such file",
    ("--configfile", "/dev/zero"): "--configfile /dev/zero: a folder, pipe or device; expected a regular file",
    ("--config", "cases={per_class: 1, per_class: 2}"): "per_class again, after line 1; expected each key once",
    ("--config", "seed=1", "seed=2"): "expected each key once; it is 1 already",
}


@pytest.mark.parametrize("arguments", COMMAND_LINES, ids=" ".join)
def test_a_wrong_command_line_is_told_without_a_traceback(fresh, arguments):
    said = fresh.snakemake("--dry-run", *arguments, config=None, ok=False)
    assert COMMAND_LINES[arguments] in said
    assert "Traceback" not in said


def test_paths_that_snakemake_would_expand_are_refused_by_name(fresh, tmp_path):
    shutil.copytree(ROOT / "models" / "mitdb", fresh.folder / "m<results>")
    said = fresh.snakemake("--dry-run", "--config", "bundle=m<results>", config=None, ok=False)
    assert "m<results>: Snakemake expands { } < > in such a path" in said
    copy = type(fresh)(shutil.copytree(fresh.folder, tmp_path / "a{b}"))
    said = copy.snakemake("--dry-run", config=None, ok=False)
    assert "a{b}: Snakemake expands { } in such a path; expected one without them" in said


def test_all_other_paths_may_have_such_names_and_tables_may_come_from_a_spreadsheet(fresh):
    place, beside = fresh.folder / "p{x}<results>", fresh.folder / "t{y}<logs>"
    place.mkdir()
    beside.mkdir()
    beats = np.exp(-0.5 * ((np.arange(2500) % 200 - 100) / 3) ** 2) + 0.002 * np.sin(np.arange(2500))
    wave = " ".join(f"{value:.3f}" for value in beats).replace(".", ",")
    (place / "Müller {1}.csv").write_text(f"Patient ID;Strip label;ECG Wave\nMüller;normal;{wave}\n", encoding="cp1252")
    record = "M_ller_1_-1"  # and a digest
    (beside / "labels.csv").write_text("symbol;aux;class;description\nnormal;;N;\nS;;S;\nV;;V;\n", encoding="utf-16")
    (beside / "split.csv").write_text("corpus;record;split\nmine;other;test\n")
    corpus = {"name": "mine", "format": "strips", "role": "test", "fs": 250, "folder": place.name}
    tables = {"labels": f"{beside.name}/labels.csv"}
    shutil.copytree(ROOT / "models" / "mitdb", fresh.folder / "given")
    settings = {
        "run": "mine",
        "bundle": "given",
        "shards": 1,
        "corpora": [corpus | tables],
        "split": {"scheme": "table", "table": f"{beside.name}/split.csv"},
    }
    (fresh.folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    fresh.snakemake("--cores", "1", "preprocess", "--configfile", "mine.yaml", config=None)
    records = read_table(fresh.folder / "results" / "mine" / "records.tsv")
    assert records["patient"].tolist() == ["Müller"]
    assert records["record"][0].startswith(record)
    assert records["split"].tolist() == ["test"]


def test_the_right_command_line_is_as_the_message_says(fresh):
    fresh.snakemake("--dry-run", "--config", "cases={per_class: 1}", "explain={lime: {samples: 32}}")


def test_automatic_shards_are_few_for_a_small_corpus(fresh):
    assert fresh.planned("preprocess", "--config", "shards=auto")["preprocess_shard"] == 1


def test_a_corpus_that_is_nowhere_is_an_error_that_says_where_it_was_sought(fresh):
    corpora = "corpora=[{name: nowhere, format: wfdb, role: train, labels: config/labels/synthetic.csv}]"
    said = fresh.snakemake("--dry-run", "--config", corpora, ok=False)
    assert "nowhere" in said
    assert "BEATLENS_DATA" in said


def test_a_record_dropped_into_the_folder_is_noticed_by_the_next_run(finished):
    corpus = finished.folder / "results" / "corpora" / "synthetic"
    for ending in (".dat", ".atr"):
        shutil.copy2(corpus / f"a01{ending}", corpus / f"dropped{ending}")
    (corpus / "dropped.hea").write_text((corpus / "a01.hea").read_text().replace("a01", "dropped"))
    before = (finished.results / "record_sheet.tsv").read_bytes()
    assert finished.planned("preprocess")["preprocess_shard"] == 1
    assert (finished.results / "record_sheet.tsv").read_bytes() == before
    finished.snakemake("preprocess", "--cores", "1")
    assert "dropped" in set(read_table(finished.results / "records.tsv")["record"])


def test_another_working_directory(finished, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    snakefile = str(finished.folder / "Snakefile")
    planned = finished.planned("--snakefile", snakefile, "--directory", str(elsewhere), cwd=tmp_path)
    assert planned["preprocess_shard"] == 2
    assert list(elsewhere.rglob("*.tsv")) == []
    finished.snakemake(
        "preprocess", "--cores", "2", "--snakefile", snakefile, "--directory", str(elsewhere), cwd=tmp_path
    )
    here, there = (read_table(folder / "results" / "tiny" / "records.tsv") for folder in (finished.folder, elsewhere))
    assert here.equals(there)
    moved = finished.folder.rename(tmp_path / "moved")
    finished.folder, command = moved, ["--snakefile", str(moved / "Snakefile"), "--directory", str(elsewhere)]
    assert finished.planned("preprocess", *command, cwd=tmp_path) == {}


def test_as_a_module_it_runs_but_never_writes_a_sheet(finished, clone):
    """The rules work under other names; a real run asks for the sheet to be made by its own command."""
    (clone.folder / "using").mkdir()
    snakefile = clone.folder / "using" / "Snakefile"
    snakefile.write_text(MODULE.format(folder=clone.folder), encoding="utf-8")
    command = ("--snakefile", str(snakefile))
    assert clone.planned(*command)["lens_preprocess_shard"] == 2
    said = clone.snakemake("--cores", "2", *command, ok=False)
    assert "index_records.py" in said
    assert no_sheet(clone)
    shutil.copytree(finished.folder / "results" / "corpora", clone.folder / "results" / "corpora")
    (clone.results).mkdir(parents=True)
    shutil.copy2(finished.results / "record_sheet.tsv", clone.results)
    before = (clone.results / "record_sheet.tsv").stat().st_mtime_ns
    clone.snakemake("--cores", "2", *command)
    assert (clone.results / "record_sheet.tsv").stat().st_mtime_ns == before
    assert read_table(clone.results / "records.tsv").equals(read_table(finished.results / "records.tsv"))


SUBMIT = """#!/bin/bash
# Stands for a scheduler: notes what was asked for and runs the job as a process of its own.
echo "$1 $2 $3" >> submitted.txt
nohup bash "$4" > /dev/null 2>&1 &
echo $!
"""


def test_a_fake_cluster_runs_jobs_with_their_resources_and_writes_no_sheet(finished):
    submit = finished.folder / "submit.sh"
    submit.write_text(SUBMIT, encoding="utf-8")
    submit.chmod(0o755)
    sheet = finished.results / "record_sheet.tsv"
    before = sheet.stat().st_mtime_ns
    targets = ["results/tiny/predictions/beats.parquet", "results/tiny/predictions/strips.parquet"]
    finished.snakemake(
        *targets,
        "--force",
        "--executor",
        "cluster-generic",
        "--jobs",
        "2",
        "--cluster-generic-submit-cmd",
        f"{submit} {{rule}} {{resources.mem_mb}} {{resources.runtime}}",
        "--latency-wait",
        "20",
        "--seconds-between-status-checks",
        "1",
    )
    submitted = (finished.folder / "submitted.txt").read_text().split("\n")
    wanted = ["aggregate_strips 2000 15", "gather_predictions 2000 15"]
    assert sorted(filter(None, submitted)) == wanted
    assert sheet.stat().st_mtime_ns == before
    assert finished.planned() == {}


def test_the_slurm_profile_is_one(fresh):
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8"))
    default = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8"))
    assert profile["executor"] == "slurm"
    shared = ("rerun-incomplete", "max-checksum-file-size", "scheduler", "scheduler-subsample", "__definitions__")
    assert {name: profile[name] for name in shared} == {name: default[name] for name in shared}
    for name in ("train_network", "train_fold", "make_bundle", "predict_shard", "explain_shard"):
        assert next(text for _, rule, text in RULES if rule == name).count("gpu=GPU") == 1


@pytest.mark.parametrize(("file", "name", "text"), JOBS, ids=[name for _, name, _ in JOBS])
def test_every_rule_says_what_it_needs(file, name, text):
    assert text.split(":", 1)[1].lstrip().startswith('"""')
    wanted = ["log:", "threads:", "resources:", "mem_mb=memory(", "runtime=", "conda:"]
    if name != "name_pages":  # makes a link, by no program of ours
        wanted += ["program=program("]
    if name not in {"verify", "name_pages"}:
        wanted += ["benchmark:", "code=code(", "non_empty=True"]
    wanted += [f'code("{ran}")' for ran in re.findall(r'program\("(\w+)"\)', text) if ran != "verify"]
    for part in wanted:
        assert part in text, f"{file}: rule {name} has no {part}"
    if name in {"draw_cases", "score_cases"}:  # programs that read planted truth
        assert '"truth.parquet"' in text
    for output in (
        re.findall(r'"<results>[^"]*"', text.split("output:")[-1].split("log:")[0]) if "output:" in text else []
    ):
        assert f"ensure({output}" in text or f"directory({output}" in text, f"{file}: {output}"


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_rule_files_are_short(file):
    assert len(file.read_text(encoding="utf-8").split("\n")) <= 151


def test_snakemakes_own_report(finished, tmp_path):
    finished.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        page = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".html"))
    for category in ("Records", "Model", "Classification", "Explanations", "Report"):
        assert category in page


def test_a_given_bundle_drops_the_training_rules(finished):
    shutil.copytree(finished.results / "model" / "bundle", finished.folder / "given")
    corpora = "corpora=[{name: synthetic, format: synthetic, role: predict}]"
    arguments = ["--config", "bundle=given", "run=tiny2", "shards=1", corpora]
    planned = finished.planned(*arguments)
    assert {"mine_prototypes", "train_network", "make_bundle", "draw_model", "evaluate_classification"}.isdisjoint(
        planned
    )
    assert {"predict_shard", "explain_shard", "build_report", "manifest"} <= set(planned)
    finished.snakemake("predict", "--cores", "2", *arguments)
    results = finished.folder / "results" / "tiny2"
    old, new = (
        read_table(folder / "predictions" / "beats.parquet").sort_values("beat_id", ignore_index=True)
        for folder in (finished.results, results)
    )
    assert (old["beat_id"] == new["beat_id"]).all()
    assert (old["pred"] == new["pred"]).all()
    assert set(new["label"]) == {""}


def test_a_given_bundle_decides_signals_beats_and_who_has_its_leads(finished):
    """A bundle of one lead, another filter and another context, over records some of which haven't got the lead."""
    bundle = Bundle.load(finished.results / "model" / "bundle")
    own, bank = bundle.leads.index("V5"), bundle.bank
    of_lead = bank.subset(bank.present[:, own])
    kept = replace(of_lead, leads=("V5",), waves=of_lead.waves[:, [own]], present=of_lead.present[:, [own]])
    spec = replace(bundle.spec, leads=("V5",), bank=kept, beats=replace(bundle.spec.beats, context=3))
    network = replace(bundle.network_config, context=3)
    made = replace(bundle, spec=spec, network_config=network, signal={**bundle.signal, "order": 2})
    made.save(finished.folder / "given")
    corpora = "corpora=[{name: synthetic, format: synthetic, role: predict, labels: config/labels/synthetic.csv}]"
    arguments = ["--config", "bundle=given", "run=tiny3", "shards=1", "max_bad_fraction=1", "select={candidates: []}"]
    arguments.append(corpora)
    said = finished.snakemake("--dry-run", *arguments, "signal={order: 3}", ok=False)
    assert "signal.order: 3; expected 2, that of given/bundle.json" in said
    cases = "results/tiny3/explanations/cases.csv"
    finished.snakemake("predict", cases, "results/tiny3/run_config.yaml", "--cores", "2", *arguments)
    results = finished.folder / "results" / "tiny3"
    config = yaml.safe_load((results / "run_config.yaml").read_text(encoding="utf-8"))
    assert (config["signal"]["order"], config["beats"]["context"], config["leads"]) == (2, 3, ["V5"])
    status = read_table(results / "status.tsv").set_index("record")
    assert status.loc["a01", "reason"] == "unknown_leads"
    assert "expected some of ['V5']" in status.loc["a01", "detail"]
    used = set(status.index[status["used"]])
    assert "a02" in used
    assert set(read_table(results / "predictions" / "beats.parquet")["record"]) == used
    shard = next((results / "preprocess").glob("*/records.parquet"))
    assert set(read_table(shard)["leads"]) <= {"V5"}
    found = read_table(finished.folder / cases)
    assert len(found), "labels of a corpus to predict must not keep its beats from being explained"
    assert set(found["outcome"]) <= {"correct", "wrong", "review"}


def test_the_written_configuration_repeats_the_run(finished):
    assert finished.planned(config="results/tiny/run_config.yaml") == {}


def test_a_corpus_of_strips_goes_through_the_whole_graph(fresh):
    folder = fresh.folder / "data" / "mine"
    folder.mkdir(parents=True)
    rows = "".join(f"s{k},0.0 0.1 0.2,{k % 3},p{k}\n" for k in range(6))
    (folder / "strips.csv").write_text("id,wave,label,patient\n" + rows, encoding="utf-8")
    corpora = "corpora=[{name: mine, format: strips, role: train, labels: config/labels/strips.csv, fs: 250}]"
    arguments = ["--config", corpora, "classes=[N, S, V]", "shards=auto"]
    planned = fresh.planned(*arguments)
    assert {"preprocess_shard", "train_network", "aggregate_strips", "build_report"} <= set(planned)
    assert "make_corpus" not in planned
    said = fresh.snakemake("--dry-run", "--config", corpora.replace(", fs: 250", ""), ok=False)
    assert "fs (Hz) or duration_s" in said
