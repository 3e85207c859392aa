"""Predict the beats of a shard, at detected and at annotated R peaks."""

from __future__ import annotations

import logging

from beatlens.core.files import read_table
from beatlens.models.build import choose_device, make_deterministic
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict_shard import PredictionFiles, predict_shard
from beatlens.run import programs
from beatlens.shards.shard import Shard

logger = logging.getLogger(__name__)


def main() -> None:
    parser = programs.parser(
        __doc__,
        shard="shard directory",
        records="record table with the splits",
        bundle="bundle directory",
        beats="predictions at detected peaks, to write",
        annotated="predictions at annotated peaks, to write",
        remarks="remarks on records, to write",
        look_alikes="what look-alikes rest on, to write",
    )
    arguments = programs.start(parser)
    programs.forget_primitives()
    settings = arguments.settings

    device = choose_device(settings["device"])
    logger.info("device: %s", device)
    make_deterministic(settings["compute_threads"], device)
    bundle = Bundle.load(arguments.bundle)
    logger.info("the model: %s", bundle.origin.words() if bundle.origin else "nothing is known of what it learnt from")
    records = read_table(arguments.records)
    splits = dict(zip(zip(records["corpus"], records["record"], strict=True), records["split"], strict=True))
    files = PredictionFiles(arguments.beats, arguments.annotated, arguments.remarks, arguments.look_alikes)
    predict_shard(Shard(arguments.shard), splits, bundle, device, files)


if __name__ == "__main__":
    main()
