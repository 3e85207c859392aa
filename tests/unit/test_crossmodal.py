"""The cross-modal network: what its tokens see, what masks leave out, and that padding changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from beatlens.models.build import build_network, network_from_arrays, network_to_arrays
from beatlens.models.crossmodal import CrossModalNet
from beatlens.models.settings import ModelSettings, NetworkConfig
from beatlens.models.spectrogram import FLOOR, Spectrogram
from beatlens.models.tokens import FRAMES, band_hz, beats_around, token_maps, window_length
from beatlens.shards.shard import BeatGeometry

GEOMETRY = BeatGeometry(200.0, 50, 80)
SIZES = ModelSettings("crossmodal", 2, True, True, (4, 6), (7, 5), 4, 8, 4, 6, 9, 12, 0.1, 2)
CONFIG = NetworkConfig(SIZES, 3, GEOMETRY.length, 4, 6, 5)
TYPICAL = torch.from_numpy(np.random.default_rng(0).normal(size=(3, GEOMETRY.length)).astype(np.float32))
LEADS = torch.tensor([1, 6, 10])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    network = build_network(CONFIG)
    assert isinstance(network, CrossModalNet)
    torch.nn.init.normal_(network.tokens.leads.weight)
    network.set_scaler(torch.tensor([0.1, -0.2, 0.3, 1.0]), torch.tensor([0.5, 1.0, 2.0, 0.0]))
    network.encode_leads(torch.randn(64, GEOMETRY.length), torch.randn(64, GEOMETRY.length))
    return network.eval()


@pytest.fixture(scope="module")
def beats():
    rng = np.random.default_rng(2)
    waves = torch.from_numpy(rng.normal(size=(7, 3, GEOMETRY.length)).astype(np.float32))
    return waves, torch.from_numpy(rng.normal(size=(7, 4)).astype(np.float32))


def outputs(network, beats, leads, windows, present=None, similarity=None):
    """Run beats in some of their leads; `windows` are (rows, position) of each target."""
    waves, rr = beats[0][:, leads], beats[1]
    n, n_leads, length = waves.shape
    encoded = network.encode_leads(waves.reshape(-1, length), TYPICAL[leads].repeat(n, 1)).view(n, n_leads, -1)
    present = torch.ones(n, n_leads, dtype=torch.bool) if present is None else present
    width = max(len(rows) for rows, _ in windows)
    padded = torch.tensor([[*rows, *[0] * (width - len(rows))] for rows, _ in windows])
    lengths = torch.tensor([len(rows) for rows, _ in windows])
    positions = torch.tensor([position for _, position in windows])
    similarity = torch.zeros(len(windows), 6) if similarity is None else similarity
    joined = network.mix_leads(encoded, present, LEADS[leads])
    return network.member_outputs(joined, rr, similarity, padded, lengths, positions)


def attention_of(network, *args, **kwargs):
    """Return the weights (n, heads, queries, keys) of the first member's attention, as a hook sees them."""
    seen, hooks = {}, []
    for name in ("waveform_attends", "spectrogram_attends"):
        module = getattr(network.fusion[0], name)
        hooks.append(module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out[1]})))
    with torch.inference_mode():
        found = outputs(network, *args, **kwargs)
    for hook in hooks:
        hook.remove()
    return seen, found


