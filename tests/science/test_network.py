"""The network against torch's own LSTM, a naive run of every window, and its members on their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from beatlens.beats.beat_table import context_windows
from beatlens.models.build import network_from_arrays, network_to_arrays
from beatlens.models.hybrid import HybridNet
from beatlens.models.rhythm import RhythmBranch
from beatlens.models.settings import ModelSettings, NetworkConfig

N_RR, N_CLASSES, LENGTH = 4, 3, 40
TYPICAL = torch.from_numpy(np.random.default_rng(0).normal(size=(2, LENGTH)).astype(np.float32))


@pytest.fixture(params=[("hybrid", 1), ("context", 1), ("hybrid", 3)], ids=str)
def network(request, config):
    name, members = request.param
    sizes = {"name": name, "members": members, "lstm_hidden": 7, "embedding": 9}
    settings = ModelSettings(**(config["model"] | sizes))
    torch.manual_seed(0)
    network = HybridNet(NetworkConfig(settings, N_CLASSES, LENGTH, N_RR, 6, 5))
    network.set_scaler(torch.tensor([0.1, -0.2, 0.3, 1.0]), torch.tensor([0.5, 1.0, 2.0, 0.0]))
    assert not network.mixer.leads.weight.any()  # a lead without training patients stays without influence
    torch.nn.init.normal_(network.mixer.leads.weight)
    network.train()
    # Running statistics that do something.
    network.encode_leads(torch.randn(64, LENGTH) * 2 + 0.5, torch.randn(64, LENGTH))
    return network_from_arrays(network.config, network_to_arrays(network))


def beats(rng, n=23):
    stretch = np.repeat([0, 1, 2, 3], [9, 1, 2, n - 12])
    windows, lengths, positions = (torch.from_numpy(part) for part in context_windows(stretch, 5))
    return (
        torch.from_numpy(rng.normal(size=(n, 2, LENGTH)).astype(np.float32)),
        torch.from_numpy(rng.normal(size=(n, N_RR)).astype(np.float32)),
        torch.from_numpy(rng.uniform(-1, 1, (n, 6)).astype(np.float32)),
        windows,
        lengths,
        positions,
    )


def outputs(network, waves, rr, similarity, windows, lengths, positions):
    n = len(waves)
    encoded = network.encode_leads(waves.reshape(2 * n, LENGTH), TYPICAL.repeat(n, 1)).view(n, 2, -1)
    embeddings = network.mix_leads(encoded, torch.ones(n, 2, dtype=torch.bool), torch.tensor([1, 6]))
    return network.classify(embeddings, rr, similarity, windows, lengths, positions)


def test_padding_never_changes_an_output(network):
    rng = np.random.default_rng(1)
    waves, rr, similarity, windows, lengths, positions = beats(rng)
    with torch.inference_mode():
        expected = outputs(network, waves, rr, similarity, windows, lengths, positions)
        for _ in range(5):
            padding = torch.arange(5) >= lengths[:, None]
            junk = torch.from_numpy(rng.integers(0, len(waves), windows.shape))
            found = outputs(network, waves, rr, similarity, torch.where(padding, junk, windows), lengths, positions)
            assert torch.equal(found[0], expected[0])
            assert torch.equal(found[1], expected[1])


def test_absent_leads_never_change_an_output(network):
    features = torch.randn(6, 3, network.members * network.encoder.size)
    present = torch.tensor([[True, False, True], [False, True, False], [False, False, False]] * 2)
    lead_ids = torch.tensor([1, 6, 10])
    with torch.inference_mode():
        expected = network.mix_leads(features, present, lead_ids)
        other = torch.where(present[..., None], features, torch.full_like(features, float("nan")))
        torch.testing.assert_close(network.mix_leads(other, present, lead_ids), expected, rtol=0, atol=0)
        torch.testing.assert_close(
            network.mix_leads(features[:1, [0, 2]], present[:1, [0, 2]], lead_ids[[0, 2]]), expected[:1]
        )
        assert (expected[2] == 0).all()
        swapped = network.mix_leads(features, present, torch.tensor([6, 1, 10]))
        assert not torch.allclose(swapped[0], expected[0])  # it knows which lead it mixes


def test_beats_encoded_once_give_what_each_window_on_its_own_gives(network):
    waves, rr, similarity, windows, lengths, positions = beats(np.random.default_rng(2))
    with torch.inference_mode():
        logits, gate = outputs(network, waves, rr, similarity, windows, lengths, positions)
        for i in range(len(waves)):
            rows = windows[i, : lengths[i]]
            alone = outputs(
                network,
                waves[rows],
                rr[rows],
                similarity[i : i + 1],
                torch.arange(len(rows))[None],
                lengths[i : i + 1],
                positions[i : i + 1],
            )
            torch.testing.assert_close(alone[0][0], logits[i], atol=1e-5, rtol=0)
            torch.testing.assert_close(alone[1][0], gate[i], atol=1e-5, rtol=0)


def test_rhythm_branch_is_torchs_bidirectional_lstm_read_out_at_the_target():
    torch.manual_seed(4)
    branch, reference = (
        RhythmBranch(1, embedding=4, narrowed=3, n_rr=2, hidden=8, context=5),
        torch.nn.LSTM(5, 8, bidirectional=True, batch_first=True),
    )
    order = torch.cat([torch.arange(0, 16), torch.arange(24, 32), torch.arange(16, 24)])  # input, forget, cell, output
    with torch.no_grad():
        for direction, suffix in ((branch.before, ""), (branch.after, "_reverse")):
            getattr(reference, f"weight_ih_l0{suffix}")[:] = direction.input.gates.weight[0, order]
            getattr(reference, f"bias_ih_l0{suffix}")[:] = direction.input.gates.bias[0, order]
            getattr(reference, f"bias_hh_l0{suffix}").zero_()
            getattr(reference, f"weight_hh_l0{suffix}")[:] = direction.recurrent.weight[0, order]
        beats_in = torch.randn(20, 6)
        stretch = np.repeat([0, 1, 2, 3], [1, 2, 4, 13])
        windows, lengths, positions = (torch.from_numpy(part) for part in context_windows(stretch, 5))
        found = branch(beats_in, windows, lengths, positions)
        narrowed = [
            torch.cat([torch.relu(direction.input.narrow(beats_in[:, :4])), beats_in[:, 4:]], dim=1)
            for direction in (branch.before, branch.after)
        ]
        for i in range(20):
            for half, own in zip((slice(0, 8), slice(8, 16)), narrowed, strict=True):
                out, _ = reference(own[windows[i, : lengths[i]]][None])
                torch.testing.assert_close(found[i, half], out[0, positions[i], half], atol=1e-6, rtol=1e-5)


def test_the_context_model_has_no_prototype_branch(network):
    waves, rr, similarity, windows, lengths, positions = beats(np.random.default_rng(3))
    with torch.inference_mode():
        expected, _ = outputs(network, waves, rr, similarity, windows, lengths, positions)
        found, _ = outputs(network, waves, rr, similarity + 0.3, windows, lengths, positions)
    assert torch.equal(found, expected) == (network.config.settings.name == "context")


def test_gradients_reach_the_signal_in_evaluation_mode(network):
    waves, rr, similarity, windows, lengths, positions = beats(np.random.default_rng(6))
    waves.requires_grad_(True)
    logits, _ = outputs(network, waves, rr, similarity, windows, lengths, positions)
    logits[4, 0].backward()
    reached = waves.grad.abs().sum(dim=(1, 2)) > 0
    assert reached.nonzero().squeeze(1).tolist() == [2, 3, 4, 5, 6]


def test_an_ensemble_is_the_mean_of_networks_on_their_own(config):
    """Each member's weights, taken out, make a network of one that says what the member says."""
    settings = ModelSettings(**(config["model"] | {"members": 3}))
    sizes = NetworkConfig(settings, N_CLASSES, LENGTH, N_RR, 6, 5)
    torch.manual_seed(5)
    ensemble = HybridNet(sizes)
    torch.nn.init.normal_(ensemble.mixer.leads.weight)
    ensemble.encode_leads(torch.randn(64, LENGTH), torch.randn(64, LENGTH))
    ensemble.eval()
    case = beats(np.random.default_rng(7))
    logits, gates = [], []
    for member in range(3):
        alone = HybridNet(replace(sizes, settings=replace(settings, members=1))).eval()
        state = {}
        for name, value in ensemble.state_dict().items():
            if name.startswith("encoder.stacks."):
                if name.startswith(f"encoder.stacks.{member}."):
                    state[name.replace(f"stacks.{member}.", "stacks.0.")] = value
            elif name == "mixer.leads.weight":
                state[name] = value.chunk(3, dim=1)[member]
            elif name.startswith("rr_"):
                state[name] = value
            else:
                state[name] = value[member : member + 1]
        alone.load_state_dict(state)
        with torch.inference_mode():
            found = outputs(alone, *case)
        logits.append(found[0])
        gates.append(found[1])
    assert not torch.allclose(logits[0], logits[1], atol=1e-2)
    with torch.inference_mode():
        found = outputs(ensemble, *case)
    torch.testing.assert_close(found[0], torch.stack(logits).mean(0), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found[1], torch.stack(gates).mean(0), atol=1e-6, rtol=1e-5)


