"""Score diagnoses of records: by diagnosis, over all, by database, and with fewer leads."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.settings import ReviewSettings
from beatlens.evaluate.predictions.diagnoses.scores import DiagnosisScoring, evaluate_diagnoses
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        predictions="predictions/diagnoses.parquet",
        weights="weights of the Challenge score",
        output="table of scores to write",
    )
    parser.add_argument("--leads", type=Path, help="predictions/diagnoses_leads.parquet; left out where there is none")
    arguments = programs.start(parser)
    settings = arguments.settings
    scoring = DiagnosisScoring(
        EvaluateSettings.read(settings["evaluate"]),
        ChallengeWeights.read(arguments.weights),
        ReviewSettings.read(settings["review"]).conformal_alpha,
        settings["seed"],
    )
    of_leads = read_table(arguments.leads) if arguments.leads else None
    write_table(arguments.output, evaluate_diagnoses(read_table(arguments.predictions), scoring, of_leads))


if __name__ == "__main__":
    main()
