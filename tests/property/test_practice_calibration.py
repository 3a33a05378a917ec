"""The true probabilities of drawn worlds are true: what is drawn over many seeds comes as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from match_assets.source.practice.chance import binomial, normal, poisson, shuffled, stream, weighted_index
from match_assets.source.practice.world import draw_world

N_WORLDS = 40
# 4.5 standard deviations: one false alarm in 150,000; the seeds are fixed besides
LIMIT = 4.5


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """True probabilities (n, 3) and outcomes (n,) of all played matches of many worlds of one season."""
    probabilities, outcomes = [], []
    for seed in range(N_WORLDS):
        world = draw_world(seed, first_season=2024, seasons=1)
        for match_id, chances in world.probabilities.items():
            goals = world.matches[match_id][2].goals
            assert goals is not None
            probabilities.append(chances)
            outcomes.append(0 if goals[0] > goals[1] else 1 if goals[0] == goals[1] else 2)
    return np.asarray(probabilities), np.asarray(outcomes)


def largest_deviation(probabilities: np.ndarray, outcomes: np.ndarray) -> float:
    """Largest gap in standard deviations between frequency and probability: per class, and per class and decile."""
    worst = 0.0
    for code in range(3):
        chances, happened = probabilities[:, code], outcomes == code
        edges = np.quantile(chances, np.linspace(0, 1, 11))
        decile = np.clip(np.searchsorted(edges, chances, side="right") - 1, 0, 9)
        for members in [np.ones(len(chances), dtype=bool), *(decile == number for number in range(10))]:
            gap = happened[members].sum() - chances[members].sum()
            deviation = math.sqrt((chances[members] * (1 - chances[members])).sum())
            worst = max(worst, abs(gap) / deviation)
    return worst


def test_probabilities_are_a_simplex(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, _ = drawn
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert (probabilities > 0).all()


def test_outcomes_come_as_often_as_the_true_probabilities_say(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, outcomes = drawn
    assert len(outcomes) > 10_000
    assert largest_deviation(probabilities, outcomes) < LIMIT


def test_the_test_itself_sees_probabilities_that_are_two_points_off(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, outcomes = drawn
    wrong = probabilities + np.array([0.025, 0.0, -0.025])
    wrong = np.clip(wrong, 0.001, None)
    assert largest_deviation(wrong / wrong.sum(axis=1, keepdims=True), outcomes) > LIMIT


def test_there_is_something_to_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """Knowing the truth beats class frequencies by a margin like that of real leagues (RPS about 0.20 to 0.23)."""
    probabilities, outcomes = drawn
    happened = np.eye(3)[outcomes]

    def rps(forecast: np.ndarray) -> float:
        return float(((np.cumsum(forecast - happened, axis=1)[:, :2] ** 2).sum(axis=1) / 2).mean())

    frequencies = np.broadcast_to(happened.mean(axis=0), happened.shape)
    assert 0.18 < rps(probabilities) < 0.21
    assert rps(frequencies) - rps(probabilities) > 0.02


@pytest.mark.parametrize("mean", [0.08, 1.3, 11.0])
def test_poisson_draws_follow_the_distribution(mean: float) -> None:
    rng = stream("poisson", mean)
    draws = np.array([poisson(rng, mean) for _ in range(4_000)])
    gap = (draws.mean() - mean) / math.sqrt(mean / len(draws))
    assert abs(gap) < LIMIT
    share, expected = (draws == int(mean)).mean(), stats.poisson.pmf(int(mean), mean)
    assert abs(share - expected) < LIMIT * math.sqrt(expected * (1 - expected) / len(draws))


def test_normal_and_binomial_draws_have_their_mean_and_spread() -> None:
    rng = stream("moments")
    draws = np.array([normal(rng, 2.0) for _ in range(4_000)])
    assert abs(draws.mean()) < LIMIT * 2 / math.sqrt(4_000)
    assert stats.kstest(draws / 2, "norm").pvalue > 1e-5
    counts = np.array([binomial(rng, 10, 0.3) for _ in range(4_000)])
    assert abs(counts.mean() - 3.0) < LIMIT * math.sqrt(2.1 / 4_000)


@given(st.lists(st.integers()), st.integers())
def test_shuffling_loses_nothing(items: list[int], seed: int) -> None:
    assert sorted(shuffled(stream(seed), items)) == sorted(items)


@settings(max_examples=50)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20), st.integers())
def test_weighted_index_is_always_an_index(weights: list[float], seed: int) -> None:
    total = sum(weights)
    assert 0 <= weighted_index(stream(seed), [weight / total for weight in weights]) < len(weights)
