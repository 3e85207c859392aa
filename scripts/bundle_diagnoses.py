"""Train the network of diagnoses on all training patients; fit its decision on outputs for patients not seen."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, read_table
from beatlens.corpora.diagnosis_table import diagnosis_names
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.learning.diagnoses.cross_fit import FoldOutputs, classes_of, read_job
from beatlens.learning.diagnoses.make_bundle import BundleMaker
from beatlens.models.build import make_deterministic
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        labels="table of labels and folds",
        features=programs.Several("measured records of all shards"),
        folds=programs.Several("outputs of the folds"),
        weights="weights of the Challenge score",
        tables=programs.Several("diagnosis tables"),
        output="folder of the bundle to write",
    )
    parser.add_argument("--encoder", type=Path, help="bundle of beats whose encoder is shared")
    arguments = programs.start(parser)
    make_deterministic(arguments.settings["compute_threads"], "cpu")
    labels = read_table(arguments.labels)
    job = read_job(labels, arguments.features, arguments.settings, arguments.encoder)
    names = diagnosis_names(arguments.tables, classes_of(labels))
    maker = BundleMaker(job, labels, names, ChallengeWeights.read(arguments.weights), arguments.settings)
    parts = [FoldOutputs.from_arrays(read_arrays(path)) for path in arguments.folds]
    maker.last(parts).write(arguments.output)


if __name__ == "__main__":
    main()
