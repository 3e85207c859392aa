"""Build an explained diagnosis once, and explain it: record, engine, method, and the attribution."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.explain.case.baselines import CONTRAST, INTERPOLATION
from beatlens.explain.diagnoses.cases import TARGET, DiagnosisCase, case_rows
from beatlens.explain.diagnoses.contrast import UsualBeats
from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.instance import RecordInstance
from beatlens.explain.diagnoses.methods import TABLE
from beatlens.explain.diagnoses.settings import USUAL, DiagnosisExplanationSettings
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.methods.explained import attribution_of
from beatlens.explain.players.waves import instance_edges
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.diagnoses.record_example import record_example
from beatlens.models.build import choose_device
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedDiagnosis:
    """A case with all that its explanations and their scores need.

    Attributes
    ----------
    case
        The case.
    engine, target
        What is perturbed, and what is explained.
    edges
        Segment edges, which follow the R peaks.
    settings
        How it is explained.
    seed
        The run's with record and diagnosis mixed in.
    """

    case: DiagnosisCase
    engine: RecordEngine
    target: DiagnosisTarget
    edges: npt.NDArray[np.int64]
    settings: ExplainSettings
    seed: int

    @property
    def instance(self) -> RecordInstance:
        """The engine's."""
        return self.engine.instance

    @property
    def patient(self) -> str:
        """``corpus/patient``."""
        return self.instance.record.patient


@dataclass(frozen=True)
class DiagnosisExplainer:
    """What all cases of a job are explained with.

    Attributes
    ----------
    bundles
        By fold: that of a case's fold never saw its patient; -1 for records in no fold.
    usual
        Usual beats of the run's records, which the baseline ``contrast_beat`` fills with.
    shards
        Where the records lie.
    settings, general
        Sections ``diagnosis_explanations`` and ``explain``.
    seed
        The run's.
    device
        ``cpu`` or ``cuda``.
    """

    bundles: Mapping[int, DiagnosisBundle]
    usual: UsualBeats
    shards: Sequence[Shard]
    settings: DiagnosisExplanationSettings
    general: ExplainSettings
    seed: int
    device: str = "cpu"

    def shard_of(self, case: DiagnosisCase) -> Shard:
        """Return the shard that holds a case's record."""
        holding = [shard for shard in self.shards if (case.corpus, case.record) in shard]
        if len(holding) != 1:
            raise ValueError(f"{len(holding)} shards hold {case.corpus}/{case.record}; expected one")
        return holding[0]

    def prepare(self, case: DiagnosisCase) -> PreparedDiagnosis:
        """Build a case: its record, target and engine.

        The baseline ``contrast_beat`` needs records without the diagnosis (`beatlens.explain.diagnoses.contrast`);
        where there are too few, the engine has the baseline ``interpolation``.

        Raises
        ------
        ValueError
            For a fold without a bundle, a diagnosis that it hasn't got, or a record without beats or leads.
        """
        if case.fold not in self.bundles:
            raise ValueError(f"case {case.case}: fold {case.fold}; expected one of {sorted(self.bundles)}")
        bundle = self.bundles[case.fold]
        classes = list(bundle.classes)
        if case.diagnosis not in classes:
            raise ValueError(f"case {case.case}: diagnosis {case.diagnosis!r}; expected one of {classes}")
        shard = self.shard_of(case)
        beats = shard.beats_of(case.corpus, case.record)
        record = record_example(shard, (case.corpus, case.record), beats, bundle.leads, bundle.geometry)
        settings = self.settings.explain_settings(self.general, case.diagnosis)
        patient, mv = patient_key(case.corpus, case.patient), record.typical * record.lead_scale[:, None]
        instance = RecordInstance(record)
        if self.settings.rhythm_off == USUAL:
            instance = replace(instance, usual_rr_s=self.usual.rr_without(case.diagnosis, patient))
        baseline: str = settings.baseline
        if baseline == CONTRAST:
            contrast = self.usual.without(case.diagnosis, patient, record.leads, mv)
            if contrast is None:
                baseline = INTERPOLATION
            else:
                instance = replace(instance, contrast=contrast)
        return PreparedDiagnosis(
            case=case,
            engine=RecordEngine(
                instance,
                bundle.load_network(self.device),
                calibration=bundle.decision,
                baseline=baseline,
                device=self.device,
                lead_off=settings.lead_off,
            ),
            target=DiagnosisTarget(classes.index(case.diagnosis), settings.target),
            edges=instance_edges(instance, settings.segment_s),
            settings=settings,
            seed=derive_seed(self.seed, case.corpus, case.record, case.diagnosis, TARGET),
        )


def read_explainer(
    shards: Sequence[str | Path], bundle: Path, folds: Sequence[Path], labels: pd.DataFrame, settings: Mapping[str, Any]
) -> DiagnosisExplainer:
    """Read what a run's diagnoses are explained with.

    Parameters
    ----------
    shards
        Folders of all shards.
    bundle, folds
        Folders of the bundle, and of the bundle of each fold, named by its number.
    labels
        A row a record with its labels.
    settings
        The sections ``diagnosis_explanations`` and ``explain``, ``seed`` and ``device``.

    Raises
    ------
    ValueError
        For the device ``cuda`` where there is none.
    """
    read = DiagnosisBundle.read(bundle)
    bundles = {-1: read, **{int(path.name): DiagnosisBundle.read(path) for path in folds}}
    opened = [Shard(path) for path in shards]
    return DiagnosisExplainer(
        bundles,
        UsualBeats(opened, labels, read.leads, read.geometry),
        opened,
        DiagnosisExplanationSettings.read(settings["diagnosis_explanations"]),
        ExplainSettings.read(settings["explain"]),
        settings["seed"],
        choose_device(settings["device"]),
    )


def explain_diagnosis(prepared: PreparedDiagnosis, method: str) -> Attribution:
    """Explain one case by one method of `TABLE`."""
    if method not in TABLE:
        raise ValueError(f"diagnosis_explanations.methods: {method!r}; expected one of {tuple(TABLE)}")
    case, engine, settings = prepared.case, prepared.engine, prepared.settings
    found = TABLE[method](engine, prepared.target, settings, prepared.seed)
    return attribution_of(
        found,
        engine,
        case,
        method=method,
        segment_s=settings.segment_s,
        seed=prepared.seed,
        contrast=f"records without {case.diagnosis}" if prepared.instance.contrast is not None else "",
    )


def explain_cases(cases: pd.DataFrame, explainer: DiagnosisExplainer, method: str) -> Iterator[Attribution]:
    """Explain cases by one method, in the order of the case table."""
    for case in case_rows(cases):
        prepared = explainer.prepare(case)
        yield explain_diagnosis(prepared, method)
        engine = prepared.engine
        logger.info("%s: %d evaluations, %d encodings", case.case, engine.n_evaluations, engine.n_encoded)
