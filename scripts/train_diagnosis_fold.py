"""Train networks of diagnoses without a fold of the patients, and run them over patients that they haven't seen."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_arrays
from beatlens.corpora.diagnosis_table import diagnosis_names
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.learning.diagnoses.cross_fit import classes_of, read_job
from beatlens.learning.diagnoses.make_bundle import BundleMaker
from beatlens.models.build import make_deterministic
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        labels="table of labels and folds",
        features=programs.Several("measured records of all shards"),
        weights="weights of the Challenge score",
        tables=programs.Several("diagnosis tables"),
        outputs="outputs to write",
        bundle="folder of the fold's bundle to write",
    )
    parser.add_argument("--fold", type=int, required=True, help="which of diagnoses.folds, from 0")
    parser.add_argument("--encoder", type=Path, help="bundle of beats whose encoder is shared")
    arguments = programs.start(parser)
    settings = arguments.settings
    make_deterministic(settings["compute_threads"], "cpu")
    labels = read_table(arguments.labels)
    job = read_job(labels, arguments.features, settings, arguments.encoder)
    names = diagnosis_names(arguments.tables, classes_of(labels))
    maker = BundleMaker(job, labels, names, ChallengeWeights.read(arguments.weights), settings)
    bundle, outputs = maker.of_fold(arguments.fold)
    bundle.write(arguments.bundle)
    write_arrays(arguments.outputs, outputs.to_arrays())


if __name__ == "__main__":
    main()
