"""What each group of features is worth: the same modest boosted trees without it."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from match_assets.config import ModelParams, SplitParams
from match_assets.modelling.boosting import fit_xgboost, predict_xgboost
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.metrics import FloatArray, rps_per_match
from match_assets.modelling.split import usable_folds

ALL_FEATURES = "(all features)"
# Fixed, so that a change of the search never moves the study; no row or column sampling, whose noise would drown the
# differences.
HYPERPARAMETERS = {"max_depth": 2, "learning_rate": 0.1, "min_child_weight": 10.0, "reg_lambda": 5.0}
ROUNDS = 40


def ablation_study(
    dataset: Dataset,
    split: pl.DataFrame,
    groups: Mapping[str, Sequence[str]],
    params: ModelParams,
    split_params: SplitParams,
) -> pl.DataFrame:
    """Drop one feature group at a time and see what that costs on the walk-forward folds.

    Args:
        dataset: at least all rows of the split's role fit.
        split: of ``temporal_split``.
        groups: feature columns by group; columns that the dataset lacks are an error.
        params: seed and threads.
        split_params: folds and embargo.

    Returns:
        One row for all features, then one a dropped group, the most valuable first: ``group``, ``n_features`` (left),
        ``rps``, ``delta_rps`` (above 0: the group helps), ``standard_error`` of that difference over the matches,
        paired.

    Raises:
        NotEnoughDataError: no usable fold.
        SchemaMismatchError: a group names a feature that the dataset lacks.
    """
    folds = usable_folds(split, split_params)
    parts = [(dataset.rows(fold.training_ids), dataset.rows(fold.validation_ids)) for fold in folds]
    complete = _validation_rps(parts, dataset.feature_names, params)
    rows = []
    for group, names in groups.items():
        dataset.select(names)
        kept = [name for name in dataset.feature_names if name not in set(names)]
        if kept:
            rows.append(_row(group, len(kept), _validation_rps(parts, kept, params), complete))
    rows.sort(key=lambda row: (-float(row["delta_rps"]), row["group"]))
    return pl.DataFrame([_row(ALL_FEATURES, len(dataset.feature_names), complete, complete), *rows])


def _validation_rps(parts: list[tuple[Dataset, Dataset]], names: Sequence[str], params: ModelParams) -> FloatArray:
    per_match = []
    for training, validation in parts:
        booster = fit_xgboost(
            training.select(names), HYPERPARAMETERS, rounds=ROUNDS, seed=params.seed, threads=params.threads
        )
        forecast = predict_xgboost(booster, validation.select(names).features)
        per_match.append(rps_per_match(forecast, validation.outcomes))
    return np.concatenate(per_match)


def _row(group: str, n_features: int, without: FloatArray, complete: FloatArray) -> dict[str, str | int | float]:
    difference = without - complete
    return {
        "group": group,
        "n_features": n_features,
        "rps": float(without.mean()),
        "delta_rps": float(difference.mean()),
        "standard_error": float(difference.std(ddof=1) / np.sqrt(len(difference))),
    }
