"""What plain features reach on the diagnoses of a run, on the folds of its network: baselines in the same run.

    PYTHONPATH=src python benchmarks/minirocket.py results/challenge [--seeds 1 2 3 4 5] [--output FILE]

Each baseline is a set of features with logistic regression. ``minirocket`` is MiniRocket (Dempster, Schmidt and Webb
2021, MINIROCKET: a very fast (almost) deterministic transform for time series classification, KDD): 10,000 features of
twelve leads. ``lead statistics`` are moments and quantiles of each lead. Both take the conditioned records of the
run's shards, at 100 Hz and of at most 30 s. Folds, labels and diagnoses are those of predictions/diagnoses.parquet, and
``network`` is what stands there. Penalty, calibration and thresholds come from the training records of each fold, a
fifth of which is left out at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from beatlens.core.files import read_table
from beatlens.core.leads import STANDARD_LEADS, canonical_lead
from beatlens.decision.challenge_score import ChallengeWeights, challenge_score
from beatlens.decision.diagnoses import DiagnosisDecision, fit_diagnosis_decision
from beatlens.decision.settings import ReviewSettings
from beatlens.evaluate.predictions.probabilities import auroc, rank_histogram
from beatlens.shards.shard import Shard

Array = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]
FS, LONGEST_S, USUAL_S = 100, 30, 10
TAPS = 9
KERNELS = np.array(list(combinations(range(TAPS), 3)))
"""Of a kernel's nine weights these three are 2, the others -1."""
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
WEIGHTS = Path(__file__).resolve().parents[1] / "config" / "labels" / "challenge_weights.csv"


class MiniRocket:
    """Shares of a record's time in which a filter of it exceeds a bias.

    The filters are 84 kernels at dilations that grow exponentially up to the length of a usual record; each sums a
    random subset of the leads. Every other filter sees the record with zeros before and after it. Biases are quantiles
    of what a filter makes of a random training record.
    """

    def __init__(self, seed: int, n_features: int = 10_000) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        per_kernel = n_features // len(KERNELS)
        most = np.log2((USUAL_S * FS - 1) / (TAPS - 1))
        self.dilations, share = np.unique((2 ** np.linspace(0, most, 32)).astype(int), return_counts=True)
        counts = share * per_kernel // share.sum()
        counts[: per_kernel - counts.sum()] += 1
        golden = (np.arange(1, per_kernel + 1) * (np.sqrt(5) + 1) / 2) % 1
        self.levels = np.split(golden, np.cumsum(counts)[:-1])
        self.leads = np.zeros((len(self.dilations), len(KERNELS), len(STANDARD_LEADS)), dtype=np.float32)
        for row in self.leads.reshape(-1, len(STANDARD_LEADS)):
            size = int(2 ** rng.uniform(0, np.log2(TAPS + 1)))
            row[rng.choice(len(row), size, replace=False)] = 1

    def filtered(self, signal: Signal, k: int, kernels: npt.NDArray[np.intp]) -> list[Signal]:
        """Return what kernels make of a record (n_leads, n) at dilation k, where each is defined."""
        dilation, n = int(self.dilations[k]), signal.shape[1]
        half = TAPS // 2 * dilation
        summed = np.pad(self.leads[k, kernels] @ signal, ((0, 0), (half, half)))
        taps = np.stack([summed[:, tap * dilation : tap * dilation + n] for tap in range(TAPS)])
        whole = 3 * sum(taps[KERNELS[kernels, i], np.arange(len(kernels))] for i in range(3)) - taps.sum(axis=0)
        inside = slice(half, n - half) if n > 2 * half else slice(None)
        return [row if (kernel + k) % 2 == 0 else row[inside] for kernel, row in zip(kernels, whole, strict=True)]

    def biases(self, signals: Sequence[Signal]) -> list[Array]:
        """Return the biases (kernels, levels) at each dilation, from training records."""
        rng = np.random.default_rng((self.seed, 1))
        result = []
        for k, levels in enumerate(self.levels):
            chosen = rng.integers(len(signals), size=len(KERNELS))
            rows = [self.filtered(signals[i], k, np.array([kernel]))[0] for kernel, i in enumerate(chosen)]
            result.append(np.array([np.quantile(row, levels) for row in rows]))
        return result

    def features(self, signals: Sequence[Signal], biases: Sequence[Sequence[Array]]) -> Signal:
        """Return the features (folds, n, features) of records by each fold's biases."""
        result = []
        for signal in signals:
            parts = []
            for k in range(len(self.dilations)):
                limits = np.stack([fold[k] for fold in biases], axis=1)  # (kernels, folds, levels)
                rows = self.filtered(signal, k, np.arange(len(KERNELS)))
                parts += [
                    1.0 - np.searchsorted(np.sort(row), limit, side="right") / len(row)
                    for row, limit in zip(rows, limits, strict=True)
                ]
            result.append(np.concatenate(parts, axis=1))
        return np.stack(result, axis=1).astype(np.float32)


