"""Fusion: what two or more explanation methods agree on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from beatlens.explain.result.attribution import Attribution, rhythm_share
from beatlens.explain.result.metadata import CASE, SPREAD, AttributionMeta, FusionMetadata, PlayerValues
from beatlens.explain.result.settings import FusionSettings

Array = npt.NDArray[np.float64]


def fuse(attributions: Mapping[str, Attribution], settings: FusionSettings) -> Attribution:
    """Fuse attributions of one case on their common grid.

    1. Each method is scaled to unit absolute mass, with its rhythm and its unassigned value as two more cells. 2.
    Values below tau are pruned. 3. A cell's magnitude is the weighted aggregate of the methods that have mass there,
    times beta where some have none. 4. The sign policy is applied. 5. The whole is scaled to unit absolute mass again.

    An attribution fused with itself at tau 0 is itself, up to that scale. A method without a rhythm player isn't asked
    about the rhythm. Its mass is scaled to the mean share that the others leave for the signal. A method that doesn't
    apply to the case (``meta.absent``) is left out and named; where none applies, neither does the fusion.

    Parameters
    ----------
    attributions
        Method name -> attribution, all of one case, same leads, rate and window.
    settings
        Section ``fusion``.

    Returns
    -------
    Attribution
        In relative units. ``meta.fusion`` has the settings, the share of the mass lost to conflict of signs and to
        missing partners, and each method's share that pruning left.
    """
    if not attributions:
        raise ValueError("fusion of no attribution; expected at least one")
    _check_grid(attributions)
    left_out = tuple(sorted(name for name, attribution in attributions.items() if attribution.meta.absent))
    names = sorted(set(attributions) - set(left_out))
    if not names:
        return _absent(attributions[left_out[0]], left_out)
    first = attributions[names[0]]
    weights = np.array([settings.weights.get(name, 1.0) for name in names])
    asked = np.array([attributions[name].rhythm is not None for name in names])
    flat = np.array([_unit_mass(_flat(attributions[name], first.leads)) for name in names])
    if asked.any():
        flat[~asked] *= 1 - np.average(np.abs(flat[asked, -1]), weights=weights[asked])
    pruned, kept = zip(*(_prune(values, settings.tau) for values in flat), strict=True)
    fused, lost = _join(np.array(pruned), asked, weights, settings)
    fused = _unit_mass(fused)
    rhythm = float(fused[-1]) if asked.any() else None
    values, unassigned = fused[:-2].reshape(first.values.shape).astype(np.float32), float(fused[-2])
    same = {
        name: getattr(first.meta, name)
        for name in ("baseline", "contrast", "lead_off")
        if len({getattr(attributions[method].meta, name) for method in names}) == 1
    }
    meta = AttributionMeta(
        **{name: getattr(first.meta, name) for name in CASE},
        **same,
        method="fused",
        units="relative",
        spread=SPREAD,
        players=PlayerValues("fused"),
        n_evaluations=sum(attributions[name].meta.n_evaluations or 0 for name in names),
        rhythm=rhythm,
        rhythm_share=rhythm_share(values, rhythm, unassigned),
        unassigned=unassigned,
        fusion=FusionMetadata(
            methods=tuple(names),
            aggregate=settings.aggregate,
            beta=settings.beta,
            tau=settings.tau,
            sign=settings.sign,
            weights=dict(zip(names, weights.tolist(), strict=True)),
            lost_to_conflict=lost["conflict"],
            lost_unmatched=lost["unmatched"],
            kept_after_pruning=dict(zip(names, kept, strict=True)),
            left_out=left_out,
        ),
    )
    return Attribution(values, first.leads, first.fs, first.start_s, meta)


def _absent(like: Attribution, methods: tuple[str, ...]) -> Attribution:
    """Return what is fused of no method: nothing, with the reason."""
    meta = AttributionMeta(
        **{name: getattr(like.meta, name) for name in CASE},
        method="fused",
        units="relative",
        absent=f"no method applies to this case, of {', '.join(methods)}",
    )
    return Attribution(np.zeros_like(like.values), like.leads, like.fs, like.start_s, meta)


def _check_grid(attributions: Mapping[str, Attribution]) -> None:
    items = list(attributions.items())
    name, first = items[0]
    for other, attribution in items[1:]:
        same = (
            set(first.leads) == set(attribution.leads)
            and first.values.shape == attribution.values.shape
            and first.fs == attribution.fs
            and first.start_s == attribution.start_s
            and all(
                getattr(first.meta, key) == getattr(attribution.meta, key)
                for key in ("case", "beat_id", "case_class", "target")
            )
        )
        if not same:
            raise ValueError(
                f"fusion of {name} ({first.meta.case}, {first.values.shape}, {first.fs} Hz, {first.start_s} s) with "
                f"{other} ({attribution.meta.case}, {attribution.values.shape}, {attribution.fs} Hz, "
                f"{attribution.start_s} s); expected one case on one grid"
            )


def _flat(attribution: Attribution, leads: tuple[str, ...]) -> Array:
    """Return the samples' values, then what has no place, then the rhythm's."""
    order = [attribution.leads.index(lead) for lead in leads]
    samples = attribution.values[order].astype(np.float64).ravel()
    return np.append(samples, [attribution.unassigned, attribution.rhythm or 0.0])


def _unit_mass(values: Array) -> Array:
    mass = np.abs(values).sum()
    return values / mass if mass > 0 else values


def _prune(values: Array, tau: float) -> tuple[Array, float]:
    """Zero samples below tau times the largest magnitude; return them with the share of the mass that is left.

    The last two values belong to no sample and stay as they are.
    """
    magnitude = np.abs(values)
    keep = np.append(magnitude[:-2] >= tau * magnitude[:-2].max(initial=0.0), [True, True])
    pruned = np.where(keep, values, 0.0)
    total = magnitude.sum()
    return pruned, float(np.abs(pruned).sum() / total) if total > 0 else 0.0


def _join(
    values: Array, asked: npt.NDArray[np.bool_], weights: Array, settings: FusionSettings
) -> tuple[Array, dict[str, float]]:
    """Join (n_methods, n_cells) to (n_cells,), with the share of the joined mass that each rule took away.

    The last cell is the rhythm's. Only the methods that were `asked` about it, (n_methods,), count there.
    """
    magnitude = np.abs(values)
    has = magnitude > 0
    missing = ~has
    missing[~asked, -1] = False
    share = np.where(has, weights[:, None], 0.0)
    total = share.sum(axis=0)
    share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    if settings.aggregate == "geomean":
        logs = np.log(magnitude, out=np.zeros_like(magnitude), where=has)
        joined = np.where(total > 0, np.exp((share * logs).sum(axis=0)), 0.0)
    elif settings.aggregate == "mean":
        joined = (share * magnitude).sum(axis=0)
    elif settings.aggregate == "min":
        joined = np.where(total > 0, np.where(has, magnitude, np.inf).min(axis=0), 0.0)
    else:
        joined = magnitude.max(axis=0)
    matched = np.where(missing.any(axis=0), settings.beta * joined, joined)
    balance = (share * np.sign(values)).sum(axis=0)
    if settings.sign == "abs":
        result = matched
    elif settings.sign == "drop":
        result = np.where(np.isclose(np.abs(balance), 1.0), matched * np.sign(balance), 0.0)
    else:
        result = matched * balance
    mass = joined.sum()
    if not mass > 0:
        return result, {"conflict": 0.0, "unmatched": 0.0}
    return result, {
        "conflict": float((matched.sum() - np.abs(result).sum()) / mass),
        "unmatched": float((mass - matched.sum()) / mass),
    }
