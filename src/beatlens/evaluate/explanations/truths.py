"""The truths that a case's explanation is compared with, and the nulls beside each score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.localisation import Grid, Truth, beat_truth, localisation, planted_truth
from beatlens.evaluate.explanations.nulls import fixed_nulls, random_maps
from beatlens.evaluate.explanations.regions import Region, region_of, region_truth
from beatlens.evaluate.explanations.table import Score
from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.case.choice import Case
from beatlens.explain.case.instance import Instance
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.result.attribution import Attribution

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

PLANTED, ANNOTATED = "planted", "annotated beats"
STRICT, LENIENT = "regions, strict", "regions, lenient"
RECORD_STRICT, RECORD_LENIENT = f"{STRICT}, record label", f"{LENIENT}, record label"


@dataclass(frozen=True)
class Labels:
    """What is known of a record.

    Attributes
    ----------
    beats
        The record's detected beats, with labels.
    spans
        Its planted truth; empty where there is none.
    regions
        Diagnostic regions.
    codes
        Its SNOMED CT codes.
    """

    beats: pd.DataFrame
    spans: pd.DataFrame
    regions: Sequence[Region]
    codes: Sequence[str]


def seen_samples(instance: Instance) -> npt.NDArray[np.bool_]:
    """Return (n_samples,) of the case window: whether any beat in play shows the sample to the model."""
    seen = np.zeros(instance.stop - instance.start, dtype=bool)
    for r in instance.r_index - instance.start:
        seen[max(0, r - instance.record.geometry.before) : r + instance.record.geometry.after] = True
    return seen


def case_truths(case: Case, instance: Instance, labels: Labels) -> dict[str, Truth]:
    """Return every truth that a case has, by name.

    A truth says what makes a class, so it serves only explanations of that class. Samples that the model doesn't see
    for the target aren't counted.

    Parameters
    ----------
    case
        The case.
    instance
        Of the case.
    labels
        Of its record.

    Returns
    -------
    `PLANTED` (beats of the embedded corpus), `STRICT` and `LENIENT` (beats whose class has a diagnostic region and
    whose record has its leads), `ANNOTATED` (windows: spans of the annotated beats of the class); `RECORD_STRICT` and
    `RECORD_LENIENT`, which are weaker: the beat has no label, and a code of its record says the class.
    """
    region = region_of(labels.regions, case.case_class)
    by_record = case.label == "" and case.target == "beat"
    if by_record and (region is None or not set(region.snomed) & set(labels.codes)):
        return {}
    if case.label != case.case_class and not by_record:
        return {}
    grid = Grid(instance.record.leads, instance.record.geometry.fs, instance.start_s, instance.stop - instance.start)
    seen = seen_samples(instance)
    beats = labels.beats
    found: dict[str, Truth | None] = {}
    if case.target == "window":
        reach = (instance.record.geometry.before, instance.record.geometry.after)
        places = beats["r_index"].to_numpy(dtype=np.int64) - instance.start
        times = instance.start_s + np.arange(grid.n_samples) / instance.record.geometry.fs
        seen &= (times >= case.window_start_s) & (times < case.window_end_s)
        found[ANNOTATED] = beat_truth(places, (beats["label"] == case.case_class).to_numpy(), reach, grid.shape)
    else:
        row = int(np.flatnonzero((beats["beat_id"] == case.beat_id).to_numpy())[0])
        beat = beats.iloc[row]
        if not by_record:
            if not beat["matched"]:
                return {}
            found[PLANTED] = planted_truth(labels.spans, int(beat["matched_r_sample"]), case.label, grid)
        if region is not None and len(beats) > 1:
            # The regions of a beat lie between its neighbours, which two beats before and one after decide.
            r_index = beats["r_index"].to_numpy(dtype=np.float64)
            low, high = np.searchsorted(r_index, (instance.start, instance.stop)) + np.array([-4, 4])
            low, high = max(int(low), 0), min(int(high), len(beats))
            r_times = r_index[low:high] / instance.record.geometry.fs
            alike = np.full(high - low, by_record) | (beats["label"].to_numpy()[low:high] == case.case_class)
            alike[row - low] = False
            alike[: 2 if low else 0] = False
            others = np.flatnonzero(alike).tolist()
            names = (RECORD_STRICT, RECORD_LENIENT) if by_record else (STRICT, LENIENT)
            for name, strict in zip(names, (True, False), strict=True):
                found[name] = region_truth(region, r_times, grid, beats=[row - low], others=others, strict=strict)
    kept = {name: truth.within(seen) for name, truth in found.items() if truth is not None}
    return {name: truth for name, truth in kept.items() if truth is not None}


@dataclass(frozen=True)
class NullMaps:
    """Maps that know nothing of the model, or of the class: name -> maps, over which a score is averaged."""

    maps: Mapping[str, Sequence[Array]]

    @classmethod
    def of(
        cls, engine: PerturbationEngine, lengths: npt.NDArray[np.int64], wrong: Array | None, draws: int, seed: int
    ) -> NullMaps:
        """Make the nulls of one case.

        Parameters
        ----------
        engine
            Of the case.
        lengths
            (n_segments,) samples of each segment, for the random maps.
        wrong
            An explanation of another class on the same signal, or None.
        draws, seed
            Of the random maps.
        """
        instance = engine.instance
        signal = instance.window
        targets = instance.r_index[instance.target_rows] - instance.start
        beats = [(int(r) - instance.record.geometry.before, int(r) + instance.record.geometry.after) for r in targets]
        change = np.abs(signal.astype(np.float64) - fill_signal(instance, engine.baseline))
        places = instance.r_index - instance.start
        fixed = fixed_nulls(
            signal / instance.record.lead_scale[:, None], change, places, beats, instance.record.geometry.fs
        )
        maps: dict[str, Sequence[Array]] = {name: [values] for name, values in fixed.items()}
        rng = np.random.default_rng(derive_seed(seed, "random_maps"))
        maps["random"] = random_maps(len(instance.record.leads), lengths, draws, rng)
        if wrong is not None:
            maps["wrong_class"] = [wrong]
        return cls(maps)

    def scores(self, truth: Truth, lengths: npt.NDArray[np.int64]) -> dict[str, dict[str, float]]:
        """Return null -> metric -> mean over the null's maps, with the segments' lengths as for `localisation`."""
        return self.means(lambda values: localisation(values, truth, lengths))

    def means(self, score: Callable[[Array], Mapping[str, float]]) -> dict[str, dict[str, float]]:
        """Return null -> metric -> mean over the null's maps of what `score` gives for each."""
        result = {}
        for name, maps in self.maps.items():
            each = [score(values) for values in maps]
            result[name] = {metric: float(np.mean([one[metric] for one in each])) for metric in each[0]}
        return result


def localisation_scores(
    attributions: Mapping[str, Attribution],
    name: str,
    truth: Truth,
    nulls: NullMaps,
    lengths: npt.NDArray[np.int64],
) -> Iterator[Score]:
    """Score attributions of one case against a truth, and every null with them."""
    null_scores = nulls.scores(truth, lengths)
    for method, attribution in attributions.items():
        for metric, value in localisation(attribution.values, truth, lengths).items():
            for null_name, scores in null_scores.items():
                yield Score(method, metric, name, value, null_name, scores[metric])
