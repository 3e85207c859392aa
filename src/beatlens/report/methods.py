"""What the report says of how its numbers came about. Sentences follow the run's own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "Abnar S, Zuidema W. Quantifying attention flow in transformers. ACL 2020.",
    "Chefer H, Gur S, Wolf L. Generic attention-model explainability for interpreting bi-modal and encoder-decoder "
    "transformers. ICCV 2021.",
)

METHOD_WORDS = {
    "lime": "LIME [3]",
    "kernelshap": "KernelSHAP [4]",
    "timeshap": "TimeSHAP",
    "occlusion": "occlusion",
    "integrated_gradients": "integrated gradients",
    "gradient_input": "gradient x input",
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
    "hirescam": "HiResCAM",
    "guided_gradcam": "guided Grad-CAM",
    "attention": "attention",
    "attention_rollout": "attention rollout",
    "attention_relevance": "attention relevance",
}
EVENT_WORDS = {"segments": "segments of {ms:.0f} ms", "waves": "P, QRS, ST and T waves", "beats": "beats"}
BASELINE_WORDS = {
    "interpolation": "a straight line across the hole",
    "lead_mean": "the lead's mean",
    "zero": "0 mV",
    "median_beat": "the record's median beat",
    "contrast_beat": (
        "the median beat of another class, from the record, from other records of the patient or from prototypes of "
        "other patients, brought to the signal's level and within 20 ms to where it fits best"
    ),
}


def fitted_on(bundle: Mapping[str, Any]) -> str:
    """Say on whom the bundle's calibration and thresholds were fitted."""
    if bundle["provenance"]["training_settings"]["folds"]:
        return "the training patients, each run through a network that was trained without that patient"
    return "patients of the split calibrate, which took no part in training"


def _perturbations(explain: Mapping[str, Any]) -> list[str]:
    """Say what the methods that switch parts off do, nothing where there are none."""
    methods, players = explain["methods"], explain["players"]
    ms = explain["segment_s"] * 1000
    events = EVENT_WORDS.get(players, "").format(ms=ms)
    parts = {"leads": "whole leads", "cells": f"segments of {ms:.0f} ms of single leads"}.get(players, "")
    result = []
    sampled = [METHOD_WORDS[name] for name in ("lime", "kernelshap") if name in methods]
    if sampled:
        verb = "switches" if len(sampled) == 1 else "switch"
        inner = (
            f"whole beats, of whole beats in single leads and of the {explain['top_segments']} strongest {events} "
            "over all leads, and the mean of the three is taken"
        )
        text = f"{listing(sampled)} {verb} off sets of {parts or inner}"
        result.append(text)
    if "timeshap" in methods:
        events = events or EVENT_WORDS["segments"].format(ms=ms)
        result.append(
            f"TimeSHAP prunes both ends of the window, then switches off sets of {events}, of leads, and of the "
            f"{explain['timeshap']['top_leads']} strongest leads within the {explain['timeshap']['top_segments']} "
            "strongest events"
        )
    if "occlusion" in methods:
        result.append(f"Occlusion switches off one part at a time: {parts or events + ' of single leads'}")
    if result:
        fill, absent = BASELINE_WORDS[explain["baseline"]], explain["lead_off"] == "absent"
        text = f"What is off is filled with {fill}"
        text += ", but a lead that is off altogether counts as one that the record lacks" if absent else ""
        text += "; the rhythm is a further part" if explain["rhythm"] else ""
        result.append(f"{text}. A value is how the {explain['target']} of the predicted class changes")
        result.append("A part's value is spread over its samples in proportion to how far the filling changes each")
    return result


def _gradients(explain: Mapping[str, Any]) -> list[str]:
    """Say what the gradient methods do, nothing where there are none."""
    methods, result = explain["methods"], []
    # Across a whole window the straight line of the other methods is the lead's mean.
    start = BASELINE_WORDS["lead_mean" if explain["baseline"] == "interpolation" else explain["baseline"]]
    rhythm = " and of the rhythm" if explain["rhythm"] else ""
    of = f"the {explain['target']} of the predicted class"
    if "integrated_gradients" in methods:
        steps = explain["integrated_gradients"]["steps"]
        result.append(
            f"Integrated gradients take the mean gradient of {of} over {steps} points between {start} and the signal, "
            f"times the difference of each sample{rhythm}"
        )
    if "gradient_input" in methods:
        result.append(
            f"Gradient x input takes the gradient of {of} at the signal, times the difference of each sample{rhythm} "
            f"from {start}"
        )
    maps = [
        METHOD_WORDS[name] for name in ("gradcam", "gradcam_plus_plus", "hirescam", "guided_gradcam") if name in methods
    ]
    if maps:
        text = f"{listing(maps)} {'weighs' if len(maps) == 1 else 'weigh'} the last feature map of each lead of a beat "
        text += f"by the gradient of {of}; the values are relative, and the rhythm has none"
        result.append(text)
    return result


def _attention(explain: Mapping[str, Any]) -> list[str]:
    """Say what the methods of attention do, nothing where there are none."""
    of = {
        "attention": "Attention is the mean weight that a token gets over members, heads and the beat's tokens",
        "attention_rollout": "Attention rollout gives half of each token's mass back to itself [9]",
        "attention_relevance": (
            f"Attention relevance is the positive part of each weight times the gradient of the {explain['target']} of "
            "the predicted class [10]"
        ),
    }
    result = [text for method, text in of.items() if method in explain["methods"]]
    if result:
        result.append("Mass is spread evenly over the stretch that a token stands for; it has no sign and is relative")
    return result


