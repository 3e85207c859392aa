"""The Challenge score against its published formula, and what turns logits into diagnoses against planted truth."""

from pathlib import Path

import numpy as np
import pytest

from beatlens.decision.challenge_score import ChallengeWeights, challenge_score, merge_equal
from beatlens.decision.diagnoses import DiagnosisDecision, fit_calibration, fit_diagnosis_decision, joined
from beatlens.decision.diagnosis_thresholds import FACTORS, POWERS, fit_thresholds
from beatlens.decision.settings import ReviewSettings

WEIGHTS = ChallengeWeights.read(Path(__file__).parents[2] / "config" / "labels" / "challenge_weights.csv")


def published_score(weights, labels, outputs, normal):
    """Score as the Challenge's paper defines it, record by record and pair by pair."""

    def total(answers):
        table = np.zeros_like(weights)
        for record in range(len(labels)):
            either = sum(bool(labels[record][k] or answers[record][k]) for k in range(len(weights)))
            for j in range(len(weights)):
                for k in range(len(weights)):
                    if labels[record][j] and answers[record][k]:
                        table[j][k] += 1.0 / max(either, 1)
        return float((weights * table).sum())

    constant = np.zeros_like(labels)
    constant[:, normal] = True
    return (total(outputs) - total(constant)) / (total(labels) - total(constant))


@pytest.mark.parametrize("density", [0.02, 0.1, 0.5])
def test_the_score_is_the_published_formula(density):
    rng = np.random.default_rng(3)
    labels, outputs = rng.random((2, 60, 26)) < density
    terms = WEIGHTS.terms(labels.astype(int), outputs)
    expected = published_score(WEIGHTS.weights, labels, outputs, WEIGHTS.diagnoses.index("SR"))
    assert challenge_score(terms.sum(axis=0)) == pytest.approx(expected, abs=1e-12)


def test_a_score_worked_out_by_hand():
    few = WEIGHTS.among(["TAb", "SR", "AF", "unheard_of"])
    assert few.diagnoses == ("TAb", "SR", "AF")
    labels = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, -1]])
    given = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool)
    # AF with TAb for AF; sinus rhythm for sinus rhythm and TAb; AF for nothing; an unknown counts for nothing.
    tab_for_af, sr_for_af, sr_for_tab = 0.5, 0.25, 0.25
    assert few.weights[2, 0] == tab_for_af
    assert few.weights[2, 1] == sr_for_af
    assert few.weights[0, 1] == few.weights[1, 0] == sr_for_tab
    observed = (1 + tab_for_af) / 2 + (1 + sr_for_tab) / 2 + 0 + 1
    perfect = 1 + (1 + 1 + 2 * sr_for_tab) / 2 + 0 + 1
    normal = sr_for_af / 2 + (1 + sr_for_tab) / 2 + 0 + 1
    terms = few.terms(labels, given)
    assert terms.sum(axis=0).tolist() == pytest.approx([observed, perfect, normal], abs=1e-12)
    assert challenge_score(terms.sum(axis=0)) == pytest.approx((observed - normal) / (perfect - normal), abs=1e-12)


def test_sinus_rhythm_for_all_scores_nothing_and_a_perfect_answer_one():
    labels = np.random.default_rng(0).random((40, 26)) < 0.1
    normal = np.zeros_like(labels)
    normal[:, WEIGHTS.diagnoses.index("SR")] = True
    assert challenge_score(WEIGHTS.terms(labels.astype(int), labels).sum(axis=0)) == 1
    assert challenge_score(WEIGHTS.terms(labels.astype(int), normal).sum(axis=0)) == 0
    assert WEIGHTS.among(["AF", "TAb"]) is None


def test_equal_codes_are_joined():
    flags = np.array([[True, False, False], [False, False, True], [False, False, False]])
    merged, ids = merge_equal(flags, ["RBBB", "AF", "RBBB"])
    assert ids == ("RBBB", "AF")
    assert merged.tolist() == [[True, False], [True, False], [False, False]]
    shares, _ = merge_equal(np.array([[0.2, 0.5, 0.6]]), ["RBBB", "AF", "RBBB"])
    assert shares.tolist() == [[0.4, 0.5]]


