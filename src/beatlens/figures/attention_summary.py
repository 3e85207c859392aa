"""Attention over the cases of a run: heads by what they are worth, alignment by head, profiles of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from beatlens.core.numerals import fixed
from beatlens.evaluate.attention.agreement_summary import AgreementSummary
from beatlens.figures.paper.style import ACCENT, INK, MUTED, NEGATIVE, POSITIVE, new_figure, styled

N_HEADS = 12
"""Heads that are drawn, of those that change the probability most."""
ARROWS = {"waveform->spectrogram": "waveform asks", "spectrogram->waveform": "spectrogram asks"}
RATIOS = LinearSegmentedColormap.from_list("ratio", [NEGATIVE, "#ffffff", POSITIVE])


def attention_summary_figure(summary: Mapping[str, Any]) -> Figure:
    """Draw ``attention/summary.json`` (`beatlens.evaluate.attention.summary.AttentionSummary`).

    Below the panels stands, in words, whether the directions agree with each other and with perturbation evidence.
    """
    words = agreement_words(summary)
    classes = summary["classes"]
    height = 78 + 7 * len(classes) + 18 + 4 * len(words)
    with styled():
        figure = new_figure(190, height)
        places = figure.add_gridspec(
            2, 2, left=0.16, right=0.97, top=1 - 8 / height, bottom=(10 + 4 * len(words)) / height,
            height_ratios=[52, 7 * len(classes) + 4], hspace=20 / (26 + 3.5 * len(classes)), wspace=0.28,
        )  # fmt: skip
        _heads(figure.add_subplot(places[0, 0]), summary["heads"][:N_HEADS])
        _alignment(figure.add_subplot(places[0, 1]), summary["heads"])
        for column, stream in enumerate(("waveform", "spectrogram")):
            _profiles(figure.add_subplot(places[1, column]), classes, stream, summary["parts"])
        for k, (text, agrees) in enumerate(words):
            figure.text(0.02, (4 * (len(words) - k)) / height, text, fontsize=5.3, va="center",
                        color=INK if agrees else "#b42318")  # fmt: skip
        return figure


def agreement_words(summary: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return what is said of each agreement of a summary, and whether there is one."""
    every = [AgreementSummary.from_json(one) for one in (summary["directions"], *summary["evidence"])]
    result = [(one.words()[0].upper() + one.words()[1:].replace("_", " "), one.agrees) for one in every]
    if not summary["evidence"]:
        result.append(("No perturbation method was run: nothing says whether this attention means anything.", False))
    return result


def _heads(axes: Axes, heads: Sequence[Mapping[str, Any]]) -> None:
    names = [f"{ARROWS[one['direction']]}, {one['member'] + 1}.{one['head'] + 1}" for one in heads]
    places = np.arange(len(heads))
    value = [one["importance"]["value"] for one in heads]
    axes.barh(places, [one["magnitude"] for one in heads], color="#d7dce2", height=0.7, label="mean size of the change")
    axes.plot(value, places, "o", color=ACCENT, markersize=3.5, label="mean change, 95 % interval over patients")
    for place, one in zip(places, heads, strict=True):
        lo, hi = one["importance"]["lo"], one["importance"]["hi"]
        if lo is not None and hi is not None:
            axes.plot([lo, hi], [place, place], color=ACCENT, linewidth=1)
    axes.axvline(0, color=MUTED, linewidth=0.6)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.tick_params(labelsize=6.5, length=2)
    axes.set_title("What the class loses without a head", fontsize=8)
    axes.set_xlabel("change of probability (member.head)", fontsize=7, labelpad=1)
    axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, columnspacing=1)


def _alignment(axes: Axes, heads: Sequence[Mapping[str, Any]]) -> None:
    one_way = [one for one in heads if one["direction"] == "waveform->spectrogram"]
    members = sorted({one["member"] for one in one_way})
    n_heads = 1 + max(one["head"] for one in one_way)
    for member in members:
        heads_of_member = sorted((one for one in one_way if one["member"] == member), key=lambda one: one["head"])
        x = [one["head"] + 1 + 0.2 * (member - (len(members) - 1) / 2) for one in heads_of_member]
        y = [np.nan if one["alignment"] is None else one["alignment"] for one in heads_of_member]
        axes.plot(x, y, "o", markersize=3.5, label=f"member {member + 1}")
    axes.axhline(0, color=MUTED, linewidth=0.6)
    axes.set_xticks(range(1, n_heads + 1))
    axes.set_xlabel("head", fontsize=7, labelpad=1)
    axes.set_ylabel("rank correlation", fontsize=7)
    axes.set_ylim(-1, 1)
    axes.tick_params(labelsize=6.5, length=2)
    axes.set_title("Does a head see the same pairs both ways?", fontsize=8)
    if len(members) > 1:
        axes.legend(fontsize=6, loc="lower right", ncols=len(members))


def _profiles(axes: Axes, classes: Sequence[Mapping[str, Any]], stream: str, parts: Sequence[str]) -> None:
    """Draw shares of the attention beside those of even attention, all keys alike; colour is the ratio's log."""
    shares = np.array([one["profile"][stream] for one in classes], dtype=np.float64)
    even = np.array([one["uniform"][stream] for one in classes], dtype=np.float64)
    ratio = np.log2(np.maximum(shares, 1e-6) / np.maximum(even, 1e-6))
    axes.imshow(np.where(even > 0, ratio, 0), cmap=RATIOS, vmin=-2, vmax=2, aspect="auto", interpolation="none")
    for row in range(len(classes)):
        for column in range(len(parts)):
            text = f"{fixed(100 * shares[row, column], 0)} ({fixed(100 * even[row, column], 0)})"
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=INK)
    axes.set_xticks(range(len(parts)), [part.replace("other beats", "other\nbeats") for part in parts])
    axes.set_yticks(range(len(classes)), [f"{one['name']}, n = {one['n_cases']}" for one in classes])
    axes.tick_params(labelsize=6.5, length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"Attention to {stream} tokens, % (even)", fontsize=8)
