"""Random draws that give the same numbers on every machine and Python.

``random.Random`` promises a stable stream for ``seed`` and ``random`` alone, so everything here is built on those two.
A stream is named by words (seed, match id, purpose): a value drawn for one purpose never shifts another.
"""

import math
import random
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")

STANDARD_NORMAL = NormalDist()


def stream(*name: object) -> random.Random:
    """The stream of random numbers that bears this name."""
    # not for secrets: a seeded world has to come out the same again
    return random.Random(":".join(map(str, name)))  # noqa: S311


def normal(rng: random.Random, deviation: float) -> float:
    """A draw from the normal distribution around 0."""
    # random() may return 0, where the inverse is not defined
    return deviation * STANDARD_NORMAL.inv_cdf(max(rng.random(), 1e-12))


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson draw by inversion; meant for means below 50."""
    left, term, count = rng.random(), math.exp(-mean), 0
    while left > term and count < 200:
        left -= term
        count += 1
        term *= mean / count
    return count


def binomial(rng: random.Random, trials: int, chance: float) -> int:
    """How many of ``trials`` succeed."""
    return sum(rng.random() < chance for _ in range(trials))


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of ``options``, each as likely as another."""
    return options[int(rng.random() * len(options))]


def shuffled(rng: random.Random, options: Sequence[T]) -> list[T]:
    """``options`` in a random order (Fisher and Yates)."""
    order = list(options)
    for last in range(len(order) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


def weighted_index(rng: random.Random, weights: Sequence[float]) -> int:
    """An index drawn with these weights, which sum to 1."""
    left = rng.random()
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return max(range(len(weights)), key=weights.__getitem__)
