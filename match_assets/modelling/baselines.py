"""Simple forecasts that a tuned model must stand beside: class frequencies, Elo alone, ridge regressions on ratings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import polars as pl

from match_assets.config import SplitParams
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.linear import PSEUDO_MATCHES, fit_logistic, fit_ordinal
from match_assets.modelling.metrics import N_OUTCOMES, FloatArray, score
from match_assets.modelling.split import role_ids, usable_folds

CLASS_FREQUENCY = "class_frequency"
# A single rating needs hardly a penalty; on the some seventy correlated ratings and differences, 300 to 3,000 was the
# flat bottom of the hold-out RPS over 15 pairs of real leagues and cut-offs (1,000 to 3,000 training rows), 10 cost
# 0.003.
ELO_STRENGTH = 1.0
RATINGS_STRENGTH = 1000.0


class Forecaster(Protocol):
    """Anything fitted that turns (n, f) features into (n, 3) probabilities."""

    def predict(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3)."""


@dataclass(frozen=True, eq=False)
class ClassFrequencies:
    """The same forecast for every match: how often each outcome came in training."""

    frequencies: FloatArray

    def predict(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3), each row the frequencies."""
        return np.tile(self.frequencies, (len(features), 1))


@dataclass(frozen=True)
class Baseline:
    """Name, the features it reads and how it is fitted on rows that hold just these."""

    name: str
    feature_names: tuple[str, ...]
    fit: Callable[[Dataset], Forecaster]


def fit_class_frequencies(rows: Dataset) -> ClassFrequencies:
    """Frequencies of home, draw and away, with one match spread evenly over them, so that none is ever 0."""
    counts = np.bincount(rows.outcomes, minlength=N_OUTCOMES) + PSEUDO_MATCHES / N_OUTCOMES
    return ClassFrequencies(counts / counts.sum())


def linear_feature_names(groups: Mapping[str, Sequence[str]], rating_groups: Sequence[str]) -> tuple[str, ...]:
    """Columns for linear models: all of the rating groups, and every home-minus-away difference.

    Args:
        groups: feature columns by group, as ``features.registry.feature_groups`` gives them.
        rating_groups: names of the groups that hold ratings.
    """
    ratings = [name for group in rating_groups for name in groups[group]]
    differences = [name for group in groups.values() for name in group if name.endswith("_difference")]
    return tuple(dict.fromkeys([*ratings, *differences]))


def all_baselines(elo_features: Sequence[str], linear_features: Sequence[str]) -> tuple[Baseline, ...]:
    """The baselines in order of strength, class frequencies first.

    Args:
        elo_features: one or two columns of the Elo group, the difference of the ratings for one.
        linear_features: see ``linear_feature_names``.
    """
    elo, linear = tuple(elo_features), tuple(linear_features)
    return (
        Baseline(CLASS_FREQUENCY, (), fit_class_frequencies),
        Baseline("elo_logistic", elo, partial(_fit_logistic, strength=ELO_STRENGTH)),
        Baseline("elo_ordinal", elo, partial(_fit_ordinal, strength=ELO_STRENGTH)),
        Baseline("ratings_logistic", linear, partial(_fit_logistic, strength=RATINGS_STRENGTH)),
        Baseline("ratings_ordinal", linear, partial(_fit_ordinal, strength=RATINGS_STRENGTH)),
    )


def run_baselines(
    dataset: Dataset, split: pl.DataFrame, baselines: Sequence[Baseline], split_params: SplitParams
) -> pl.DataFrame:
    """Scores of every baseline on the walk-forward folds and on the hold-out.

    For the hold-out a baseline learns from the roles fit and calibration together: it needs no calibration, and so gets
    every match that any model may have seen.

    Returns:
        ``baseline``, ``part`` (validation or holdout), then the columns of ``metrics.score``; the folds' rows are
        pooled.

    Raises:
        NotEnoughDataError: no usable fold.
    """
    folds = usable_folds(split, split_params)
    learned, holdout = dataset.rows(role_ids(split, "fit", "calibration")), dataset.rows(role_ids(split, "holdout"))
    rows: list[dict[str, str | float]] = []
    for baseline in baselines:
        parts = [(dataset.rows(fold.training_ids), dataset.rows(fold.validation_ids)) for fold in folds]
        forecast = np.vstack([_forecast(baseline, training, validation) for training, validation in parts])
        happened = np.concatenate([validation.outcomes for _, validation in parts])
        rows.append({"baseline": baseline.name, "part": "validation", **score(forecast, happened)})
        on_holdout = score(_forecast(baseline, learned, holdout), holdout.outcomes)
        rows.append({"baseline": baseline.name, "part": "holdout", **on_holdout})
    return pl.DataFrame(rows)


def _forecast(baseline: Baseline, training: Dataset, judged: Dataset) -> FloatArray:
    fitted = baseline.fit(training.select(baseline.feature_names))
    return fitted.predict(judged.select(baseline.feature_names).features)


def _fit_logistic(rows: Dataset, *, strength: float) -> Forecaster:
    return fit_logistic(rows.features, rows.outcomes, strength=strength)


def _fit_ordinal(rows: Dataset, *, strength: float) -> Forecaster:
    return fit_ordinal(rows.features, rows.outcomes, strength=strength)
