"""Checks of a bundle before it is used: the sizes of its parts fit each other, and its numbers can be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from beatlens.prediction.bundle import Bundle


class Check(NamedTuple):
    """One check: the key, its value, whether it passes, and what was expected."""

    key: str
    value: object
    holds: bool
    expected: str


def check_bundle(bundle: Bundle) -> None:
    """Check a bundle.

    Names and shapes of the weights are checked where the network is built, which needs torch.

    Raises
    ------
    ValueError
        With the first key whose value can't be used, the value and what was expected.
    """
    for check in (*_sizes(bundle), *_limits(bundle), *_arrays(bundle)):
        if not check.holds:
            raise ValueError(f"{check.key}: {check.value}; expected {check.expected}")


def _sizes(bundle: Bundle) -> Iterator[Check]:
    """Yield the checks of what counts classes, samples or features."""
    spec, network, n = bundle.spec, bundle.network_config, len(bundle.classes)
    wanted = {
        "network.n_classes": (network.n_classes, n),
        "network.beat_length": (network.beat_length, spec.geometry.length),
        "network.n_rr": (network.n_rr, len(spec.beats.rr_features)),
        "network.n_similarity": (network.n_similarity, spec.bank.n_features),
        "network.context": (network.context, spec.beats.context),
        "calibration.bias": (len(bundle.calibration.bias), n),
        "thresholds.distance": (len(bundle.thresholds.distance), n),
        "conformal.minimum": (len(bundle.conformal.minimum), n),
    }
    yield Check(
        "classes", list(bundle.classes), n >= 1 and len(set(bundle.classes)) == n, "one class or more, each once"
    )
    for key, (found, expected) in wanted.items():
        yield Check(key, found, found == expected, f"{expected}, by the bundle's classes, beats and prototypes")


def _limits(bundle: Bundle) -> Iterator[Check]:
    """Yield the checks of numbers of the calibration and of the limits."""
    calibration, thresholds, conformal = bundle.calibration, bundle.thresholds, bundle.conformal
    scales = (calibration.temperature, calibration.gate_slope, calibration.gate_offset, *calibration.bias)
    yield Check("calibration", scales, bool(np.isfinite(scales).all()), "finite numbers")
    for key, value in (("confidence", thresholds.confidence), ("noise", thresholds.noise)):
        yield Check(f"thresholds.{key}", value, 0 <= value <= 1, "a probability")
    distance = thresholds.distance
    yield Check(
        "thresholds.distance", distance, all(0 <= value < np.inf for value in distance), "finite limits of 0 or more"
    )
    minimum = conformal.minimum
    yield Check("conformal.minimum", minimum, all(0 <= value <= 1 for value in minimum), "probabilities")
    if bundle.familiar is not None:
        low, high = bundle.familiar.amplitude
        scale_mv, share = dict(bundle.familiar.scale_mv), bundle.familiar.far_share
        usable = bool(scale_mv) and all(0 < value < np.inf for value in scale_mv.values())
        yield Check("familiar.scale_mv", scale_mv, usable, "scales above 0 mV")
        yield Check("familiar.amplitude", (low, high), 0 <= low < high < np.inf, "a least and a largest amplitude")
        yield Check("familiar.far_share", share, 0 <= share <= 1, "a share")


def _arrays(bundle: Bundle) -> Iterator[Check]:
    """Yield the checks of weights and prototypes."""
    for name, array in bundle.weights.items():
        known = array.dtype in (np.dtype(np.float32), np.dtype(np.int64))
        yield Check(f"weights.npz {name}", array.dtype, known, "float32 or int64")
        yield Check(
            f"weights.npz {name}", "values that aren't finite", bool(np.isfinite(array).all()), "finite ones alone"
        )
    std = bundle.weights.get("rr_std")
    yield Check("weights.npz rr_std", std, std is not None and bool((std > 0).all()), "scales above 0")
    bank, n_samples = bundle.bank, bundle.geometry.length
    shape = (len(bank), len(bundle.leads), n_samples)
    yield Check("prototypes.npz waves", bank.waves.shape, len(bank) > 0 and bank.waves.shape == shape, str(shape))
    yield Check(
        "prototypes.npz waves", "values that aren't finite", bool(np.isfinite(bank.waves).all()), "finite ones alone"
    )
    for name in ("labels", "patients", "beat_ids"):
        found = getattr(bank, name).shape
        yield Check(f"prototypes.npz {name}", found, found == (len(bank),), str((len(bank),)))
    yield Check("prototypes.npz top_similar", bank.top_similar, bank.top_similar >= 1, "1 or more")
