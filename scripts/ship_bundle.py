"""Put a run's bundle together with its card, the numbers of the card and the digests of all: a folder to give away.

PYTHONPATH=src python scripts/ship_bundle.py --run results/mitdb --output models/mitdb
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from beatlens.core.files import atomic_directory, read_json, read_table, sha256_of, write_json, write_text
from beatlens.prediction.bundle import Bundle
from beatlens.report.card import card_facts, render_card

BUNDLE_FILES = ("bundle.json", "weights.npz", "prototypes.npz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="results of the run that trained and scored the bundle")
    parser.add_argument("--unseen", type=Path, help="folder of unseen.csv and unseen.json; RUN/unseen where left out")
    parser.add_argument("--output", type=Path, required=True, help="folder to write, replaced as a whole")
    arguments = parser.parse_args()
    source, unseen = arguments.run / "model" / "bundle", arguments.unseen or arguments.run / "unseen"
    groups = read_json(unseen / "unseen.json") if (unseen / "unseen.json").is_file() else []
    facts = card_facts(Bundle.load(source), read_table(arguments.run / "metrics" / "classification.csv"), groups)
    with atomic_directory(arguments.output) as folder:
        for name in BUNDLE_FILES:
            shutil.copyfile(source / name, folder / name)
        if groups:
            shutil.copyfile(unseen / "unseen.csv", folder / "unseen.csv")
        write_json(folder / "card.json", facts)
        write_text(folder / "README.md", render_card(read_json(folder / "card.json")))
        sums = "".join(f"{sha256_of(file)}  {file.name}\n" for file in sorted(folder.iterdir()))
        write_text(folder / "SHA256SUMS", sums)


if __name__ == "__main__":
    main()