def _explanations(config: Mapping[str, Any]) -> str:
    """Return the paragraph on the explanations."""
    explain, fusion = config["explain"], config["fusion"]
    sentences = [*_perturbations(explain), *_gradients(explain), *_attention(explain)]
    if len(explain["methods"]) > 1:
        sentences.append(
            f"Fusion takes the {fusion['aggregate']} where the methods match; for differing signs its rule is "
            f"'{fusion['sign']}'"
        )
    sentences.append("No step uses knowledge of where a class should show")
    return "Explanations. " + ". ".join(sentences) + "."


def _look_alikes(settings: Mapping[str, Any] | None) -> str:
    if settings is None or not settings["weight"]:
        return ""
    together = listing(settings["rhythm_classes"])
    as_one = f"; {together}, which rhythm tells apart, count as one class there" if together else ""
    return (
        f" Before that, beats of a record that have the same shape share {100 * settings['weight']:g} % of their log "
        f"probabilities{as_one}. Under a perturbation a beat's look-alikes are looked for anew among the unperturbed "
        "beats."
    )


def _simulated_rhythms(bundle: Mapping[str, Any]) -> str:
    share = bundle["provenance"]["training_settings"]["rhythm_fraction"]
    if not share:
        return ""
    normal, premature = bundle["look_alikes"]["rhythm_classes"]
    return (
        f" In training {100 * share:g} % of the runs of {normal} beats had a simulated rhythm, from which the network "
        f"learns when {premature} beats come."
    )


def _absences(absent: Sequence[Sequence[str]]) -> str:
    """Say to how many cases a method doesn't apply, "" where all apply to all."""
    return "".join(
        f" {METHOD_WORDS[name][0].upper()}{METHOD_WORDS[name][1:]} don't apply to "
        f"{sum(name in of_case for of_case in absent)} of {len(absent)} cases, where their values lack too much "
        "of full minus empty: they have no map there, no scores and no part in what is fused."
        for name in sorted({name for of_case in absent for name in of_case})
    )


def methods_text(
    config: Mapping[str, Any],
    bundle: Mapping[str, Any],
    *,
    scored: bool = True,
    explained: bool = True,
    absent: Sequence[Sequence[str]] = (),
) -> list[str]:
    """Return the paragraphs of the section on methods.

    Parameters
    ----------
    config
        The merged configuration.
    bundle
        ``bundle.json``: what it says of signal and beats is what the model was made with.
    scored, explained
        Whether the page has scores of predictions, and of explanations.
    absent
        Of each explained case the methods that don't apply to it.
    """
    signal, beats = bundle["signal"], bundle["beats"]
    peaks, evaluate = config["rpeaks"], config["evaluate"]
    low, high = signal["band_hz"]
    branches = "the shape of each lead, the rhythm of the beats around"
    network = bundle["network"]["settings"]
    if network["name"] == "crossmodal":
        branches = "the wave and the spectrogram of each lead, which attend to each other, the rhythm of beats"
    if network["name"] != "context":
        branches += ", the similarity to prototypes"
    many = f", the mean of {network['members']} that learnt side by side," if network["members"] > 1 else ""
    paragraphs = [
        f"Signal. Records are resampled to {signal['fs']:g} Hz and filtered without phase shift from {low:g} to "
        f"{high:g} Hz; amplitudes stay in millivolts. A beat is {beats['before_s'] * 1000:.0f} ms before to "
        f"{beats['after_s'] * 1000:.0f} ms after its R peak and seen among {beats['context']} beats at most. R peaks "
        f"come from the detector '{peaks['detector']}'; a detection within {peaks['match_s'] * 1000:.0f} ms of an "
        "annotated beat is that beat.",
        f"Classes. A network over {branches}{many} gives each class a probability, calibrated by a temperature [2] on "
        f"{fitted_on(bundle)}.{_look_alikes(bundle['look_alikes'])}{_simulated_rhythms(bundle)} Where a label table "
        "groups annotations into N, S, V, F and Q, it follows [1].",
    ]
    intervals = (
        f"Intervals ({100 * evaluate['level']:g} %) come from {evaluate['bootstrap']} resamples of patients, never of "
        "beats [5]; a score that rests on one patient has none."
    )
    if scored:
        of = "Precision, recall, F1, AUROC [6] and risk against coverage [7] are taken over beats"
        paragraphs.append(f"Scores. {of}. {intervals}")
    if not explained:
        return paragraphs
    return [
        *paragraphs,
        _explanations(config) + _absences(absent),
        "Tests of the explanations. Where a corpus says which samples make a class, maps are scored against them. "
        "Deletion and insertion [8] remove or restore parts in the map's order, scaled so that a random order gives 0 "
        "and a greedy search 1. Every score stands beside nulls: empty, uniform and random maps, the size of the "
        "signal itself, R peaks, the target beat alone, how far the signal is from the filling, and the map of another "
        "class. For windows of several beats the truth is where annotated beats of the class are."
        f"{'' if scored else f' {intervals}'}",
    ]
