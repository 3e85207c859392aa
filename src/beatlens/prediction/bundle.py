"""The bundle: all that inference and explanation need of a trained model, and nothing else. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import atomic_directory, read_arrays, sha256_of, write_arrays, write_json
from beatlens.decision.calibration import Calibration
from beatlens.decision.conformal import ConformalSets
from beatlens.decision.review import Thresholds
from beatlens.inputs.look_alikes import LookAlikeSettings
from beatlens.inputs.network_inputs import InputSpec
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.models.settings import NetworkConfig
from beatlens.prediction.bundle_checks import check_bundle
from beatlens.prediction.bundle_file import parse_bundle_json, with_digest
from beatlens.prediction.familiar_records import Familiar
from beatlens.prediction.origin import Origin
from beatlens.shards.shard import BeatGeometry

if TYPE_CHECKING:
    from beatlens.models.network import BeatNetwork

Arrays = dict[str, npt.NDArray[Any]]
ARRAYS = ("weights.npz", "prototypes.npz")


@dataclass(frozen=True)
class Bundle:
    """A trained, calibrated model.

    Attributes
    ----------
    spec
        How inputs are made: classes, leads, geometry of a beat, beat settings, prototype bank.
    network_config
        Sizes of the network.
    weights
        The network's state by parameter name; the scaler of the RR features is ``rr_mean`` and ``rr_std``.
    calibration, thresholds
        See `beatlens.decision.calibration` and `beatlens.decision.review`.
    conformal
        Limits of the conformal sets.
    signal
        Section ``signal`` of the configuration: rate and filter.
    provenance
        Seed, split (patients of each split), versions, corpora digest, training summary, calibration summary.
    rpeaks, quality
        The sections of these names, without the entries that only scoring uses
        (`beatlens.prediction.bundled_sections.FREE`).
    origin
        What it learnt from; None for a model made by hand.
    familiar
        What the records that it learnt from look like; None where that isn't known and every record passes for
        familiar.
    """

    spec: InputSpec
    network_config: NetworkConfig
    weights: Mapping[str, npt.NDArray[Any]]
    calibration: Calibration
    thresholds: Thresholds
    conformal: ConformalSets
    signal: Mapping[str, Any]
    provenance: Mapping[str, Any]
    rpeaks: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = None
    familiar: Familiar | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class ids, in the order of the probabilities."""
        return self.spec.classes

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads that are used where present."""
        return self.spec.leads

    @property
    def geometry(self) -> BeatGeometry:
        """Extent of a beat."""
        return self.spec.geometry

    @property
    def context(self) -> int:
        """Beats of a context window."""
        return self.spec.beats.context

    @property
    def bank(self) -> PrototypeBank:
        """Prototypes."""
        return self.spec.bank

    @property
    def model_config(self) -> dict[str, Any]:
        """Sizes of the network as a JSON object."""
        return self.network_config.to_json()

    def calibrated_probabilities(self, logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Turn class logits (n, K) into calibrated probabilities (n, K)."""
        return self.calibration.probabilities(logits)

    def network(self, device: str = "cpu") -> BeatNetwork:
        """Build the network in evaluation mode, with the bundle's weights, on a device."""
        from beatlens.models.build import network_from_arrays

        return network_from_arrays(self.network_config, self.weights, device)

    def save(self, path: str | Path) -> None:
        """Check the bundle and write it into a directory, replaced as a whole: ``bundle.json`` and `ARRAYS`."""
        check_bundle(self)
        with atomic_directory(path) as folder:
            write_arrays(folder / "weights.npz", self.weights)
            write_arrays(folder / "prototypes.npz", self.bank.to_arrays())
            value = with_digest(
                {
                    "classes": list(self.classes),
                    "leads": list(self.leads),
                    "geometry": asdict(self.geometry),
                    "beats": asdict(self.spec.beats),
                    "look_alikes": asdict(self.spec.look_alikes) if self.spec.look_alikes else None,
                    "signal": dict(self.signal),
                    "rpeaks": dict(self.rpeaks),
                    "quality": dict(self.quality),
                    "origin": self.origin.to_json() if self.origin else None,
                    "familiar": self.familiar.to_json() if self.familiar else None,
                    "network": self.model_config,
                    "calibration": asdict(self.calibration) | {"bias": list(self.calibration.bias)},
                    "thresholds": asdict(self.thresholds),
                    "conformal": self.conformal.to_json(),
                    "provenance": dict(self.provenance),
                    "sha256": {name: sha256_of(folder / name) for name in ARRAYS},
                }
            )
            write_json(folder / "bundle.json", value)

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read a bundle and check it.

        Raises
        ------
        ValueError
            With file, key, value and what was expected: where a file isn't as it was written, or a value can't be used.
        """
        folder = Path(path)
        file = folder / "bundle.json"
        value = parse_bundle_json(file.read_bytes(), file)
        for name in ARRAYS:
            expected, found = value.get("sha256", {}).get(name), sha256_of(folder / name)
            if found != expected:
                raise ValueError(f"{folder / name}: sha256 {found}; expected {expected}, by bundle.json")
        try:
            bundle = cls._built(value, read_arrays(folder / "weights.npz"), read_arrays(folder / "prototypes.npz"))
            check_bundle(bundle)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{folder}: {_in_words(error)}") from error
        return bundle

    @classmethod
    def _built(cls, value: Mapping[str, Any], weights: Arrays, prototypes: Arrays) -> Bundle:
        spec = InputSpec(
            classes=tuple(value["classes"]),
            leads=tuple(value["leads"]),
            geometry=BeatGeometry(**value["geometry"]),
            beats=BeatSettings(**value["beats"]),
            bank=PrototypeBank.from_arrays(prototypes),
            look_alikes=LookAlikeSettings(**value["look_alikes"]) if value["look_alikes"] else None,
        )
        return cls(
            spec=spec,
            network_config=NetworkConfig.from_json(value["network"]),
            weights=weights,
            calibration=Calibration(**value["calibration"]),
            thresholds=Thresholds(**value["thresholds"]),
            conformal=ConformalSets.from_json(value["conformal"]),
            signal=value["signal"],
            provenance=value["provenance"],
            rpeaks=value["rpeaks"],
            quality=value["quality"],
            origin=Origin.from_json(value["origin"]) if value["origin"] else None,
            familiar=Familiar.from_json(value["familiar"]) if value["familiar"] else None,
        )


def _in_words(error: Exception) -> str:
    return f"no {error}; expected one" if isinstance(error, KeyError) else str(error)
