"""A finished run, opened: its tables, records, explained cases and prototypes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.core.files import read_table
from beatlens.explain.case.choice import case_rows
from beatlens.shards.shard import Shard
from beatlens.workbench.defaults import CHECKOUT, load_bundle
from beatlens.workbench.explanation import FUSED, Explanation
from beatlens.workbench.predicted import PredictedRecord, Predictions
from beatlens.workbench.prototypes import Prototypes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A folder of results; of `open_run`. Tables are as docs/architecture.md describes the files.

    Attributes
    ----------
    folder
        ``results/<run>``.
    """

    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The whole configuration."""
        import yaml

        value: dict[str, Any] = yaml.safe_load((self.folder / "run_config.yaml").read_text(encoding="utf-8"))
        return value

    def beats(self) -> pd.DataFrame:
        """Return a row a detected beat: ``beat_id``, ``label``, ``split``, ``p_<class>``, ``pred``, ``review`` ..."""
        return self.table("predictions/beats.parquet")

    def records(self) -> pd.DataFrame:
        """Return a row a used record: ``corpus``, ``record``, ``patient``, ``split``, ``leads``, ``n_beats`` ..."""
        return self.table("records.tsv")

    def cases(self) -> pd.DataFrame:
        """Return a row an explained case: ``case``, ``beat_id``, ``class``, ``outcome``, ``probability`` ..."""
        return self.table("explanations/cases.csv")

    def table(self, name: str) -> pd.DataFrame:
        """Read another table of the run, by its path in the folder, such as ``alerts/clusters.csv``.

        Raises
        ------
        ValueError
            Where the run hasn't got it.
        """
        path = self.folder / name
        if not path.is_file():
            raise ValueError(f"{path}: no such table; expected one of a finished run (docs/architecture.md lists them)")
        return read_table(path)

    def record(self, name: str) -> PredictedRecord:
        """Open a record.

        Parameters
        ----------
        name
            ``corpus/record``, or the record's name alone where one corpus has it.

        Raises
        ------
        ValueError
            Where the run has no such record, or several.
        """
        keys = [key for shard in self._predictions.shards for key in shard.records[["corpus", "record"]].to_numpy()]
        found = [(corpus, record) for corpus, record in keys if name in (record, f"{corpus}/{record}")]
        if len(found) != 1:
            names = ["/".join(key) for key in (found or sorted(map(tuple, keys)))]
            examples = ", ".join((difflib.get_close_matches(name, names, n=3, cutoff=0.6) or names)[:3])
            raise ValueError(
                f"{self.folder}: {len(found)} records {name!r}; expected one of its {len(keys)}: {examples}"
            )
        return PredictedRecord(*found[0], self._predictions)

    def record_of(self, beat_id: str) -> PredictedRecord:
        """Open the record of a beat.

        Parameters
        ----------
        beat_id
            ``corpus/record/r_sample``.

        Raises
        ------
        ValueError
            Where the run has no such record, or the record no such beat; the nearest ones are named.
        """
        from beatlens.explain.case.named import missing_beat

        if beat_id.count("/") != 2 or not beat_id.rpartition("/")[2].isdecimal():
            raise ValueError(
                f"beat {beat_id!r}; expected an id, corpus/record/r_sample, as in predictions/beats.parquet"
            )
        record = self.record(beat_id.rpartition("/")[0])
        beats = record.beats
        allowed = missing_beat(beats, beat_id, record.duration_s) if len(beats) else "a beat; the record has none"
        if allowed:
            raise ValueError(f"{self.folder}: beat {beat_id!r}; expected {allowed}")
        return record

    def path_of(self, record: PredictedRecord) -> Path:
        """Return where the files of a record lie, without their ending."""
        from beatlens.corpora.index import corpus_folder
        from beatlens.corpora.record_sheet import read_sheet

        rows = read_sheet(self.folder / "record_sheet.tsv")
        path = next(row.path for row in rows if (row.corpus, row.record) == (record.corpus, record.name))
        corpus = next(corpus for corpus in self.config["corpora"] if corpus["name"] == record.corpus)
        return corpus_folder(corpus, self.config["data_dir"], self.folder.parent) / path

    def case(self, name: str, method: str = FUSED) -> Explanation:
        """Open an explained case.

        Parameters
        ----------
        name
            Its id, in the column ``case`` of `cases`.
        method
            ``fused`` or one of the run's methods.

        Raises
        ------
        ValueError
            Where the run hasn't got the case or the method.
        """
        from beatlens.explain.result.archive import load_case

        rows = self.cases()
        (*found,) = case_rows(rows[rows["case"] == name])
        if len(found) != 1:
            raise ValueError(f"{self.folder}: no case {name!r}; expected one of {', '.join(rows['case'])}")
        methods = self.config["explain"]["methods"]
        if method not in (FUSED, *methods):
            raise ValueError(f"{self.folder}: no explanations by {method!r}; expected {', '.join([FUSED, *methods])}")
        folder, parts = self.folder / "explanations", methods if method == FUSED else [method]
        record = self.record(f"{found[0].corpus}/{found[0].record}")
        return Explanation(
            found[0], load_case(folder / method, name), {part: load_case(folder / part, name) for part in parts}, record
        )

    def prototypes(self) -> Prototypes:
        """Open the prototypes: beats of training patients that stand for the classes.

        Raises
        ------
        ValueError
            For a run that was given a bundle, and so mined none.
        """
        if not (self.folder / "prototypes" / "library.csv").is_file():
            raise ValueError(f"{self.folder}: no prototypes/library.csv; expected a run that trained its model")
        return Prototypes.of_run(self.folder)

    @cached_property
    def _predictions(self) -> Predictions:
        paths = sorted(path.parent for path in (self.folder / "preprocess").glob("*/records.parquet"))
        folders = tuple(self.folder / "predictions" / "shards" / path.name for path in paths)
        missing = [str(folder) for folder in folders if not (folder / "beats.parquet").is_file()]
        if missing or not paths:
            raise ValueError(f"{self.folder}: no predictions in {missing or 'preprocess'}; expected a finished run")
        given = self.config["bundle"]
        places = [Path(given), CHECKOUT / given] if given else [self.folder / "model" / "bundle"]
        bundle = load_bundle(next((place for place in places if place.is_dir()), places[0]))
        return Predictions(tuple(Shard(path) for path in paths), folders, bundle, self.config)


def open_run(folder: str | Path) -> Run:
    """Open a finished run.

    Parameters
    ----------
    folder
        Its folder of results, such as ``results/demo``.

    Returns
    -------
    Run
        Nothing is read before it is asked for.

    Raises
    ------
    ValueError
        For a folder that isn't one of results.

    Examples
    --------
    >>> from beatlens.api import open_run
    >>> run = open_run("results/demo")
    >>> run.beats()[["beat_id", "pred"]].columns.tolist()
    ['beat_id', 'pred']
    >>> run.record("a01").leads
    ('II', 'V1')
    >>> run.case(run.cases()["case"][0]).plot().savefig("case.png")
    >>> run.prototypes().plot("N").savefig("N.png")
    """
    path = Path(folder).expanduser()
    if not (path / "run_config.yaml").is_file():
        raise ValueError(f"{path}: no run_config.yaml; expected the folder of a finished run, such as results/demo")
    return Run(path)
