"""From one record to its rows of a shard."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.annotation_check import check_annotations
from beatlens.beats.beat_table import beat_table, match_beats, r_index
from beatlens.beats.lead_choice import choose_leads, plausible_leads
from beatlens.beats.record_edges import cut_by_edge, unseen_before, with_reasons
from beatlens.beats.reviewed_labels import apply_reviewed
from beatlens.beats.settings import BeatSettings
from beatlens.core.leads import UNKNOWN_LEADS, canonical_lead, names_for
from beatlens.core.record import Finding, Record
from beatlens.corpora.beat_labels import NOISE, BeatLabels
from beatlens.corpora.reviewed import ReviewedRecord
from beatlens.shards.shard import REVIEWED, BeatGeometry
from beatlens.shards.stretches import Stretch, in_stretches, told_in_words
from beatlens.signals.conditioning import Conditioned, condition
from beatlens.signals.detection.r_peaks import detect
from beatlens.signals.gaps import fill_gaps
from beatlens.signals.quality import assess, lead_scale
from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.settings.quality import QualitySettings
from beatlens.signals.settings.rpeaks import RPeakSettings
from beatlens.signals.settings.signal import SignalSettings
from beatlens.signals.unreadable_stretches import find_stretches

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreprocessSettings:
    """The sections of the configuration that preprocessing uses."""

    signal: SignalSettings
    rpeaks: RPeakSettings
    beats: BeatSettings
    quality: QualitySettings
    leads: tuple[str, ...]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PreprocessSettings:
        """Build from the sections ``signal``, ``rpeaks``, ``beats``, ``quality`` and ``leads``."""
        return cls(
            SignalSettings.read(config["signal"]),
            RPeakSettings.read(config["rpeaks"]),
            BeatSettings.read(config["beats"]),
            QualitySettings.read(config["quality"]),
            tuple(canonical_lead(lead) for lead in config["leads"]),
        )

    @property
    def geometry(self) -> BeatGeometry:
        """How beats are cut at the model's rate."""
        return BeatGeometry.from_seconds(self.signal.fs, self.beats.before_s, self.beats.after_s)


@dataclass(frozen=True)
class Preprocessed:
    """One record's part of a shard, as `ShardWriter.add` and `ShardWriter.note` take it."""

    row: dict[str, Any]
    signal: FloatArray
    beats: pd.DataFrame
    annotated: pd.DataFrame
    truth: list[dict[str, Any]]
    notes: tuple[str, ...]
    stretches: list[dict[str, Any]]
    remarks: list[dict[str, Any]]


