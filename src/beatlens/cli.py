"""The command `beatlens`: predictions, explanations and figures of records, each a few lines over `beatlens.api`.

Tables go to standard output or to --output (.csv, .tsv, .parquet), figures to .svg, .png or .pdf; remarks on records go
to standard error. The exit status is 0, or 1 where some records couldn't be used, or 2 where there is no result.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from beatlens import __version__, api
from beatlens.core.files import write_table

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (".svg", ".png", ".pdf")
TABLES = (".csv", ".tsv", ".parquet")


class Unusable(Exception):
    """Some records couldn't be used; the others were done."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments
        Of the command line; those of the process by default.
    """
    options = _parser().parse_args(arguments)
    logging.getLogger("beatlens.prediction.predict_shard").setLevel(logging.ERROR)  # remarks, which `_tell` tells
    try:
        options.do(options)
        sys.stdout.flush()
    except Unusable as error:
        print(f"beatlens {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the table has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"beatlens {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="beatlens", description=__doc__, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"beatlens {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, do: Callable[[argparse.Namespace], None], text: str, example: str
    ) -> argparse.ArgumentParser:
        subparser = commands.add_parser(
            name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=raw
        )
        subparser.set_defaults(do=do)
        return subparser

    predict = command("predict", _predict, "Classify the beats of records.", "beatlens predict my/records -o beats.csv")
    explain = command("explain", _explain, "Explain beats of a record, and draw them.",
                      "beatlens explain my/records/100 --at 12.3 -o beat.svg")  # fmt: skip
    plot = command("plot", _plot, "Draw a stretch of a record to scale, with its beats.",
                   "beatlens plot my/records/100 --start 10 --end 20 -o strip.pdf")  # fmt: skip
    command("formats", _formats, "List the formats that can be read.", "beatlens formats")
    about = command("describe", _describe, "Say what a bundle is and what it learnt from.",
                    "beatlens describe results/demo/model/bundle")  # fmt: skip
    review = command("review", _review, "Serve a run's pages on this machine, and keep the decisions made on them.",
                     "beatlens review results/demo")  # fmt: skip
    review.add_argument("run", type=Path, help="folder of a finished run")
    review.add_argument("--port", type=_port, default=8765, help="port on 127.0.0.1; 0 takes a free one (%(default)s)")
    review.add_argument(
        "--reviewer", default="", metavar="NAME", help="name that the pages propose; they ask otherwise"
    )
    compare = command("compare", _compare, "Compare two runs over the records that both have.",
                      "beatlens compare results/before results/after")  # fmt: skip
    compare.add_argument("before", type=Path, help="folder of a finished run")
    compare.add_argument("after", type=Path, help="folder of another")
    compare.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="folder to write; by default compared/<before> in the other"
    )
    about.add_argument("bundle", nargs="?", help="folder of a bundle; by default the one that comes along")
    page = command("page", _page, "Make the page of a record of a finished run, and print where it lies.",
                   "beatlens page results/demo synthetic/a01")  # fmt: skip
    page.add_argument("results", type=Path, help="folder of the run")
    page.add_argument("record", metavar="CORPUS/RECORD", help="one of the records in its records.tsv")
    predict.add_argument("path", metavar="FILE_OR_FOLDER", help="record, table of strips, or folder of these")
    predict.add_argument("-o", "--output", type=_table, help="table to write; standard output by default")
    for subparser in (explain, plot):
        subparser.add_argument("path", metavar="FILE", help="record, or table of strips (with --strip)")
        subparser.add_argument("--strip", help="id of the strip, of a table")
    which = explain.add_mutually_exclusive_group()
    which.add_argument("--beat", help="the beat, by its beat_id")
    which.add_argument("--at", type=float, metavar="SECONDS", help="the beat that is nearest to this time")
    which.add_argument("--beats", type=int, default=3, metavar="N", help="so many beats, chosen (default: %(default)s)")
    explain.add_argument("--method", default="fused", help="an explainer, or fused (default)")
    explain.add_argument(
        "-o", "--output", type=Path, help="figure, of one beat; or folder, which gets one a beat (.svg)"
    )
    plot.add_argument("--start", type=float, default=0.0, metavar="SECONDS", help="start of the stretch")
    plot.add_argument("--end", type=float, metavar="SECONDS", help="its end; 10 s later by default")
    plot.add_argument("-o", "--output", type=_figure, required=True, help="figure to write")
    for subparser in (predict, explain, plot):
        subparser.add_argument("--bundle", help="folder of a bundle; by default the one that comes along")
        subparser.add_argument(
            "--allow-made-bundle", action="store_true", help="use one that has seen made records alone"
        )
        subparser.add_argument("--fs", type=float, help="rate of strips in Hz")
        subparser.add_argument("--duration-s", type=float, help="or length of every strip in seconds")
        subparser.add_argument("--lead", default="II", help="lead of strips (default: %(default)s)")
    return parser


def _predict(options: argparse.Namespace) -> None:
    import pandas as pd

    found = api.find_records(options.path, strips=_strips(options))
    bundle = api.load_bundle(options.bundle)
    tables, unusable = [], 0
    for one in found:
        try:
            record = api.predict(one.load(), bundle, allow_made_bundle=options.allow_made_bundle)
        except api.RecordFault as fault:
            unusable += 1
            print(f"{one.name} left out: {fault}", file=sys.stderr)
            continue
        tables.append(record.beats)
        _tell(record)
    if not tables:
        raise ValueError(f"{options.path}: none of {len(found)} records can be used")
    filled = [table for table in tables if len(table)] or tables[:1]
    _write(pd.concat(filled, ignore_index=True), options.output)
    if unusable:
        raise Unusable(f"{unusable} of {len(found)} records left out")


def _explain(options: argparse.Namespace) -> None:
    import pandas as pd

    from beatlens.figures.paper.style import save_figure

    record = _record(options)
    if record.beats.empty:
        raise ValueError(f"{options.path}: no beat found; expected one to explain")
    if options.at is not None:
        if not 0 <= options.at <= record.duration_s:
            raise ValueError(f"--at {options.at:g}; expected 0 to {record.duration_s:g} s, the length of the record")
        nearest = (record.beats["r_time_s"] - options.at).abs().idxmin()
        options.beat = record.beats["beat_id"][nearest]
    cases = [options.beat] if options.beat else api.choose_cases(record, options.beats)
    one = options.output is not None and options.output.suffix.lower() in FIGURES
    if one and len(cases) > 1:
        raise ValueError(f"{options.output}: a figure for {len(cases)} beats; expected a folder, or --beat or --at")
    facts = []
    for case in cases:
        explanation = api.explain(record, case, method=options.method)
        facts.append(explanation.facts())
        if options.output is not None:
            name = explanation.case.beat_id.replace("/", "-")
            path = options.output if one else options.output / f"{name}.svg"
            save_figure(explanation.plot(), path)
    _write(pd.DataFrame(facts), None)


def _plot(options: argparse.Namespace) -> None:
    from beatlens.figures.paper.style import save_figure

    save_figure(_record(options).plot(options.start, options.end), options.output)


def _formats(options: argparse.Namespace) -> None:
    for name, text in api.FORMATS.items():
        print(f"{name:<8}{text}")


def _review(options: argparse.Namespace) -> None:
    from beatlens.review.server import ReviewServer

    with ReviewServer(options.run, options.port, options.reviewer) as server:
        print(f"{server.url}\ndecisions go to {server.decisions.path}; Ctrl-C ends", flush=True)
        server.serve_forever()


def _compare(options: argparse.Namespace) -> None:
    from beatlens.compare.page import write_comparison

    print(write_comparison(options.before, options.after, options.output))


def _describe(options: argparse.Namespace) -> None:
    print(api.describe(api.load_bundle(options.bundle)))


def _page(options: argparse.Namespace) -> None:
    from beatlens.config.strict_yaml import read_yaml
    from beatlens.report.records.build import build_on_demand

    print(build_on_demand(options.results, options.record, read_yaml(options.results / "run_config.yaml")))


def _record(options: argparse.Namespace) -> api.PredictedRecord:
    """Read and predict the one record that a command is about."""
    record = api.load_record(options.path, strips=_strips(options), strip=options.strip)
    bundle = api.load_bundle(options.bundle)
    predicted = api.predict(record, bundle, allow_made_bundle=options.allow_made_bundle)
    _tell(predicted)
    return predicted


def _tell(record: api.PredictedRecord) -> None:
    """Write the remarks on a record to standard error."""
    for row in record.remarks.itertuples():
        print(f"{record.name}: {row.remark}: {row.detail}", file=sys.stderr)


def _strips(options: argparse.Namespace) -> api.StripSettings | None:
    if options.fs is None and options.duration_s is None:
        return None
    return api.StripSettings(fs=options.fs, duration_s=options.duration_s, lead=options.lead)


def _write(table: pd.DataFrame, path: Path | None) -> None:
    if path is None:
        table.to_csv(sys.stdout, index=False, lineterminator="\n")
    else:
        write_table(path, table)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a port, 0 to 65535")
    return int(text)


def _table(text: str) -> Path:
    return _ending(text, TABLES)


def _figure(text: str) -> Path:
    return _ending(text, FIGURES)


def _ending(text: str, endings: Sequence[str]) -> Path:
    path = Path(text)
    if path.suffix.lower() not in endings:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a name that ends in {', '.join(endings)}")
    return path


if __name__ == "__main__":
    sys.exit(main())
