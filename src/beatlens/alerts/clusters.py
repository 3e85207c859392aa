"""New-pattern alerts: beats in review that look alike, in several patients, and unlike all accepted beats.

Beats in review are clustered by density (HDBSCAN; Campello, Moulavi and Sander 2013) in the network's embedding.
Accepted beats take part, so that a pattern is new only where it lies apart from what is known.

A clustering always finds something. So a cluster is an alert only if it has enough beats of enough patients, if their
waveforms agree across patients (those of white noise don't), and if resampling finds it again (Hennig 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.alerts.settings import AlertSettings
from beatlens.core.seeds import derive_seed

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

UNIQUE_SHARE = 1 - np.exp(-1)
"""Share of distinct beats in a bootstrap sample, by which the least size of a cluster is reduced there."""
MAX_BEATS = 20_000
"""Most beats that are clustered."""


@dataclass(frozen=True)
class Candidates:
    """Beats that are clustered.

    Attributes
    ----------
    embedding
        (n, D) of the network.
    waves
        (n, L, T) in units of each lead's scale, NaN in leads that a beat lacks.
    patients
        (n,) ``corpus/patient``.
    review
        (n,) whether the beat is in review; the others were accepted.
    """

    embedding: FloatArray
    waves: FloatArray
    patients: npt.NDArray[np.str_]
    review: BoolArray

    def __post_init__(self) -> None:
        if not len(self.embedding) == len(self.waves) == len(self.patients) == len(self.review):
            raise ValueError(
                f"{len(self.embedding)} embeddings, {len(self.waves)} waves, {len(self.patients)} patients and "
                f"{len(self.review)} flags; expected one of each a beat"
            )


@dataclass(frozen=True)
class Pattern:
    """One cluster and what the criteria say of it.

    Attributes
    ----------
    members
        Rows of the beats in review.
    n_patients
        Patients with enough beats to count.
    review_share, cohesion, stability
        See `AlertSettings`; stability is NaN where an earlier criterion already failed.
    failed
        Names of the criteria that failed; an alert has none.
    """

    members: IntArray
    n_patients: int
    review_share: float
    cohesion: float
    stability: float
    failed: tuple[str, ...]


def sample_rows(
    patients: npt.NDArray[np.str_], review: BoolArray, settings: AlertSettings, seed: int, most: int = MAX_BEATS
) -> IntArray:
    """Return the rows to cluster: of each patient at most ``max_patient_beats`` in review and as many accepted.

    Parameters
    ----------
    patients, review
        (n,) patient of each beat, and whether it is in review.
    settings
        Section ``alerts``.
    seed
        Each patient's sample has a seed of its own, so that another patient changes nothing.
    most
        Rows in all, a random sample of more.
    """
    order = np.lexsort((~review, patients))
    starts = np.flatnonzero(np.r_[True, (patients[order][1:] != patients[order][:-1]) | np.diff(review[order])])
    chosen = [np.zeros(0, dtype=np.int64)]
    for rows in np.split(order, starts[1:]) if len(order) else []:
        if len(rows) > settings.max_patient_beats:
            name = str(patients[rows[0]])
            rng = np.random.default_rng(derive_seed(seed, "alerts", name, str(bool(review[rows[0]]))))
            rows = rng.choice(np.sort(rows), settings.max_patient_beats, replace=False)
        chosen.append(rows.astype(np.int64))
    result = np.concatenate(chosen)
    if len(result) > most:
        result = np.random.default_rng(derive_seed(seed, "alerts", "all")).choice(np.sort(result), most, replace=False)
    return np.sort(result)


def project(embedding: FloatArray, components: int) -> Float64Array:
    """Return the leading principal components (n, <= components) of embeddings; the sign of each is fixed."""
    centred = embedding.astype(np.float64) - embedding.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:components]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    result: Float64Array = centred @ axes.T
    return result


def find_patterns(beats: Candidates, settings: AlertSettings, seed: int) -> tuple[list[Pattern], Float64Array]:
    """Cluster beats and judge every cluster that holds beats in review.

    Parameters
    ----------
    beats
        In review and accepted.
    settings
        Section ``alerts``.
    seed
        Of the resamples.

    Returns
    -------
    patterns, map
        Clusters in order of size, and (n, 2) the leading components of each beat.
    """
    if beats.review.sum() < settings.min_beats:
        return [], np.zeros((len(beats.review), 2))
    space = project(beats.embedding, settings.components)
    assigned = _cluster(space, settings.min_beats)
    rng = np.random.default_rng(seed)
    samples = [np.unique(rng.integers(len(space), size=len(space))) for _ in range(settings.bootstraps)]
    patterns: list[tuple[IntArray, Pattern]] = []
    for cluster in range(assigned.max(initial=-1) + 1):
        every = np.flatnonzero(assigned == cluster)
        members = every[beats.review[every]]
        if len(members):
            patterns.append((every, _judge(beats, every, members, settings)))
    if any(not pattern.failed for _, pattern in patterns):
        again = [_cluster(space[rows], max(4, round(settings.min_beats * UNIQUE_SHARE))) for rows in samples]
        patterns = [(every, _with_stability(pattern, every, samples, again, settings)) for every, pattern in patterns]
    found = sorted(
        (pattern for _, pattern in patterns), key=lambda pattern: (-len(pattern.members), int(pattern.members[0]))
    )
    return found, np.pad(space[:, :2], ((0, 0), (0, 2 - min(2, space.shape[1]))))


def _cluster(space: Float64Array, least: int) -> IntArray:
    """Return the cluster of each beat, -1 for none."""
    from sklearn.cluster import HDBSCAN

    if len(space) < 2 * least:
        return np.zeros(len(space), dtype=np.int64)  # too few for two clusters: all are one, to be judged as such
    labels: IntArray = HDBSCAN(min_cluster_size=least, min_samples=5, copy=True).fit_predict(space).astype(np.int64)
    return labels


def _judge(beats: Candidates, every: IntArray, members: IntArray, settings: AlertSettings) -> Pattern:
    _, counts = np.unique(beats.patients[members], return_counts=True)
    n_patients = int((counts >= settings.min_patient_beats).sum())
    share = len(members) / len(every)
    cohesion = patient_cohesion(beats.waves[members], beats.patients[members])
    failed = [
        name
        for name, fails in {
            "min_beats": len(members) < settings.min_beats,
            "min_patients": n_patients < settings.min_patients,
            "min_review_share": share < settings.min_review_share,
            "min_cohesion": not cohesion >= settings.min_cohesion,
        }.items()
        if fails
    ]
    return Pattern(members, n_patients, share, cohesion, float("nan"), tuple(failed))


def patient_cohesion(waves: FloatArray, patients: npt.NDArray[np.str_]) -> float:
    """Return how alike the waves are across patients, each patient counting once.

    A beat is compared with the median wave of the other patients' beats: dot products and squared norms are summed over
    the leads that both have, then divided. The result is the median over patients of each patient's median.

    Parameters
    ----------
    waves
        (n, L, T), NaN in absent leads.
    patients
        (n,).

    Returns
    -------
    -1..1; 0 for a single patient
    """
    import warnings

    names = np.unique(patients)
    if len(names) < 2:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a lead that no beat of a patient has
        medians = np.stack([np.nanmedian(waves[patients == name], axis=0) for name in names])
        likeness = []
        for k, name in enumerate(names):
            others = np.nanmedian(np.delete(medians, k, axis=0), axis=0)
            of_patient = waves[patients == name]
            shared = np.isfinite(of_patient) & np.isfinite(others)
            a, b = np.where(shared, of_patient, 0.0), np.where(shared, others, 0.0)
            norms = np.sqrt((a**2).sum(axis=(1, 2)) * (b**2).sum(axis=(1, 2)))
            dots = (a * b).sum(axis=(1, 2))
            likeness.append(np.median(np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)))
    return float(np.median(likeness))


def _with_stability(
    pattern: Pattern, every: IntArray, samples: list[IntArray], again: list[IntArray], settings: AlertSettings
) -> Pattern:
    """Add the mean over resamples of the best Jaccard index with a cluster that was found there."""
    if pattern.failed:
        return pattern
    found = []
    for rows, labels in zip(samples, again, strict=True):
        inside = np.isin(rows, every)
        best = 0.0
        for cluster in np.unique(labels[inside]):
            if cluster >= 0:
                of_cluster = labels == cluster
                best = max(best, float((of_cluster & inside).sum() / (of_cluster | inside).sum()))
        found.append(best)
    stability = float(np.mean(found))
    failed = ("min_stability",) if stability < settings.min_stability else ()
    return Pattern(pattern.members, pattern.n_patients, pattern.review_share, pattern.cohesion, stability, failed)
