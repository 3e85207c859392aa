"""Snakemake, imported once for many calls: each is a fork of this process, which saves two thirds of a dry run.

Reads a call a line (JSON: arguments, folder, environment, and the file for what it says), and answers each with its
exit status. What needs a process of its own from the start (a kill, a command of the README) runs Snakemake as it is.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from typing import NoReturn

LIMIT_S = 1200
"""A call that takes longer hangs, and is ended."""


def run(arguments: list[str], folder: str, environment: dict[str, str], said: str) -> NoReturn:
    """Become a call of Snakemake."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream, file in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(file, stream)
    signal.alarm(LIMIT_S)
    sys.argv = ["snakemake", *arguments]
    main(arguments)
    raise AssertionError("snakemake.cli.main returned")


def serve() -> None:
    """Answer calls until there are no more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    import pandas  # noqa: F401  with smart_open, what Snakemake imports on its way
    import smart_open  # type: ignore[import-untyped]  # noqa: F401
    from snakemake.cli import get_argument_parser, main

    get_argument_parser()  # imports its plugins
    gc.disable()  # calls are short
    serve()
