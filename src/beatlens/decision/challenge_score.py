"""The score of the PhysioNet/CinC Challenge 2021: a wrong diagnosis earns what a like outcome for the patient is worth.

A record with diagnoses L that is given diagnoses P adds w(l, p) / |L u P| for each l of L and p of P, w being the
weight of a true and a given diagnosis. The sum over records is scaled so that perfect answers score 1 and sinus rhythm
for every record scores 0 (Reyna et al. 2021, Will two do? Computing in Cardiology 48).

Diagnoses that the Challenge holds equal are one diagnosis here. Where a method tells their codes apart, `merge_equal`
joins them as the Challenge does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.core.text_tables import csv_rows, read_rows

Array = npt.NDArray[np.float64]
NORMAL = "SR"
"""The diagnosis that a method without knowledge gives every record: sinus rhythm."""


@dataclass(frozen=True)
class ChallengeWeights:
    """What it is worth to give one diagnosis where another is true.

    Attributes
    ----------
    diagnoses
        K ids.
    weights
        (K, K), a row a true diagnosis, a column a given one.
    """

    diagnoses: tuple[str, ...]
    weights: Array

    @classmethod
    def read(cls, path: str | Path) -> ChallengeWeights:
        """Read a CSV with the column diagnosis and a column of weights for each diagnosis, in the same order.

        Raises
        ------
        ValueError
            With the file, and line and value, where rows and columns differ, a weight is no finite number or sinus
            rhythm is missing.
        """
        header = tuple(next(csv_rows(path, comments=True), (0, [""]))[1])
        rows = read_rows(path, header, comments=True)
        diagnoses = tuple(row.values.get("diagnosis", "") for row in rows)
        if header[0] != "diagnosis" or diagnoses != header[1:] or NORMAL not in diagnoses:
            raise ValueError(
                f"{path}: rows {', '.join(diagnoses)} and columns {', '.join(header)}; expected the column diagnosis, "
                f"then the diagnoses of the rows in their order, {NORMAL} among them"
            )
        weights = np.zeros((len(rows), len(rows)))
        for k, (line, values) in enumerate(rows):
            for m, name in enumerate(diagnoses):
                try:
                    weights[k, m] = float(values[name])
                except ValueError:
                    weights[k, m] = np.nan
                if not np.isfinite(weights[k, m]):
                    raise ValueError(f"{path} line {line}: weight {values[name]!r} of {name}; expected a finite number")
        return cls(diagnoses, weights)

    def among(self, classes: Sequence[str]) -> ChallengeWeights | None:
        """Return the weights of those of the classes that it has, in their order; None where that lacks sinus rhythm.

        The score of fewer than all diagnoses takes labels and answers of these alone.
        """
        kept = tuple(name for name in classes if name in self.diagnoses)
        if NORMAL not in kept:
            return None
        places = [self.diagnoses.index(name) for name in kept]
        return ChallengeWeights(kept, self.weights[np.ix_(places, places)])

    def terms(self, labels: npt.NDArray[Any], predicted: npt.NDArray[np.bool_]) -> Array:
        """Return what each record adds to the sums of the answers, of perfect answers and of sinus rhythm for all.

        Parameters
        ----------
        labels
            (n, K): 1 present, 0 absent, -1 unknown. An unknown diagnosis counts neither as true nor as given.
        predicted
            (n, K) given diagnoses.

        Returns
        -------
        (n, 3)
            The terms add up over records, so the score of any set of records is `challenge_score` of their sum.
        """
        true, known = np.asarray(labels) == 1, np.asarray(labels) >= 0
        normal = np.zeros_like(true)
        normal[:, self.diagnoses.index(NORMAL)] = True
        return np.column_stack([self._earned(true, given & known) for given in (predicted, true, normal)])

    def _earned(self, true: npt.NDArray[np.bool_], given: npt.NDArray[np.bool_]) -> Array:
        pairs = ((true.astype(np.float64) @ self.weights) * given).sum(axis=1)
        earned: Array = pairs / np.maximum((true | given).sum(axis=1), 1)
        return earned


def challenge_score(terms: Array) -> Array:
    """Return the score of sums of terms (..., 3); 0 where perfect answers earn what sinus rhythm for all does."""
    observed, perfect, normal = np.moveaxis(np.asarray(terms, dtype=np.float64), -1, 0)
    span = perfect - normal
    result: Array = np.zeros(span.shape)
    np.divide(observed - normal, span, out=result, where=span != 0)
    return result


def merge_equal(columns: npt.NDArray[Any], diagnoses: Sequence[str]) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Join the columns of codes that stand for one diagnosis: present where any is, a probability by their mean.

    Parameters
    ----------
    columns
        (n, codes): labels or answers (bool), or probabilities (float).
    diagnoses
        Diagnosis of each code.

    Returns
    -------
    (n, K), ids
        In the order in which the diagnoses come first.
    """
    ids = tuple(dict.fromkeys(diagnoses))
    groups = [columns[:, [k for k, name in enumerate(diagnoses) if name == wanted]] for wanted in ids]
    joined = [group.any(axis=1) if columns.dtype == np.bool_ else group.mean(axis=1) for group in groups]
    return np.column_stack(joined), ids
