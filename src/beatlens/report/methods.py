"""What the report says of how its numbers came about. Sentences follow the run's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beatlens.report.numbers import listing

REFERENCES = (
    "AAMI EC57: Testing and reporting performance results of cardiac rhythm and ST segment measurement algorithms.",
    "Guo C et al. On calibration of modern neural networks. ICML 2017.",
    "Ribeiro MT, Singh S, Guestrin C. “Why should I trust you?”: explaining the predictions of any classifier. "
    "KDD 2016.",
    "Lundberg SM, Lee S-I. A unified approach to interpreting model predictions. NeurIPS 2017.",
    "Efron B. Bootstrap methods: another look at the jackknife. Annals of Statistics 1979.",
    "Hanley JA, McNeil BJ. The meaning and use of the area under a ROC curve. Radiology 1982.",
    "Geifman Y, El-Yaniv R. Selective classification for deep neural networks. NeurIPS 2017.",
    "Samek W et al. Evaluating the visualization of what a deep neural network has learned. IEEE TNNLS 2017.",
)

METHOD_WORDS = {"lime": "LIME [3]", "kernelshap": "KernelSHAP [4]"}
BASELINE_WORDS = {
    "interpolation": "a straight line across the hole",
    "lead_mean": "the lead's mean",
    "zero": "0 mV",
    "median_beat": "the record's median beat",
}


def _look_alikes(settings: Mapping[str, Any] | None) -> str:
    if settings is None or not settings["weight"]:
        return ""
    together = listing(settings["rhythm_classes"])
    own = f"; {together}, which rhythm tells apart, count as one there" if together else ""
    return (
        f" Before that, beats of a record that have the same shape share {100 * settings['weight']:g} % of their log "
        f"probabilities{own}. What other beats say stays as it is "
        "under a perturbation."
    )


def methods_text(config: Mapping[str, Any], bundle: Mapping[str, Any]) -> list[str]:
    """Return the paragraphs of the section on methods.

    Parameters
    ----------
    config
        The merged configuration.
    bundle
        ``bundle.json``: what it says of signal and beats is what the model was made with.
    """
    signal, beats = bundle["signal"], bundle["beats"]
    peaks, explain, fusion, evaluate = (config[name] for name in ("rpeaks", "explain", "fusion", "evaluate"))
    low, high = signal["band_hz"]
    methods = listing(METHOD_WORDS.get(name, name) for name in explain["methods"])
    verb = "switches" if len(explain["methods"]) == 1 else "switch"
    branches = "the shape of each lead, the rhythm of the beats around"
    if bundle["network"]["settings"]["name"] == "hybrid":
        branches += ", the similarity to prototypes"
    fill = BASELINE_WORDS.get(explain["baseline"], explain["baseline"])
    rhythm = ", and the rhythm as a whole," if explain["rhythm"] else ""
    return [
        f"Signal. Records are resampled to {signal['fs']:g} Hz and filtered without phase shift from {low:g} to "
        f"{high:g} Hz; amplitudes stay in millivolts. A beat is {beats['before_s'] * 1000:.0f} ms before to "
        f"{beats['after_s'] * 1000:.0f} ms after its R peak and seen among {beats['context']} beats at most. R peaks "
        f"come from the detector '{peaks['detector']}'; a detection within {peaks['match_s'] * 1000:.0f} ms of an "
        "annotated beat is that beat.",
        f"Classes. A network over {branches} gives each class a probability, calibrated by a temperature [2] on "
        f"patients that took no part in training.{_look_alikes(bundle['look_alikes'])} Where a label table groups "
        "annotations into N, S, V, F and Q, it follows [1].",
        "Scores. Precision, recall, F1, AUROC [6] and risk against coverage [7] are taken over beats. Intervals "
        f"({100 * evaluate['level']:g} %) come from {evaluate['bootstrap']} resamples of patients, never of beats [5]; "
        "a score that rests on one patient has none.",
        f"Explanations. {methods} {verb} off parts of the signal, {explain['segment_s'] * 1000:.0f} ms of a lead at "
        f"finest, filled with {fill}{rhythm} and see how the {explain['target']} of the predicted class changes. "
        + (
            "LIME and KernelSHAP take the mean of that and of whole beats in their leads. "
            if explain["beat_scale"]
            else ""
        )
        + "A part's value is spread over its samples by how far the filling changes each. "
        f"Fusion takes the {fusion['aggregate']} where the methods match; for differing signs its rule is "
        f"'{fusion['sign']}'. "
        "No knowledge of where a class should show enters any step.",
        "Tests of the explanations. Where a corpus says which samples make a class, maps are scored against them. "
        "Deletion and insertion [8] remove or restore parts in the map's order, scaled so that a random order gives 0 "
        "and a greedy search 1. Every score stands beside nulls: empty, uniform and random maps, the size of the "
        "signal itself, R peaks, the target beat alone, how far the signal is from the filling, and the map of another "
        "class. For windows of several beats the truth is where annotated beats of the class are.",
    ]
