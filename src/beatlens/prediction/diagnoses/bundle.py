"""The bundle of diagnoses: all that is needed to say which diagnoses a record has. It loads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import atomic_directory, read_arrays, sha256_of, write_arrays, write_json
from beatlens.decision.diagnoses import DiagnosisDecision
from beatlens.prediction.bundle_file import parse_bundle_json, with_digest
from beatlens.shards.shard import BeatGeometry

if TYPE_CHECKING:
    from beatlens.models.diagnosis import DiagnosisNetwork

JSON_NAME, ARRAYS_NAME = "bundle.json", "arrays.npz"
KIND = "diagnoses"
SECTIONS = ("signal", "rpeaks", "beats", "quality")
"""Sections of the configuration that decide what the network is given."""
KEYS = frozenset(
    ("kind", "classes", "leads", "geometry", "network", "decision", "sections", "origin", "versions", "seed")
    + ("arrays_sha256", "schema_version", "digest")
)


@dataclass(frozen=True)
class DiagnosisBundle:
    """A trained network of diagnoses and what turns its logits into answers.

    Attributes
    ----------
    classes
        Name by id, in the order of the logits.
    leads
        Leads used where a record has them, by name.
    geometry
        Extent of a beat.
    network
        Sizes (`beatlens.models.diagnosis.DiagnosisConfig`) by name.
    weights
        State of the network by parameter name.
    decision
        Calibration, thresholds, conformal limits, review.
    sections
        Sections of the configuration by which records were preprocessed.
    origin
        What the network learnt from.
    versions
        Of the libraries.
    seed
        Of the run.
    """

    classes: dict[str, str]
    leads: tuple[str, ...]
    geometry: BeatGeometry
    network: Mapping[str, Any]
    weights: dict[str, npt.NDArray[np.float32]]
    decision: DiagnosisDecision
    sections: Mapping[str, Any]
    origin: Mapping[str, Any]
    versions: Mapping[str, str]
    seed: int

    def write(self, folder: Path) -> None:
        """Write bundle.json and arrays.npz, which then hold together by a digest."""
        with atomic_directory(folder) as place:
            write_arrays(place / ARRAYS_NAME, self.weights)
            value = {
                "kind": KIND,
                "classes": [{"id": key, "name": name} for key, name in self.classes.items()],
                "leads": list(self.leads),
                "geometry": asdict(self.geometry),
                "network": dict(self.network),
                "decision": self.decision.to_json(),
                "sections": dict(self.sections),
                "origin": dict(self.origin),
                "versions": dict(self.versions),
                "seed": self.seed,
                "arrays_sha256": sha256_of(place / ARRAYS_NAME),
            }
            write_json(place / JSON_NAME, with_digest(value))

    @classmethod
    def read(cls, folder: Path) -> DiagnosisBundle:
        """Read a bundle and check it.

        Raises
        ------
        ValueError
            With the file, the key and what was expected, where it was changed or doesn't fit together.
        """
        file = folder / JSON_NAME
        value = parse_bundle_json(file.read_bytes(), file)
        if value.get("kind") != KIND or set(value) != KEYS:
            raise ValueError(
                f"{file}: kind {value.get('kind')!r}, keys {sorted(value)}; expected a bundle of diagnoses"
            )
        found = sha256_of(folder / ARRAYS_NAME)
        if value["arrays_sha256"] != found:
            raise ValueError(
                f"{folder / ARRAYS_NAME}: sha256 {found}; expected {value['arrays_sha256']}, as {JSON_NAME} says"
            )
        bundle = cls(
            classes={one["id"]: one["name"] for one in value["classes"]},
            leads=tuple(value["leads"]),
            geometry=BeatGeometry(**value["geometry"]),
            network=value["network"],
            weights=read_arrays(folder / ARRAYS_NAME),
            decision=DiagnosisDecision.from_json(value["decision"]),
            sections=value["sections"],
            origin=value["origin"],
            versions=value["versions"],
            seed=value["seed"],
        )
        bundle._check(folder)
        return bundle

    def _check(self, folder: Path) -> None:
        n, network, geometry = len(self.classes), self.network, self.geometry
        extent = (geometry.before, geometry.after, geometry.fs)
        checks = {
            "network.n_classes": (network.get("n_classes"), n),
            "decision.offsets": (len(self.decision.offsets), n),
            "network before, after and fs": (tuple(network.get(k) for k in ("before", "after", "fs")), extent),
        }
        for key, (found, expected) in checks.items():
            if found != expected:
                raise ValueError(f"{folder / JSON_NAME}: {key} {found}; expected {expected}")
        for name, array in self.weights.items():
            counts = name.endswith("num_batches_tracked") and array.dtype == np.int64
            if not counts and (array.dtype != np.float32 or not np.isfinite(array).all()):
                raise ValueError(f"{folder / ARRAYS_NAME}: {name} of {array.dtype}; expected finite float32")
            if name.endswith("std") and not (array > 0).all():
                raise ValueError(f"{folder / ARRAYS_NAME}: {name} {array.min()}; expected scales above 0")

    def check_sections(self, settings: Mapping[str, Any]) -> None:
        """Refuse a run whose records were made otherwise than those that the network learnt from.

        Raises
        ------
        ValueError
            With the first key that differs, among `SECTIONS` and ``leads``.
        """
        wanted = {**self.sections, "leads": list(self.leads)}
        for name in (*SECTIONS, "leads"):
            found, expected = settings[name], wanted[name]
            if isinstance(expected, Mapping):
                changed = [key for key in expected if found.get(key) != expected[key] and key != "match_s"]
                pairs = [(f"{name}.{key}", found.get(key), expected[key]) for key in changed]
            else:
                pairs = [(name, found, expected)] if list(found) != expected else []
            for key, value, trained in pairs:
                raise ValueError(f"{key}: {value}; expected {trained}, with which the bundle of diagnoses was trained")

    def load_network(self, device: str = "cpu") -> DiagnosisNetwork:
        """Build the network in evaluation mode; needs torch."""
        from beatlens.models.diagnosis import DiagnosisConfig, diagnosis_network

        return diagnosis_network(DiagnosisConfig(**self.network), self.weights, device)
