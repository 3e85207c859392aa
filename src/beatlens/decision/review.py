"""Which beats a human should look at: by calibrated probability, noise gate, distance to prototypes and quality."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.settings import ReviewSettings
from beatlens.signals.quality import RULES

logger = logging.getLogger(__name__)
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_COVERAGE = 0.5
"""The confidence threshold accepts at least this share of calibration beats, whatever error is asked for."""
LIMIT_PATIENTS = 10
"""Patients that a class needs for limits of its own. Fewer don't show how far its shapes reach, or how often it is
missed."""


@dataclass(frozen=True)
class Thresholds:
    """Limits of review: a beat goes there below `confidence`, above `noise`, or above the `distance` of its class.

    Attributes
    ----------
    confidence, noise
        Limits of the calibrated probabilities.
    distance
        K limits, one a predicted class: shapes of some classes differ more than those of others.
    """

    confidence: float
    noise: float
    distance: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", tuple(self.distance))

    def far(self, probabilities: Float64Array, distance: npt.NDArray[Any]) -> BoolArray:
        """Tell which beats (n,) of probabilities (n, K) lie farther from prototypes than their class allows."""
        limit = np.array(self.distance)[probabilities.argmax(axis=1)]
        near: BoolArray = np.asarray(distance, dtype=np.float64) <= limit
        return ~near


def reasons(
    probabilities: Float64Array,
    *,
    noise: Float64Array,
    distance: npt.NDArray[Any],
    quality: Sequence[str],
    thresholds: Thresholds,
    record: Sequence[str] = (),
) -> npt.NDArray[np.object_]:
    """Say for each beat why it goes to review, "" where it is accepted.

    A beat is accepted only where each of its numbers is known to be within its limit: one that is no number isn't.

    Parameters
    ----------
    probabilities
        (n, K) calibrated.
    noise
        (n,) calibrated probability of noise.
    distance
        (n,) to the nearest prototype, infinite where there is none.
    quality
        (n,) reasons of preprocessing, joined by ``;``: quality rules, ``cut_by_edge`` and ``stretch:<kind>``.
    thresholds
        Of the bundle.
    record
        Reasons that hold for every beat of the record, such as ``unlike:rate``.

    Returns
    -------
    (n,) of ``not_finite``, ``low_confidence``, ``noise``, ``far_from_prototypes``, ``quality:<rule>``, ``cut_by_edge``,
    ``stretch:<kind>`` and ``unlike:<what>``, joined by ``;``
    """
    result = np.empty(len(probabilities), dtype=object)
    flags = {
        "not_finite": ~np.isfinite(probabilities).all(axis=1) | ~np.isfinite(noise) | np.isnan(distance),
        "low_confidence": ~(probabilities.max(axis=1) >= thresholds.confidence),
        "noise": ~(noise <= thresholds.noise),
        "far_from_prototypes": thresholds.far(probabilities, distance),
    }
    for i, rules in enumerate(quality):
        parts = [name for name, flag in flags.items() if flag[i]]
        parts += [f"quality:{rule}" if rule in RULES else rule for rule in rules.split(";") if rule]
        parts += record
        result[i] = ";".join(parts)
    return result


def fit_thresholds(
    probabilities: Float64Array,
    *,
    noise: Float64Array,
    distance: npt.NDArray[Any],
    target: npt.NDArray[np.int64],
    patients: npt.NDArray[np.str_],
    unflagged: BoolArray,
    clean: BoolArray,
    settings: ReviewSettings,
) -> Thresholds:
    """Choose the review thresholds on calibration beats.

    **Confidence.** The lowest threshold that meets the conditions in turn. Each leaves out thresholds; one that would
    leave none is handled as said.

    ==================================================  ==============================================================
    condition                                           where no threshold meets it
    ==================================================  ==============================================================
    at least `MIN_COVERAGE` of the beats are accepted   (the one that accepts all beats always does)
    at most ``max_missed`` of a class are accepted as   the condition is dropped for that class, with a warning: its
    another class                                       errors are too sure for any threshold
    the error of accepted beats is at most              the threshold of least error is taken
    ``max_error``
    ==================================================  ==============================================================

    The second condition is for classes of `LIMIT_PATIENTS` patients and more that are large enough to miss one beat.

    **Noise.** The strictest limit at which no class loses more than ``max_clean_loss`` of its clean beats. Classes too
    small to lose one beat are taken together. The limit is at least 0.5, so that no beat counts as noise that is more
    likely clean.

    **Distance.** A limit for each class, over its clean beats that are rightly predicted: the strictest at which no
    patient loses more than ``max_distance_loss`` of them. Patients with too few beats to lose one are taken together.
    Where a class is too small to lose a beat, or has fewer than `LIMIT_PATIENTS` patients, its limit is at least that
    of all classes together. A beat of a class that the network never saw is called one that it knows; the limit should
    send it to review.

    Parameters
    ----------
    probabilities, noise, distance, target, patients
        (n, K), (n,), (n,), (n,) class index and (n,) patient of labelled calibration beats without injected noise.
    unflagged
        (n,) whether the quality rules passed the beat: the beats whose error counts.
    clean
        (n,) whether the beat is neither annotated as noise nor flagged by a quality rule: the beats that must not be
        lost.
    settings
        Section ``review``.
    """
    if not np.isfinite(probabilities).all() or not np.isfinite(noise).all():
        raise ValueError("review thresholds: probabilities that aren't finite; expected finite ones alone")
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != target
    far = np.asarray(distance, dtype=np.float64)
    # A beat without any prototype is far whatever the limit.
    comparable = clean & np.isfinite(far) & ~wrong
    if not unflagged.any() or not clean.any():
        raise ValueError("review thresholds: no clean labelled beat of a calibration patient; expected some")
    return Thresholds(
        confidence=confidence_threshold(
            confidence[unflagged],
            wrong[unflagged],
            members=target[unflagged, None] == np.arange(probabilities.shape[1]),
            missed=(target[unflagged, None] == np.arange(probabilities.shape[1])) & wrong[unflagged, None],
            patients=patients[unflagged],
            settings=settings,
        ),
        noise=max(_group_limit(noise[clean], target[clean], settings.max_clean_loss), 0.5),
        distance=tuple(
            _distance_limit(far[comparable], target[comparable] == k, patients[comparable], settings.max_distance_loss)
            for k in range(probabilities.shape[1])
        ),
    )


def confidence_threshold(
    confidence: Float64Array,
    wrong: BoolArray,
    *,
    members: BoolArray,
    missed: BoolArray,
    patients: npt.NDArray[np.str_],
    settings: ReviewSettings,
) -> float:
    """Return the confidence below which a beat (or record) goes to review; see `fit_thresholds`.

    Parameters
    ----------
    confidence, wrong, patients
        (n,) of calibration beats: confidence, whether the prediction is wrong, and patient.
    members, missed
        (n, K) whether the beat is of the class, and whether it is and was not found.
    settings
        Section ``review``.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, errors = confidence[order], wrong[order]
    accepted = np.arange(1, len(order) + 1)
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    candidates = np.flatnonzero(last_of_tie & (accepted >= MIN_COVERAGE * len(order)))
    for k in range(members.shape[1]):
        size = members[:, k].sum()
        if size * settings.max_missed < 1 or len(np.unique(patients[members[:, k]])) < LIMIT_PATIENTS:
            continue
        share = (np.cumsum(missed[order, k]) / size)[candidates]  # rises with every beat that is accepted
        if share[0] <= settings.max_missed:
            candidates = candidates[share <= settings.max_missed]
        else:
            logger.warning(
                "review.max_missed: of class %d %.3f are missed so surely that no limit of the "
                "probability lets %.3f pass; it sets none",
                k, share[0], settings.max_missed,
            )  # fmt: skip
    error = (np.cumsum(errors) / accepted)[candidates]
    reached = np.flatnonzero(error <= settings.max_error)
    chosen = candidates[reached[-1] if len(reached) else np.flatnonzero(error == error.min())[-1]]
    return 0.0 if chosen == len(order) - 1 else float(ranked[chosen])


