"""The two runs of a comparison, and whether they can be compared at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.core.files import read_table, sha256_of
from beatlens.core.text_tables import few
from beatlens.evaluate.predictions.outcomes import NONE, check_predictions
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.shards.shard import REVIEWED

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComparedRun:
    """A finished run.

    Attributes
    ----------
    folder
        ``results/<run>``.
    name
        Of the run.
    classes
        Ids in order.
    beats, annotated
        Predictions at detected and at annotated R peaks; labels that reviewers gave are left out, as "".
    evaluate, seed
        How its scores are resampled.
    bundle
        Begin of the sha256 of the bundle's description, "" where the bundle isn't in the run.
    n_reviewed
        Labels that reviewers gave.
    """

    folder: Path
    name: str
    classes: tuple[str, ...]
    beats: pd.DataFrame
    annotated: pd.DataFrame
    evaluate: EvaluateSettings
    seed: int
    bundle: str
    n_reviewed: int

    @classmethod
    def open(cls, folder: Path) -> ComparedRun:
        """Read a run.

        Raises
        ------
        ValueError
            Where the folder isn't one of a run with predictions of beats.
        """
        import yaml

        for name in ("run_config.yaml", "predictions/beats.parquet", "predictions/beats_annotated.parquet"):
            if not (folder / name).is_file():
                raise ValueError(f"{folder}: no {name}; expected the folder of a finished run, such as results/demo")
        config: Mapping[str, Any] = yaml.safe_load((folder / "run_config.yaml").read_text(encoding="utf-8"))
        beats = read_table(folder / "predictions" / "beats.parquet")
        annotated = read_table(folder / "predictions" / "beats_annotated.parquet")
        check_predictions(beats, str(folder))
        reviewed = beats["label_source"] == REVIEWED
        bundle = folder / "model" / "bundle" / "bundle.json"
        return cls(
            folder,
            config["run"],
            tuple(config["classes"]),
            beats.assign(label=beats["label"].mask(reviewed, "")),
            annotated,
            EvaluateSettings.read(config["evaluate"]),
            int(config["seed"]),
            sha256_of(bundle)[:12] if bundle.is_file() else "",
            int(reviewed.sum()),
        )

    @property
    def records(self) -> set[tuple[str, str]]:
        """(corpus, record) that have a detected beat."""
        return set(zip(self.beats["corpus"], self.beats["record"], strict=True))

    def held_out(self) -> set[tuple[str, str]]:
        """(corpus, record) of the split test; of a given bundle metrics/leaks.csv says what it learnt from."""
        part = self.beats[self.beats["split"] == "test"]
        return set(zip(part["corpus"], part["record"], strict=True))


def common_records(before: ComparedRun, after: ComparedRun) -> set[tuple[str, str]]:
    """Return the (corpus, record) that both runs have, which is what they are compared by.

    Raises
    ------
    ValueError
        Where there is none, the runs have other classes, or the annotations of a record differ.
    """
    if set(before.classes) != set(after.classes):
        raise ValueError(
            f"{before.folder} has the classes {', '.join(before.classes)}, {after.folder} {', '.join(after.classes)}; "
            "expected the same"
        )
    common = before.records & after.records
    if not common:
        names = [few(["/".join(key) for key in sorted(run.records)[:3]]) for run in (before, after)]
        raise ValueError(
            f"{before.folder} and {after.folder} have no record in common, with records such as {names[0]} and "
            f"{names[1]}; expected the same corpora and records"
        )
    labels = [_annotations(run, common) for run in (before, after)]
    both = {beat_id[0] for beat_id in labels[0]} & {beat_id[0] for beat_id in labels[1]}
    kept = [{(beat_id, label) for record, beat_id, label in found if record in both} for found in labels]
    differ = sorted(kept[0] ^ kept[1])
    if differ:
        beat_id, _ = differ[0]
        told = [dict(found).get(beat_id, "no annotation") or "no class" for found in kept]
        raise ValueError(
            f"{before.folder} and {after.folder} are annotated differently in {len(differ)} places, such as "
            f"{beat_id}: {told[0]} and {told[1]}; expected the same annotations and label tables"
        )
    return common


def _annotations(run: ComparedRun, records: set[tuple[str, str]]) -> set[tuple[tuple[str, str], str, str]]:
    """Return record, beat id and label of each annotated beat; of records with one label as a whole, the label."""
    annotated, beats = run.annotated, run.beats
    rows = zip(annotated["corpus"], annotated["record"], annotated["beat_id"], annotated["label"], strict=True)
    found = {((corpus, record), beat_id, label) for corpus, record, beat_id, label in rows}
    weak = beats[beats["label_source"] == "record"].drop_duplicates(["corpus", "record"])
    weak = weak[~weak["label"].isin(["", NONE])]
    whole = zip(weak["corpus"], weak["record"], weak["label"], strict=True)
    found |= {((corpus, record), f"{corpus}/{record}", label) for corpus, record, label in whole}
    return {entry for entry in found if entry[0] in records}
