"""What a perturbation needs of a record whose diagnosis is explained, frozen from the unperturbed signal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from beatlens.inputs.diagnoses.example import RecordExample
from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RecordInstance:
    """A whole record; every beat is in play.

    Attributes
    ----------
    record
        What the network is given of it, and what that is made from.
    """

    record: RecordExample
