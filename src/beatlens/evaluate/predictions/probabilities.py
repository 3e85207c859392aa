"""What follows from probabilities: AUROC, calibration error, risk against coverage.

Each is a function of histograms that add up over patients, so the bootstrap over patients needs no single beats. Values
use one bin for each distinct score and are exact; intervals use at most `MAX_BINS` quantile bins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Array, Interval, Statistic, divide, patient_bootstrap
from beatlens.evaluate.predictions.metric_score import MetricScore
from beatlens.evaluate.predictions.outcomes import Outcomes

MAX_BINS = 256


def rank_histogram(
    scores: Array,
    groups: npt.NDArray[np.int64],
    *,
    n_groups: int,
    patient: npt.NDArray[np.int64],
    n_patients: int,
    max_bins: int | None,
) -> Array:
    """Count beats by patient, group and bin of the score, in ascending order of score.

    Parameters
    ----------
    scores
        (n,) finite scores.
    groups
        (n,) group of each beat (such as: of the class or not), below `n_groups`.
    patient
        (n,) patient of each beat, below `n_patients`.
    max_bins
        Most bins, cut at quantiles of the distinct scores' ranks; None for one bin a distinct score.

    Returns
    -------
    (n_patients, n_groups, n_bins) float64
    """
    _, rank, counts = np.unique(scores, return_inverse=True, return_counts=True)
    if max_bins is not None and len(counts) > max_bins:
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        _, coarse = np.unique(np.floor(middle * max_bins), return_inverse=True)
        rank = coarse[rank]
    shape = (n_patients, n_groups, int(rank.max()) + 1 if len(rank) else 1)
    flat = np.ravel_multi_index((patient, groups, rank), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def auroc(histogram: Array) -> Array:
    """Area under the ROC curve, ties counted half (Hanley and McNeil 1982).

    Parameters
    ----------
    histogram
        (n, 2, n_bins) counts of negatives and positives, in ascending order of score.

    Returns
    -------
    (n,), NaN where there are no positives or no negatives.
    """
    negative, positive = histogram[:, 0], histogram[:, 1]
    below = np.cumsum(negative, axis=1) - negative / 2
    return divide((positive * below).sum(axis=1), negative.sum(axis=1) * positive.sum(axis=1))


def risk_coverage(histogram: Array) -> tuple[Array, Array]:
    """Error among the most confident beats, as more of them are accepted (Geifman and El-Yaniv 2017).

    Parameters
    ----------
    histogram
        (n, 2, n_bins) counts of right and wrong predictions, in ascending order of confidence.

    Returns
    -------
    coverage, risk
        (n, n_bins) each, from the most confident bin to all beats; risk is NaN where nothing is accepted yet.
    """
    descending = histogram[:, :, ::-1]
    wrong = np.cumsum(descending[:, 1], axis=1)
    accepted = np.cumsum(descending.sum(axis=1), axis=1)
    return divide(accepted, np.broadcast_to(accepted[:, -1:], accepted.shape)), divide(wrong, accepted)


def aurc(histogram: Array) -> Array:
    """Area under the risk-coverage curve: the mean over beats of the risk where a beat is just accepted; (n,)."""
    _, risk = risk_coverage(histogram)
    sizes = histogram.sum(axis=1)[:, ::-1]
    return divide((np.nan_to_num(risk) * sizes).sum(axis=1), sizes.sum(axis=1))


def error_at_coverage(histogram: Array, coverage: float = 0.9) -> Array:
    """Error among the most confident beats, as few as make up `coverage` of all; (n,), NaN without beats."""
    covered, risk = risk_coverage(histogram)
    chosen: Array = risk[np.arange(len(risk)), _first_to_cover(covered, coverage)]
    return chosen


def class_accepted_wrong_at_coverage(histogram: Array, coverage: float = 0.9) -> Array:
    """Share of a class's beats that are called another and among the most confident `coverage` of all beats.

    Parameters
    ----------
    histogram
        (n, 3, n_bins) counts of the other classes' beats, of the class's right and of its wrong predictions, in
        ascending order of confidence.

    Returns
    -------
    (n,), NaN without a beat of the class
    """
    accepted = np.cumsum(histogram.sum(axis=1)[:, ::-1], axis=1)
    covered = divide(accepted, np.broadcast_to(accepted[:, -1:], accepted.shape))
    wrong = np.cumsum(histogram[:, 2, ::-1], axis=1)
    chosen = wrong[np.arange(len(wrong)), _first_to_cover(covered, coverage)]
    return divide(chosen, histogram[:, 1:].sum(axis=(1, 2)))


def _first_to_cover(covered: Array, coverage: float) -> npt.NDArray[np.intp]:
    first: npt.NDArray[np.intp] = (np.nan_to_num(covered) >= coverage - 1e-12).argmax(axis=1)
    return first


def calibration_table(rows: Outcomes, bins: int) -> Array:
    """Sum confidence and hits in bins of equal width, by patient.

    Returns
    -------
    (n_patients, 3, bins)
        Beats, sum of the predicted class's probability, and correct predictions.
    """
    kept = rows.subset(rows.scored)
    confidence, correct = confidences(kept)
    which = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    flat = kept.patient * bins + which
    size = len(kept.patients) * bins
    sums = [np.bincount(flat, weights=w, minlength=size) for w in (np.ones(len(kept)), confidence, correct)]
    return np.stack([s.reshape(len(kept.patients), bins) for s in sums], axis=1)


def calibration_error(table: Array) -> Array:
    """Return the expected calibration error (Naeini 2015): the mean gap between confidence and accuracy.

    Parameters
    ----------
    table
        (n, 3, bins) as from `calibration_table`.
    """
    return divide(np.abs(table[:, 1] - table[:, 2]).sum(axis=1), table[:, 0].sum(axis=1))


def confidences(rows: Outcomes) -> tuple[Array, Array]:
    """Return the probability of each predicted class and whether it is right (1.0 or 0.0), (n,) each."""
    confidence = np.take_along_axis(rows.probability, rows.pred[:, None], axis=1)[:, 0]
    if not np.isfinite(confidence).all():
        raise ValueError(f"{int((~np.isfinite(confidence)).sum())} predictions have a probability that is not finite")
    return confidence, (rows.pred == rows.truth).astype(np.float64)


def histogram_interval(
    scores: Array,
    groups: npt.NDArray[np.int64],
    *,
    n_groups: int,
    patient: npt.NDArray[np.int64],
    statistic: Statistic,
    draws: int,
    level: float,
    seed: int,
    of_class: bool,
) -> Interval:
    """Return a statistic of `rank_histogram` with its interval over patients.

    Parameters
    ----------
    scores, groups, n_groups, patient
        See `rank_histogram`; `patient` has every number below its largest.
    statistic
        Maps histograms (n, n_groups, n_bins) to values (n,).
    draws, level, seed
        Of the bootstrap.
    of_class
        Whether only patients with a beat in a group other than the first count.
    """
    exact = statistic(
        rank_histogram(
            scores,
            groups,
            n_groups=n_groups,
            patient=np.zeros(len(scores), dtype=np.int64),
            n_patients=1,
            max_bins=None,
        )
    )
    coarse = rank_histogram(
        scores, groups, n_groups=n_groups, patient=patient, n_patients=int(patient.max()) + 1, max_bins=MAX_BINS
    )
    contributes = coarse[:, 1:].sum(axis=(1, 2)) > 0 if of_class else None
    bounds = patient_bootstrap(coarse, statistic, draws=draws, level=level, seed=seed, contributes=contributes)
    return Interval(float(exact[0]), bounds.lo, bounds.hi)


def probability_scores(rows: Outcomes, *, bins: int, draws: int, level: float, seed: int) -> list[MetricScore]:
    """Return AUROC, AURC, errors among the surest 90 % and calibration error.

    Only detections whose truth is a class are scored; without any, the list is empty.
    """
    kept = rows.subset(rows.scored)
    n = len(kept)
    if not n:
        return []
    confidence, correct = confidences(kept)
    wrong = (1 - correct).astype(np.int64)

    def interval(
        scores: Array, groups: npt.NDArray[np.int64], statistic: Statistic, of_class: bool, n_groups: int = 2
    ) -> Interval:
        return histogram_interval(
            scores,
            groups,
            n_groups=n_groups,
            patient=kept.patient,
            statistic=statistic,
            draws=draws,
            level=level,
            seed=seed,
            of_class=of_class,
        )

    scores = [
        MetricScore(name, "auroc", interval(kept.probability[:, k], (kept.truth == k).astype(np.int64), auroc, True), n)
        for k, name in enumerate(kept.classes)
    ]
    scores += [
        MetricScore(
            name,
            "accepted_wrong_at_90_coverage",
            interval(confidence, is_class + is_class * wrong, class_accepted_wrong_at_coverage, True, 3),
            int(is_class.sum()),
        )
        for name, is_class in ((name, (kept.truth == k).astype(np.int64)) for k, name in enumerate(kept.classes))
    ]
    table = calibration_table(kept, bins)
    error = patient_bootstrap(table, calibration_error, draws=draws, level=level, seed=seed)
    return [
        *scores,
        MetricScore("all", "aurc", interval(confidence, wrong, aurc, False), n),
        MetricScore("all", "error_at_90_coverage", interval(confidence, wrong, error_at_coverage, False), n),
        MetricScore("all", "ece", error, n),
    ]
