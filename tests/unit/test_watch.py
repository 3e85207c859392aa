"""Maps that follow training: what they are, of whom, and that a training doesn't notice them."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import read_arrays, read_table, write_arrays
from beatlens.explain.watch.cohort import choose_cohort
from beatlens.explain.watch.drift import correlation, drift_table, entropy
from beatlens.explain.watch.layers import undisturbed
from beatlens.explain.watch.maps import NO_GRADIENT
from beatlens.explain.watch.settings import OF_ACTIVATIONS, WatchSettings
from beatlens.explain.watch.watch import Watch, clear_state, watch_training
from beatlens.figures.paper.colour_maps import check_colour_map, colours
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.training import training_figure
from beatlens.figures.watch import EPOCHS, OPACITY, Watched, watch_figure
from beatlens.inputs.labelled_records import records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec, prepare_record
from beatlens.learning.train_and_bundle import TrainingJob, train_model
from beatlens.models.build import network_to_arrays
from beatlens.models.hybrid import HybridNet
from beatlens.prediction.predict import network_outputs
from beatlens.report.sections.watch import drift_sentence
from makers import CLASSES, GEOMETRY, make_bank

LEADS = {"1": ("II", "V1"), "2": ("V1", "II"), "3": ("II",), "4": ("II", "V1"), "5": ("V1", "II")}
SPLITS = dict(zip(LEADS, ["train", "train", "train", "select", "select"], strict=True))
SCALE = PaperScale(25, 10)


@pytest.fixture(scope="module")
def settings(config):
    value = copy.deepcopy(config) | {"classes": list(CLASSES), "leads": ["II", "V1"], "device": "cpu"}
    value["signal"]["fs"], value["beats"]["before_s"], value["beats"]["after_s"] = 100, 0.12, 0.2
    value["model"] |= {"members": 2, "channels": [6, 8], "kernels": [5, 3], "time_bins": 2, "embedding": 8}
    value["model"] |= {"lstm_hidden": 6, "head_hidden": 8, "dropout": 0.3}
    value["training"] |= {"epochs": 2, "batch_beats": 64}
    return value


@pytest.fixture(scope="module")
def shards(tmp_path_factory, plant_shards, settings):
    return plant_shards(tmp_path_factory.mktemp("planted"), LEADS, BeatSettings(**settings["beats"]), n_beats=40)


@pytest.fixture(scope="module")
def records(shards):
    table = shards[0].records.copy()
    return table.assign(split=table["patient"].map(SPLITS))


@pytest.fixture(scope="module")
def spec(settings):
    beats = BeatSettings(**settings["beats"])
    return InputSpec(CLASSES, ("II", "V1"), GEOMETRY, beats, make_bank(np.random.default_rng(0), ("II", "V1")), None)


@pytest.fixture(scope="module")
def cohort(shards, records, spec):
    return choose_cohort(shards, records, spec, cases=2, seed=1)


class Tiny(nn.Module):
    """Logits that are linear in one convolution's rectified output, summed over the leads of a beat."""

    def __init__(self, cut: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.first = nn.Conv1d(1, 3, 3, padding=1)
            self.encoder = nn.Sequential(nn.Conv1d(3, 4, 5, stride=2, padding=2), nn.BatchNorm1d(4), nn.ReLU(True))
            self.weight = nn.Parameter(torch.randn(len(CLASSES), 4, GEOMETRY.length // 2))
            self.dropout = nn.Dropout(0.5)
            self.unused = nn.Linear(2, 2)
        self.cut = cut

    def forward(self, batch, n_beats):
        maps = self.encoder(self.first(batch["waves"][:, None]))
        maps = maps.detach() if self.cut else maps
        waves = torch.einsum("mcp,kcp->mk", self.dropout(maps), self.weight)
        beats = torch.zeros(n_beats, len(CLASSES)).index_add(0, batch["row"], waves)
        return beats[batch["windows"].gather(1, batch["positions"][:, None]).squeeze(1)]


def take(network, batch, n_beats):
    return network(batch, n_beats), torch.zeros(())


def watch(cohort, tmp_path, *, layer=None, epochs=(1,), forward=take, methods=OF_ACTIVATIONS):
    chosen = WatchSettings(1, 2, methods, layer)
    return Watch(cohort, chosen, epochs=epochs, folder=tmp_path / "on", output=tmp_path / "out", forward=forward)


def test_maps_are_captums_and_closed_forms(cohort, tmp_path):
    network = Tiny().eval()
    found = watch(cohort, tmp_path).arrays(1, network)
    batch = cohort.batch
    tensors = {name: torch.from_numpy(getattr(batch, name)) for name in ("row", "windows", "positions")}
    waves = torch.from_numpy(batch.waves)
    network.encoder[2].inplace = False  # captum's hooks can't do with it
    cam = LayerGradCam(lambda given: network(tensors | {"waves": given}, batch.n_beats), network.encoder)
    with torch.no_grad():
        maps = network.encoder(network.first(waves[:, None])).double().numpy()
        logits = network(tensors | {"waves": waves}, batch.n_beats).double().numpy()
    weight = network.weight.detach().double().numpy()
    target = batch.windows[np.arange(len(batch.windows)), batch.positions]
    assert list(found["layers"]) == ["encoder.2"]
    for k, beat in enumerate(target):
        for c in range(len(CLASSES)):
            whole = 0.0
            for wave in np.flatnonzero(batch.row == beat):
                place, own = (k, c, batch.column[wave]), maps[wave]
                captums = cam.attribute(waves, target=c, relu_attributions=False)[wave, 0].detach().numpy()
                np.testing.assert_allclose(found["gradcam"][place], captums, atol=1e-5)
                np.testing.assert_allclose(found["hirescam"][place], (own * weight[c]).sum(0), atol=1e-5)
                expected = np.zeros(own.shape[1])
                for channel in range(4):  # Chattopadhay et al., equations 10 and 19, of the exponential of the logit
                    g, total = weight[c, channel], own[channel].sum()
                    alpha = [x**2 / (2 * x**2 + total * x**3) for x in g]
                    expected += sum(a * max(x, 0) for a, x in zip(alpha, g, strict=True)) * own[channel]
                np.testing.assert_allclose(found["gradcam_plus_plus"][place], expected, atol=1e-4)
                whole += found["hirescam"][place].sum()
            assert whole == pytest.approx(logits[k, c], abs=1e-4)  # the logit is linear in the layer
    lacking = np.isnan(cohort.signal).all(axis=2)
    np.testing.assert_array_equal(np.isnan(found["gradcam"]).all(axis=(1, 3)), lacking)
    # 16 positions over 32 samples, of which the R peak is the 13th.
    np.testing.assert_allclose(found["gradcam_time_s"], (0.5 + 2 * np.arange(16) - 12) / 100)


def test_the_watched_beats_are_those_and_the_network_says_of_them_what_it_says(cohort, shards, records, spec, settings):
    with torch.random.fork_rng():
        network = HybridNet(TrainingJob(shards, records, spec, settings).network_config).eval()
    watched = Watch(cohort, WatchSettings(1, 2, ["gradcam"], None), epochs=[1], folder=None, output=None)
    found = watched.arrays(1, network)
    assert list(found["layers"]) == ["encoder.stacks.0.5", "encoder.stacks.1.5"]  # of each member
    assert cohort.cases == ("N_1", "N_2", "S_1", "S_2", "V_1", "V_2")
    assert [set(cohort.patients[2 * k : 2 * k + 2]) for k in range(3)] == [{"planted/4", "planted/5"}] * 3
    rows = {}
    for shard, table in split_beats(shards, records_of_split(records, "select")):
        inputs = prepare_record(shard, table, spec)
        logits = network_outputs(inputs, spec, network, "cpu").logits.astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        for row, beat in enumerate(table["beat_id"]):
            rows[beat] = (table["label"].iloc[row], odds[row] / odds[row].sum(), inputs.record.r_index[row])
    for k, beat in enumerate(cohort.beat_ids):
        label, probabilities, r = rows[beat]
        assert label == cohort.labels[k]
        np.testing.assert_allclose(found["probabilities"][k], probabilities, atol=1e-5)
        corpus, record, _ = beat.split("/")
        stored, leads = shards[0].signal(corpus, record), shards[0].leads(corpus, record)
        for lead, name in enumerate(cohort.leads):
            np.testing.assert_allclose(cohort.signal[k, lead], stored[leads.index(name), r - 12 : r + 20], atol=1e-5)


def test_a_cohort_is_fixed_by_its_seed_and_takes_what_there_is(shards, records, spec, cohort):
    assert choose_cohort(shards, records, spec, cases=2, seed=1).beat_ids == cohort.beat_ids
    assert choose_cohort(shards, records, spec, cases=2, seed=2).beat_ids != cohort.beat_ids
    many = choose_cohort(shards, records, spec, cases=30, seed=1)
    assert many.missing == tuple(
        f"{name}: there are {n} clean beats in the patients of select, 30 were asked for"
        for name, n in zip(*np.unique(many.labels, return_counts=True), strict=True)
        if n < 30
    )
    assert len(many.cases) == len(set(many.beat_ids)) == len(many.batch.target)
    classes = ("N", "S", "V", "Q")
    nobody = replace(spec, classes=classes, bank=replace(spec.bank, classes=classes))
    assert choose_cohort(shards, records, nobody, cases=1, seed=1).missing == (
        "Q: there is no clean beat in the patients of select, 1 were asked for",
    )
    taught = choose_cohort(shards, records[records["split"] == "train"], spec, cases=1, seed=1)
    assert taught.split == "train"
    with pytest.raises(ValueError, match=r"no labelled, clean beat of \['N', 'S', 'V'\].*watch.every: 0"):
        choose_cohort(shards, records.assign(split="test"), spec, cases=1, seed=1)


def test_layers_are_found_or_said_to_be_missing(cohort, tmp_path):
    def layers(network, layer=None):
        return list(watch(cohort, tmp_path, layer=layer).arrays(1, network)["layers"])

    network = Tiny().eval()
    assert layers(network, "first") == ["first"]
    with pytest.raises(ValueError, match=r"watch.layer: 'encodr.0'; expected .* first, encoder.0 \(did you mean"):
        layers(network, "encodr.0")
    with pytest.raises(ValueError, match=r"watch.layer: unused isn't run"):
        layers(network, "unused")
    flat = nn.Module()
    flat.dense = nn.Linear(GEOMETRY.length, len(CLASSES))
    flat.forward = lambda batch, n_beats: flat.dense(batch["waves"])[: len(batch["target"])]
    with pytest.raises(ValueError, match=r"the network has no convolution; expected .* dense, or watch.every: 0"):
        layers(flat)
    with pytest.raises(ValueError, match=r"'dense' gives \(\d+, 3\); expected .*\(rows, channels, positions\)"):
        layers(flat, "dense")


def test_frozen_layers_have_maps_and_what_no_gradient_reaches_is_labelled(cohort, tmp_path, caplog):
    network = Tiny().eval()
    expected = watch(cohort, tmp_path).arrays(1, network)["gradcam"]
    frozen = network.requires_grad_(False)
    np.testing.assert_array_equal(watch(cohort, tmp_path).arrays(1, frozen)["gradcam"], expected)

    cut = watch(cohort, tmp_path)
    cut(1, Tiny(cut=True))
    cut.hand_over()
    found = read_arrays(tmp_path / "out" / "1.npz")
    assert str(found["gradcam_absent"]) == NO_GRADIENT
    assert np.isnan(found["gradcam"]).all()
    assert f"epoch 1: hirescam: {NO_GRADIENT}" in caplog.text
    drift = read_table(tmp_path / "out" / "drift.csv")
    assert drift[["entropy", "magnitude", "correlation_last"]].isna().to_numpy().all()
    assert "no Grad-CAM map" in drift_sentence(drift[drift["method"] == "gradcam"], "Grad-CAM")
    figure = watch_figure(
        Watched.load(tmp_path / "out" / "cohort.npz", [tmp_path / "out" / "1.npz"]),
        "V_1",
        "gradcam",
        SCALE,
        "two_sided",
    )
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said.count("no map") == 2 * len(CLASSES)
    assert f"no map where {NO_GRADIENT}" in said
    assert len(figure.axes[0].images) == 1  # the colour bar alone


def test_a_class_that_nothing_speaks_for_has_an_empty_map(cohort, tmp_path):
    network = Tiny()
    with torch.no_grad():
        network.weight[2] = 0
    empty = watch(cohort, tmp_path)
    empty(1, network)
    empty.hand_over()
    drift = read_table(tmp_path / "out" / "drift.csv")
    of_v = drift[drift["class"] == "V"]
    assert (of_v["magnitude"] == 0).all()
    assert of_v["entropy"].isna().all()
    assert drift[drift["class"] == "N"]["entropy"].between(0, 1).all()


def test_a_network_is_left_as_it_was(cohort, tmp_path):
    network = Tiny().train()
    network.encoder[1].eval()
    before = copy.deepcopy(network.state_dict())
    generator = torch.random.get_rng_state()
    watch(cohort, tmp_path)(1, network)
    with undisturbed(network):
        torch.rand(3)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert [module.training for module in (network, network.dropout, network.encoder[1])] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.encoder[2]._forward_hooks


@pytest.mark.parametrize("name", ["hybrid", "crossmodal"])
def test_training_has_the_same_bits_watched_or_not_and_a_resumed_one_the_same_files(
    shards, records, spec, settings, tmp_path, name
):
    settings = settings | {"model": settings["model"] | {"name": name}}
    plain = train_model(TrainingJob(shards, records, spec, settings))
    expected = network_to_arrays(plain.network)
    state = tmp_path / "training" / "state.npz"
    job = TrainingJob(shards, records, spec, settings, state, "key")

    def trained(output, stop=None):
        watching = watch_training(job, output)

        def kill(epoch, network):
            if epoch == stop:
                raise KeyboardInterrupt

        model = train_model(replace(job, callbacks=[kill, watching]))
        watching.hand_over()
        return watching, model

    watching, model = trained(tmp_path / "whole")
    assert model.history == plain.history
    for name, value in network_to_arrays(model.network).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    saved = watching.arrays(2, model.network)
    whole = read_arrays(tmp_path / "whole" / "2.npz")
    for name, value in saved.items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)

    clear_state(state)
    assert list(state.parent.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "resumed", stop=2)
    (state.parent / "watch_of_another").mkdir()
    trained(tmp_path / "resumed")
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == ["1.npz", "2.npz", "cohort.npz", "drift.csv"]
    for name in names:
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not (state.parent / "watch_of_another").exists()

    (state.parent / "watch_of_key" / "1.npz").unlink()
    with pytest.raises(ValueError, match=r"1.npz: missing.*remove that state to train anew"):
        trained(tmp_path / "robbed")


def test_drift_is_told_by_known_maps(tmp_path):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(1, 1, 2, 8)), rng.normal(size=(1, 1, 2, 8))
    files = []
    for epoch, values in enumerate((one, -3 * one, other), start=1):
        files.append(tmp_path / f"{epoch}.npz")
        names = {"cases": ["V_1"], "labels": ["V"], "classes": ["V"]}
        write_arrays(
            files[-1],
            {name: np.array(value) for name, value in names.items()}
            | {"epoch": np.array(epoch), "gradcam": values, "gradcam_absent": np.array("")}
            | {"probabilities": np.array([[0.25 * epoch]])},
        )
    table = drift_table(files)
    expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    np.testing.assert_allclose(table["correlation_previous"], [np.nan, -1, -expected])
    np.testing.assert_allclose(table["correlation_last"], [expected, -expected, 1])
    np.testing.assert_allclose(table["magnitude"], [np.abs(one).mean(), 3 * np.abs(one).mean(), np.abs(other).mean()])
    assert table["entropy"][0] == pytest.approx(table["entropy"][1])
    assert entropy(np.ones(5)) == pytest.approx(1)
    assert entropy(np.array([0.0, -2.0, 0.0])) == 0
    assert np.isnan([entropy(np.zeros(3)), correlation(np.ones(3), np.arange(3.0))]).all()
    sentence = drift_sentence(table, "Grad-CAM")
    assert sentence.startswith("From epoch 1 to 3, by the median of Grad-CAM maps over beats and classes")
    assert "They change up to the last epoch" in sentence
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1]})
    panels = training_figure(history, table).axes
    np.testing.assert_allclose(panels[2].lines[1].get_ydata(), [expected, -expected, 1])
    assert len(training_figure(history).axes) == 2