def test_weights_of_other_rows_than_columns_are_refused(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("diagnosis,AF,SR\nSR,1,0\nAF,0,1\n")
    with pytest.raises(ValueError, match="rows SR, AF and columns diagnosis, AF, SR"):
        ChallengeWeights.read(path)
    path.write_text("diagnosis,AF,SR\nAF,1,x\nSR,0,1\n")
    with pytest.raises(ValueError, match="line 2: weight 'x' of SR"):
        ChallengeWeights.read(path)


def made(n, classes, seed=0):
    """Return logits and labels of records whose probabilities are sigmoid(2 logit - 1)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, len(classes)))
    labels = (rng.random(logits.shape) < 1 / (1 + np.exp(1 - 2 * logits))).astype(int)
    return logits, labels, np.array([f"p{k // 2}" for k in range(n)])


def test_calibration_finds_the_planted_one_and_passes_over_unknown_labels():
    logits, labels, _ = made(4000, "AB")
    wrong = np.random.default_rng(1).random(labels.shape) < 0.3
    slope, offsets = fit_calibration(logits, np.where(wrong, -1, labels))
    assert slope == pytest.approx(2, abs=0.15)
    assert offsets == pytest.approx([-1, -1], abs=0.15)


def test_thresholds_are_those_of_the_best_score():
    classes = ("SR", "AF")
    logits, labels, _ = made(40, classes)
    values = 1 / (1 + np.exp(-logits))
    found = fit_thresholds(values, labels, classes, WEIGHTS)
    among = WEIGHTS.among(classes)

    def score(limits):
        return published_score(among.weights, labels, values >= limits, 0)

    prevalence = labels.mean(axis=0)
    family = [c * prevalence**power for c in FACTORS for power in POWERS]
    assert any(np.allclose(found, limits) for limits in family)
    assert score(found) == pytest.approx(max(map(score, family)), abs=1e-12)
    assert score(found) > score([0.5, 0.5])
    alone = fit_thresholds(values, labels, classes, None)
    steps = [np.unique(values[:, k]) for k in range(2)]
    for k in range(2):
        f1 = [
            2 * ((values[:, k] >= t) & labels[:, k]).sum() / ((values[:, k] >= t).sum() + labels[:, k].sum())
            for t in steps[k]
        ]
        given = values[:, k] >= alone[k]
        assert 2 * (given & labels[:, k]).sum() / (given.sum() + labels[:, k].sum()) == pytest.approx(max(f1))


def test_a_decision_covers_new_patients_and_survives_its_json():
    classes = ("SR", "AF", "MI")
    logits, labels, patients = made(1000, classes)
    decision = fit_diagnosis_decision(
        logits, labels, patients, classes=classes, weights=WEIGHTS, settings=ReviewSettings(conformal_alpha=0.2)
    )
    assert DiagnosisDecision.from_json(decision.to_json()) == decision
    logits, labels, _ = made(2000, classes, seed=5)
    probability = decision.probabilities(logits)
    inside = decision.in_set(probability)
    covered = [inside[labels[:, k] == 1, k].mean() for k in range(3)]
    assert covered == pytest.approx([0.8, 0.8, 0.8], abs=0.06)
    wrong = (decision.predicted(probability) != labels).any(axis=1)
    accepted = decision.reasons(probability) == ""
    assert 0.4 < accepted.mean() < 0.6  # these can't be told surely, so no more than have to are accepted
    assert wrong[accepted].mean() < wrong.mean() - 0.05
    probability[0, 1] = np.nan
    assert decision.reasons(probability[:2], ["few_beats", "few_beats"])[0] == "not_finite;few_beats"
    assert joined(np.array([[True, False, True], [False, False, False]]), classes).tolist() == ["SR;MI", ""]


def test_a_decision_that_does_not_fit_is_refused():
    good = DiagnosisDecision(1.0, (0.0,), (0.5,), 0.1, (0.1,), 0.2).to_json()
    with pytest.raises(ValueError, match="expected one a diagnosis"):
        DiagnosisDecision.from_json(good | {"minimum": [0.1, 0.2]})
    with pytest.raises(ValueError, match="expected finite ones"):
        DiagnosisDecision.from_json(good | {"slope": float("nan")})
    with pytest.raises(ValueError, match="keys"):
        DiagnosisDecision.from_json({"slope": 1.0})
