"""Say which diagnoses each record has: training records by networks that haven't seen them, others by the bundle."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, read_table, write_table
from beatlens.inputs.diagnoses.feature_file import read_features
from beatlens.learning.diagnoses.answers import Answers
from beatlens.learning.diagnoses.cross_fit import FoldOutputs
from beatlens.models.build import make_deterministic
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        labels="table of labels and folds",
        features=programs.Several("measured records of all shards"),
        bundle="folder of the bundle",
        predictions="table to write",
        lead_predictions="table with fewer leads to write",
    )
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="outputs of the folds")
    parser.add_argument("--fold-bundles", type=Path, nargs="*", default=[], help="folders of their bundles")
    arguments = programs.start(parser)
    make_deterministic(arguments.settings["compute_threads"], "cpu")
    labels = read_table(arguments.labels)
    keys = list(zip(labels["corpus"], labels["record"], strict=True))
    bundle = DiagnosisBundle.read(arguments.bundle)
    bundle.check_sections(arguments.settings)
    outputs = [FoldOutputs.from_arrays(read_arrays(path)) for path in arguments.folds]
    bundles = [DiagnosisBundle.read(path) for path in arguments.fold_bundles]
    folds = list(zip(outputs, bundles, strict=True))
    answers = Answers(labels, read_features(arguments.features, keys), folds, bundle)
    write_table(arguments.predictions, answers.table())
    write_table(arguments.lead_predictions, answers.with_fewer_leads())


if __name__ == "__main__":
    main()