def test_a_figure_has_a_row_a_class_some_epochs_and_the_bar_of_its_colours(cohort, tmp_path):
    watching = watch(cohort, tmp_path, epochs=range(1, 21), methods=["gradcam"])
    network = Tiny()
    for epoch in range(1, 21):
        with torch.no_grad():
            network.weight *= 1.1
        watching(epoch, network)
    watching.hand_over()
    files = list((tmp_path / "out").glob("[0-9]*.npz"))
    watched = Watched.load(tmp_path / "out" / "cohort.npz", files)
    assert [int(arrays["epoch"]) for arrays in watched.shown] == [1, 5, 9, 12, 16, 20]
    for colour_map in ("two_sided", "viridis"):
        axes = watch_figure(watched, "S_1", "gradcam", SCALE, colour_map).axes[0]
        assert len(axes.images) == 2 * EPOCHS * len(CLASSES) + 1
        bar = axes.images[-1].get_array()
        np.testing.assert_allclose(bar, colours(np.linspace(-1, 1, 81)[None], 1.0, OPACITY, colour_map))
    said = " ".join(text.get_text() for text in axes.texts)
    assert "after 6 of 20 epochs" in said
    assert "the network doesn't learn from this patient" in said
    # To scale: 0.31 s between first and last sample are 7.75 mm.
    trace = max((line for line in axes.lines), key=lambda line: len(line.get_xdata())).get_xdata()
    assert trace[-1] - trace[0] == pytest.approx(0.31 * 25)
    with pytest.raises(ValueError, match=r"watched case 'Q_1', map 'gradcam'; expected one of \['N_1'"):
        watch_figure(watched, "Q_1", "gradcam", SCALE, "two_sided")


def test_colour_maps_are_known_by_name():
    assert check_colour_map("plasma") == check_colour_map("purple_to_red") == ""
    assert "near it are viridis" in check_colour_map("viridi")
    assert "near it are purple_to_red" in check_colour_map("purple_to_rde")
    with pytest.raises(ValueError, match="colour map 'jett'; expected two_sided, purple_to_red, two colours"):
        colours(np.zeros(2), 1.0, colour_map="jett")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"every": -1}, "watch.every: -1; expected integer, >= 0"),
        ({"cases": 0}, "watch.cases: 0; expected integer, >= 1"),
        ({"methods": ["cam"]}, r"watch.methods: \['cam'\]; expected .*gradcam_plus_plus"),
    ],
)
def test_settings_that_mean_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        WatchSettings(**({"every": 1, "cases": 2, "methods": ["gradcam"], "layer": None} | change))


def test_the_last_epoch_is_always_watched():
    every = {k: WatchSettings(k, 2, ["gradcam"], None).epochs(7) for k in (0, 1, 3, 20)}
    assert every == {0: [], 1: [1, 2, 3, 4, 5, 6, 7], 3: [3, 6, 7], 20: [7]}
