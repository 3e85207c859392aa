"""Records from files by hand, the shipped bundle, and the command where nothing comes of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from beatlens import api, cli
from beatlens.workbench import defaults


def test_a_record_by_its_path_with_or_without_ending(tmp_path, write_wfdb_record):
    folder = tmp_path / "my recordings"
    signal = write_wfdb_record(folder, "r1", symbols="NN")
    for path in (folder / "r1", folder / "r1.hea", str(folder / "r1.dat")):
        record = api.load_record(path)
        assert (record.corpus, record.name, record.patient, record.leads) == ("my_recordings", "r1", "r1", ("II", "V1"))
        np.testing.assert_allclose(record.signal, signal, atol=0.003)
        assert len(record.annotations.sample) == 2
    named = api.load_record(folder / "r1", corpus="mine", patient="p7")
    assert (named.corpus, named.patient) == ("mine", "p7")
    with pytest.raises(api.RecordFault, match=r"missing_header: .*r2.hea: no such file"):
        api.load_record(folder / "r2")
    with pytest.raises(ValueError, match="a folder; expected a record"):
        api.load_record(folder)


def test_a_folder_lists_all_records_also_those_that_cannot_be_used(tmp_path, write_wfdb_record):
    write_wfdb_record(tmp_path / "ward" / "b", "r2")
    write_wfdb_record(tmp_path / "ward", "r1")
    (tmp_path / "ward" / "r1.dat").unlink()
    found = api.find_records(tmp_path / "ward")
    assert [one.name for one in found] == ["r2", "r1"]
    assert found[0].load().corpus == "ward"
    with pytest.raises(api.RecordFault, match="missing_signal_file"):
        found[1].load()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no recording; expected WFDB records"):
        api.find_records(tmp_path / "empty")


def test_strips_of_a_table(tmp_path):
    table = tmp_path / "strips.csv"
    table.write_text('id,wave,patient\ns1,"0 1 2",p1\ns2,"3 4 5",p2\ns1,"6",p1\n', encoding="utf-8")
    settings = api.StripSettings(fs=250, lead="V1")
    record = api.load_record(table, strips=settings, strip="s2")
    assert (record.name, record.patient, record.leads, record.fs) == ("s2", "p2", ("V1",), 250)
    np.testing.assert_array_equal(record.signal, [[3, 4, 5]])
    with pytest.raises(ValueError, match=r"3 strips \(s1, s2, s1\), of which 3 chosen"):
        api.load_record(table, strips=settings)
    with pytest.raises(ValueError, match="without a rate; expected fs"):
        api.find_records(table)
    with pytest.raises(api.RecordFault, match="duplicate_id"):
        api.find_records(tmp_path, strips=settings)[2].load()
    (tmp_path / "broken.csv").write_text("wave\n", encoding="utf-8")
    found = api.find_records(tmp_path, strips=settings)
    assert [one.name for one in found] == ["broken.csv", "s1", "s2", "s1"]
    assert found[2].load().signal.shape == (1, 3)
    with pytest.raises(api.RecordFault, match=r"malformed_table: .*broken\.csv: columns"):
        found[0].load()
    with pytest.raises(ValueError, match="without a rate; expected fs"):
        api.find_records(tmp_path)


def test_the_shipped_bundle_is_found_and_said_where_it_should_be(tmp_path, monkeypatch):
    bundle = api.load_bundle()
    assert bundle.classes == ("N", "S", "V")
    assert "leads      II, V1, V2, V4, V5" in api.describe(bundle)
    config = defaults.default_config(bundle)
    assert config["rpeaks"]["match_s"] > 0
    assert config["beats"]["rate"] is True
    value = json.loads((defaults.CHECKOUT / "models" / "mitdb" / "bundle.json").read_text(encoding="utf-8"))
    for name in ("classes", "leads", "signal", "beats", "quality"):
        assert config[name] == value[name]
    with pytest.raises(ValueError, match=r"no bundle.json; expected the folder of a bundle"):
        api.load_bundle(tmp_path)
    monkeypatch.setattr(defaults, "CHECKOUT", tmp_path)
    with pytest.raises(ValueError, match="expected the package to be imported from a checkout"):
        api.load_bundle()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "nowhere/r1"], "none of 1 records can be used"),
        (["describe", "nowhere"], "nowhere: no bundle.json"),
        (["plot", "nowhere/r1", "-o", "x.png"], "missing_header"),
        (["explain", "nowhere.csv", "--fs", "250"], "No such file"),
    ],
)
def test_the_command_says_what_is_wrong_in_words(arguments, said, capsys):
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.split("\n")[-2].startswith(f"beatlens {arguments[0]}: ")
    assert told.out == ""


def test_the_command_has_help_with_an_example(capsys):
    for name in ("predict", "explain", "plot", "formats", "describe"):
        with pytest.raises(SystemExit) as end:
            cli.main([name, "--help"])
        assert end.value.code == 0
        assert f"example:\n  beatlens {name}" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        cli.main(["plot", "r1", "-o", "x.txt"])
    assert end.value.code == 2
    assert "expected a name that ends in .svg, .png, .pdf" in capsys.readouterr().err
    assert cli.main(["formats"]) == 0
    assert capsys.readouterr().out.startswith("wfdb ")