def test_padding_and_absent_leads_change_nothing(network, beats):
    alone, longer = [([1, 2, 3], 0)], [([1, 2, 3], 0), ([0, 1, 2, 3, 4, 5, 6], 3)]
    with torch.inference_mode():
        one = outputs(network, beats, [0, 1], alone)
        many = outputs(network, beats, [0, 1], longer)
        present = torch.tensor([[True, False, True]]).repeat(7, 1)
        noisy = (beats[0].clone(), beats[1])
        noisy[0][:, 1] = 1e3
        absent = outputs(network, noisy, [0, 1, 2], longer, present)
        lacking = outputs(network, beats, [0, 2], longer)
        mixed = present.clone()
        mixed[4:] = True  # windows of two and of three leads in one call
        apart = outputs(network, beats, [0, 1, 2], [([1, 2, 3], 0), ([4, 5, 6], 1)], mixed)
        three = outputs(network, beats, [0, 1, 2], [([4, 5, 6], 1)])
        two = outputs(network, beats, [0, 2], alone)
    for k in range(2):
        torch.testing.assert_close(many[k][:1], one[k], atol=1e-6, rtol=0)
        torch.testing.assert_close(absent[k], lacking[k], atol=1e-6, rtol=0)
        torch.testing.assert_close(apart[k], torch.cat([two[k], three[k]]), atol=1e-6, rtol=0)
    assert not torch.allclose(one[0], two[0], atol=1e-3)  # it knows which lead is which
    with torch.inference_mode():  # a beat without any lead, as when every lead is taken away
        logits, gates = outputs(network, beats, [0, 1], alone, torch.zeros(7, 2, dtype=torch.bool))
    assert torch.isfinite(logits).all()
    assert torch.isfinite(gates).all()


def test_only_beats_of_the_window_matter_and_context_bounds_it(network, beats):
    waves, rr = beats[0].clone().requires_grad_(), beats[1].clone().requires_grad_()
    logits, _ = outputs(network, (waves, rr), [0, 1], [([0, 1, 2, 3, 4, 5, 6], 3)])
    gradients = torch.autograd.grad(logits[0, 0, 0], [waves, rr])
    assert [bool(part.any()) for part in gradients[0]] == [False, True, True, True, True, True, False]
    assert [bool(part.any()) for part in gradients[1]] == [False, True, True, True, True, True, False]
    assert not gradients[0][:, 2].any()


def test_weights_of_masked_keys_are_nought_and_lie_where_the_maps_say(network, beats):
    seen, _ = attention_of(network, beats, [0, 1], [([2, 3, 4], 0)])  # no beats before the target
    r_index = np.array([0, 0, 1000, 1160, 1320])
    r_s = beats_around(r_index, np.array([2, 3, 4]), 3, 0, context=5, fs=200.0)
    np.testing.assert_allclose(r_s, [np.nan, np.nan, 0.0, 0.8, 1.6])
    maps = network.token_maps(GEOMETRY, r_s, np.array([True, True]))
    shapes = {name: tuple(weights.shape) for name, weights in seen.items()}
    wave, bands = maps.waveform, maps.spectrogram
    assert shapes["waveform_attends"] == (1, 2, len(wave.of_target()), len(bands)) == (1, 2, 8, 120)
    assert shapes["spectrogram_attends"] == (1, 2, len(bands.of_target()), len(wave)) == (1, 2, 24, 40)
    for name, keys in (("waveform_attends", bands), ("spectrogram_attends", wave)):
        weights = seen[name][0]
        assert (weights[:, :, ~keys.valid] == 0).all()
        assert (weights[:, :, keys.valid] > 0).all()
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
        np.testing.assert_array_equal(keys.valid, keys.beat >= 0)


def test_a_hook_changes_no_bit(network, beats):
    windows = [([0, 1, 2, 3, 4], 2), ([1, 2], 1)]
    with torch.inference_mode():
        plain = outputs(network, beats, [0, 1], windows)
    _, hooked = attention_of(network, beats, [0, 1], windows)
    assert torch.equal(plain[0], hooked[0])
    assert torch.equal(plain[1], hooked[1])


