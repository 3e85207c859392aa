"""What a bundle says of databases that it never saw, record by record, beside the label of each record.

    PYTHONPATH=src python benchmarks/unseen_databases.py DATA [--bundle models/mitdb] [--output FOLDER]

Reads DATA/ptb-xl (its 500 Hz records, labelled NORM by ptbxl_database.csv; Wagner et al. 2020) and DATA/challenge-2021
(sinus rhythm, PAC, PVC and atrial fibrillation by the #Dx: codes of the headers; Reyna et al. 2021), whatever part of
them is there. A record's label says which beats are somewhere in it, not where. Nothing may be chosen by these records.

Prints a table with a row a group; FOLDER gets unseen.csv (a row a record and group) and unseen.json (a row a group).
"""

from __future__ import annotations

import argparse
import ast
import csv
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.core.files import write_json, write_table
from beatlens.core.record import RecordFault
from beatlens.core.remarks import Remark
from beatlens.corpora.wfdb.header import MAX_HEADER_BYTES, parse_header
from beatlens.corpora.wfdb.record import read_record
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import Shard
from beatlens.shards.writer import ShardWriter

ROOT = Path(__file__).resolve().parents[1]
CHALLENGE = {
    "sinus rhythm": {"426783006"},
    "PAC": {"284470004", "63593006"},
    "PVC": {"427172004", "17338001"},
    "atrial fibrillation": {"164889003"},
}
"""SNOMED CT codes of the groups of the Challenge; a record may be in several."""
Z = 1.959964
"""Of the 95 % interval of a share (Wilson 1927)."""


class Labelled(NamedTuple):
    """A record with the groups that its labels put it into."""

    database: str
    folder: Path
    path: str
    groups: tuple[str, ...]


def ptb_xl(folder: Path) -> Iterator[Labelled]:
    """Yield the records labelled NORM, at 500 Hz."""
    with (folder / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = row["filename_hr"]
            if "NORM" in ast.literal_eval(row["scp_codes"]) and (folder / f"{path}.hea").is_file():
                yield Labelled("ptb-xl", folder, path, ("NORM",))


def challenge(folder: Path) -> Iterator[Labelled]:
    """Yield the records of a group."""
    for file in sorted(folder.rglob("*.hea")):
        with file.open("rb") as stream:
            dx = set(parse_header(stream.read(MAX_HEADER_BYTES), str(file)).dx)
        groups = tuple(name for name, codes in CHALLENGE.items() if dx & codes)
        if groups:
            yield Labelled("challenge-2021", folder, str(file.relative_to(folder).with_suffix("")), groups)


def settings_of(bundle: Bundle) -> PreprocessSettings:
    """Return the preprocessing that a bundle was taught with."""
    scoring = {"match_s": 0.15}  # there is no annotated beat to match
    return PreprocessSettings.from_config(
        {
            "signal": bundle.signal,
            "rpeaks": {**bundle.rpeaks, **scoring},
            "beats": asdict(bundle.spec.beats),
            "quality": bundle.quality,
            "leads": bundle.leads,
        }
    )


def predict(records: list[Labelled], bundle: Bundle) -> Iterator[tuple[Labelled, pd.DataFrame | None, list[Remark]]]:
    """Yield each record's beats, None where it can't be used, and the remarks on it."""
    network, settings = bundle.network(), settings_of(bundle)
    for labelled in records:
        with tempfile.TemporaryDirectory() as place:
            try:
                record = read_record(labelled.folder, labelled.path, labelled.database, None, None)
                found = preprocess_record(record, "predict", None, settings)
            except RecordFault as fault:
                yield labelled, None, [Remark(labelled.database, Path(labelled.path).name, fault.reason, fault.detail)]
                continue
            with ShardWriter(Path(place) / "0of1") as writer:
                writer.add(found.row, found.signal, found.beats, found.annotated, found.truth)
                writer.set_status(record.corpus, record.name, "predict")
            shard, beside = Shard(Path(place) / "0of1"), Beside()
            key = {(record.corpus, record.name): "none"}
            yield labelled, predict_beats(shard, shard.beats(), key, bundle, network, beside=beside), beside.remarks


def record_rows(records: list[Labelled], bundle: Bundle) -> pd.DataFrame:
    """Return a row a record and group: beats, those in review, those accepted as each class, remarks."""
    rows = []
    for labelled, beats, remarks in predict(records, bundle):
        row: dict[str, Any] = {"database": labelled.database, "record": Path(labelled.path).name}
        accepted = [] if beats is None else beats.loc[~beats["review"].astype(bool), "pred"].tolist()
        row |= {"used": beats is not None, "n_beats": 0 if beats is None else len(beats)}
        row |= {"n_review": row["n_beats"] - len(accepted)}
        row |= {f"n_{name}": accepted.count(name) for name in bundle.classes}
        row["remarks"] = ";".join(remark.remark for remark in remarks)
        rows += [{"group": group} | row for group in labelled.groups]
    return pd.DataFrame(rows)


def wilson(hits: int, n: int) -> list[float]:
    """Return a share with its interval."""
    share, centre = hits / n, (hits + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * np.sqrt(n * share * (1 - share) + Z**2 / 4)
    return [share, max(centre - half, 0.0), min(centre + half, 1.0)]


def review_share(rows: pd.DataFrame) -> float:
    """Return the share of beats in review."""
    return float(rows["n_review"].sum() / max(rows["n_beats"].sum(), 1))


def summary(rows: pd.DataFrame, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a row a group, whose shares of records have their intervals."""
    result = []
    for (database, group), part in rows.groupby(["database", "group"], sort=False):
        used = part[part["used"]]
        entry: dict[str, Any] = {"database": database, "group": group}
        entry |= {"records": len(used), "unused": len(part) - len(used)}
        entry |= {"beats": int(used["n_beats"].sum()), "review": review_share(used)}
        entry["review_familiar"] = review_share(used[used["remarks"] == ""])
        entry["remarks"] = {name: int(n) for name, n in used["remarks"].value_counts().items() if name}
        for name in classes[1:]:
            hits = int((used[f"n_{name}"] > 0).sum())
            entry |= {f"beats_{name}": int(used[f"n_{name}"].sum()), f"records_{name}": hits}
            entry[f"share_{name}"] = wilson(hits, len(used))
        result.append(entry)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "mitdb")
    parser.add_argument("--output", type=Path, help="folder for unseen.csv and unseen.json")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    bundle = Bundle.load(arguments.bundle)
    found = [
        *(ptb_xl(arguments.data / "ptb-xl") if (arguments.data / "ptb-xl").is_dir() else ()),
        *(challenge(arguments.data / "challenge-2021") if (arguments.data / "challenge-2021").is_dir() else ()),
    ]
    if not found:
        raise SystemExit(f"{arguments.data}: neither ptb-xl nor challenge-2021 with a labelled record")
    rows = record_rows(found, bundle)
    groups = summary(rows, bundle.classes)
    print(pd.DataFrame(groups).to_string(index=False))
    if arguments.output:
        write_table(arguments.output / "unseen.csv", rows)
        write_json(arguments.output / "unseen.json", groups)


if __name__ == "__main__":
    main()
