"""The package by itself: a record from file to figure in a few lines, and what is in a finished run.

>>> from beatlens.api import explain, load_bundle, load_record, predict
>>> record = load_record("results/corpora/synthetic/a01")
>>> predicted = predict(record, load_bundle())
>>> attribution = explain(predicted, predicted.beats["beat_id"][2])
>>> attribution.plot().savefig("beat.svg")

These names are what other programs may rely on; all else of the package may change. Torch, pandas and matplotlib are
imported only when they are needed. Errors are `ValueError`, or `RecordFault` for a record that can't be used, with the
file, the value and what was expected.
"""

from beatlens.core.record import Record, RecordFault
from beatlens.corpora.strips import StripSettings
from beatlens.workbench.attention import AttentionExplanation, Capture, capture
from beatlens.workbench.defaults import load_bundle
from beatlens.workbench.description import describe
from beatlens.workbench.explanation import Explanation, choose_cases, explain
from beatlens.workbench.given_values import Annotation, attribution_from_annotations, attribution_from_values
from beatlens.workbench.own_attribution import OwnAttribution
from beatlens.workbench.predicted import PredictedRecord, predict
from beatlens.workbench.prototypes import Prototypes
from beatlens.workbench.recordings import FORMATS, FoundRecord, find_records, load_record
from beatlens.workbench.run import Run, open_run

__all__ = [
    "FORMATS",
    "Annotation",
    "AttentionExplanation",
    "Capture",
    "Explanation",
    "FoundRecord",
    "OwnAttribution",
    "PredictedRecord",
    "Prototypes",
    "Record",
    "RecordFault",
    "Run",
    "StripSettings",
    "attribution_from_annotations",
    "attribution_from_values",
    "capture",
    "choose_cases",
    "describe",
    "explain",
    "find_records",
    "load_bundle",
    "load_record",
    "open_run",
    "predict",
]
