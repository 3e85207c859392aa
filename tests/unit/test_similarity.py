"""Similarity to prototypes against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.inputs.prototype_bank import PrototypeBank, class_features, combine, lead_products, nearest_distance

CLASSES = ("N", "S", "V")


@pytest.fixture
def bank(rng):
    present = rng.random((7, 3)) < 0.7
    present[0] = False  # shares no lead with anything
    waves = rng.normal(size=(7, 3, 20)).astype(np.float32) * present[..., None]
    labels = np.array(["N", "N", "N", "V", "V", "N", "V"])
    patients = np.array(["c/a", "c/a", "c/b", "c/b", "c/c", "d/a", "c/c"])
    return PrototypeBank(waves, present, ("II", "V1", "V5"), CLASSES, labels, patients, np.array(list("abcdefg")), 2)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def products(waves, bank):
    parts = [lead_products(waves[:, k], k, bank) for k in range(waves.shape[1])]
    return np.stack([p[0] for p in parts], 1), np.stack([p[1] for p in parts], 1)


def similarities(waves, present, bank, patient=None):
    dots, norm2 = products(waves, bank)
    return combine(dots, norm2, present, bank, patient)


def naive(waves, present, bank):
    result = np.zeros((len(waves), len(bank)))
    for i in range(len(waves)):
        for p in range(len(bank)):
            shared = [k for k in range(3) if present[i, k] and bank.present[p, k]]
            a = np.concatenate([waves[i, k] for k in shared] or [np.zeros(1)]).astype(float)
            b = np.concatenate([bank.waves[p, k] for k in shared] or [np.zeros(1)]).astype(float)
            size = np.sqrt((a @ a) * (b @ b))
            result[i, p] = a @ b / size if size else 0.0
    return result


def test_similarity_is_the_cosine_over_the_shared_leads(bank, rng):
    waves = rng.normal(size=(6, 3, 20)).astype(np.float32)
    waves[3] = 0.0
    present = rng.random((6, 3)) < 0.7
    found = similarities(waves, present, bank)
    np.testing.assert_allclose(found, naive(waves, present, bank), atol=1e-6)
    assert (found[3] == 0).all()
    assert (found[:, 0] == 0).all()


def test_distance_is_the_relative_difference_to_the_nearest_over_the_shared_leads(bank, rng):
    waves = rng.normal(size=(6, 3, 20)).astype(np.float32)
    waves[3], waves[4] = 0.0, bank.waves[5]
    present = rng.random((6, 3)) < 0.7
    present[4], present[5] = True, False
    patients = np.array(["c/b", "c/a", "e/x", "e/x", "e/x", "e/x"])
    dots, norm2 = products(waves, bank)
    found = nearest_distance(dots, norm2, present, bank, patients)
    for i in range(6):
        ratios = []
        for p in np.flatnonzero(bank.patients != patients[i]):
            shared = present[i] & bank.present[p]
            if shared.any():
                size = np.hypot(np.linalg.norm(waves[i][shared]), np.linalg.norm(bank.waves[p][shared]))
                ratios.append(np.linalg.norm(waves[i][shared] - bank.waves[p][shared]) / size)
        assert found[i] == pytest.approx(min(ratios, default=np.inf), abs=2e-3)
    assert found[3] in {1.0, np.inf}  # a flat line is as far from a small prototype as from a large one
    assert found[4] < 2e-3
    assert found[5] == np.inf  # no lead, hence no prototype


def test_a_bank_of_fewer_leads_gives_the_same_as_absent_leads(bank, rng):
    waves = rng.normal(size=(4, 3, 20)).astype(np.float32)
    present = np.tile([False, True, True], (4, 1))
    sub = bank.for_leads(("V1", "V5"))
    np.testing.assert_allclose(
        similarities(waves[:, 1:], present[:, 1:], sub), similarities(waves, present, bank), atol=1e-6
    )


def test_prototypes_of_the_own_patient_are_out_of_every_feature(bank, rng):
    waves = rng.normal(size=(3, 3, 20)).astype(np.float32)
    waves[0] = bank.waves[3]  # a beat that is itself in the bank
    patients = np.array(["c/b", "c/a", "e/x"])
    found = similarities(waves, np.ones((3, 3), bool), bank, patients)
    own = patients[:, None] == bank.patients
    assert (found == -np.inf).tolist() == own.tolist()
    features = class_features(found, bank)
    for i in range(3):
        for k, name in enumerate(CLASSES):
            values = sorted(found[i][(bank.labels == name) & ~own[i]], reverse=True)
            assert features[i, k] == pytest.approx(values[0] if values else 0.0)
            assert features[i, 3 + k] == pytest.approx(np.mean(values[:2]) if values else 0.0, abs=1e-6)
    assert features[0].max() < 0.99
    dots, norm2 = products(waves, bank)
    assert nearest_distance(dots, norm2, np.ones((3, 3), bool), bank, patients)[0] > 0.1


def test_class_features_obey_what_is_allowed(bank, rng):
    found = rng.uniform(-1, 1, (5, 7)).astype(np.float32)
    allowed = rng.random((5, 7)) < 0.5
    masked = np.where(allowed, found, np.float32(-np.inf))
    np.testing.assert_array_equal(class_features(found, bank, allowed), class_features(masked, bank))
    assert (class_features(np.full((2, 7), -np.inf, np.float32), bank) == 0).all()


def test_a_prototype_of_an_unknown_class_is_refused(bank):
    with pytest.raises(ValueError, match="'X'"):
        PrototypeBank(
            bank.waves, bank.present, bank.leads, CLASSES, np.array(["X"] * 7), bank.patients, bank.beat_ids, 2
        )
