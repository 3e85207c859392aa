"""Many records as the network of diagnoses takes them: the features of each lead of each beat, measured once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.core.leads import lead_id
from beatlens.inputs.diagnoses.record_example import RecordExample, record_example
from beatlens.models.shared_encoder import BeatView
from beatlens.shards.shard import BeatGeometry, Shard

if TYPE_CHECKING:
    from beatlens.models.diagnosis import DiagnosisNetwork

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RecordFeatures:
    """n records and their N beats, in the L leads of the model.

    Attributes
    ----------
    leads, lead_ids
        Names, and (L,) long embedding indices.
    features
        (N, L, F) of `DiagnosisNetwork.encode_leads`; 0 in leads that a record lacks.
    present
        (n, L) bool: leads of each record.
    record
        (N,) long: row of the record of each beat, not descending.
    rhythm
        (n, R).
    """

    leads: tuple[str, ...]
    lead_ids: Tensor
    features: Tensor
    present: Tensor
    record: Tensor
    rhythm: Tensor

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.present)

    @property
    def answerable(self) -> BoolArray:
        """(n,) records with a beat and a lead: the others get no answer."""
        has_beats = torch.bincount(self.record, minlength=len(self)) > 0
        return np.asarray((has_beats & self.present.any(1)).numpy())

    def rows(self, chosen: npt.NDArray[np.int64]) -> RecordFeatures:
        """Return some of the records, in the order given."""
        place = torch.full((len(self),), -1)
        place[torch.from_numpy(chosen)] = torch.arange(len(chosen))
        beats = (place[self.record] >= 0).nonzero().squeeze(1)
        beats = beats[torch.argsort(place[self.record[beats]], stable=True)]
        index = torch.from_numpy(chosen)
        return replace(
            self,
            features=self.features[beats],
            present=self.present[index],
            record=place[self.record[beats]],
            rhythm=self.rhythm[index],
        )

    def in_leads(self, kept: Sequence[str]) -> RecordFeatures:
        """Return the records with only these of their leads present."""
        mask = torch.tensor([lead in kept for lead in self.leads])
        return replace(self, present=self.present & mask)


def measure_records(
    examples: Sequence[RecordExample], network: DiagnosisNetwork, leads: Sequence[str]
) -> RecordFeatures:
    """Measure records; of what is learnt a shared encoder alone takes part: networks that share it give the same."""
    beats, present = [], torch.zeros(len(examples), len(leads), dtype=torch.bool)
    with torch.no_grad():
        for n, example in enumerate(examples):
            features = torch.zeros(len(example), len(leads), network.size)
            places = [list(leads).index(lead) for lead in example.leads]
            present[n, places] = True
            if len(example) and places:
                waves, intervals = (torch.from_numpy(x).flatten(0, 1) for x in (example.waves, example.intervals))
                measured = network.encode_leads(waves, intervals, beat_view(example, network))
                features[:, places] = measured.view(len(example), len(places), -1)
            beats.append(features)
    counts = torch.tensor([len(example) for example in examples], dtype=torch.long)
    return RecordFeatures(
        leads=tuple(leads),
        lead_ids=torch.tensor([lead_id(lead) for lead in leads]),
        features=torch.cat(beats) if beats else torch.zeros(0, len(leads), network.size),
        present=present,
        record=torch.repeat_interleave(torch.arange(len(examples)), counts),
        rhythm=torch.from_numpy(np.stack([example.rhythm for example in examples]))
        if examples
        else torch.zeros(0, network.config.n_rhythm),
    )


def beat_view(example: RecordExample, network: DiagnosisNetwork) -> BeatView | None:
    """Return all leads of all beats, beat by beat, as the network's shared encoder is given them; None without one."""
    if network.shared is None:
        return None
    lead = np.tile(np.arange(len(example.leads)), len(example))
    waves = example.waves.reshape(-1, example.geometry.length)
    return BeatView(*map(torch.from_numpy, example.beat_view(waves, lead)))


def load_examples(
    shards: Sequence[Shard], wanted: Sequence[tuple[str, str]], leads: tuple[str, ...], geometry: BeatGeometry
) -> list[RecordExample]:
    """Return the examples of records ``(corpus, record)``, in the order given.

    Raises
    ------
    ValueError
        For a record that no shard holds.
    """
    home = {
        key: shard for shard in shards for key in zip(shard.records["corpus"], shard.records["record"], strict=True)
    }
    for key in wanted:
        if key not in home:
            raise ValueError(f"no shard holds {'/'.join(key)}; expected each record of the table of labels in one")
    return [record_example(home[key], key, home[key].beats_of(*key), leads, geometry) for key in wanted]


def record_logits(network: DiagnosisNetwork, records: RecordFeatures) -> npt.NDArray[np.float32]:
    """Return logits (n, K); NaN for a record without beats or leads.

    A record's logits don't depend on the others.
    """
    result = np.full((len(records), network.config.n_classes), np.nan, dtype=np.float32)
    counts = torch.bincount(records.record, minlength=len(records))
    stop = counts.cumsum(0)
    with torch.no_grad():
        for n in np.flatnonzero(records.answerable).tolist():
            features = records.features[stop[n] - counts[n] : stop[n]]
            beats = network.mix_leads(features, records.present[n].expand(len(features), -1), records.lead_ids)
            pooled = network.pool(beats, torch.zeros(len(beats), dtype=torch.long), 1)
            result[n] = network.classify(pooled, records.rhythm[n : n + 1]).numpy()[0]
    return result