def test_token_maps_by_hand():
    r_s = np.array([np.nan, -0.7, 0.0, 0.9, 1.7])
    wave, bands = token_maps(CONFIG, GEOMETRY, r_s, np.array([True, False, True]))
    assert len(wave) == 2 * 5 * 4
    assert len(bands) == 2 * 3 * 5 * 4
    # Lead by lead, beat by beat, slot by slot; a beat's 130 samples are cut at 0, 32, 65, 98 and 130.
    assert wave.lead.tolist() == [0] * 20 + [2] * 20
    assert wave.beat[:20].tolist() == sorted([-2, -1, 0, 1, 2] * 4)
    np.testing.assert_allclose(wave.start_s[8:12], (np.array([0, 32, 65, 98]) - 50) / 200)
    np.testing.assert_allclose(wave.stop_s[32:36], 0.9 + (np.array([32, 65, 98, 130]) - 50) / 200)
    assert np.isnan(wave.start_s[:4]).all()
    assert wave.valid.sum() == 32
    assert np.isnan(wave.low_hz).all()
    # Windows of 40 samples at 200 Hz: bins 5 Hz apart, bands of bins 0-1, 2-4 and 5-9.
    assert window_length(130) == 40
    assert band_hz(130, 200.0) == [(0.0, 7.5), (7.5, 22.5), (22.5, 47.5)]
    np.testing.assert_allclose(bands.low_hz[:24], np.tile(np.repeat([0, 7.5, 22.5], 4), 2))
    np.testing.assert_allclose(bands.start_s[24:28], wave.start_s[8:12])
    queries = bands.of_target()
    assert queries.lead.tolist() == [0] * 12 + [2] * 12
    np.testing.assert_allclose(queries.high_hz[:12], np.repeat([7.5, 22.5, 47.5], 4))
    with pytest.raises(ValueError, match="5 of them"):
        token_maps(CONFIG, GEOMETRY, r_s[1:], np.array([True]))


@pytest.mark.parametrize(("slot", "band", "hz"), [(0, 0, 5.0), (1, 1, 15.0), (2, 2, 35.0), (3, 1, 10.0)])
def test_a_pure_tone_lights_its_token(slot, band, hz):
    spectrogram = Spectrogram(GEOMETRY.length, 4)
    wave = token_maps(CONFIG, GEOMETRY, np.array([np.nan, np.nan, 0.0, np.nan, np.nan]), np.array([True])).waveform
    here = wave.of_target()
    time = (np.arange(GEOMETRY.length) - GEOMETRY.before) / GEOMETRY.fs
    inside = (time >= here.start_s[slot] - 0.04) & (time < here.stop_s[slot] + 0.04)
    tone = np.where(inside, 0.7 * np.cos(2 * np.pi * hz * time), 0.0).astype(np.float32)
    shown = spectrogram.patches(torch.from_numpy(tone)[None], None)[0].view(4, -1)
    parts = torch.split(shown, spectrogram.widths, dim=1)
    strongest = torch.stack([part.max(1).values for part in parts], dim=1)  # (slots, bands)
    assert divmod(int(strongest.argmax()), 3) == (slot, band)
    low, high = band_hz(GEOMETRY.length, GEOMETRY.fs)[band]
    assert low <= hz < high
    assert float(shown.max()) == pytest.approx(np.log(0.7), abs=0.15)
    silent = spectrogram.patches(torch.zeros(1, GEOMETRY.length), None)
    np.testing.assert_allclose(silent, np.log(FLOOR), atol=1e-6)


def test_magnitudes_are_those_of_a_discrete_fourier_transform():
    wave = np.random.default_rng(3).normal(size=GEOMETRY.length)
    shown = Spectrogram(GEOMETRY.length, 4)(torch.from_numpy(wave.astype(np.float32))[None])[0]
    hann = np.hanning(40)
    centre = 3.5 * GEOMETRY.length / (4 * FRAMES)  # the fourth of eight frames
    part = wave[round(centre - 20) :][:40] * hann
    expected = np.abs(np.fft.rfft(part))[:10] * 2 / hann.sum()
    np.testing.assert_allclose(shown[3], 0.5 * np.log(expected**2 + FLOOR**2), atol=1e-4)


