"""Diagnostic regions: the table, and windows from the local RR intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beatlens.core.leads import STANDARD_LEADS
from beatlens.evaluate.explanations.localisation import Grid
from beatlens.evaluate.explanations.regions import beat_windows, read_regions, region_of, region_truth

TABLE = Path(__file__).parents[2] / "config/diagnostic_regions.csv"


@pytest.fixture(scope="module")
def regions():
    return {region.name: region for region in read_regions(TABLE)}


def test_the_table_has_the_26_scored_classes(regions):
    assert len(regions) == 26
    assert len({code for region in regions.values() for code in region.snomed}) == 30
    for region in regions.values():
        assert set(region.lenient) <= set(STANDARD_LEADS)
        assert set(region.strict) <= set(region.lenient)
        assert len(set(region.lenient)) == len(region.lenient)
    assert region_of(list(regions.values()), "V").name == "PVC"
    assert region_of(list(regions.values()), "63593006").name == "PAC"
    assert region_of(list(regions.values()), "STE") is None


def test_windows_by_hand(regions):
    """RR 1 s throughout: QT .40 s, T end .36 s after R."""
    times = np.arange(5.0)
    for name, expected in {
        "PAC": [(1.72, 1.95)],
        "IAVB": [(1.55, 1.95)],
        "LAD": [(1.95, 2.08)],
        "PVC": [(1.95, 2.20)],
        "TInv": [(2.06, 2.36)],
        "LQT": [(2.28, 2.48)],
        "AFL": [(2.36, 2.72)],
        "AF": [(2.36, 2.95)],
        "PR": [(1.88, 1.95), (1.95, 2.20)],
        "QAb": [(1.95, 2.0)],
    }.items():
        np.testing.assert_allclose(beat_windows(regions[name], times, 2), expected, atol=1e-9, err_msg=name)


def test_windows_keep_off_the_neighbours(regions):
    times = np.array([0.0, 0.8, 1.1, 1.9])
    p_start = 0.8 - 0.04 + 0.4 * np.sqrt(0.8)  # the T wave before ends here, later than half way back
    assert beat_windows(regions["PAC"], times, 2) == []  # no room between that T wave and QRS
    assert p_start > 1.05
    np.testing.assert_allclose(beat_windows(regions["PVC"], times, 1), [(0.75, 0.95)])  # clipped half way
    assert beat_windows(regions["SR"], times, 0)[0][0] >= -0.4
    with pytest.raises(ValueError, match="at least two"):
        beat_windows(regions["SR"], [1.0], 0)


def test_truth_on_the_grid_goes_by_lead_name(regions):
    grid = Grid(("MLII", "V1"), 100.0, 1.0, 200)
    strict = region_truth(regions["PVC"], np.arange(5.0), grid, beats=[2], others=[], strict=True)
    lenient = region_truth(regions["PVC"], np.arange(5.0), grid, beats=[2], others=[], strict=False)
    assert not strict.inside[0].any()
    np.testing.assert_array_equal(np.flatnonzero(strict.inside[1]), np.arange(95, 120))
    np.testing.assert_array_equal(lenient.inside[0], strict.inside[1])
    beside = region_truth(regions["PVC"], np.arange(5.0), grid, beats=[2], others=[1, 2], strict=True)
    np.testing.assert_array_equal(beside.inside, strict.inside)
    assert beside.counted[0].all()
    np.testing.assert_array_equal(np.flatnonzero(~beside.counted[1]), np.arange(0, 20))  # of the beat before
    assert (
        region_truth(regions["PVC"], np.arange(5.0), replace(grid, leads=("V6",)), beats=[2], others=[], strict=False)
        is None
    )
    assert region_truth(regions["PVC"], np.arange(9.0), grid, beats=[8], others=[], strict=False) is None


def test_bad_tables_name_the_line(tmp_path):
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    for number, old, new, message in (
        (1, "class,", "name,", "columns"),
        (5, ",P,", ",X,", "line 5: windows"),
        (5, ",no,", ",maybe,", "line 5: .*yes or no"),
        (6, "164889003", "426783006", r"line 6: \['426783006'\] again"),
    ):
        changed = list(lines)
        assert old in changed[number - 1]
        changed[number - 1] = changed[number - 1].replace(old, new)
        (tmp_path / "bad.csv").write_text("\n".join(changed), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_regions(tmp_path / "bad.csv")