def lead_statistics(signals: Sequence[Signal]) -> Signal:
    """Return mean, deviation, skewness, kurtosis and quantiles of each lead and of its steps: (n, features)."""
    from scipy.stats import kurtosis, skew

    result = []
    for signal in signals:
        both = np.concatenate([signal, np.diff(signal, axis=1, prepend=signal[:, :1])])
        both += 1e-6 * np.arange(both.shape[1]) / both.shape[1]  # a lead that is missing has no moments of its own
        shape = [both.mean(axis=1), both.std(axis=1), skew(both, axis=1), kurtosis(both, axis=1)]
        result.append(np.concatenate([*shape, *np.quantile(both, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], axis=1)]))
    return np.array(result, dtype=np.float32)


def in_record_axes(train: Signal, others: Signal) -> tuple[Signal, Signal]:
    """Return features of training and other records, standardised, in as many axes as there are training records.

    Lengths and angles stay, so a ridge penalty means the same.
    """
    middle, width = train.mean(axis=0), train.std(axis=0) + 1e-6
    u, s, axes = np.linalg.svd((train - middle) / width, full_matrices=False)
    return u * s, ((others - middle) / width) @ axes.T


def logits_of(train: Signal, labels: npt.NDArray[np.int64], others: Signal, penalty: float) -> Array:
    """Return the logits (n, K) of other records from a ridge logistic regression a diagnosis."""
    from sklearn.linear_model import LogisticRegression

    result = np.full((len(others), labels.shape[1]), -5.0)
    for k in range(labels.shape[1]):
        known = labels[:, k] >= 0
        if len(np.unique(labels[known, k])) == 2:
            model = LogisticRegression(C=penalty, solver="newton-cholesky").fit(train[known], labels[known, k])
            result[:, k] = model.decision_function(others)
    return result


def answers(
    train: Signal, labels: npt.NDArray[np.int64], patients: npt.NDArray[np.str_], classes: Sequence[str], test: Signal
) -> tuple[Array, DiagnosisDecision]:
    """Return the logits of a fold's test records, and the decision that its training records give."""
    inner = np.unique(patients, return_inverse=True)[1] % 5
    left_out = np.zeros((len(PENALTIES), *labels.shape))
    for fold in range(5):
        out = inner == fold
        seen, unseen = in_record_axes(train[~out], train[out])
        for i, penalty in enumerate(PENALTIES):
            left_out[i, out] = logits_of(seen, labels[~out], unseen, penalty)
    losses = (np.logaddexp(0, left_out) - (labels == 1) * left_out)[:, labels >= 0].mean(axis=1)
    best = int(np.argmin(losses))
    decision = fit_diagnosis_decision(
        left_out[best],
        labels,
        patients,
        classes=classes,
        weights=ChallengeWeights.read(WEIGHTS),
        settings=ReviewSettings(),
    )
    seen, unseen = in_record_axes(train, test)
    return logits_of(seen, labels, unseen, PENALTIES[best]), decision


