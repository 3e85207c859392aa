"""Records and networks of diagnoses, made, and their logits by a naive run of the whole chain."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from beatlens.core.leads import lead_id
from beatlens.inputs.diagnoses.intervals import INTERVAL_CONTENT
from beatlens.inputs.diagnoses.record_example import RecordExample
from beatlens.inputs.diagnoses.rhythm import RHYTHM_STATISTICS
from beatlens.inputs.network_inputs import typical_beats
from beatlens.models.diagnosis import DiagnosisConfig, DiagnosisNetwork
from beatlens.models.settings import ModelSettings, NetworkConfig
from beatlens.models.shared_encoder import BeatView
from beatlens.shards.shard import BeatGeometry, cut_beats

GEOMETRY = BeatGeometry(100.0, 20, 40)
LEADS = ("II", "V1", "aVF")


class Alike:
    """A calibration that leaves logits as they are."""

    slope, offsets = 1.0, (0.0,) * 4

    def probabilities(self, logits):
        return 1 / (1 + np.exp(-logits.astype(np.float64)))


def make_example(rng, leads=LEADS, n_beats=5, *, at_edges=False):
    """Beats of a record; at its edges the first and the last reach beyond it."""
    r_index = (4 if at_edges else 60) + np.cumsum(rng.integers(45, 110, size=n_beats)) - 45
    n_samples = int(r_index[-1] + (7 if at_edges else 90))
    walk = rng.normal(size=(len(leads), n_samples)).cumsum(axis=1) * 0.2
    signal = (walk - uniform_filter1d(walk, 25)).astype(np.float32)  # without baseline wander, as conditioned ones are
    return RecordExample(
        corpus="c",
        record="r",
        patient="c/p",
        leads=leads,
        lead_ids=np.array([lead_id(lead) for lead in leads]),
        geometry=GEOMETRY,
        signal=signal,
        lead_scale=np.linspace(0.5, 1.5, len(leads)).astype(np.float32),
        r_index=r_index,
        next_r=np.append(r_index[1:], n_samples),
        typical=typical_beats(cut_beats(signal, r_index, GEOMETRY)),
        rr_s=np.diff(r_index) / GEOMETRY.fs,
        beat_scale=np.linspace(0.9, 0.6, len(leads)).astype(np.float32),
    )


ENCODER = NetworkConfig(
    ModelSettings(members=2, channels=(4, 6), kernels=(5, 3), embedding=5, time_bins=2, lead_embedding=3),
    n_classes=3,
    beat_length=GEOMETRY.length,
    n_rr=2,
    n_similarity=0,
    context=3,
)


def make_network(members, encoder=False):
    """Return a network of random weights and scalers, with the encoder of a beat network or without."""
    torch.manual_seed(members)
    config = DiagnosisConfig(
        n_classes=4,
        n_intervals=len(INTERVAL_CONTENT),
        n_rhythm=len(RHYTHM_STATISTICS),
        before=GEOMETRY.before,
        after=GEOMETRY.after,
        fs=GEOMETRY.fs,
        members=members,
        width=6,
        heads=2,
        dropout=0.1,
        encoder=ENCODER.to_json() if encoder else None,
    )
    made = DiagnosisNetwork(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.2)
        made.mean.normal_()
        made.std.uniform_(0.5, 2.0)
    return made.eval()


def naive_logits(record, net, signal, rhythm):
    """Return the logits (K,) of a changed signal and rhythm statistics (R,), everything made anew."""
    waves, intervals = record.waves_of(signal), record.intervals_of(signal)
    with torch.no_grad():
        lead = np.tile(np.arange(len(record.leads)), len(record))
        view = BeatView(*map(torch.from_numpy, record.beat_view(waves.reshape(len(lead), -1), lead)))
        features = net.encode_leads(
            *(torch.from_numpy(np.array(part)).flatten(0, 1) for part in (waves, intervals)), view
        ).view(len(record), len(record.leads), -1)
        present = torch.ones(features.shape[:2], dtype=torch.bool)
        beats = net.mix_leads(features, present, torch.from_numpy(record.lead_ids))
        pooled = net.pool(beats, torch.zeros(len(record), dtype=torch.long), 1)
        return net.classify(pooled, torch.from_numpy(rhythm)[None]).numpy()[0]
