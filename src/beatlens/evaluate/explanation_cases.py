"""Walk over the cases of a run and score the explanations of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from beatlens.bundle import Bundle
from beatlens.evaluate.explanation_table import CaseScores
from beatlens.evaluate.explanations import score_case
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.archive import load_case
from beatlens.explain.explainer import case_edges, case_engine, case_rows
from beatlens.explain.settings import ExplainSettings
from beatlens.shards import Shard

if TYPE_CHECKING:
    import pandas as pd


def score_cases(
    cases: pd.DataFrame,
    shards: Sequence[Shard],
    bundle: Bundle,
    methods: Mapping[str, Path],
    evaluate: EvaluateSettings,
    explain: ExplainSettings,
    seed: int,
    device: str = "cpu",
) -> Iterator[CaseScores]:
    """Score every case, in the order of the case table.

    Parameters
    ----------
    cases
        The case table.
    shards
        Shards that hold the cases' records between them.
    bundle
        The trained model.
    methods
        Method -> directory of ``<case>.npz``.
    evaluate, explain
        Sections of the configuration.
    seed
        The run's seed.
    device
        ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        Where no shard holds a case's record.
    """
    network = bundle.network(device)
    beats = {shard.path: shard.beats("detected") for shard in shards}
    for case in case_rows(cases):
        key = (case.corpus, case.record)
        holding = [shard for shard in shards if key in shard]
        if len(holding) != 1:
            raise ValueError(f"case {case.case}: {len(holding)} shards hold {case.corpus}/{case.record}; expected one")
        shard = holding[0]
        table = beats[shard.path]
        engine, target = case_engine(case, shard, table, bundle, network, explain, device)
        beat = next(table[table["beat_id"] == case.beat_id].itertuples(index=False))
        truth = shard.truth
        spans = truth[(truth["corpus"] == case.corpus) & (truth["record"] == case.record)]
        attributions = {name: load_case(folder, case.case) for name, folder in methods.items()}
        edges = case_edges(engine.scene, explain)
        yield score_case(case, attributions, engine, target, edges, beat, spans, evaluate, seed)
