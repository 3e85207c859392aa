"""A bundle that isn't as it was written, or whose parts don't fit, is refused by the key at fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beatlens.core.files import read_arrays, sha256_of, write_arrays, write_json
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.bundle_file import with_digest

SHIPPED = Path(__file__).parents[2] / "models" / "mitdb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED, tmp_path / "bundle")
    return tmp_path / "bundle"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the values of a bundle.json as someone would who also makes its digests fit."""
    value = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    value["sha256"] = {name: sha256_of(folder / name) for name in ("weights.npz", "prototypes.npz")}
    change(value)
    write_json(folder / "bundle.json", with_digest(value))


def rewrite_array(folder: Path, file: str, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    arrays = read_arrays(folder / file)
    write_arrays(folder / file, arrays | {name: change(arrays[name])})
    rewrite(folder, lambda value: None)


def test_saving_what_was_loaded_changes_no_byte(folder: Path, tmp_path: Path) -> None:
    Bundle.load(folder).save(tmp_path / "again")
    for name in ("bundle.json", "weights.npz", "prototypes.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"temperature": 0.85', '"temperature": 0.86', "digest '.*', but its content has"),
        ('"confidence": 0.72', '"confidence": 0.12', "digest '.*', but its content has"),
        ('"digest": "', '"digest": "0', "digest '0"),
        ('"temperature": 0', '"temperature": NaN, "x": 0', "calibration.temperature nan; expected a finite number"),
        ('"noise": 0.', '"noise": 1e999, "x": 0.', "thresholds.noise inf; expected a finite number"),
        ('"schema_version": 9', '"schema_version": 8', "schema version 8; expected 9"),
        ("{", "[" * 100_000, "expected the JSON of a bundle"),
        ("{", "", "expected the JSON of a bundle"),
    ],
)
def test_an_edit_of_bundle_json_is_noticed(folder: Path, old: str, new: str, words: str) -> None:
    text = (folder / "bundle.json").read_text(encoding="utf-8")
    assert old in text
    (folder / "bundle.json").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"bundle\.json: .*{words}"):
        Bundle.load(folder)


def drop(*keys: str) -> Callable[[dict[str, Any]], object]:
    def change(value: dict[str, Any]) -> None:
        for key in keys[:-1]:
            value = value[key]
        del value[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value["calibration"].update(bias=[0.0, 0.0]), "calibration.bias: 2; expected 3"),
        (lambda value: value["calibration"].update(temperature="hot"), "'>' not supported"),
        (
            lambda value: value["thresholds"].update(confidence=-1.0),
            "thresholds.confidence: -1.0; expected a probability",
        ),
        (lambda value: value["thresholds"].update(distance=[0.8, 0.8]), "thresholds.distance: 2; expected 3"),
        (
            lambda value: value["conformal"].update(minimum=[7.0, 0.1, 0.1]),
            "conformal.minimum: .*; expected probabilities",
        ),
        (lambda value: value["familiar"].update(amplitude=[3.0, 0.2]), "familiar.amplitude"),
        (lambda value: value["familiar"].update(scale_mv={"II": 0.0}), "familiar.scale_mv"),
        (lambda value: value["network"].update(n_classes=4), "network.n_classes: 4; expected 3"),
        (lambda value: value["network"].update(beat_length=131), "network.beat_length: 131; expected 130"),
        (lambda value: value["geometry"].update(after=81), "network.beat_length: 130; expected 131"),
        (lambda value: value["classes"].reverse(), "prototype bank of leads"),
        (lambda value: value["sha256"].pop("weights.npz"), r"weights\.npz: sha256 .*; expected None"),
        (drop("calibration", "gate_slope"), "gate_slope"),
        (drop("conformal"), "no 'conformal'; expected one"),
    ],
)
def test_values_that_fit_nothing_are_refused_by_name(folder: Path, change: Any, words: str) -> None:
    rewrite(folder, change)
    with pytest.raises(ValueError, match=words) as error:
        Bundle.load(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("file", "name", "change", "words"),
    [
        ("weights.npz", "head.4.bias", lambda array: array * np.float32(np.nan), r"weights\.npz head\.4\.bias: values"),
        ("weights.npz", "rr_std", np.zeros_like, r"weights\.npz rr_std: .*; expected scales above 0"),
        (
            "weights.npz",
            "rr_std",
            lambda array: array.astype(np.float64),
            r"weights\.npz rr_std: float64; expected float32",
        ),
        ("prototypes.npz", "waves", lambda array: array + np.float32(np.inf), r"prototypes\.npz waves: values"),
        ("prototypes.npz", "waves", lambda array: array[:, :, :-1], r"prototypes\.npz waves: \(36, 5, 129\)"),
        (
            "prototypes.npz",
            "patients",
            lambda array: array[:-1],
            r"prototypes\.npz patients: \(35,\); expected \(36,\)",
        ),
    ],
)
def test_arrays_that_fit_nothing_are_refused_by_name(
    folder: Path, file: str, name: str, change: Any, words: str
) -> None:
    rewrite_array(folder, file, name, change)
    with pytest.raises(ValueError, match=words):
        Bundle.load(folder)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    rewrite_array(folder, "weights.npz", "head.4.bias", lambda array: array[:, :-1])
    with pytest.raises(ValueError, match=r"weights: .*head\.4\.bias.*; expected those of NetworkConfig"):
        Bundle.load(folder).network()


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    bundle = Bundle.load(SHIPPED)
    weights = {name: array.astype(np.float32) * np.float32(np.nan) for name, array in bundle.weights.items()}
    with pytest.raises(ValueError, match="values that aren't finite"):
        replace(bundle, weights=weights).save(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
