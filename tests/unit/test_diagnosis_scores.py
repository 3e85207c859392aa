"""Scores of diagnoses against scikit-learn, hand counts and a naive bootstrap."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from beatlens.decision.challenge_score import ChallengeWeights, challenge_score
from beatlens.evaluate.predictions.diagnoses.scores import COLUMNS, DiagnosisScoring, evaluate_diagnoses
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.report.diagnoses import PageFacts, render_diagnoses
from beatlens.report.sections.diagnoses import DiagnosisTables

WEIGHTS = ChallengeWeights.read(Path(__file__).parents[2] / "config" / "labels" / "challenge_weights.csv")
CLASSES = ("SR", "AF", "MI")
SCORING = DiagnosisScoring(EvaluateSettings(bootstrap=50), WEIGHTS, 0.1, 1)


def made_table(n=120, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 3)) < [0.5, 0.3, 0.15]).astype(int)
    scores = np.clip(np.round(0.5 * labels + 0.6 * rng.random(labels.shape), 2), 0, 1)  # rounded: ties
    text = [";".join(np.array(CLASSES)[row]) for row in scores >= 0.5]
    sets = [";".join(np.array(CLASSES)[row]) for row in scores >= 0.3]
    database = np.where(np.arange(n) < 40, "one", "two")
    table = {
        "corpus": "c", "record": [f"r{k}" for k in range(n)], "patient": [f"p{k // 2}" for k in range(n)],
        "database": database, "split": "train", "fold": np.arange(n) // 2 % 5, "pred": text, "conformal_set": sets,
        "review": rng.random(n) < 0.3, "reason": "",
    }  # fmt: skip
    columns = {f"label_{name}": labels[:, k] for k, name in enumerate(CLASSES)}
    return pd.DataFrame({**table, **columns, **{f"p_{name}": scores[:, k] for k, name in enumerate(CLASSES)}})


def cell(scores, label, metric, scope="all", column="value"):
    found = scores[(scores["scope"] == scope) & (scores["class"] == label) & (scores["metric"] == metric)]
    assert len(found) == 1, (scope, label, metric)
    return found[column].iloc[0]


def test_scores_of_a_diagnosis_are_those_of_scikit_learn():
    table = made_table()
    table.loc[3, "label_AF"] = -1  # unknown: the record counts for the others alone
    scores = evaluate_diagnoses(table, SCORING)
    assert list(scores.columns) == list(COLUMNS)
    part = table[table["label_AF"] >= 0]
    given = part["pred"].str.split(";").map(lambda found: "AF" in found)
    for metric, expected in {
        "auroc": roc_auc_score(part["label_AF"], part["p_AF"]),
        "auprc": average_precision_score(part["label_AF"], part["p_AF"]),
        "f1": f1_score(part["label_AF"], given),
        "sensitivity": recall_score(part["label_AF"], given),
        "specificity": recall_score(1 - part["label_AF"], ~given),
        "precision": precision_score(part["label_AF"], given),
    }.items():
        assert cell(scores, "AF", metric) == pytest.approx(expected, abs=1e-12), metric
    prevalence = part["label_AF"].mean()
    assert cell(scores, "AF", "auprc", column="null_value") == pytest.approx(prevalence)
    assert cell(scores, "AF", "f1", column="null_value") == pytest.approx(
        f1_score(part["label_AF"], np.ones(len(part)))
    )
    means = [cell(scores, name, "auroc") for name in CLASSES]
    assert cell(scores, "macro", "auroc") == pytest.approx(np.mean(means))
    assert cell(scores, "scored", "auroc") == pytest.approx(np.mean(means[:2]))  # MI isn't scored by the Challenge
    assert cell(scores, "AF", "auroc", column="n") == part["label_AF"].sum()


def test_scores_of_records_are_counted_by_hand():
    table = made_table()
    scores = evaluate_diagnoses(table, SCORING)
    labels = table[[f"label_{name}" for name in CLASSES]].to_numpy() == 1
    given = np.array([[name in text.split(";") for name in CLASSES] for text in table["pred"]])
    exact = (labels == given).all(axis=1)
    assert cell(scores, "all", "exact_match") == pytest.approx(exact.mean())
    assert cell(scores, "all", "exact_match_accepted") == pytest.approx(exact[~table["review"]].mean())
    among = WEIGHTS.among(CLASSES)
    expected = challenge_score(among.terms(labels[:, :2].astype(int), given[:, :2]).sum(axis=0))
    assert cell(scores, "all", "challenge_score") == pytest.approx(expected, abs=1e-12)
    gaps = []
    for k in range(10):
        inside = (table["p_AF"] > k / 10) & (table["p_AF"] <= (k + 1) / 10) | ((k == 0) & (table["p_AF"] == 0))
        gaps.append(abs((table["p_AF"] - table["label_AF"])[inside].sum()))
    assert cell(scores, "AF", "ece") == pytest.approx(sum(gaps) / len(table))
    sets = table["conformal_set"].map(lambda text: "AF" in text.split(";"))
    assert cell(scores, "AF", "conformal_coverage") == pytest.approx(sets[table["label_AF"] == 1].mean())
    assert cell(scores, "all", "conformal_set_size") == pytest.approx(
        table["conformal_set"].map(lambda text: len([x for x in text.split(";") if x])).mean()
    )


def test_databases_are_scored_apart_and_patients_make_the_intervals():
    table = made_table()
    scores = evaluate_diagnoses(table, DiagnosisScoring(EvaluateSettings(bootstrap=400), None, 0.1, 1))
    one = table[table["database"] == "one"]
    assert cell(scores, "SR", "auroc", "database:one") == pytest.approx(roc_auc_score(one["label_SR"], one["p_SR"]))
    rng = np.random.default_rng(5)  # a bootstrap by hand: whole patients, drawn with replacement
    rows = {patient: part.index.to_numpy() for patient, part in table.groupby("patient")}
    drawn = []
    for _ in range(150):
        index = np.concatenate([rows[name] for name in rng.choice(list(rows), len(rows))])
        drawn.append(roc_auc_score(table["label_SR"][index], table["p_SR"][index]))
    bounds = [cell(scores, "SR", "auroc", column=column) for column in ("lo", "hi")]
    assert bounds == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)
    assert "challenge_score" not in set(scores["metric"])


def test_a_database_that_is_a_fold_was_left_out_and_fewer_leads_are_scored_apart():
    table = made_table()
    table["fold"] = (table["database"] == "two").astype(int)
    few = table.assign(leads="2", p_SR=0.5)
    scores = evaluate_diagnoses(table, SCORING, pd.concat([few, table.assign(leads="12")]))
    assert list(scores["scope"].unique()) == ["all", "without:one", "without:two", "leads:12", "leads:2"]
    assert cell(scores, "SR", "auroc", "leads:2") == 0.5
    assert cell(scores, "SR", "auroc", "leads:12") == cell(scores, "SR", "auroc")


def test_a_record_without_an_answer_is_missed_and_ranks_nowhere():
    table = made_table()
    sick = table.index[table["label_AF"] == 1][0]
    table.loc[sick, ["p_SR", "p_AF", "p_MI"]] = np.nan
    table.loc[sick, ["pred", "conformal_set", "reason"]] = ["", "", "no_beats"]
    scores = evaluate_diagnoses(table, SCORING)
    kept = table.drop(index=sick)
    assert cell(scores, "AF", "auroc") == pytest.approx(roc_auc_score(kept["label_AF"], kept["p_AF"]))
    given = table["pred"].str.split(";").map(lambda found: "AF" in found)
    assert cell(scores, "AF", "sensitivity") == pytest.approx(recall_score(table["label_AF"], given))


def test_diagnoses_without_both_kinds_are_passed_over_and_one_patient_has_no_interval():
    table = made_table()
    table["label_MI"] = 0
    table.loc[table["database"] == "one", "patient"] = "alone"
    table.loc[table["database"] == "one", "fold"] = 0
    scores = evaluate_diagnoses(table, SCORING)
    assert "MI" not in set(scores["class"])
    assert np.isnan(cell(scores, "SR", "auroc", "database:one", "lo"))
    assert np.isfinite(cell(scores, "SR", "auroc", "database:two", "lo"))
    table[[f"label_{name}" for name in CLASSES]] = -1
    assert not len(evaluate_diagnoses(table, SCORING))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="p_AF"), "without columns"),
        (lambda table: pd.concat([table, table[:1]]), "r0 comes twice"),
        (lambda table: table.assign(fold=np.arange(len(table)) % 2), "is in two folds"),
        (lambda table: table.assign(pred="XX"), "XX"),
    ],
)
def test_tables_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_diagnoses(change(made_table()), SCORING)


def page_of(table):
    names = {"SR": "sinus rhythm", "AF": "atrial fibrillation", "MI": "infarction <b>"}
    status = pd.DataFrame({"used": [True, False], "reason": ["", "truncated_signal"]})
    tables = DiagnosisTables(table, evaluate_diagnoses(table, SCORING), names, status)
    facts = PageFacts("made", "made", 1, 0.95, "seed: 1", {"beatlens": "0"}, {})
    return render_diagnoses(tables, facts)


def test_the_page_says_names_and_answers_first():
    table = made_table().assign(reason="low_confidence", review=True)
    table.loc[0, ["pred", "label_SR", "label_AF", "label_MI"]] = ["SR;AF", 1, 0, 0]
    page = page_of(table)
    assert page.index("mean AUROC of 3 diagnoses") < page.index("<h2>Record by record")
    assert '<td class="text">sinus rhythm and atrial fibrillation</td><td class="text">sinus rhythm</td>' in page
    assert "infarction &lt;b&gt;" in page
    assert "infarction <b>" not in page
    assert not [name for name in ("SR;AF", ">AF<", ">MI<", "low_confidence") if name in page]  # names, never ids


def test_the_page_of_records_without_labels_has_no_scores():
    table = made_table(12).assign(fold=-1, split="none", **{f"label_{name}": -1 for name in CLASSES})
    page = page_of(table)
    assert "How well diagnoses are told" not in page
    assert "not known" in page
