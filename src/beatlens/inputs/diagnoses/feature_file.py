"""Measured records in a file, one a shard, so that each record is measured once for all networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from beatlens.core.files import read_arrays, write_arrays
from beatlens.core.leads import lead_id
from beatlens.inputs.diagnoses.record_features import RecordFeatures

Key = tuple[str, str]


def write_features(path: Path, keys: Sequence[Key], records: RecordFeatures) -> None:
    """Write measured records with their ``(corpus, record)``."""
    arrays = {name: getattr(records, name).numpy() for name in ("features", "present", "record", "rhythm")}
    names = np.array(keys, dtype=np.str_).reshape(len(keys), 2)
    write_arrays(path, {**arrays, "keys": names, "leads": np.array(records.leads, dtype=np.str_)})


def read_features(paths: Sequence[Path], wanted: Sequence[Key]) -> RecordFeatures:
    """Read measured records of several files, in the order wanted.

    Raises
    ------
    ValueError
        For files of different leads, or a record that none holds.
    """
    found = [read_arrays(path) for path in sorted(paths)]
    leads = {tuple(arrays["leads"].tolist()) for arrays in found}
    if len(leads) != 1:
        raise ValueError(f"measured records of the leads {sorted(leads)}; expected files of the same leads")
    places: dict[Key, int] = {}
    offset, record = 0, []
    for arrays in found:
        places |= {(corpus, name): offset + k for k, (corpus, name) in enumerate(arrays["keys"].tolist())}
        record.append(arrays["record"] + offset)
        offset += len(arrays["keys"])
    absent = [key for key in wanted if key not in places]
    if absent:
        raise ValueError(f"{len(absent)} records aren't measured, such as {'/'.join(absent[0])}; expected all")
    names = leads.pop()
    parts = {
        name: torch.from_numpy(np.concatenate([a[name] for a in found])) for name in ("features", "present", "rhythm")
    }
    every = RecordFeatures(
        leads=names,
        lead_ids=torch.tensor([lead_id(lead) for lead in names]),
        record=torch.from_numpy(np.concatenate(record)),
        **parts,
    )
    return every.rows(np.array([places[key] for key in wanted], dtype=np.int64))
