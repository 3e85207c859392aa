"""Tables of diagnoses: those that come along hold what the corpora say, and faults are named."""

import csv
from pathlib import Path

import pytest

from beatlens.core.text_tables import read_rows
from beatlens.corpora.diagnosis_table import DiagnosisTable

LABELS = Path(__file__).parents[2] / "config" / "labels"


def test_the_challenge_scores_thirty_codes_in_26_classes():
    table = DiagnosisTable.read(LABELS / "snomed.csv")
    assert len(table.scored) == 26
    assert sum(table.codes[code] in table.scored for code in table.codes) == 30
    assert len(table.ids) == 26 + 103
    diagnoses, unknown = table.of_codes(["713427006", "164889003", "59118001", "12345", "12345"])
    assert diagnoses == {"RBBB", "AF"}
    assert unknown == ("12345",)
    assert table.name_of("AF") == "atrial fibrillation"


def test_diagnoses_agree_with_the_diagnostic_regions_and_the_weights():
    table = DiagnosisTable.read(LABELS / "snomed.csv")
    with (LABELS.parent / "diagnostic_regions.csv").open() as file:
        regions = {code: row["class"] for row in csv.DictReader(file) for code in row["snomed"].split(";") if code}
    assert {code: table.codes[code] for code in regions} == regions
    rows = read_rows(LABELS / "challenge_weights.csv", ["diagnosis", *table.scored], comments=True)
    assert tuple(row.values["diagnosis"] for row in rows) == table.scored


@pytest.mark.parametrize(("name", "number"), [("scp-superclass", 5), ("scp-subclass", 23)])
def test_every_scp_statement_has_a_row(name, number):
    table = DiagnosisTable.read(LABELS / f"{name}.csv")
    assert len(table.codes) == 71
    assert len(table.ids) == number
    assert table.of_codes(["SR"]) == (frozenset(), ())  # known, and no diagnosis of this table


def test_scp_statements_have_the_ids_and_names_of_the_challenge():
    table, challenge = (DiagnosisTable.read(LABELS / f"{name}.csv") for name in ("scp-snomed", "snomed"))
    assert len(table.codes) == 71
    assert table.names.items() <= challenge.names.items()
    assert set(table.scored) == set(table.ids) & set(challenge.scored)
    assert table.of_codes(["CRBBB", "AFIB", "1AVB", "NORM"])[0] == {"RBBB", "AF", "IAVB"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,A,first\n1,B,second", "code '1'; expected each code once"),
        (",A,first", "code ''"),
        ("1,A;B,first", "diagnosis 'A;B'"),
        ("1,A,", "name ''"),
        ("1,A,first\n2,A,second", "line 3: name 'second' of A"),
        ("1,,nothing", "no row has a diagnosis"),
    ],
)
def test_faults_of_a_table_are_named(tmp_path, rows, message):
    path = tmp_path / "table.csv"
    path.write_text(f"code,diagnosis,name\n{rows}\n")
    with pytest.raises(ValueError, match=message):
        DiagnosisTable.read(path)
