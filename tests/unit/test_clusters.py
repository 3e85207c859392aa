"""Which clusters of beats become prototypes."""

from __future__ import annotations

import numpy as np

from beatlens.prototypes.clusters import Cluster, choose


def cluster(patient, size, leads=("II", "V1")):
    wave = np.zeros((len(leads), 4), dtype=np.float32)
    scale = np.ones(len(leads), dtype=np.float32)
    return Cluster("N", "c", patient, "r", leads, (f"{patient}/{size}",), wave, wave, scale, size, 1.0, (0.8, 0.8))


def test_every_patients_largest_cluster_comes_first():
    clusters = [cluster("a", 50), cluster("a", 40), cluster("b", 10), cluster("c", 5)]
    assert [c.patient for c in choose(clusters, 3, 2)] == ["a", "b", "c"]
    assert [(c.patient, c.size) for c in choose(clusters, 9, 2)] == [("a", 50), ("b", 10), ("c", 5), ("a", 40)]
    assert len(choose(clusters, 9, 1)) == 3


def test_a_lead_of_few_beats_is_not_left_out():
    long = [cluster(f"p{k}", 100 - k) for k in range(6)]
    short = [cluster(f"q{k}", 5 - k, ("II", "V1", "V6")) for k in range(3)]
    chosen = choose([*long, *short], 5, 3)
    assert [c.patient for c in chosen] == ["p0", "p1", "p2", "q0", "q1"]
    assert [c.patient for c in choose([*long, *short], 2, 3)] == ["p0", "p1"]