def preprocess_record(
    record: Record,
    role: str,
    labels: BeatLabels | None,
    settings: PreprocessSettings,
    weak: str | None = None,
    *,
    reviewed: ReviewedRecord | None = None,
) -> Preprocessed:
    """Condition a record, find its beats and describe them. Depends on nothing but its arguments.

    Parameters
    ----------
    record
        The record as its corpus gives it.
    role
        train, test, predict or noise; a noise record is conditioned and stored without beats.
    labels
        Its annotated beats, or None where there are no annotations.
    settings
        Sections of the configuration.
    weak
        Class of the record as a whole, which each of its beats takes, with ``label_source`` record; NOISE marks all of
        them as annotated noise; None where there is none.
    reviewed
        What reviewers decided on its detected beats (`beatlens.beats.reviewed_labels`); None where they didn't.

    Raises
    ------
    RecordFault
        ``zero_length``, ``unknown_leads``, ``all_nan``, ``flat``, ``unknown_fs`` or ``implausible_amplitude``.
    """
    signal, leads = choose_leads(record, settings.leads, every=role == "noise")
    conditioned = condition(signal, record.fs, settings.signal)
    fs, geometry = float(settings.signal.fs), settings.geometry
    n_samples = conditioned.signal.shape[1]
    gain_matters = role != "noise"  # noise is brought to a signal-to-noise ratio
    remarks = [finding for finding in record.remarks if gain_matters or finding.remark != "assumed_gain"]
    findings = [*remarks, *_unknown_leads(record, settings.leads)]
    detected = np.zeros(0, dtype=np.int64)
    if role != "noise":
        detected = _detect(record, labels, conditioned, settings)
        index = r_index(detected, record.fs, fs, n_samples)
        plausible, finding = plausible_leads(record, leads, conditioned.signal, index, fs=fs, raw=signal)
        if finding is not None:
            findings.append(finding)
            signal, leads = signal[plausible], tuple(compress(leads, plausible))
            conditioned = replace(
                conditioned, signal=conditioned.signal[plausible], missing=conditioned.missing[plausible]
            )
            detected = _detect(record, labels, conditioned, settings)
    raw = fill_gaps(signal)[0]
    index = r_index(detected, record.fs, fs, n_samples)
    scale = lead_scale(conditioned.signal, index, fs)
    signals = RecordSignals(raw, record.fs, conditioned.signal, conditioned.missing, fs)
    quality = assess(signals, index, scale, geometry, settings.quality)
    found: tuple[Stretch, ...] = ()
    if role == "noise":
        labels = None
    else:
        found = find_stretches(signals, index, scale, np.array(quality.reasons(), dtype=object) != "")
        finding = None if labels is None else check_annotations(labels, detected, record.fs, found)
        if finding is not None:
            findings.append(finding)
            labels = None
        findings += _too_few(len(detected), signal.shape[1] / record.fs, settings.beats.context, found)
    labelled = labels is not None and any(labels.label)
    truth_beats = BeatLabels.empty() if labels is None else labels
    of_detected, of_annotated = match_beats(
        detected.astype(np.float64), truth_beats.sample.astype(np.float64), settings.rpeaks.match_s * record.fs
    )
    paired = [int(partner) for partner in of_detected]
    common: dict[str, Any] = {
        "corpus": record.corpus,
        "record": record.name,
        "patient": record.patient,
        "fs_file": record.fs,
        "fs": fs,
        "n_samples": n_samples,
        "labelled": labelled,
        "settings": settings.beats,
    }
    beats = beat_table(
        **common,
        r_sample=detected,
        unseen_s=unseen_before(detected / record.fs, conditioned.missing, fs),
        labels=[truth_beats.label[k] if k >= 0 else ("none" if labelled else "") for k in paired],
        symbols=[truth_beats.symbol[k] if k >= 0 else "" for k in paired],
        partner=_partner_sample(truth_beats.sample, of_detected),
        annotated_noise=truth_beats.in_noise(detected),
    )
    annotated = beat_table(
        **common,
        r_sample=truth_beats.sample,
        unseen_s=unseen_before(truth_beats.sample / record.fs, conditioned.missing, fs),
        labels=truth_beats.label,
        symbols=truth_beats.symbol,
        partner=_partner_sample(detected, of_annotated),
        annotated_noise=truth_beats.in_noise(truth_beats.sample),
    )
    if weak is not None and not labelled:
        beats["label_source"] = "record"
        beats["label" if weak != NOISE else "annotated_noise"] = weak if weak != NOISE else True
    if reviewed is not None:
        beats, of_reviewers = apply_reviewed(beats, reviewed)
        findings += of_reviewers
    has_labels = labelled or weak is not None or bool((beats["label_source"] == REVIEWED).any())
    of_annotation = assess(signals, annotated["r_index"].to_numpy(), scale, geometry, settings.quality)
    for table, table_quality in ((beats, quality), (annotated, of_annotation)):
        cut = cut_by_edge(table["r_index"].to_numpy(), conditioned.missing, fs)
        reasons = np.array(table_quality.reasons(), dtype=object)
        table["reason"] = with_reasons(reasons, cut, in_stretches(table["r_time_s"].to_numpy(), found))
        for name, column in table_quality.columns().items():
            table[name] = column
    row = {
        "corpus": record.corpus,
        "record": record.name,
        "patient": record.patient,
        "role": role,
        "leads": ";".join(leads),
        "fs": fs,
        "fs_file": record.fs,
        "duration_s": signal.shape[1] / record.fs,
        "lead_scale": ";".join(f"{value:.6g}" for value in scale),
        "dx": ";".join(record.dx),
        "labelled": has_labels,
        "weak_label": "" if labelled or weak is None else weak,
        "database": record.database or record.corpus,
        "age": record.age,
        "sex": record.sex,
        "strat_fold": record.strat_fold,
    }
    key = {"corpus": record.corpus, "record": record.name}
    return Preprocessed(
        row,
        conditioned.signal,
        beats,
        annotated,
        [key | asdict(span) for span in record.truth],
        conditioned.notes,
        [key | {"patient": record.patient} | asdict(stretch) for stretch in found],
        [key | finding._asdict() for finding in findings],
    )


def _detect(
    record: Record, labels: BeatLabels | None, conditioned: Conditioned, settings: PreprocessSettings
) -> IntArray:
    """Return the R peaks (n,) of a record in samples of its file, ascending."""
    fs = float(settings.signal.fs)
    known = None if labels is None else labels.sample.astype(np.float64) * (fs / record.fs)
    peaks = detect(conditioned.signal, fs, settings.rpeaks, conditioned.missing, known)
    at_file = np.clip(np.rint(peaks * (record.fs / fs)), 0, record.signal.shape[1] - 1)
    return np.unique(at_file.astype(np.int64))


def _unknown_leads(record: Record, wanted: Sequence[str]) -> list[Finding]:
    """Return the remark on which leads of a record are used as unknown ones, if some are."""
    names = zip(names_for(record.leads, wanted), record.leads, strict=True)
    used = [f"{name} is {lead!r}" for name, lead in names if name in UNKNOWN_LEADS and name in wanted]
    return [Finding("unknown_leads", ", ".join(used))] if used else []


def _too_few(n_beats: int, duration_s: float, context: int, found: Sequence[Stretch]) -> list[Finding]:
    """Return the remark on a record that has fewer beats than a context, if it does."""
    if n_beats >= context:
        return []
    told = told_in_words(
        [stretch.kind for stretch in found],
        [stretch.end_s - stretch.start_s for stretch in found],
        sum(stretch.n_beats for stretch in found),
    )
    count = f"{n_beats} beat{'s' if n_beats > 1 else ''}" if n_beats else "no beat"
    detail = f"{count} in {duration_s:.3g} s, a context has {context}" + (f"; {told}" if told else "")
    return [Finding("too_few_beats", detail)]


def _partner_sample(samples: IntArray, partner: IntArray) -> IntArray:
    if not len(samples):
        return np.full(len(partner), -1, dtype=np.int64)
    return np.where(partner >= 0, samples[partner], -1)
