"""What a run predicted of the beats that are reviewed, and which run and bundle that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from beatlens.core.files import sha256_of
from beatlens.corpora.reviewed import parts


@dataclass(frozen=True)
class ReviewedRun:
    """A finished run that is reviewed.

    Attributes
    ----------
    folder
        ``results/<run>``.
    run, bundle_sha256
        Its name, and the sha256 of its bundle's bundle.json.
    classes
        Ids of the classes, in order.
    """

    folder: Path
    run: str
    bundle_sha256: str
    classes: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> ReviewedRun:
        """Open a run.

        Raises
        ------
        ValueError
            Where the folder holds no predictions of beats, or the bundle that made them isn't where it was.
        """
        for name in ("run_config.yaml", "predictions/beats.parquet"):
            if not (folder / name).is_file():
                raise ValueError(f"{folder}: no {name}; expected the folder of a finished run, such as results/demo")
        config = _config(folder)
        bundle = bundle_file(folder)
        if bundle is None:
            raise ValueError(
                f"{folder}: no bundle.json in {config['bundle'] or 'model/bundle'}; expected the run's bundle"
            )
        return cls(folder, config["run"], sha256_of(bundle), tuple(config["classes"]))

    @property
    def _table(self) -> Path:
        return self.folder / "predictions" / "beats.parquet"

    @cached_property
    def n_review(self) -> int:
        """Beats that the run left to a person."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        return int(pc.sum(pq.read_table(self._table, columns=["review"])["review"]).as_py() or 0)

    def prediction(self, beat_id: str) -> str | None:
        """Return the predicted class of a beat, None where the run has no such beat."""
        place = parts(beat_id)
        made = self._table.stat().st_mtime_ns  # so that a run that was made again isn't answered from memory
        return _predictions(self._table, made, place[0], place[1]).get(beat_id) if place else None

    def in_review(self, beat_ids: frozenset[str]) -> int:
        """Return how many of these beats the run left to a person."""
        return _in_review(self._table, self._table.stat().st_mtime_ns, beat_ids) if beat_ids else 0


def bundle_file(folder: Path) -> Path | None:
    """Return the bundle.json that predicted a run's beats, None where it isn't there (any more)."""
    if not (folder / "run_config.yaml").is_file():
        return None
    given = _config(folder)["bundle"]
    # As the workflow looks for it: where the run was started, and where the project lies.
    roots = (folder.resolve().parents[1], Path.cwd(), Path(__file__).parents[3])
    places = [root / given for root in roots] if given else [folder / "model" / "bundle"]
    return next((place / "bundle.json" for place in places if (place / "bundle.json").is_file()), None)


def _config(folder: Path) -> dict[str, Any]:
    import yaml

    config: dict[str, Any] = yaml.safe_load((folder / "run_config.yaml").read_text(encoding="utf-8"))
    return config


@lru_cache(maxsize=64)
def _predictions(table: Path, made: int, corpus: str, record: str) -> dict[str, str]:
    """Return the predicted class by beat of a record, of a table that was last written at `made`."""
    import pyarrow.parquet as pq

    filters = [("corpus", "==", corpus), ("record", "==", record)]
    rows = pq.read_table(table, columns=["beat_id", "pred"], filters=filters)
    return dict(zip(rows["beat_id"].to_pylist(), rows["pred"].to_pylist(), strict=True))


@lru_cache(maxsize=2)
def _in_review(table: Path, made: int, beat_ids: frozenset[str]) -> int:
    import pyarrow.parquet as pq

    filters = [("review", "==", True), ("beat_id", "in", sorted(beat_ids))]
    return int(pq.read_table(table, columns=["beat_id"], filters=filters).num_rows)
