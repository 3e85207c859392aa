"""What a report is made of: tables and figures that earlier stages wrote."""

from __future__ import annotations

import base64
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens import __version__
from beatlens.core.files import read_arrays
from beatlens.explain.watch.settings import OF_ACTIVATIONS, OF_ATTENTION

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_SVG_WIDTH = re.compile(rb'<svg[^>]*?\swidth="([\d.]+)pt"')
MM_PER_POINT = 25.4 / 72

TABLES = {
    "metrics": ("metrics", "metrics/classification.csv"),
    "confusion": ("confusion", "metrics/confusion.csv"),
    "presence": ("presence", "metrics/presence.csv"),
    "leaks": ("leaks", "metrics/leaks.csv"),
    "explanations": ("explanation_metrics", "metrics/explanations.csv"),
    "cohort": ("cohort", "metrics/cohort.csv"),
    "words": ("words", "explanations/words.csv"),
    "record-table": ("record_predictions", "predictions/records.parquet"),
    "episodes": ("episodes", "predictions/episodes.parquet"),
    "remarks": ("remarks", "predictions/remarks.tsv"),
    "alerts": ("alerts", "alerts/alerts.csv"),
    "clusters": ("clusters", "alerts/clusters.csv"),
    "prototype-summary": ("prototypes", "prototypes/summary.csv"),
    "prototype-validation": ("suspects", "prototypes/validation.csv"),
    "watch-drift": ("drift", "watch/drift.csv"),
}
"""Option of the program -> attribute of `ReportInputs` and the file it takes."""


@dataclass(frozen=True)
class Image:
    """A figure as it stands in the page.

    Attributes
    ----------
    uri
        The whole file as a ``data:`` URI.
    width_mm
        Physical width, so that an ECG is to scale on paper and on a calibrated screen.
    """

    uri: str
    width_mm: float


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
    episodes, remarks
        Runs and pauses (`beatlens.prediction.episodes.EPISODE_COLUMNS`), and remarks on records
        (`beatlens.core.remarks.REMARK_COLUMNS`).
    facts
        One row a case (`beatlens.figures.explained_cases.FACT_COLUMNS`).
    words, tachograms
        The cases in words (`beatlens.words.describe.WORD_COLUMNS`), and case id -> image of the RR intervals around it.
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
    episodes: pd.DataFrame | None = None
    remarks: pd.DataFrame | None = None
    facts: pd.DataFrame | None = None
    words: pd.DataFrame | None = None
    tachograms: Mapping[str, Image] = field(default_factory=dict)
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


def load_image(*paths: Path) -> Image:
    """Read a figure for the page: the smallest of the files given, at the width that the SVG among them says.

    Parameters
    ----------
    paths
        The same figure as SVG and, optionally, PNG.

    Raises
    ------
    ValueError
        Where none is an SVG with its width in points.
    """
    contents = {path: path.read_bytes() for path in paths}
    widths = [
        match.group(1) for path in paths if path.suffix == ".svg" if (match := _SVG_WIDTH.search(contents[path][:4000]))
    ]
    if not widths:
        raise ValueError(f"{', '.join(map(str, paths))}: no SVG with a width in points")
    smallest = min(paths, key=lambda path: len(contents[path]))
    data = base64.b64encode(contents[smallest]).decode("ascii")
    return Image(f"data:{_TYPES[smallest.suffix]};base64,{data}", float(widths[0]) * MM_PER_POINT)


def load_images(folders: Sequence[Path]) -> dict[str, Image]:
    """Read every figure of folders, by name: the smaller of its .svg and its .png."""
    files = [file for folder in folders for file in sorted(folder.glob("*.svg"))]
    return {file.stem: load_image(file, file.with_suffix(".png")) for file in files}


def load_watched(folder: Path, cohort: Path) -> WatchedBeats:
    """Read the figures of watched beats that the page shows, and what ``cohort.npz`` says of them."""
    arrays = read_arrays(cohort)
    cases, labels = arrays["cases"].tolist(), arrays["labels"].tolist()
    first = [case for k, case in enumerate(cases) if labels[k] not in labels[:k]]
    further = [f"{case}_{method}" for case in first for method in (*OF_ACTIVATIONS, *OF_ATTENTION)]
    shown = sorted([*first, *(name for name in further if (folder / f"{name}.svg").is_file())])
    return WatchedBeats(
        images={name: load_image(*(folder / f"{name}.{ending}" for ending in ("svg", "png"))) for name in shown},
        split=str(arrays["split"]),
        n_cases=len(cases),
        n_patients=len(set(arrays["patients"].tolist())),
        missing=tuple(arrays["missing"].tolist()),
    )


def package_versions() -> dict[str, str]:
    """Return the versions of what makes the page."""
    names = ("jinja2", "matplotlib", "numpy", "pandas", "scipy")
    return {"beatlens": __version__, "python": platform.python_version()} | {name: version(name) for name in names}