def scores(
    labels: npt.NDArray[np.int64], ranked: Array, predicted: npt.NDArray[np.bool_], classes: Sequence[str]
) -> dict[str, float]:
    """Return AUROC by diagnosis, their mean and the Challenge score."""
    result = {}
    for k, name in enumerate(classes):
        known = labels[:, k] >= 0
        one = np.zeros(known.sum(), dtype=np.int64)
        histogram = rank_histogram(
            ranked[known, k], labels[known, k], n_groups=2, patient=one, n_patients=1, max_bins=None
        )
        result[name] = float(auroc(histogram)[0])
    mean = float(np.mean(list(result.values())))
    weights = ChallengeWeights.read(WEIGHTS).among(classes)
    places = [] if weights is None else [list(classes).index(name) for name in weights.diagnoses]
    score = (
        np.nan
        if weights is None
        else challenge_score(weights.terms(labels[:, places], predicted[:, places]).sum(axis=0))
    )
    return {"macro AUROC": mean, "Challenge score": float(score), **result}


def records_of(results: Path, table: pd.DataFrame) -> list[Signal]:
    """Return the (12, n) signals of the table's records, standard leads in their order, missing ones 0."""
    from scipy.signal import resample_poly

    shards = [Shard(path) for path in sorted((results / "preprocess").iterdir())]
    signals = []
    for row in table.itertuples(index=False):
        shard = next(shard for shard in shards if (row.corpus, row.record) in shard)
        fs = round(shard.row(row.corpus, row.record).fs)
        signal = resample_poly(shard.signal(row.corpus, row.record)[:, : LONGEST_S * fs], FS, fs, axis=1)
        laid = np.zeros((len(STANDARD_LEADS), signal.shape[1]), dtype=np.float32)
        for name, lead in zip(shard.leads(row.corpus, row.record), signal, strict=True):
            if canonical_lead(name) in STANDARD_LEADS:
                laid[STANDARD_LEADS.index(canonical_lead(name))] = lead
        signals.append(laid)
    return signals


def one_seed(
    signals: Sequence[Signal], table: pd.DataFrame, classes: Sequence[str], seed: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the name and the scores of each baseline with one seed."""
    labels = table[[f"label_{name}" for name in classes]].to_numpy(dtype=np.int64)
    patients = (table["corpus"] + "/" + table["patient"]).to_numpy(dtype=np.str_)
    folds = table["fold"].to_numpy()
    names = np.unique(folds)
    rocket = MiniRocket(seed)
    biases = [
        rocket.biases([signal for signal, kept in zip(signals, folds != fold, strict=True) if kept]) for fold in names
    ]
    of_folds = rocket.features(signals, biases)
    statistics = lead_statistics(signals)
    for method in ("minirocket", "lead statistics"):
        ranked, predicted = np.zeros(labels.shape), np.zeros(labels.shape, dtype=bool)
        for k, fold in enumerate(names):
            out = folds == fold
            features = of_folds[k] if method == "minirocket" else statistics
            logits, decision = answers(features[~out], labels[~out], patients[~out], classes, features[out])
            ranked[out] = decision.probabilities(logits)
            predicted[out] = decision.predicted(ranked[out])
        yield method, scores(labels, ranked, predicted, classes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    table = read_table(arguments.results / "predictions" / "diagnoses.parquet")
    classes = [name.removeprefix("label_") for name in table if name.startswith("label_")]
    probabilities = [f"p_{name}" for name in classes]
    answered = table[(table["fold"] >= 0) & table[probabilities].notna().all(axis=1)].reset_index(drop=True)
    given = answered["pred"].str.split(";")
    network = scores(
        answered[[f"label_{name}" for name in classes]].to_numpy(dtype=np.int64),
        answered[probabilities].to_numpy(dtype=np.float64),
        np.array([[name in found for name in classes] for found in given]),
        classes,
    )
    signals = records_of(arguments.results, answered)
    rows = [{"method": "network", "seed": -1, **network}]
    for seed in arguments.seeds:
        rows += [
            {"method": method, "seed": seed, **found} for method, found in one_seed(signals, answered, classes, seed)
        ]
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    result = pd.DataFrame(rows)
    print(result.drop(columns="seed").groupby("method", sort=False).agg(["mean", "std"]).T.round(3).to_string())
    if arguments.output:
        result.to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
