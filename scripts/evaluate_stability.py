"""Test whether explanations hold still under another seed, noise and an inserted beat: metrics/stability.csv."""

from __future__ import annotations

from beatlens import programs
from beatlens.artefacts import write_table
from beatlens.evaluate.probes import Probe, probe_arguments, probe_cases, probe_table, read_probe_arguments
from beatlens.evaluate.stability import inserted_beat, seed_to_seed, under_noise


def main() -> None:
    parser = programs.parser(__doc__)
    probe_arguments(parser)
    arguments = parser.parse_args()
    programs.start(arguments)
    given = read_probe_arguments(arguments)
    explain, probes, bundle = given.explain, given.probes, given.bundle
    rows: list[Probe] = []
    found = probe_cases(given.cases, given.shards, bundle, explain, given.seed, given.device)
    for probe in programs.progress(found, len(given.cases), "stability"):
        rows += seed_to_seed(probe, explain, probes)
        rows += under_noise(probe, explain, probes, bundle.signal)
        rows += inserted_beat(probe, explain, probes, bundle.spec.beats)
    write_table(arguments.output, probe_table(rows, given.evaluate, given.seed, given.bundle_sha256))


if __name__ == "__main__":
    main()
