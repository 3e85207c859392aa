"""What a report is made of: tables and figures that earlier stages wrote."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens import __version__
from beatlens.core.files import read_arrays
from beatlens.explain.watch.settings import OF_ACTIVATIONS, OF_ATTENTION
from beatlens.report.images import Image, Place

if TYPE_CHECKING:
    import pandas as pd

TABLES = {
    "metrics": ("metrics", "metrics/classification.csv"),
    "confusion": ("confusion", "metrics/confusion.csv"),
    "presence": ("presence", "metrics/presence.csv"),
    "leaks": ("leaks", "metrics/leaks.csv"),
    "explanations": ("explanation_metrics", "metrics/explanations.csv"),
    "cohort": ("cohort", "metrics/cohort.csv"),
    "record-table": ("record_predictions", "predictions/records.parquet"),
    "holter": ("holter", "predictions/holter.parquet"),
    "episodes": ("episodes", "predictions/episodes.parquet"),
    "remarks": ("remarks", "predictions/remarks.tsv"),
    "alerts": ("alerts", "alerts/alerts.csv"),
    "clusters": ("clusters", "alerts/clusters.csv"),
    "prototype-summary": ("prototypes", "prototypes/summary.csv"),
    "prototype-validation": ("suspects", "prototypes/validation.csv"),
    "watch-drift": ("drift", "watch/drift.csv"),
}
"""Option of the program -> attribute of `ReportInputs` and the file it takes."""
MORE = {
    "watch": "directory of the drawn watched beats",
    "watch-cohort": "watch/cohort.npz",
    "attention": "attention/summary.json",
    "attention-cases": "directory of drawn attention",
}
"""Further options -> the file that each takes."""


@dataclass(frozen=True)
class WatchedBeats:
    """The beats that were watched while the network learnt.

    Attributes
    ----------
    images
        Figure's name -> figure, of the first beat of each class: ``<case>``, and ``<case>_<kind of map>`` of others.
    split
        ``select``, or ``train`` where the network learns from them, too.
    n_cases, n_patients
        Beats, and patients that they are of.
    missing
        In words, the classes of which there are fewer than asked for.
    """

    images: Mapping[str, Image]
    split: str
    n_cases: int
    n_patients: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ReportInputs:
    """Everything that `beatlens.report.build.render_report` needs; an absent table or figure leaves its section short.

    Attributes
    ----------
    title, run, seed
        Of the configuration.
    classes
        Class ids in order.
    records, status
        The tables of records and of what became of each.
    bundle
        ``bundle.json`` of the model.
    bundle_sha256
        Digest of that file.
    config
        The merged configuration as YAML.
    versions
        Versions of the packages that made the page.
    metrics, explanation_metrics, record_predictions
        Scores, and predictions by record.
    confusion
        Beats by truth and prediction (`beatlens.evaluate.predictions.classification.CONFUSION_COLUMNS`), that
        `metrics` rest on.
    presence
        Scores of strips and records (`beatlens.evaluate.predictions.presence.PRESENCE_COLUMNS`).
    leaks
        What the checks for leaks found (`beatlens.leaks.audit.COLUMNS`).
    cohort
        What the model uses for each class (`beatlens.evaluate.explanations.cohort.COLUMNS`).
    holter
        What a Holter report says of each record (`beatlens.holter.urgency.with_urgency`).
    n_pages
        Records that have a page of their own, the most urgent ones.
    episodes, remarks
        Runs and pauses (`beatlens.prediction.episodes.EPISODE_COLUMNS`), and remarks on records
        (`beatlens.core.remarks.REMARK_COLUMNS`).
    facts
        One row a case (`beatlens.figures.explained_cases.FACT_COLUMNS`).
    alerts, clusters
        New-pattern alerts, and all clusters with what they lack to be one.
    prototypes, suspects
        Summary of the prototypes by class, and what is suspicious of each prototype.
    drift, watched
        How the maps of watched beats change (`beatlens.explain.watch.drift.DRIFT_COLUMNS`), and the beats.
    probes
        Tests of sanity and stability of the explanations (`beatlens.evaluate.probes.shared.PROBE_COLUMNS`).
    figures
        Name of the figure -> image: prototypes, training, confusion, reliability, patients, scores, alerts.
    cases
        Case id -> image.
    attention
        ``attention/summary.json`` (`beatlens.evaluate.attention.summary.AttentionSummary`), where the network has
        attention.
    attention_cases
        Case id -> image of its attention.
    diagnoses_page
        Page of the run's diagnoses, beside this one; empty where it has none.
    """

    title: str
    run: str
    seed: int
    classes: tuple[str, ...]
    records: pd.DataFrame
    status: pd.DataFrame
    bundle: Mapping[str, Any]
    bundle_sha256: str
    config: str
    versions: Mapping[str, str]
    metrics: pd.DataFrame | None = None
    confusion: pd.DataFrame | None = None
    presence: pd.DataFrame | None = None
    leaks: pd.DataFrame | None = None
    explanation_metrics: pd.DataFrame | None = None
    cohort: pd.DataFrame | None = None
    record_predictions: pd.DataFrame | None = None
    holter: pd.DataFrame | None = None
    n_pages: int = 0
    episodes: pd.DataFrame | None = None
    remarks: pd.DataFrame | None = None
    facts: pd.DataFrame | None = None
    alerts: pd.DataFrame | None = None
    clusters: pd.DataFrame | None = None
    prototypes: pd.DataFrame | None = None
    suspects: pd.DataFrame | None = None
    drift: pd.DataFrame | None = None
    watched: WatchedBeats | None = None
    probes: Sequence[pd.DataFrame] = ()
    figures: Mapping[str, Image] = field(default_factory=dict)
    cases: Mapping[str, Image] = field(default_factory=dict)
    attention: Mapping[str, Any] | None = None
    attention_cases: Mapping[str, Image] = field(default_factory=dict)
    diagnoses_page: str = ""


def load_watched(place: Place, folder: Path, cohort: Path) -> WatchedBeats:
    """Read the figures of watched beats that the page shows, and what ``cohort.npz`` says of them."""
    arrays = read_arrays(cohort)
    cases, labels = arrays["cases"].tolist(), arrays["labels"].tolist()
    first = [case for k, case in enumerate(cases) if labels[k] not in labels[:k]]
    further = [f"{case}_{method}" for case in first for method in (*OF_ACTIVATIONS, *OF_ATTENTION)]
    shown = sorted([*first, *(name for name in further if (folder / f"{name}.svg").is_file())])
    return WatchedBeats(
        images={name: place.image(*(folder / f"{name}.{ending}" for ending in ("svg", "png"))) for name in shown},
        split=str(arrays["split"]),
        n_cases=len(cases),
        n_patients=len(set(arrays["patients"].tolist())),
        missing=tuple(arrays["missing"].tolist()),
    )


def package_versions() -> dict[str, str]:
    """Return the versions of what makes the page."""
    names = ("jinja2", "matplotlib", "numpy", "pandas", "scipy")
    return {"beatlens": __version__, "python": platform.python_version()} | {name: version(name) for name in names}
