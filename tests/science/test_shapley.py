"""LIME and KernelSHAP against brute force, closed forms and captum."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from beatlens.explain.methods.kernelshap import solve_kernelshap
from beatlens.explain.methods.lime import lime_weights, solve_lime
from beatlens.explain.methods.sampling import shapley_coalitions, uniform_coalitions


def game(n_players, seed):
    """Make a random game with interactions of every order up to three."""
    rng = np.random.default_rng(seed)
    one, two, three = rng.normal(size=n_players), rng.normal(size=(n_players,) * 2), rng.normal(size=(n_players,) * 3)

    def value(masks):
        bits = np.asarray(masks, dtype=float)
        pairs, triples = (
            np.einsum("mi,mj,ij->m", bits, bits, two),
            np.einsum("mi,mj,mk,ijk->m", bits, bits, bits, three),
        )
        return np.tanh(0.3 * (bits @ one + 0.3 * pairs + 0.1 * triples))

    return value


def brute_force_shapley(value, n_players):
    """Mean marginal contribution over all orders."""
    result, orders = np.zeros(n_players), list(permutations(range(n_players)))
    cache = {}

    def v(mask):
        if mask not in cache:
            cache[mask] = float(value(np.array([mask]))[0])
        return cache[mask]

    for order in orders:
        mask = [False] * n_players
        before = v(tuple(mask))
        for player in order:
            mask[player] = True
            after = v(tuple(mask))
            result[player] += after - before
            before = after
    return result / len(orders)


@pytest.mark.parametrize("n_players", [1, 2, 3, 6, 8])
def test_exact_shapley(n_players):
    value = game(n_players, n_players)
    coalitions = shapley_coalitions(n_players, 64, np.random.default_rng(0))
    assert coalitions.exact
    assert len(coalitions.masks) == 2**n_players
    solution = solve_kernelshap(coalitions, value(coalitions.masks))
    np.testing.assert_allclose(solution.values, brute_force_shapley(value, n_players), atol=1e-5)
    assert abs(solution.completeness_error) < 1e-9
    assert not solution.standard_error.any()


def test_additive_game_is_exact_from_samples():
    """An additive game is recovered from any sample, with no residual and so no error."""
    weights = np.random.default_rng(1).normal(size=30)
    coalitions = shapley_coalitions(30, 120, np.random.default_rng(2))
    solution = solve_kernelshap(coalitions, coalitions.masks @ weights + 3)
    np.testing.assert_allclose(solution.values, weights, atol=1e-9)
    np.testing.assert_allclose(solution.standard_error, 0, atol=1e-9)
    lime = solve_lime(
        uniform_coalitions(30, 120, np.random.default_rng(2)),
        uniform_coalitions(30, 120, np.random.default_rng(2)).masks @ weights + 3,
        kernel_width=0.25,
        ridge=0.0,
    )
    np.testing.assert_allclose(lime.values, weights, atol=1e-8)


def test_pair_interaction_is_shared():
    """A product of two players is split evenly; the others get nothing (closed form)."""
    coalitions = shapley_coalitions(14, 4000, np.random.default_rng(0))
    solution = solve_kernelshap(coalitions, coalitions.masks[:, 2] & coalitions.masks[:, 9])
    expected = np.zeros(14)
    expected[[2, 9]] = 0.5
    np.testing.assert_allclose(solution.values, expected, atol=0.01)


def test_sampled_values_within_their_errors():
    """Over seeds, sampled values scatter around the exact ones as the standard error says."""
    n_players, value = 13, game(13, 4)
    exact = solve_kernelshap(all_ := shapley_coalitions(13, 2**13, np.random.default_rng(0)), value(all_.masks))
    z = []
    for seed in range(40):
        coalitions = shapley_coalitions(n_players, 300, np.random.default_rng(seed))
        assert len(coalitions.masks) == 300
        assert len(np.unique(coalitions.masks, axis=0)) == 300
        solution = solve_kernelshap(coalitions, value(coalitions.masks))
        assert abs(solution.completeness_error) < 1e-9
        z.append((solution.values - exact.values) / solution.standard_error)
    assert abs(np.mean(z)) < 0.2
    assert 0.8 < np.std(z) < 1.2


def lime(coalitions, targets):
    return solve_lime(coalitions, targets, kernel_width=0.25, ridge=0.001)


@pytest.mark.parametrize("budget", [400, 4000])
@pytest.mark.parametrize(("sampler", "solve"), [(shapley_coalitions, solve_kernelshap), (uniform_coalitions, lime)])
def test_stated_errors_are_those_from_seed_to_seed(sampler, solve, budget):
    """Also where much is enumerated (KernelSHAP, 4000 of 16384) or drawn again and again (LIME's small coalitions)."""
    value = game(14, 4)
    drawn = [sampler(14, budget, np.random.default_rng(seed)) for seed in range(20)]
    solutions = [solve(coalitions, value(coalitions.masks)) for coalitions in drawn]
    spread = np.std([solution.values for solution in solutions], axis=0, ddof=1)
    stated = np.median([solution.standard_error for solution in solutions], axis=0)
    assert 0.8 < np.median(stated / spread) < 1.3


def test_all_coalitions_are_the_limit_of_limes_samples():
    """Each number of players that are off has the same weight, and the values agree up to the error of the draws."""
    value = game(13, 4)
    every = uniform_coalitions(13, 2**13, np.random.default_rng(0))
    drawn = [uniform_coalitions(13, 2000, np.random.default_rng(seed)) for seed in range(20)]
    assert every.exact
    for coalitions, tolerance in ((every, 1e-9), (drawn[0], 0.2)):
        share = np.bincount(coalitions.masks.sum(axis=1), coalitions.weights) / coalitions.weights.sum()
        np.testing.assert_allclose(share, 1 / 14, rtol=tolerance)
        assert coalitions.weights.sum() == pytest.approx(len(coalitions.masks))
    exact = lime(every, value(every.masks)).values
    values = np.array([lime(coalitions, value(coalitions.masks)).values for coalitions in drawn])
    z = (values.mean(axis=0) - exact) / (values.std(axis=0, ddof=1) / np.sqrt(len(drawn)))
    assert np.abs(z).max() < 4


@pytest.mark.parametrize(
    ("sampler", "n_players", "budget"),
    [
        (shapley_coalitions, 13, 101),
        (shapley_coalitions, 60, 400),
        (uniform_coalitions, 13, 101),
        (uniform_coalitions, 60, 400),
        (shapley_coalitions, 200, 64),
    ],
)
def test_budget_is_exact_and_paired(sampler, n_players, budget):
    first, again = (sampler(n_players, budget, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.masks, again.masks)
    assert first.masks.shape == (budget, n_players)
    assert len(np.unique(first.masks, axis=0)) == budget
    assert first.masks[0].all()
    assert not first.masks[1].any()
    inner, groups = first.masks[2:], first.groups[2:]
    for group in np.unique(groups):
        pair = inner[groups == group]
        assert len(pair) <= 2
        if len(pair) == 2:
            np.testing.assert_array_equal(pair[0], ~pair[1])
    assert (np.bincount(groups) == 1).sum() <= budget % 2 + 2


def test_kernel_mass_by_size():
    """Whatever was enumerated, the weights of all masks add up to the Shapley kernel's mass."""
    coalitions = shapley_coalitions(14, 400, np.random.default_rng(0))
    sizes = coalitions.masks.sum(axis=1)
    mass = np.array([1 / (s * (14 - s)) for s in range(1, 14)])
    mass /= mass.sum()
    assert np.isclose(coalitions.weights.sum(), 1)
    assert np.isclose(coalitions.weights[np.isin(sizes, [1, 13])].sum(), 2 * mass[0])


def test_lime_weight():
    masks = np.array([[True] * 4, [True, False, False, False], [False] * 4])
    d = 1 - 1 / 2  # cosine of one of four
    np.testing.assert_allclose(lime_weights(masks, 0.25), np.sqrt(np.exp(-(np.array([0, d, 1]) ** 2) / 0.25**2)))


def captum_inputs(n_players, seed):
    rng = np.random.default_rng(seed)
    table = {}
    value = game(n_players, seed)

    def forward(bits):
        key = bits.detach().numpy().astype(bool).tobytes()
        if key not in table:
            table[key] = float(value(bits.detach().numpy().astype(bool))[0])
        return torch.tensor([table[key]], dtype=torch.float32)

    return rng, value, forward


def test_lime_agrees_with_captum():
    """LimeBase given the same masks, kernel and solver (sklearn's Ridge)."""
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import LimeBase

    rng, value, forward = captum_inputs(15, 7)
    coalitions = uniform_coalitions(15, 150, rng)
    assert coalitions.draws.max() > 1  # masks that were drawn again weigh more
    rows = iter(torch.tensor(coalitions.masks, dtype=torch.float32))
    weights = torch.tensor(lime_weights(coalitions.masks, 0.25) * coalitions.weights)
    weight_of = {mask.tobytes(): w for mask, w in zip(coalitions.masks, weights, strict=True)}
    method = LimeBase(
        forward,
        SkLearnRidge(alpha=0.001),
        lambda original, perturbed, bits, **_: weight_of[bits.numpy().astype(bool)[0].tobytes()],
        lambda original, **_: next(rows)[None],
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda bits, original, **_: bits,
        to_interp_rep_transform=None,
    )
    reference = method.attribute(torch.ones(1, 15), n_samples=150).numpy()[0]
    targets = value(coalitions.masks).astype(np.float32)
    own = lime(coalitions, targets)
    np.testing.assert_allclose(own.values, reference, atol=1e-5)


def test_kernelshap_agrees_with_captum():
    """KernelShap given the same masks and weights; its soft end points (weight 1e6) against our constraints."""
    from captum.attr import KernelShap

    rng, value, forward = captum_inputs(14, 9)
    coalitions = shapley_coalitions(14, 200, rng)
    weight_of = {mask.tobytes(): w for mask, w in zip(coalitions.masks, coalitions.weights, strict=True)}

    class Given(KernelShap):
        def kernel_shap_perturb_generator(self, original_inp, **kwargs):
            yield from torch.tensor(coalitions.masks, dtype=torch.long)[:, None]

        def kernel_shap_similarity_kernel(self, _, __, sample, **kwargs):
            bits = sample.numpy().astype(bool)[0]
            return torch.tensor([1e6 if bits.all() or not bits.any() else weight_of[bits.tobytes()] * 200])

    method = Given(forward)
    method.perturb_func = method.kernel_shap_perturb_generator
    method.similarity_func = method.kernel_shap_similarity_kernel
    reference = method.attribute(torch.ones(1, 14), baselines=torch.zeros(1, 14), n_samples=200).numpy()[0]
    own = solve_kernelshap(coalitions, value(coalitions.masks).astype(np.float32))
    np.testing.assert_allclose(own.values, reference, atol=1e-5)


def test_targets_that_are_not_finite_are_refused():
    coalitions = uniform_coalitions(3, 8, np.random.default_rng(0))
    targets = np.zeros(8)
    targets[3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        solve_lime(coalitions, targets, kernel_width=0.25, ridge=0.001)
    with pytest.raises(ValueError, match="not finite"):
        solve_kernelshap(coalitions, targets)
