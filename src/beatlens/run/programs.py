"""What the programs in scripts/ share: arguments, logging to a file and the terminal, progress, threads."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from beatlens.core import claims

Item = TypeVar("Item")
logger = logging.getLogger(__name__)


class Several(str):
    """What an option is that takes one path or more."""


def parser(description: str | None, /, **files: str) -> argparse.ArgumentParser:
    """Return an argument parser with what every program takes, ``--log`` and ``--settings``, and with its files.

    Parameters
    ----------
    description
        The program's docstring.
    files
        Files and folders that must be given: the option's name (``_`` for ``-``), and what it is. Such an option takes
        one path, or several where that is a `Several`.
    """
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--log", type=Path, help="log file; the terminal shows progress all the same")
    result.add_argument("--settings", type=json.loads, default={}, help="sections of the configuration, as JSON")
    for name, what in files.items():
        number = "+" if isinstance(what, Several) else None
        result.add_argument(f"--{name.replace('_', '-')}", type=Path, nargs=number, required=True, help=what)
    return result


def named_path(text: str) -> tuple[str, Path]:
    """Parse ``NAME=PATH``, for use as an argument type."""
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"{text!r}; expected NAME=PATH")
    return name, Path(path)


def start(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the arguments that the program was called with; its log is open from then on."""
    arguments = parser.parse_args()
    open_log(arguments.log)
    return arguments


def open_log(path: Path | None) -> None:
    """Take the claim of the log, and send log records to it and to standard error, and uncaught errors to both."""
    open_standard_streams()
    claims.take(path)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    logging.basicConfig(
        level=logging.INFO, handlers=handlers, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.captureWarnings(True)

    def report(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            logger.error("interrupted")
        else:
            logger.error("%s", error, exc_info=(kind, error, trace))

    sys.excepthook = report


def open_standard_streams() -> None:
    """Open the null device where standard input, output or error is closed; else the next opened file would be that."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def forget_primitives() -> None:
    """Keep torch's convolutions from holding a compiled primitive of each batch size; call it before the first one.

    oneDNN keeps up to 1,024 of them, some MB a batch size: memory would grow with the number of batches.
    """
    os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "0"


def progress(items: Iterable[Item], total: int, what: str, every_s: float = 5.0) -> Iterator[Item]:
    """Yield items and log how many of them are done: on a terminal in place, in a log every few seconds."""
    began = last = time.monotonic()
    terminal = sys.stderr.isatty()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if terminal:
            sys.stderr.write(f"\r{what}: {done} of {total} ({now - began:.0f} s)" + ("\n" if done == total else ""))
            sys.stderr.flush()
        if now - last >= every_s or done == total:
            last = now
            claims.check()
            logger.log(logging.DEBUG if terminal and done < total else logging.INFO, "%s: %d of %d", what, done, total)
