"""The files of a run that a record's page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.core.files import read_json, read_table
from beatlens.explain.result.archive import load_case
from beatlens.explain.result.attribution import Attribution
from beatlens.review.predicted_beats import bundle_file
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

TABLES = {
    "records": "records.tsv",
    "episodes": "predictions/episodes.parquet",
    "remarks": "predictions/remarks.tsv",
    "holter": "predictions/holter.parquet",
    "hours": "predictions/hours.parquet",
    "cases": "explanations/cases.csv",
    "class-cases": "explanations/classes/cases.csv",
    "words": "explanations/words.csv",
    "diagnoses": "predictions/diagnoses.parquet",
    "diagnosis-facts": "figures/diagnoses/cases/facts.csv",
}
"""Tables of a run by name; which of them there are depends on what was asked for."""
DIAGNOSIS_BUNDLE = "diagnoses/bundle/bundle.json"


@dataclass(frozen=True)
class RunFiles:
    """Some files of a run's folder.

    Attributes
    ----------
    folder
        Folder of the run.
    names
        Names of `TABLES` that may be read. A file of another run of the same name may still lie there.
    predicted
        Whether beats were predicted.
    diagnosis_bundle
        The ``bundle.json`` that names the diagnoses, None where there are none.
    beat_bundle
        The ``bundle.json`` that predicted beats, None where none did.
    """

    folder: Path
    names: frozenset[str]
    predicted: bool
    diagnosis_bundle: Path | None = None
    beat_bundle: Path | None = None

    @classmethod
    def all_of(cls, folder: Path) -> RunFiles:
        """Return every file that there is."""
        names = frozenset(name for name, path in TABLES.items() if (folder / path).is_file())
        bundle = folder / DIAGNOSIS_BUNDLE
        predicted = (folder / "predictions" / "shards").is_dir()
        return cls(
            folder, names, predicted, bundle if bundle.is_file() else None, bundle_file(folder) if predicted else None
        )

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a table, None where it wasn't given."""
        return read_table(self.folder / TABLES[name]) if name in self.names else None

    def of_record(self, tables: Mapping[str, pd.DataFrame], name: str, corpus: str, record: str) -> pd.DataFrame | None:
        """Return a record's rows of a table read before, None where there is no such table."""
        table = tables.get(name)
        if table is None:
            return None
        return table[(table["corpus"] == corpus) & (table["record"] == record)]

    def tables(self, names: Iterable[str]) -> dict[str, pd.DataFrame]:
        """Return those of some tables that were given."""
        return {name: table for name in names if (table := self.table(name)) is not None}

    def shard(self, name: str) -> Shard:
        """Return a shard of preprocessed records."""
        return Shard(self.folder / "preprocess" / name)

    def beats(self, shard: str) -> pd.DataFrame:
        """Return the predictions of a shard; the beats that were found, where they aren't predicted."""
        if self.predicted:
            return read_table(self.folder / "predictions" / "shards" / shard / "beats.parquet")
        return self.shard(shard).beats(columns=["beat_id", "corpus", "record", "r_sample", "r_time_s"])

    def diagnosis_names(self) -> dict[str, str]:
        """Return name by id of diagnosis, as the bundle says."""
        classes: list[dict[str, Any]] = read_json(self.diagnosis_bundle)["classes"] if self.diagnosis_bundle else []
        return {each["id"]: each["name"] for each in classes}

    def attribution(self, method: str, case: str, among: str = "") -> Attribution:
        """Return what a method says of a case; `among` is ``classes`` or ``diagnoses`` for one of these."""
        return load_case(self.folder / "explanations" / among / method, case)
