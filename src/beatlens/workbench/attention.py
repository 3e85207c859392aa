"""What a network attends to for one beat: weights, statistics and figures, beside perturbation evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.record import Record
from beatlens.explain.settings import ExplainSettings
from beatlens.prediction.bundle import Bundle
from beatlens.workbench.defaults import as_in_a_run, load_bundle
from beatlens.workbench.explanation import case_of, explain
from beatlens.workbench.predicted import PredictedRecord, predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from beatlens.evaluate.attention.arrays import AttentionArrays
    from beatlens.evaluate.attention.case_report import CaseReport, MemberDirection
    from beatlens.evaluate.attention.statistics import HeadStatistics

EVIDENCE = ("lime", "kernelshap")


@dataclass(frozen=True)
class AttentionExplanation:
    """The attention of one beat; of `Capture.explain`.

    Attributes
    ----------
    logits
        (K,) float32: the network's logits of the classes at the beat, before calibration.
    report
        All numbers (`beatlens.evaluate.attention.case_report.CaseReport`): statistics, importance and redundancy of
        heads, named pairs, agreement of the directions and with the evidence.
    arrays
        Weights over all tokens, the tokens, and the maps.
    record
        The record.
    """

    logits: npt.NDArray[np.float32]
    report: CaseReport
    arrays: AttentionArrays
    record: PredictedRecord

    @property
    def weights(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """Direction -> (members, heads, queries, keys) shares, 0 to 1, over tokens that are there.

        Directions are ``waveform->spectrogram`` and back; each row adds up to 1.
        """
        return {name: np.stack([one.weights for one in captured]) for name, captured in self._by_direction().items()}

    @property
    def statistics(self) -> Mapping[str, Sequence[HeadStatistics]]:
        """Direction -> statistics of each member's heads (`beatlens.evaluate.attention.statistics.HeadStatistics`)."""
        return {name: [one.statistics for one in captured] for name, captured in self._by_direction().items()}

    def text(self) -> str:
        """Return the report in words."""
        from beatlens.evaluate.attention.writing import case_text

        return case_text(self.report)

    def plot(self) -> Figure:
        """Draw what the class gains by attention on the signal and its spectrogram, and the weights both ways.

        Below the picture stands, in words, whether perturbation evidence agrees.
        """
        from beatlens.evaluate.attention.writing import as_json
        from beatlens.figures.attention import AttentionCase, attention_figure

        shown = AttentionCase.of(as_json(self.report), self.arrays, self.record.signal, self.record.beats)
        return attention_figure(shown)

    def _by_direction(self) -> dict[str, list[MemberDirection]]:
        names = dict.fromkeys(one.direction for one in self.report.directions)
        return {name: [one for one in self.report.directions if one.direction == name] for name in names}


@dataclass(frozen=True)
class Capture:
    """Asks the network of a bundle what it looks at; of `capture`.

    Attributes
    ----------
    bundle
        A bundle whose network has attention.
    allow_made_bundle
        As for `beatlens.api.predict`.
    """

    bundle: Bundle
    allow_made_bundle: bool = False

    def explain(
        self,
        record: PredictedRecord | Record | str | Path,
        beat_id: str,
        *,
        case_class: str | None = None,
        evidence: Sequence[str] = EVIDENCE,
    ) -> AttentionExplanation:
        """Return the attention at one beat.

        Parameters
        ----------
        record
            Of `beatlens.api.predict` or of a run, with this bundle; or a record or its path, which is predicted first.
        beat_id
            The beat, by its ``beat_id`` in ``record.beats``.
        case_class
            Class that is asked for; by default the one that the beat was given.
        evidence
            Methods that change the signal, which attention is held against; none for no such comparison.

        Raises
        ------
        ValueError
            For a beat or class that isn't there, for a record predicted with another bundle, and for evidence that
            isn't of a perturbation method.
        """
        from beatlens.evaluate.attention.case_report import EVIDENCE as KNOWN
        from beatlens.evaluate.attention.case_report import examine
        from beatlens.explain.explainer import Explainer

        unknown = sorted(set(evidence) - set(KNOWN))
        if unknown:
            raise ValueError(f"evidence {unknown}; expected some of {KNOWN}")
        if not isinstance(record, PredictedRecord):
            record = predict(record, self.bundle, allow_made_bundle=self.allow_made_bundle)
        predictions = record.predictions
        if not _same_network(predictions.bundle, self.bundle):
            raise ValueError(f"{record.corpus}/{record.name}: predicted with another bundle; expected the captured one")
        found = {method: explain(record, beat_id, method=method, case_class=case_class) for method in evidence}
        case = case_of(record, beat_id, case_class)
        with as_in_a_run(predictions.config["compute_threads"]):
            explainer = Explainer(
                predictions.views,
                predictions.bundle,
                predictions.network,
                ExplainSettings.read(predictions.config["explain"]),
                predictions.config["seed"],
            )
            findings = examine(explainer.prepare(case), {name: one.attribution for name, one in found.items()})
        return AttentionExplanation(findings.logits, findings.report, findings.arrays, record)


def capture(bundle: Bundle | None = None, *, allow_made_bundle: bool = False) -> Capture:
    """Return what explains beats by the attention of a bundle's network.

    Parameters
    ----------
    bundle
        Of `beatlens.api.load_bundle`; its network has attention (``model.name: crossmodal``).
    allow_made_bundle
        As for `beatlens.api.predict`.

    Raises
    ------
    ValueError
        For a network without attention.

    Examples
    --------
    >>> from beatlens.api import capture, load_bundle
    >>> capture(load_bundle())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: HybridNet has no torch.nn.MultiheadAttention; expected a network with attention ...
    """
    from beatlens.explain.attention.capture import attention_modules

    bundle = load_bundle() if bundle is None else bundle
    attention_modules(bundle.network())
    return Capture(bundle, allow_made_bundle)


def _same_network(one: Bundle, other: Bundle) -> bool:
    return one is other or (
        one.network_config == other.network_config
        and all(np.array_equal(value, other.weights[name]) for name, value in one.weights.items())
    )
