"""The goal model, held against scipy's distributions and the equation of the paper."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from match_assets.source.practice.goals import (
    BASE_LOG_GOALS,
    HOME_ADVANTAGE,
    MAX_GOALS,
    RHO,
    Strength,
    expected_goals,
    outcome_probabilities,
    score_table,
)


def table_by_scipy(home_mean: float, away_mean: float) -> npt.NDArray[np.float64]:
    """Dixon & Coles (1997), equation 4.2, on a matrix with home goals in the rows."""
    goals = np.arange(MAX_GOALS + 1)
    matrix: npt.NDArray[np.float64] = np.outer(stats.poisson.pmf(goals, home_mean), stats.poisson.pmf(goals, away_mean))
    matrix[0, 0] *= 1 - home_mean * away_mean * RHO
    matrix[0, 1] *= 1 + home_mean * RHO
    matrix[1, 0] *= 1 + away_mean * RHO
    matrix[1, 1] *= 1 - RHO
    matrix /= matrix.sum()
    return matrix


@pytest.mark.parametrize(("home_mean", "away_mean"), [(1.4, 1.1), (0.3, 2.9), (3.5, 0.2)])
def test_score_table_equals_the_papers_equation(home_mean: float, away_mean: float) -> None:
    matrix = table_by_scipy(home_mean, away_mean)
    table = score_table(home_mean, away_mean)
    assert np.asarray(table).reshape(matrix.shape) == pytest.approx(matrix, abs=1e-12)


@pytest.mark.parametrize(("home_mean", "away_mean"), [(1.4, 1.1), (0.3, 2.9), (3.5, 0.2)])
def test_outcome_is_the_sum_below_on_and_above_the_diagonal(home_mean: float, away_mean: float) -> None:
    matrix = table_by_scipy(home_mean, away_mean)
    expected = (np.tril(matrix, -1).sum(), np.trace(matrix), np.triu(matrix, 1).sum())
    assert outcome_probabilities(score_table(home_mean, away_mean)) == pytest.approx(expected, abs=1e-12)


def test_draws_are_likelier_than_with_independent_goals() -> None:
    independent = sum(stats.poisson.pmf(g, 1.3) ** 2 for g in range(MAX_GOALS + 1))
    assert outcome_probabilities(score_table(1.3, 1.3))[1] > independent


def test_equal_teams_differ_by_the_home_advantage_alone() -> None:
    home, away = expected_goals(Strength(0.2, 0.2), Strength(0.2, 0.2))
    assert away == pytest.approx(np.exp(BASE_LOG_GOALS))
    assert home / away == pytest.approx(np.exp(HOME_ADVANTAGE))
