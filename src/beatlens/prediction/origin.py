"""What a model learnt from, in numbers and in words. A prediction is worth no more than that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import divide, patient_bootstrap_many, sum_by_patient

if TYPE_CHECKING:
    import pandas as pd

MADE_FORMAT = "synthetic"
"""Format of corpora whose records are made; those of all others are recordings."""
SCORES = ("f1", "precision", "recall")
COUNTED = ("beats", "leads", "rates_hz")
DRAWS, LEVEL = 1000, 0.95
"""Resamples of patients behind an interval of a score, and its coverage."""

Counts = tuple[tuple[str, int], ...]
"""Names with counts in a given order, as pairs, since JSON's objects wouldn't keep the order."""


@dataclass(frozen=True)
class Score:
    """A score of one class over patients that the network hadn't seen, with its interval over patients.

    Attributes
    ----------
    name, metric
        Class id; f1, precision or recall.
    value, lo, hi
        None where undefined: no beat, or for the interval fewer than two patients.
    n
        Beats of the class.
    """

    name: str
    metric: str
    value: float | None
    lo: float | None
    hi: float | None
    n: int


@dataclass(frozen=True)
class CorpusOrigin:
    """What a corpus gave to the training.

    Attributes
    ----------
    name, made
        Name, and whether its records are made rather than recorded.
    noise
        Whether it gave noise alone.
    records, patients, hours
        Of the training.
    licence, attribution
        As the configuration says, "" where it doesn't.
    """

    name: str
    made: bool
    noise: bool
    records: int
    patients: int
    hours: float
    licence: str
    attribution: str

    def words(self) -> str:
        """Say it in one phrase."""
        kind = "made records" if self.made else "recordings"
        length = f"{self.hours:.3g} h" if self.hours >= 1 else f"{60 * self.hours:.0f} min"
        size = (
            f"{length} of noise" if self.noise else f"{self.records:,} {kind} of {self.patients:,} patients, {length}"
        )
        more = [text for text in (self.attribution, self.licence and f"licence {self.licence}") if text]
        return f"{self.name} ({'; '.join([size, *more])})"


@dataclass(frozen=True)
class Origin:
    """What a model learnt from.

    Attributes
    ----------
    corpora
        Those that gave beats first, then those that gave noise.
    beats
        Class ids with the number of beats that the network learnt from.
    leads
        Leads with the number of training records that have them; leads that none has are left out.
    rates_hz
        Rates of record files in Hz, with the number of training records that have them.
    scores
        Scores in patients left out (`held_out_scores`), over detected beats; missed ones don't count.
    """

    corpora: tuple[CorpusOrigin, ...]
    beats: Counts
    leads: Counts
    rates_hz: Counts
    scores: tuple[Score, ...]

    @property
    def made(self) -> bool:
        """Whether all beats come from made records."""
        return all(corpus.made for corpus in self.corpora if not corpus.noise)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, with the whole in words beside the numbers."""
        return asdict(self) | {"made": self.made, "words": self.words()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Origin:
        """Build from what `to_json` gave."""
        return cls(
            corpora=tuple(CorpusOrigin(**corpus) for corpus in value["corpora"]),
            **{name: tuple((str(key), int(count)) for key, count in value[name]) for name in COUNTED},
            scores=tuple(Score(**score) for score in value["scores"]),
        )

    def words(self) -> str:
        """Say it in a few sentences."""
        kind = "made records alone, no real one" if self.made else "real recordings"
        sources = ", ".join(corpus.words() for corpus in self.corpora)
        beats = ", ".join(f"{count:,} {name}" for name, count in self.beats)
        leads = ", ".join(f"{lead} in {count}" for lead, count in self.leads)
        rates = ", ".join(f"{rate} Hz in {count}" for rate, count in self.rates_hz)
        text = f"Learnt from {kind}: {sources}. Beats: {beats}. Records by lead: {leads}; by rate: {rates}."
        f1 = [f"{score.name} {in_words(score)}" for score in self.scores if score.metric == "f1"]
        return f"{text} F1 in patients left out: {', '.join(f1)}." if f1 else text


def in_words(score: Score) -> str:
    """Return ``.94 (.87 to .97)``, or a dash where the score is undefined."""
    if score.value is None:
        return "-"
    interval = "" if score.lo is None or score.hi is None else f" ({score.lo:.2f} to {score.hi:.2f})"
    return f"{score.value:.2f}{interval}"


def origin_of(
    records: pd.DataFrame,
    corpora: Sequence[Mapping[str, Any]],
    beats: Mapping[str, int],
    leads: Sequence[str],
    scores: Sequence[Score],
) -> Origin:
    """Gather what a training rested on.

    Parameters
    ----------
    records
        The table ``records.tsv``.
    corpora
        The section of that name of the configuration.
    beats
        Beats of each class that the network learnt from.
    leads
        Those of the model.
    scores
        Of patients left out.
    """
    taken = {"train": records[records["split"] == "train"], "noise": records[records["role"] == "noise"]}
    found = []
    for kind, rows in taken.items():
        for corpus in corpora:
            of_corpus = rows[rows["corpus"] == corpus["name"]]
            if len(of_corpus):
                found.append(
                    CorpusOrigin(
                        name=corpus["name"],
                        made=is_made(corpus),
                        noise=kind == "noise",
                        records=len(of_corpus),
                        patients=of_corpus["patient"].nunique(),
                        hours=float(of_corpus["duration_s"].sum()) / 3600,
                        licence=corpus.get("licence") or "",
                        attribution="; ".join(filter(None, [corpus.get("attribution"), _of_reviewers(corpus, kind)])),
                    )
                )
    listed = [set(text.split(";")) for text in taken["train"]["leads"]]
    count = [(lead, sum(lead in record_leads for record_leads in listed)) for lead in leads]
    rates = taken["train"]["fs"].value_counts().sort_index()
    return Origin(
        corpora=tuple(found),
        beats=tuple(beats.items()),
        leads=tuple((lead, n) for lead, n in count if n),
        rates_hz=tuple((f"{rate:g}", int(n)) for rate, n in rates.items()),
        scores=tuple(scores),
    )


def _of_reviewers(corpus: Mapping[str, Any], kind: str) -> str:
    return "some labels by reviewers of predictions" if corpus.get("reviewed") and kind == "train" else ""


def is_made(corpus: Mapping[str, Any]) -> bool:
    """Tell whether the records of a corpus of the configuration are made."""
    return bool(corpus["format"] == MADE_FORMAT)


def real_corpora(corpora: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the corpora of recordings whose beats a run predicts."""
    return [corpus["name"] for corpus in corpora if not is_made(corpus) and corpus["role"] != "noise"]


def held_out_scores(
    predicted: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    patients: npt.NDArray[np.str_],
    classes: Sequence[str],
    seed: int,
) -> list[Score]:
    """Score each class over beats of patients that the network hadn't seen, with intervals over patients.

    Parameters
    ----------
    predicted, target, patients
        (n,) class index, class index and patient of each beat.
    classes
        K class ids.
    seed
        Of the resampling.
    """
    k = len(classes)
    pairs = np.zeros((len(target), k * k), dtype=np.float32)
    pairs[np.arange(len(target)), target * k + predicted] = 1
    confusion, _ = sum_by_patient(pairs, patients.tolist())

    def parts(sums: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        cells = sums.reshape(len(sums), k, k)
        return np.diagonal(cells, axis1=1, axis2=2), cells.sum(axis=1), cells.sum(axis=2)

    def scores(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        hits, called, there = parts(sums)
        return np.concatenate([divide(2 * hits, called + there), divide(hits, called), divide(hits, there)], axis=1)

    _, called, there = parts(confusion)
    rests_on = np.concatenate([there, called, there], axis=1) > 0
    found = patient_bootstrap_many(confusion, scores, draws=DRAWS, level=LEVEL, seed=seed, contributes=rests_on)
    n = there.sum(axis=0)
    result = []
    for place, (metric, row) in enumerate((metric, row) for metric in SCORES for row in range(k)):
        value, lo, hi = (float(number) if np.isfinite(number) else None for number in found.at(place))
        result.append(Score(classes[row], metric, value, lo, hi, int(n[row])))
    return result
