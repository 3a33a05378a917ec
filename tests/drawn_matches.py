"""Matches drawn from a known ordinal model: wide feature rows and results for tests of the modelling part."""

import datetime as dt

import numpy as np
import polars as pl

from match_assets.config import ModelParams, SearchSpace, SplitParams
from match_assets.modelling.dataset import Dataset, build_dataset, split_candidates
from match_assets.modelling.metrics import FloatArray, IntArray
from match_assets.modelling.split import temporal_split

FIRST_KICK_OFF = dt.datetime(2022, 8, 1, 15, tzinfo=dt.UTC)
CUTOFF = dt.date(2025, 2, 1)
PLAYED = ("home_matches_played", "away_matches_played")
SPLIT = SplitParams(
    first_cutoff=dt.date(2001, 1, 1),
    holdout_months=6,
    calibration_months=4,
    folds=3,
    fold_months=4,
    embargo_days=1,
    min_history=3,
    min_training_rows=100,
)
MODEL = ModelParams(
    seed=7,
    threads=1,
    trials=3,
    early_stopping_rounds=10,
    max_rounds=40,
    search_space=SearchSpace(
        max_depth=(2, 3),
        learning_rate=(0.1,),
        min_child_weight=(5.0,),
        subsample=(0.8,),
        colsample_bytree=(0.5, 1.0),
        reg_lambda=(5.0,),
    ),
)
GROUPS = {
    "elo": ["elo_difference"],
    "form": ["points_difference", "home_points", "away_points"],
    "noise": [f"noise_{number}" for number in range(6)],
}
FEATURES = tuple(name for names in GROUPS.values() for name in names)
LINEAR = ("elo_difference", "points_difference")


def true_probabilities(strength: FloatArray) -> FloatArray:
    """(n,) strength of the home side → (n, 3): a proportional-odds model with thresholds -0.2 and 1.0."""
    home, not_away = 1 / (1 + np.exp(0.2 - strength)), 1 / (1 + np.exp(-1.0 - strength))
    return np.stack([home, not_away - home, 1 - not_away], axis=1)


def draw_outcomes(probabilities: FloatArray, seed: int) -> IntArray:
    """One outcome a row."""
    below = np.cumsum(probabilities, axis=1)[:, :-1]
    chance = np.random.default_rng(seed).random((len(probabilities), 1))
    return np.asarray((chance > below).sum(axis=1), dtype=np.int64)


def draw_matches(n: int = 1000, seed: int = 1, *, every: dt.timedelta = dt.timedelta(days=1)) -> pl.DataFrame:
    """Wide rows with result and the true probabilities, one match each ``every``, first teams without history.

    ``elo_difference`` and ``points_difference`` show the strength through noise, ``noise_*`` nothing; the first rows of
    the form columns are null.
    """
    chance = np.random.default_rng(seed)
    strength = chance.normal(0, 0.9, n)
    truth = true_probabilities(strength)
    outcomes = draw_outcomes(truth, seed + 1)
    columns = {
        "match_id": np.arange(1, n + 1),
        "kick_off_utc": [FIRST_KICK_OFF + number * every for number in range(n)],
        "home_goals": np.choose(outcomes, [2, 1, 0]),
        "away_goals": np.choose(outcomes, [0, 1, 2]),
        "is_walkover": np.zeros(n, dtype=bool),
        **{name: np.minimum(np.arange(n, dtype=float), 50) for name in PLAYED},
        "elo_difference": 100 * (strength + chance.normal(0, 0.5, n)),
        "points_difference": strength + chance.normal(0, 1.0, n),
        "home_points": 1.4 + strength / 2 + chance.normal(0, 0.5, n),
        "away_points": 1.4 - strength / 2 + chance.normal(0, 0.5, n),
        **{f"noise_{number}": chance.normal(size=n) for number in range(6)},
        **{f"true_{name}": truth[:, index] for index, name in enumerate(("home", "draw", "away"))},
    }
    unknown_form = [pl.when(pl.col("match_id") > 5).then(pl.col(name)).alias(name) for name in GROUPS["form"]]
    return pl.DataFrame(columns).with_columns(pl.col("home_goals", "away_goals").cast(pl.Int16), *unknown_form)


def dataset_and_split(
    matches: pl.DataFrame, split_params: SplitParams = SPLIT, cutoff: dt.date = CUTOFF
) -> tuple[Dataset, pl.DataFrame]:
    """Arrays and roles of drawn matches."""
    candidates = split_candidates(matches, matches, played_columns=PLAYED, min_history=split_params.min_history)
    return build_dataset(matches, matches, FEATURES), temporal_split(candidates, cutoff, split_params)
