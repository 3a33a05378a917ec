"""The goal model of the drawn world: two Poisson counts, tied together at low scores as by Dixon & Coles (1997).

The whole probability table of a match is built and the score drawn from it, so the outcome's true chances are exact
sums and not estimates.
"""

import math
from dataclasses import dataclass

from match_assets.source.practice.facts import Probabilities

MAX_GOALS = 10
BASE_LOG_GOALS = math.log(1.16)
HOME_ADVANTAGE = 0.24
RHO = -0.06


@dataclass(frozen=True, slots=True)
class Strength:
    """Log-linear attack and defence of a team at one time; 0 is the world's average."""

    attack: float
    defence: float


def expected_goals(home: Strength, away: Strength) -> tuple[float, float]:
    """Poisson means of both sides."""
    return (
        math.exp(BASE_LOG_GOALS + HOME_ADVANTAGE + home.attack - away.defence),
        math.exp(BASE_LOG_GOALS + away.attack - home.defence),
    )


def score_table(home_mean: float, away_mean: float) -> list[float]:
    """Chances of all scores up to ``MAX_GOALS`` each, summing to 1; entry ``h * (MAX_GOALS + 1) + a`` is h : a."""
    home, away = _poisson_weights(home_mean), _poisson_weights(away_mean)
    table = [h * a for h in home for a in away]
    row = MAX_GOALS + 1
    # tau of Dixon & Coles (1997), equation 4.2
    table[0] *= 1 - home_mean * away_mean * RHO
    table[1] *= 1 + home_mean * RHO
    table[row] *= 1 + away_mean * RHO
    table[row + 1] *= 1 - RHO
    total = sum(table)
    return [weight / total for weight in table]


def outcome_probabilities(table: list[float]) -> Probabilities:
    """Home win, draw and away win, summed over a score table."""
    row = MAX_GOALS + 1
    draw = sum(table[:: row + 1])
    home = sum(sum(table[h * row : h * row + h]) for h in range(row))
    return home, draw, 1.0 - home - draw


def _poisson_weights(mean: float) -> list[float]:
    weights = [math.exp(-mean)]
    for goals in range(1, MAX_GOALS + 1):
        weights.append(weights[-1] * mean / goals)
    return weights