def _group_limit(score: Float64Array, group: npt.NDArray[Any], max_loss: float) -> float:
    """Return the least limit that at most `max_loss` of each group's beats exceed; small groups are taken together."""
    limits = []
    small = np.zeros(len(score), dtype=bool)
    for k in np.unique(group):
        members = np.equal(group, k)
        if members.sum() * max_loss < 1:
            small |= members
        else:
            limits.append(_upper_limit(score[members], max_loss))
    if small.any():
        limits.append(_upper_limit(score[small], max_loss))
    return max(limits)


def _distance_limit(far: Float64Array, of_class: BoolArray, patients: npt.NDArray[np.str_], max_loss: float) -> float:
    """Return the limit for the beats `of_class` of a class among all (n,); 0 where there is none to compare."""
    if not len(far):
        return 0.0
    limit = _group_limit(far[of_class], patients[of_class], max_loss) if of_class.any() else 0.0
    if of_class.sum() * max_loss >= 1 and len(np.unique(patients[of_class])) >= LIMIT_PATIENTS:
        return limit
    return max(limit, _upper_limit(far, max_loss))


def _upper_limit(score: Float64Array, max_loss: float) -> float:
    ranked = np.sort(score)[::-1]
    return float(ranked[min(int(max_loss * len(score)), len(ranked) - 1)])
