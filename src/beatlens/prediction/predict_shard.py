"""The predictions of a shard as files: what `beatlens.inputs.stored_predictions` and every later stage read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from beatlens.core.files import TableWriter, write_table
from beatlens.core.remarks import Remark, remark_table
from beatlens.inputs.stored_predictions import BEATS, LOOK_ALIKES, reference_table
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import Shard

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictionFiles:
    """Where the predictions of a shard go: beats at detected and at annotated R peaks, remarks, look-alikes."""

    beats: Path
    annotated: Path
    remarks: Path
    look_alikes: Path

    @classmethod
    def of(cls, folder: Path) -> PredictionFiles:
        """Return the files of a folder under the names that they have in a run."""
        return cls(folder / BEATS, folder / "beats_annotated.parquet", folder / "remarks.tsv", folder / LOOK_ALIKES)


def predict_shard(
    shard: Shard, splits: Mapping[tuple[str, str], str], bundle: Bundle, device: str, files: PredictionFiles
) -> list[Remark]:
    """Predict every beat of a shard and write its files.

    Parameters
    ----------
    shard
        The shard.
    splits
        Split of each ``(corpus, record)``.
    bundle
        The trained model.
    device
        ``cpu`` or ``cuda``.
    files
        Where the predictions go.

    Returns
    -------
    Remarks on the records, as they are written
    """
    network = bundle.network(device)
    beside = Beside(references=[reference_table(shard.beats_of("", ""), None, bundle.spec)])  # columns, if no record
    for peaks, path in (("detected", files.beats), ("annotated", files.annotated)):
        with TableWriter(path) as writer:
            for beats in shard.beat_groups(peaks):
                gathered = beside if peaks == "detected" else None
                writer.add(predict_beats(shard, beats, splits, bundle, network, device=device, beside=gathered))
    with TableWriter(files.look_alikes) as writer:
        for part in beside.references:
            writer.add(part)
    for remark in beside.remarks:
        logger.warning("%s/%s: %s: %s; its beats go to review", *remark)
    write_table(files.remarks, remark_table(beside.remarks))
    return beside.remarks
