"""Predict the beats of a shard, at detected and at annotated R peaks."""

from __future__ import annotations

import logging
from pathlib import Path

from beatlens.core.files import TableWriter, read_table, write_table
from beatlens.core.remarks import remark_table
from beatlens.inputs.stored_predictions import reference_table
from beatlens.models.build import choose_device, make_deterministic
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.run import programs
from beatlens.shards.shard import Shard

logger = logging.getLogger(__name__)


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--shard", type=Path, required=True, help="shard directory")
    parser.add_argument("--records", type=Path, required=True, help="record table with the splits")
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory")
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected peaks, to write")
    parser.add_argument("--annotated", type=Path, required=True, help="predictions at annotated peaks, to write")
    parser.add_argument("--remarks", type=Path, required=True, help="remarks on records, to write")
    parser.add_argument("--look-alikes", type=Path, required=True, help="what look-alikes rest on, to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    programs.forget_primitives()
    settings = arguments.settings

    device = choose_device(settings["device"])
    logger.info("device: %s", device)
    make_deterministic(settings["compute_threads"], device)
    shard, bundle = Shard(arguments.shard), Bundle.load(arguments.bundle)
    logger.info("the model: %s", bundle.origin.words() if bundle.origin else "nothing is known of what it learnt from")
    records = read_table(arguments.records)
    splits = dict(zip(zip(records["corpus"], records["record"], strict=True), records["split"], strict=True))
    network = bundle.network(device)
    beside = Beside(references=[reference_table(shard.beats_of("", ""), None, bundle.spec)])  # columns, if no record
    for peaks, path in (("detected", arguments.beats), ("annotated", arguments.annotated)):
        with TableWriter(path) as writer:
            for beats in shard.beat_groups(peaks):
                own = beside if peaks == "detected" else None
                writer.add(predict_beats(shard, beats, splits, bundle, network, device=device, beside=own))
    with TableWriter(arguments.look_alikes) as writer:
        for part in beside.references:
            writer.add(part)
    for remark in beside.remarks:
        logger.warning("%s/%s: %s: %s; its beats go to review", *remark)
    write_table(arguments.remarks, remark_table(beside.remarks))


if __name__ == "__main__":
    main()
