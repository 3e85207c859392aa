"""Write a configuration that predicts a folder of recordings with a trained bundle, and print its path.

The Makefile's target predict gives it to Snakemake.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from beatlens.config.own_recordings import overlay, run_name, write_overlay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder with WFDB records, anywhere")
    parser.add_argument("--name", default="", help="name of the run; by default that of the folder, made plain")
    parser.add_argument("--bundle", default="models/mitdb", help="folder of the trained bundle")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where results of runs go")
    arguments = parser.parse_args()
    if not arguments.folder:
        sys.exit("make predict FOLDER=...: expected the folder of the recordings")
    folder = Path(arguments.folder).expanduser()
    try:
        value = overlay(folder, arguments.name or run_name(folder.resolve()), arguments.bundle)
        print(write_overlay(value, arguments.results))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
