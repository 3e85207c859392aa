"""Planted truth against decoys: an explanation must show what makes the class, and nothing that was merely changed.

A map that knows the beat and the baseline, but no model, shows a decoy (`beatlens.corpora.synthetic.decoys`) as it
shows the truth. The truth here is what decides the class (`DECIDING_S`). T waves, changed at random in every class,
don't; those that a class has changed aren't counted. Where the model itself heeds a decoy, an explanation that shows it
is right and the model is at fault. Whether it does is tried on the signal, and the scores are also given without such
decoys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from beatlens.core.record import DECOY
from beatlens.core.seeds import derive_seed
from beatlens.corpora.synthetic.decoys import DECIDING_S
from beatlens.evaluate.explanations.localisation import Grid, Truth, average_precision, share_inside
from beatlens.evaluate.explanations.table import Score
from beatlens.evaluate.explanations.truths import PLANTED, Labels, NullMaps, seen_samples
from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.explain.explainer import PreparedCase
from beatlens.explain.result.attribution import Attribution

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

AGAINST, AGAINST_UNUSED = "planted against decoys", "planted against unused decoys"
OTHER_BEATS = "other beats"
USED = 0.05
"""Share of full minus empty by which randomising a decoy moves the target on average, from which on it is used."""
DRAWS = 16


@dataclass(frozen=True)
class CaseDecoys:
    """Decoys that the model sees in a case.

    Attributes
    ----------
    samples
        Kind -> (n_leads, n_samples) samples, those of other beats as one kind.
    deciding
        (n_samples,) those of the target beat that decide its class.
    """

    samples: Mapping[str, BoolArray]
    deciding: BoolArray

    def without(self, kinds: frozenset[str]) -> BoolArray:
        """Return the samples of all decoys but those of some kinds."""
        masks = [mask for kind, mask in self.samples.items() if kind not in kinds]
        return np.asarray(np.any(masks, axis=0))


def case_decoys(prepared: PreparedCase, labels: Labels) -> CaseDecoys | None:
    """Return the decoys of a case, or None where its target beat has none."""
    case, instance = prepared.case, prepared.instance
    spans = labels.spans[labels.spans["label"].str.startswith(DECOY) & labels.spans["lead"].isin(instance.record.leads)]
    beat = labels.beats[labels.beats["beat_id"] == case.beat_id].iloc[0]
    if case.target != "beat" or not beat["matched"] or spans.empty:
        return None
    grid = Grid(instance.record.leads, instance.record.geometry.fs, instance.start_s, instance.stop - instance.start)
    seen, found = seen_samples(instance), dict[str, BoolArray]()
    for span in spans.itertuples():
        first, last = (np.clip(grid.sample(time), 0, grid.n_samples) for time in (span.start_s, span.end_s))
        in_target = span.r_sample == int(beat["matched_r_sample"])
        kind = span.label.removeprefix(DECOY) if in_target else OTHER_BEATS
        mask = found.setdefault(kind, np.zeros(grid.shape, dtype=bool))
        mask[grid.leads.index(span.lead), first:last] |= seen[first:last]
    kept = {kind: mask for kind, mask in found.items() if mask.any()}
    after_r = (np.arange(grid.n_samples) - int(instance.r_index[instance.target_rows[0]] - instance.start)) / grid.fs
    deciding = (after_r >= DECIDING_S[0]) & (after_r < DECIDING_S[1])
    return CaseDecoys(kept, deciding) if set(kept) - {OTHER_BEATS} else None


def decoy_scores(
    prepared: PreparedCase,
    attributions: Mapping[str, Attribution],
    truth: Truth,
    decoys: CaseDecoys,
    nulls: NullMaps,
    *,
    seed: int,
) -> Iterator[Score]:
    """Score attributions of one case on its truth and its decoys alone, beside the nulls.

    Samples that are both truth and decoy aren't counted. ``auprc``: average precision, decoys as negatives; the null
    ``uniform`` has the prevalence. ``pointing_game``: chance that the largest value lies on the truth and not on a
    decoy. ``decoy_mass``: share of the absolute mass of the whole map that lies on decoys. Each is given for all decoys
    (`AGAINST`) and for those that the model doesn't use (`AGAINST_UNUSED`). ``decoy_use``: how much of full minus empty
    the target moves when all decoys are randomised, beside randomising the truth; it is the model's, whatever the
    method. ``decoys_used``: share of the kinds of decoys in the beat that move it by more than `USED`.
    """
    change = _Randomised(prepared, seed)
    groups = {kind: mask & ~truth.inside for kind, mask in decoys.samples.items()}
    moved = {kind: change.of(mask) for kind, mask in groups.items() if mask.any()}
    used = frozenset(kind for kind, value in moved.items() if value > USED * change.scale)
    in_target = [kind for kind in moved if kind != OTHER_BEATS]
    deciding = Truth(truth.inside & decoys.deciding, truth.counted & ~(truth.inside & ~decoys.deciding))
    everything, by_truth = change.of(decoys.without(frozenset()) & ~truth.inside), change.of(truth.inside)
    for method, attribution in attributions.items():
        yield Score(method, "decoy_use", PLANTED, everything, "truth", by_truth, change.scale)
        if in_target:
            yield Score(method, "decoys_used", PLANTED, len(used & set(in_target)) / len(in_target), "none", 0.0)
        for name, left_out in ((AGAINST, frozenset[str]()), (AGAINST_UNUSED, used)):
            if set(groups) - left_out:
                yield from _located(method, attribution, deciding, decoys.without(left_out), nulls, name=name)


def _located(
    method: str, attribution: Attribution, truth: Truth, decoys: BoolArray, nulls: NullMaps, *, name: str
) -> Iterator[Score]:
    counted = truth.counted & (truth.inside ^ decoys)
    inside = truth.inside[counted]
    if inside.all() or not inside.any():
        return

    def score(values: Array) -> dict[str, float]:
        flat, mass = values[counted], np.abs(values).sum()
        return {
            "auprc": average_precision(flat, inside),
            "pointing_game": share_inside(flat, inside, 1),
            "decoy_mass": float(np.abs(flat[~inside]).sum() / mass) if mass > 0 else np.nan,
        }

    found = score(attribution.values.astype(np.float64))
    for null, means in nulls.means(score).items():
        for metric, value in found.items():
            if np.isfinite(means[metric]):  # an empty map has no mass that could lie right or wrong
                yield Score(method, metric, name, value, null, means[metric])


class _Randomised:
    """How far the target moves when samples are randomised between the signal, the baseline and its mirror image.

    Each draw multiplies how far the signal is from the baseline there by a number between -1 and 1.
    """

    def __init__(self, prepared: PreparedCase, seed: int) -> None:
        engine, instance = prepared.engine, prepared.instance
        self._model = SignalModel(
            instance,
            engine.network,
            bank=engine.bank,
            calibration=engine.calibration,
            target=prepared.target,
            device=engine.device,
        )
        self._signal, self._fill = instance.window, fill_signal(instance, engine.baseline)
        self._factors = np.random.default_rng(derive_seed(seed, "randomised decoys")).uniform(-1, 1, DRAWS)
        self._full, empty = self._values(np.stack([self._signal, self._fill]))
        self.scale = float(abs(self._full - empty))

    def of(self, mask: BoolArray) -> float:
        """Return the mean absolute change of the target."""
        factors = np.where(mask, self._factors[:, None, None], 1.0)
        changed = self._fill + factors * (self._signal - self._fill)
        return float(np.abs(self._values(changed) - self._full).mean())

    def _values(self, signals: npt.NDArray[np.floating]) -> Array:
        rr = self._model.tensor(self._model.instance.rr)
        with torch.no_grad():
            values = self._model.values(self._model.tensor(signals.astype(np.float32)), rr.expand(len(signals), -1, -1))
        return np.asarray(values.cpu().numpy(), dtype=np.float64)
