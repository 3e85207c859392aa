"""The report: the start page of a run. It needs no network, and says all that it has to say without scripts, too."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from beatlens.core.class_names import glossary
from beatlens.report.inputs import ReportInputs
from beatlens.report.methods import REFERENCES, fitted_on, methods_text
from beatlens.report.numbers import count, listing, plural, score
from beatlens.report.sections.alerts import alert_section, conformal_section, prototype_section
from beatlens.report.sections.attention import attention_section
from beatlens.report.sections.cases import absent_methods, case_sections
from beatlens.report.sections.cohort import cohort_section
from beatlens.report.sections.notes import notes_section
from beatlens.report.sections.origin import origin_section
from beatlens.report.sections.probes import probe_section
from beatlens.report.sections.reviewed import reviewed_section
from beatlens.report.sections.scores import classification_section, leak_section, presence_section, review_limits
from beatlens.report.sections.tables import (
    DEALT,
    corpus_section,
    explanation_section,
    prediction_section,
    summary,
)
from beatlens.report.sections.watch import watch_section
from beatlens.report.start.answer import answer
from beatlens.report.start.look import needs_a_look
from beatlens.report.start.records import record_rows

FOLDER = Path(__file__).parent


def render_report(inputs: ReportInputs) -> str:
    """Return the page as HTML.

    Every value goes through Jinja2's escaping, so a record named like a tag stays text. The page's content security
    policy forbids every script but its own, which it names by a digest, and all loading but of figures beside the page.

    Parameters
    ----------
    inputs
        Tables, figures and facts of a run.
    """
    config = yaml.safe_load(inputs.config)
    script = (FOLDER / "assets" / "tables.js").read_text(encoding="utf-8")
    scored, explained = classification_section(inputs), explanation_section(inputs)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        inputs=inputs,
        policy=policy(f"\n{script}\n"),
        script=Markup(script),
        meanings=glossary(inputs.classes),
        found=answer(inputs),
        look=needs_a_look(inputs),
        listed=record_rows(inputs),
        css=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        figures={name: inputs.figures.get(name) for name in FIGURE_DATA},
        tiles=summary(inputs, scored, explained),
        origin=origin_section(inputs),
        corpus=corpus_section(inputs),
        declared=shared_patients(inputs),
        scored=scored,
        reviewed=reviewed_section(inputs),
        presence=presence_section(inputs, scored["split"]) if scored else None,
        leaks=leak_section(inputs),
        level=f"{100 * config['evaluate']['level']:g} %",
        thresholds=review_limits(inputs),
        fitted=fitted_on(inputs.bundle),
        predicted=prediction_section(inputs),
        noted=notes_section(inputs),
        conformal=conformal_section(inputs),
        alerted=alert_section(inputs),
        bank=prototype_section(inputs),
        model={"sentence": model_sentence(inputs.bundle)},
        watched=watch_section(inputs),
        two_sided=config["figures"]["colour_map"] == "two_sided",
        groups=case_sections(inputs),
        paper=f"{config['report']['speed_mm_s']:g} mm/s and {config['report']['gain_mm_mv']:g} mm/mV",
        explained=explained,
        used=cohort_section(inputs),
        probed=probe_section(inputs),
        attended=attention_section(inputs),
        made=any(corpus["format"] == "synthetic" for corpus in config["corpora"]),
        methods=methods_text(
            config,
            inputs.bundle,
            scored=scored is not None,
            explained=explained is not None,
            absent=[absent_methods(row) for row in inputs.facts.to_dict("records")] if inputs.facts is not None else (),
        ),
        references=REFERENCES,
        provenance=provenance(inputs),
    )


FIGURE_DATA = {
    "prototypes": "prototypes/library.csv",
    "templates": "prototypes/templates.npz",
    "prototype_map": "prototypes/space.npz",
    "training": "model/history.csv",
    "confusion": "metrics/confusion.csv",
    "reliability": "predictions/beats.parquet",
    "patients": "metrics/classification.csv",
    "scores": "metrics/explanations.csv",
    "cohort": "metrics/cohort.csv",
    "alerts": "alerts/beats.csv",
    "attention": "attention/summary.json",
}
"""Figures of the page -> the file of the run with the data behind each."""


def policy(script: str) -> str:
    """Return the content security policy of a page with one script: nothing else runs, and nothing is sent."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def shared_patients(inputs: ReportInputs) -> str:
    """Name patients that are in two of the splits that should share none, "" where there is none."""
    dealt = inputs.records[inputs.records["split"].isin(list(DEALT))]
    splits = dealt.groupby(["corpus", "patient"])["split"].agg(lambda values: sorted(set(values)))
    return listing(f"{patient} ({listing(names)})" for (_, patient), names in splits.items() if len(names) > 1)


def model_sentence(bundle: Mapping[str, Any]) -> str:
    """Say what was trained, on what, where and for how long."""
    origin = bundle["provenance"]
    training = origin.get("training", {})
    parts = [f"The model '{bundle['network']['settings']['name']}'"]
    if "n_parameters" in training:
        parts.append(f"with {count(training['n_parameters'])} parameters")
    if "n_beats" in training and "patients" in training:
        beats = sum(training["n_beats"].values())
        parts.append(f"learnt from {count(beats)} beats of {plural(len(training['patients']), 'patient')}")
    if "training_device" in origin:
        parts.append(f"on {origin['training_device']}")
    if "saved_epoch" in origin:
        parts.append(f"for {origin['saved_epoch']} epochs")
    return " ".join(parts) + f". Calibration temperature {score(float(bundle['calibration']['temperature']))}."


def provenance(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Return names and values of what makes the run reproducible."""
    origin = inputs.bundle["provenance"]
    rows = [
        ("run", inputs.run),
        ("seed of the run", str(inputs.seed)),
        ("seed of the model", str(origin.get("seed", "unknown"))),
        ("device of training", str(origin.get("training_device", "unknown"))),
        ("digest of the corpora the model learnt from", str(origin.get("corpora_digest", "unknown"))),
        ("sha256 of bundle.json", inputs.bundle_sha256),
        *((f"sha256 of {name}", digest) for name, digest in sorted(inputs.bundle["sha256"].items())),
        ("versions at training", _versions(origin.get("versions", {}))),
        ("versions of this page", _versions(inputs.versions)),
    ]
    return rows


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) or "unknown"
