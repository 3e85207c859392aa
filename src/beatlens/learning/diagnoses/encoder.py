"""A trained bundle of beats whose encoder networks of diagnoses share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from beatlens.models.diagnosis import DiagnosisConfig, DiagnosisNetwork
from beatlens.prediction.bundle import Bundle

SEEN = ("train", "select", "calibrate")
"""Splits of a bundle whose patients its network learnt from, or was chosen by."""


@dataclass(frozen=True)
class GivenEncoder:
    """The encoder of a bundle of beats.

    Attributes
    ----------
    sizes
        Of its network (`beatlens.models.settings.NetworkConfig` as JSON).
    weights
        Its state by parameter name.
    patients
        Whom it learnt from, ``corpus/patient``.
    origin
        The same in words (`beatlens.prediction.origin.Origin` as JSON), None for a bundle made by hand.
    """

    sizes: Mapping[str, Any]
    weights: Mapping[str, npt.NDArray[Any]]
    patients: frozenset[str]
    origin: Mapping[str, Any] | None

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> GivenEncoder:
        """Read a bundle, and check that it was given beats as this run has them.

        Raises
        ------
        ValueError
            With the key that differs in the section ``signal`` or in the extent of a beat.
        """
        bundle, beats = Bundle.load(folder), settings["beats"]
        pairs = [(f"signal.{key}", settings["signal"].get(key), value) for key, value in bundle.signal.items()]
        pairs += [(f"beats.{key}", beats[key], getattr(bundle.spec.beats, key)) for key in ("before_s", "after_s")]
        for key, found, expected in pairs:
            if found != expected:
                raise ValueError(f"{key}: {found}; expected {expected}, as the bundle of diagnoses.encoder has it")
        split = bundle.provenance["split"]
        patients = frozenset(patient for name in SEEN for patient in split.get(name, ()))
        origin = bundle.origin.to_json() if bundle.origin else None
        return cls(bundle.model_config, bundle.weights, patients, origin)

    def check_patients(self, patients: Iterable[str]) -> None:
        """Refuse patients that the encoder learnt from: what is said of them would not be of patients not seen.

        Raises
        ------
        ValueError
            With the first of them.
        """
        known = sorted(self.patients & set(patients))
        if known:
            raise ValueError(
                f"diagnoses.encoder: it learnt from {len(known)} patients of this run, such as {known[0]}; expected a "
                "bundle that learnt from others"
            )


def new_network(config: DiagnosisConfig, encoder: GivenEncoder | None) -> DiagnosisNetwork:
    """Return a network of diagnoses with initial weights, and with a given encoder where its sizes have one."""
    network = DiagnosisNetwork(config)
    if network.shared is not None and encoder is not None:
        network.shared.take(encoder.weights)
    return network
