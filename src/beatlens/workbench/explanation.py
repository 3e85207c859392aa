"""Why a beat has its class: explanations of one beat, made now or by a run, and how they look on the signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.choice import Case, WindowSettings, case_rows, select_cases
from beatlens.explain.case.one_beat import beat_case
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.settings import ExplainSettings
from beatlens.workbench.defaults import as_in_a_run
from beatlens.workbench.looks import look_of, scale_of
from beatlens.workbench.predicted import PredictedRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FUSED = "fused"


@dataclass(frozen=True)
class Explanation:
    """What speaks for and against a class, in each lead and moment; of `explain` or of `Run.case`.

    Attributes
    ----------
    case
        What is explained: record, beat, class, the stretch that the model saw, probability, outcome.
    attribution
        The values, with how they came about (``attribution.meta``).
    methods
        Attribution of each method, of which a fused one is made.
    record
        The record.
    """

    case: Case
    attribution: Attribution
    methods: Mapping[str, Attribution]
    record: PredictedRecord

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """(n_leads, n_samples) float32: above 0 for the class, below against it."""
        return self.attribution.values

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the leads, a row of `values` each."""
        return self.attribution.leads

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """(n_samples,) time in the record of each column of `values`, in seconds."""
        return self.attribution.times_s

    @property
    def rhythm_share(self) -> float | None:
        """Share of the rhythm in the explanation, 0 to 1; it has no place in the signal. None where it had no part."""
        return self.attribution.rhythm_share

    def plot(self, limit: float | None = None, figures: Mapping[str, Any] | None = None) -> Figure:
        """Draw the stretch that the model saw to scale, with the explanation over it.

        Parameters
        ----------
        limit
            Value at which colour is full (`beatlens.figures.paper.overlay.shared_limit`); by default the explanation's
            own. Give one to figures that are to be compared.
        figures
            Options of the section ``figures`` to change, such as ``{"layout": "4x3", "style": "line"}``.

        Returns
        -------
        matplotlib.figure.Figure
            With its ``savefig`` (.svg, .png, .pdf).

        Raises
        ------
        ValueError
            For an option that isn't there, or not as it should be.
        """
        return self._drawn(limit, figures or {})[0]

    def facts(self) -> dict[str, Any]:
        """Return what stands beside the figure (leads, agreement ...): `figures.explained_cases.FACT_COLUMNS`."""
        from beatlens.figures.explained_cases import case_facts

        _, outside, limit = self._drawn(None, {})
        geometry = self.record.predictions.bundle.geometry
        return case_facts(
            _row(self.case),
            self.record.beats,
            self.attribution,
            methods=self.methods,
            geometry=geometry,
            outside=outside,
            limit=limit,
        )

    def payload(self, path: str) -> dict[str, Any]:
        """Return the explanation for other programs, as JSON: `beatlens.explain.result.views.PAYLOAD_KEYS`.

        Parameters
        ----------
        path
            Of the record, as the reader is to open it.
        """
        from beatlens.explain.result.views import to_payload

        return to_payload(self.attribution, path)

    def save(self, path: str | Path) -> None:
        """Write the attribution as .npz, as a run's ``explanations/<method>/<case>.npz``."""
        self.attribution.save(path)

    def _drawn(self, limit: float | None, figures: Mapping[str, Any]) -> tuple[Figure, float, float]:
        """Return the figure, the share of the explanation outside it, and the limit."""
        from beatlens.figures.explained_cases import attention_note, case_figure
        from beatlens.figures.paper.overlay import shared_limit

        record = self.record
        look = look_of(record.predictions.config, figures)
        full = shared_limit([self.attribution], look=look) if limit is None else limit
        figure, outside = case_figure(
            _row(self.case),
            record.beats,
            record.shard,
            fused=self.attribution,
            limit=full,
            scale=scale_of(record.predictions.config),
            look=look,
            note=attention_note(None, self.case.case, self.attribution.meta.method),
        )
        return figure.figure, outside, full


