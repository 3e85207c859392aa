"""What runs again after which change, by dry runs over a finished run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.json").read_text(encoding="utf-8"))

FIGURE_RULES = {
    "draw_model", "draw_classification", "draw_cases", "draw_findings", "draw_watch",
    "draw_tachograms", "build_report", "build_record_pages", "name_pages", "manifest", "all",
}  # fmt: skip
GLOBAL_RULES = {"split", "mine_prototypes", "train_network", "make_bundle", "gather_predictions", "select_cases"}


def test_a_finished_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake("--cores", "2")


def test_touching_every_file_reruns_nothing(finished):
    for number, file in enumerate(sorted(finished.folder.rglob("*"))):
        if file.is_file() and ".snakemake" not in file.relative_to(finished.folder).parts[:1]:
            os.utime(file, (2e9 + number % 7, 2e9 + number % 7))
    assert finished.planned() == {}


def test_a_clone_over_old_results_reruns_nothing(finished, clone):
    for file in clone.folder.rglob("*"):
        os.utime(file, (2e9, 2e9))
    for part in ("results", ".snakemake"):
        shutil.copytree(finished.folder / part, clone.folder / part)
    assert clone.planned() == {}


def test_comments_and_docstrings_rerun_nothing(finished):
    files = [*(finished.folder / "src").rglob("*.py"), *(finished.folder / "scripts").glob("*.py")]
    assert len(files) > 60
    for file in files:
        text = file.read_text(encoding="utf-8")
        if text.startswith('"""'):
            text = '"""Another docstring.' + text[3:]
        file.write_text(f"# A comment.\n{text}\n# Another.\n", encoding="utf-8")
    assert finished.planned() == {}


def test_an_edit_of_figures_redraws_and_no_more(finished):
    for file in (finished.folder / "src" / "beatlens" / "figures").rglob("*.py"):
        append(file, "\nEDITED = 1\n")
    planned = finished.planned()
    assert {"draw_cases", "build_report"} <= set(planned) <= FIGURE_RULES


def test_an_edit_of_the_conditioning_reruns_from_preprocessing_on(finished):
    append(finished.folder / "src" / "beatlens" / "signals" / "conditioning.py", "\nEDITED = 1\n")
    planned = finished.planned()
    assert planned["preprocess_shard"] == 2
    assert set(planned) >= GLOBAL_RULES


def test_the_seed_reruns_from_training_on(finished):
    planned = finished.planned("--config", "seed=2")
    assert {"preprocess_shard", "make_corpus", "split", "mine_prototypes"}.isdisjoint(planned)
    assert {"train_network", "explain_shard", "build_report"} <= set(planned)


@pytest.mark.parametrize("method", ["lime", "kernelshap"])
def test_an_explainers_budget_reruns_that_explainer(finished, method):
    finished.edit("tests/workflow/tiny.yaml", f"{method}: {{samples: 32}}", f"{method}: {{samples: 48}}")
    planned = finished.planned()
    assert planned["explain_shard"] == 2
    assert planned["gather_explanations"] == 1
    assert {"fuse", "evaluate_explanations", "build_report"} <= set(planned)
    assert {"predict_shard", "select_cases", "draw_model", "evaluate_classification"}.isdisjoint(planned)


def test_a_new_record_reruns_one_shard_and_the_global_stages(finished):
    add_record(finished.folder / "results" / "corpora" / "synthetic", "extra")
    planned = finished.planned()
    assert planned["preprocess_shard"] == 1
    assert set(planned) >= GLOBAL_RULES
    assert "make_corpus" not in planned


def test_a_label_table_reruns_what_uses_it(finished):
    finished.edit("config/labels/synthetic.csv", "\nV,", "\nE,,V,ventricular escape\nV,")
    planned = finished.planned()
    assert planned["preprocess_shard"] == 2
    assert "make_corpus" not in planned


REPORT_RULES = {"write_config", "build_report", "build_record_pages", "name_pages", "manifest", "all"}
ON_PAPER = {"draw_model", "draw_cases", "draw_findings", "draw_watch"}
REPORT_SETTINGS = {
    "title": ("Another", set()),
    "speed_mm_s": (50, ON_PAPER),
    "gain_mm_mv": (20, ON_PAPER),
    "pages": (3, set()),
    "single_file": ("true", set()),
}


@pytest.mark.parametrize("name", SCHEMA["properties"]["report"]["properties"])
def test_a_setting_of_the_report_redraws_what_it_shows_and_computes_nothing(finished, name):
    value, drawn = REPORT_SETTINGS[name]
    planned = finished.planned("--config", f"report={{{name}: {value}}}")
    assert set(planned) == REPORT_RULES | drawn


def test_a_colour_map_redraws_maps_and_computes_nothing(finished):
    planned = finished.planned("--config", "figures={colour_map: viridis, watch: [gradcam]}")
    assert set(planned) == REPORT_RULES | {"draw_cases", "draw_watch"}


def test_a_regenerated_corpus_reruns_nothing(finished):
    shutil.rmtree(finished.folder / "results" / "corpora" / "synthetic")
    assert finished.planned() == {}


def append(file: Path, text: str) -> None:
    """Add text to the end of a file."""
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def add_record(corpus: Path, name: str, like: str | None = None) -> None:
    """Copy a record of a corpus under another name."""
    like = like or sorted(file.stem for file in corpus.glob("*.hea"))[0]
    for ending in (".dat", ".atr"):
        shutil.copy2(corpus / f"{like}{ending}", corpus / f"{name}{ending}")
    header = (corpus / f"{like}.hea").read_text(encoding="utf-8")
    (corpus / f"{name}.hea").write_text(header.replace(like, name), encoding="utf-8")
