"""The embedded corpus: records made by a dipole model, in PhysioNet's layout, with the truth that was planted in them.

`plan` says which patients and records there are, `rhythm` when their hearts beat, `morphology` what a beat looks like
in each lead, `decoys` what is changed and means nothing, `noise` what a recorder adds, `truth` which samples make a
beat's class, and `write` puts it on disk.
Importing this package and calling `record_names` needs the standard library only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from beatlens.corpora.synthetic.plan import record_names
from beatlens.corpora.synthetic.settings import SyntheticSettings

if TYPE_CHECKING:
    from beatlens.core.record import TruthSpan

__all__ = ["SyntheticSettings", "make_corpus", "read_truth", "record_names"]


def make_corpus(folder: Path, settings: SyntheticSettings) -> list[str]:
    """Make the corpus in a folder unless it is there already; see `beatlens.corpora.synthetic.write.make_corpus`."""
    from beatlens.corpora.synthetic import write

    return write.make_corpus(folder, settings)


def read_truth(path: str | Path, fs: float) -> list[TruthSpan]:
    """Read a ``<record>.truth.csv`` of a record file at `fs` Hz; see `beatlens.corpora.synthetic.truth.read_truth`."""
    from beatlens.corpora.synthetic import truth

    return truth.read_truth(path, fs)
