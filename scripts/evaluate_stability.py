"""Test whether explanations hold still under another seed, noise and an inserted beat: metrics/stability.csv."""

from __future__ import annotations

from beatlens.core.files import write_table
from beatlens.evaluate.probes.shared import Probe, probe_arguments, probe_table, read_probe_arguments
from beatlens.evaluate.probes.stability import inserted_beat, seed_to_seed, under_noise
from beatlens.explain.explainer import PreparedCase
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    probe_arguments(parser)
    arguments = programs.start(parser)
    given = read_probe_arguments(arguments)
    probes, bundle = given.probes, given.explainer.bundle
    rows: list[Probe] = []

    def tests(case: PreparedCase) -> list[Probe]:
        return [
            *seed_to_seed(case, probes),
            *under_noise(case, probes, bundle.signal),
            *inserted_beat(case, probes, bundle.spec.beats),
        ]

    for found in programs.progress(given.each(tests), len(given.cases), "stability"):
        rows += found
    write_table(arguments.output, probe_table(rows, given.evaluate, given.explainer.seed, given.bundle_sha256))


if __name__ == "__main__":
    main()