def explain(
    record: PredictedRecord,
    beat_id: str | Case,
    *,
    method: str = FUSED,
    case_class: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Explanation:
    """Explain the class of one beat, as a run does: with the same bits for the same settings.

    Parameters
    ----------
    record
        Of `predict`, or of ``open_run(...).record(...)``.
    beat_id
        The beat, by its ``beat_id`` in ``record.beats``, or one of `choose_cases`.
    method
        ``fused``: what the methods of the configuration (``explain.methods``) agree on; or one of
        `beatlens.explain.settings.METHODS`.
    case_class
        Class that is explained; by default the one that the beat was given.
    seed
        Of the methods that draw; by default that of the configuration.
    settings
        Options of the section ``explain`` of the configuration to change, such as
        ``{"segment_s": 0.1, "kernelshap": {"samples": 500}}``.

    Returns
    -------
    Explanation
        With ``values`` (n_leads, n_samples) and ``plot()``. Where a method doesn't apply to the case, its values are 0
        and ``attribution.meta.absent`` says why.

    Raises
    ------
    ValueError
        For a beat, a class, a method or an option that isn't there.

    Examples
    --------
    >>> from beatlens.api import explain, predict
    >>> predicted = predict("results/corpora/synthetic/a01")
    >>> attribution = explain(predicted, predicted.beats["beat_id"][2])
    >>> attribution.values.shape == (len(attribution.leads), len(attribution.times_s))
    True
    >>> attribution.plot().savefig("beat.svg")
    """
    from beatlens.config.load import merge
    from beatlens.explain.result.fusion import fuse
    from beatlens.explain.result.settings import FusionSettings

    config = record.predictions.config
    section = merge(config["explain"], settings or {})
    unknown = sorted(set(section) - {field.name for field in fields(ExplainSettings)})
    if unknown:
        raise ValueError(f"explain: options {unknown}; expected some of {', '.join(config['explain'])}")
    chosen = ExplainSettings.read(section)
    case = beat_id if isinstance(beat_id, Case) else case_of(record, beat_id, case_class)
    names = chosen.methods if method == FUSED else [method]
    own_seed = config["seed"] if seed is None else seed
    found = {name: _by_method(record, case, name, chosen, own_seed) for name in names}
    attribution = fuse(found, FusionSettings.read(config["fusion"])) if method == FUSED else found[method]
    return Explanation(case, attribution, found, record)


def choose_cases(record: PredictedRecord, n: int = 6) -> list[Case]:
    """Choose beats that are worth a look: some of each class, accepted and in review, as a run chooses its cases.

    Parameters
    ----------
    record
        Of `predict`; of a run's record only those of patients that the model hasn't seen.
    n
        Largest number of them.

    Returns
    -------
    list of Case
        For `explain`; none where the record has no beats.
    """
    config = record.predictions.config
    chosen = CaseSettings.read({**config["cases"], "max_cases": n, "max_windows": 0, "beats": (), "spans": ()})
    cases = select_cases(
        record.beats,
        record.shard.records,
        record.predictions.bundle.classes,
        settings=chosen,
        window=_window(config),
        seed=config["seed"],
    )
    return case_rows(cases)


def case_of(record: PredictedRecord, beat_id: str, case_class: str | None) -> Case:
    """Return a beat of a record as a case, by default for the class that it was given."""
    predictions = record.predictions
    return beat_case(
        record.beats,
        record.shard.records,
        classes=predictions.bundle.classes,
        window=_window(predictions.config),
        beat_id=beat_id,
        case_class=case_class,
    )


def _by_method(record: PredictedRecord, case: Case, method: str, settings: ExplainSettings, seed: int) -> Attribution:
    from beatlens.explain.explainer import Explainer, explain_case

    predictions = record.predictions
    with as_in_a_run(predictions.config["compute_threads"]):
        explainer = Explainer(predictions.views, predictions.bundle, predictions.network, settings, seed)
        return explain_case(explainer.prepare(case), method)


def _window(config: Mapping[str, Any]) -> WindowSettings:
    return WindowSettings(**{field.name: config["beats"][field.name] for field in fields(WindowSettings)})


def _row(case: Case) -> dict[str, Any]:
    """Return a case as a row of the table of cases."""
    row = asdict(case)
    return row | {"class": row.pop("case_class")}