def test_a_token_sees_its_seconds_and_no_others(network):
    """The gradient of a token, before time and attention, reaches its stretch and `reach_s` beyond it at most."""
    wave = torch.randn(1, GEOMETRY.length, requires_grad=True)
    tokens = network.tokens(network.encode_leads(wave, TYPICAL[:1]), LEADS[:1])[0]
    maps = network.token_maps(GEOMETRY, np.array([np.nan, np.nan, 0.0, np.nan, np.nan]), np.array([True]))
    time = (np.arange(GEOMETRY.length) - GEOMETRY.before) / GEOMETRY.fs
    reached = 0.0
    for stream, first in ((maps.waveform, 0), (maps.spectrogram, 4)):
        own = stream.of_target()
        for k in range(len(own)):
            (gradient,) = torch.autograd.grad(tokens[first + k].sum(), wave, retain_graph=True)
            seen = time[gradient[0].numpy() != 0]
            low, high = own.start_s[k] - own.reach_s, own.stop_s[k] + own.reach_s
            assert low - 1e-9 <= seen.min() <= max(own.start_s[k], time[0]) + 0.02, (first + k, seen.min())
            assert own.stop_s[k] - 0.02 <= seen.max() < high, (first + k, seen.max())
            reached = max(reached, (own.start_s[k] - seen.min()) / own.reach_s)
    assert reached > 0.8


def test_members_are_networks_on_their_own(network, beats):
    network.train()
    logits, gates = outputs(network, beats, [0, 1], [([0, 1, 2, 3, 4], 2)])
    network.zero_grad()
    (logits[:, 0].sum() + gates[:, 0].sum()).backward()
    network.eval()
    for name, parameter in network.fusion.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.any())
        assert reached == name.startswith("0."), name
    shared = {network.place.weight: 1, network.tokens.place.weight: 1, network.tokens.leads.weight: 1}
    shared |= {network.rhythm.weight: 0, network.tokens.spectrogram[0].weight: 0, network.tokens.waveform.weight: 0}
    for parameter, side in shared.items():
        assert [bool(part.any()) for part in parameter.grad.chunk(2, dim=side)] == [True, False]
    assert not torch.equal(logits[:, 0], logits[:, 1])


def test_the_same_seed_gives_the_same_network_and_weights_go_through_arrays(network, beats):
    windows = [([0, 1, 2, 3, 4], 2)]
    again = network_from_arrays(CONFIG, network_to_arrays(network))
    with torch.inference_mode():
        first, second = outputs(network, beats, [0, 1], windows), outputs(again, beats, [0, 1], windows)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    loaded = NetworkConfig.from_json(CONFIG.to_json())
    assert loaded == CONFIG
    with pytest.raises(ValueError, match="weights"):
        network_from_arrays(replace(CONFIG, settings=replace(SIZES, name="hybrid")), network_to_arrays(network))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": 3}, "model.heads: 3; expected a divisor of model.embedding, 8"),
        ({"time_bins": 1}, "model.time_bins: 1; expected 2 or more"),
    ],
)
def test_sizes_that_attention_cannot_have(change, said):
    with pytest.raises(ValueError, match=said):
        replace(SIZES, **change)
    replace(SIZES, name="hybrid", **change)  # no matter to a network without attention


def test_no_heads_at_all():
    with pytest.raises(ValueError, match="model.heads: 0; expected integer, >= 1"):
        replace(SIZES, heads=0)


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_any_number_of_heads(heads, beats):
    torch.manual_seed(4)
    network = build_network(replace(CONFIG, settings=replace(SIZES, heads=heads, members=1))).eval()
    seen, found = attention_of(network, beats, [0], [([0], 0)])  # a beat on its own in one lead
    assert seen["spectrogram_attends"].shape == (1, heads, 12, 20)
    assert torch.isfinite(found[0]).all()


def test_a_beat_too_short_for_the_bands():
    with pytest.raises(ValueError, match="a beat of 20 samples"):
        Spectrogram(20, 4)
