"""Write the network of each fold that has an explained record, as a bundle named by the fold."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import atomic_directory, read_arrays, read_table
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.settings import ReviewSettings
from beatlens.learning.diagnoses.cross_fit import FoldOutputs, read_job
from beatlens.learning.diagnoses.fold_bundles import fold_bundle
from beatlens.models.build import make_deterministic
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        cases="table of cases",
        labels="table of labels and folds",
        features=programs.Several("measured records of all shards"),
        bundle="bundle of diagnoses",
        weights="weights of the Challenge score",
        output="folder to write",
    )
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="outputs of the folds, in order")
    arguments = programs.start(parser)
    settings = arguments.settings
    make_deterministic(settings["compute_threads"], "cpu")
    labels, bundle = read_table(arguments.labels), DiagnosisBundle.read(arguments.bundle)
    explained = sorted({fold for fold in read_table(arguments.cases)["fold"].tolist() if fold >= 0})
    weights, review = ChallengeWeights.read(arguments.weights), ReviewSettings.read(settings["review"])
    with atomic_directory(arguments.output) as folder:
        job = read_job(labels, arguments.features, settings) if explained else None
        for fold in explained if job else ():
            part = FoldOutputs.from_arrays(read_arrays(arguments.folds[fold]))
            made = fold_bundle(job, fold, part, labels=labels, bundle=bundle, weights=weights, review=review)
            made.write(folder / str(fold))


if __name__ == "__main__":
    main()
