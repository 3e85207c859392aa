"""Compare every artefact of a run with its manifest; exit with 1 and the rebuilding commands where one differs."""

from __future__ import annotations

import logging
import sys

from beatlens.run import manifest, programs

logger = logging.getLogger("verify")


def main() -> int:
    parser = programs.parser(
        __doc__,
        manifest="manifest of the run",
    )
    parser.add_argument("--restore-config", action="store_true", help="write run_config.yaml as the manifest holds it")
    arguments = programs.start(parser)
    try:
        listed = manifest.read(arguments.manifest)
    except ValueError as error:
        logger.error("%s", error)
        return 1
    if arguments.restore_config:
        logger.info("%s: written again", manifest.restore_config(listed))
        return 0
    faults = list(manifest.check(listed))
    for fault in faults:
        logger.error("%s: %s. Made by rule %s; rebuild it: %s", fault.path, fault.problem, fault.rule, fault.command)
    logger.info("%d artefacts checked, %d damaged or missing", len(listed["artefacts"]), len(faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