def test_no_member_learns_from_the_loss_of_another(network):
    network.train()
    windows, lengths, positions = (torch.from_numpy(part) for part in context_windows(np.zeros(9), 5))
    encoded = network.encode_leads(torch.randn(9, LENGTH), TYPICAL[:1].repeat(9, 1))
    embeddings = network.mix_leads(encoded[:, None], torch.ones(9, 1, dtype=torch.bool), torch.tensor([1]))
    logits, gates = network.member_outputs(
        embeddings, torch.randn(9, N_RR), torch.randn(9, 6), windows, lengths, positions
    )
    (logits[:, 0].sum() + gates[:, 0].sum()).backward()
    for name, parameter in network.named_parameters():
        if name.startswith("encoder.stacks."):
            reached = parameter.grad is not None and bool(parameter.grad.any())
            assert reached == name.startswith("encoder.stacks.0."), name
            continue
        parts = parameter.grad.chunk(network.members, dim=1) if name == "mixer.leads.weight" else parameter.grad
        assert [bool(part.any()) for part in parts] == [member == 0 for member in range(network.members)], name


def test_sizes_of_the_default_network(config):
    network = HybridNet(NetworkConfig(ModelSettings(**config["model"]), 6, 130, 10, 12, 5))
    members, channels = config["model"]["members"], config["model"]["channels"]
    assert sum(parameter.numel() for parameter in network.parameters()) <= members * 134_000
    wave = torch.zeros(2, 130)
    assert network.encoder.feature_map(wave, wave).shape == (2, members * channels[-1], 17)
