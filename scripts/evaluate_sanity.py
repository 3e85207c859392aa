"""Test whether explanations follow weights, class and a planted leak: metrics/sanity.csv."""

from __future__ import annotations

from beatlens.core.files import write_table
from beatlens.evaluate.probes.artefact import artefact_test
from beatlens.evaluate.probes.sanity import class_sensitivity, randomisation
from beatlens.evaluate.probes.shared import Probe, probe_arguments, probe_table, read_probe_arguments
from beatlens.explain.explainer import PreparedCase
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    probe_arguments(parser)
    arguments = programs.start(parser)
    given = read_probe_arguments(arguments)
    explainer, probes = given.explainer, given.probes
    n_classes, seed = len(explainer.bundle.classes), explainer.seed
    rows: list[Probe] = []

    def tests(case: PreparedCase) -> list[Probe]:
        return [*randomisation(case, probes), *class_sensitivity(case, n_classes)]

    for found in programs.progress(given.each(tests), len(given.cases), "sanity"):
        rows += found
    rows += artefact_test(given.shards, explainer.bundle, explainer.settings, probes, seed)
    write_table(arguments.output, probe_table(rows, given.evaluate, seed, given.bundle_sha256))


if __name__ == "__main__":
    main()
