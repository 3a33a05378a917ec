"""Boosted trees and their search: same seed, same bytes; interrupted or failing searches."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from match_assets.config import SearchSpace
from match_assets.errors import ModelError, NotEnoughDataError
from match_assets.modelling import boosting
from match_assets.modelling.boosting import (
    Trial,
    TuningResult,
    draw_hyperparameters,
    fit_xgboost,
    predict_xgboost,
    tune,
)
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.metrics import rps
from match_assets.modelling.split import fold_rows
from tests.drawn_matches import MODEL, SPLIT

HYPERPARAMETERS = {"max_depth": 2, "learning_rate": 0.1, "subsample": 0.8, "colsample_bytree": 0.5}


def fitted(rows: Dataset, seed: int = 3) -> xgb.Booster:
    return fit_xgboost(rows, HYPERPARAMETERS, rounds=15, seed=seed, threads=1)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(dataset: Dataset) -> None:
    assert fitted(dataset).save_raw("ubj") == fitted(dataset).save_raw("ubj")
    assert fitted(dataset).save_raw("ubj") != fitted(dataset, seed=4).save_raw("ubj")


def test_missing_class_still_has_its_column(dataset: Dataset) -> None:
    no_draw = dataset.rows(dataset.match_ids[dataset.outcomes != 1])
    forecast = predict_xgboost(fitted(no_draw), dataset.features)
    assert forecast.shape == (len(dataset), 3)
    assert (forecast > 0).all()
    assert forecast[:, 1].max() < 0.2


@pytest.mark.parametrize("column", ["constant", "unknown", "copy"])
def test_useless_columns_are_harmless(dataset: Dataset, column: str) -> None:
    extra = {
        "constant": np.full(len(dataset), 3.3),
        "unknown": np.full(len(dataset), np.nan),
        "copy": dataset.features[:, 0],
    }[column]
    wider = Dataset(
        np.column_stack([dataset.features, extra]),
        dataset.outcomes,
        dataset.match_ids,
        dataset.kick_off,
        (*dataset.feature_names, column),
    )
    whole = {"max_depth": 2, "learning_rate": 0.1}
    forecasts = [
        predict_xgboost(fit_xgboost(rows, whole, rounds=15, seed=1, threads=1), rows.features)
        for rows in (dataset, wider)
    ]
    assert forecasts[1] == pytest.approx(forecasts[0], abs=1e-6)


def test_forecast_of_no_rows_is_empty(dataset: Dataset) -> None:
    assert predict_xgboost(fitted(dataset), dataset.features[:0]).shape == (0, 3)


def test_search_draws_distinct_points_and_no_more_than_there_are() -> None:
    space = SearchSpace(
        max_depth=(2, 3),
        learning_rate=(0.1, 0.2),
        min_child_weight=(1.0,),
        subsample=(1.0,),
        colsample_bytree=(1.0,),
        reg_lambda=(1.0,),
    )
    drawn = draw_hyperparameters(space, 10, seed=1)
    assert len(drawn) == 4
    assert len({tuple(sorted(point.items())) for point in drawn}) == 4
    assert draw_hyperparameters(space, 2, seed=1) == drawn[:2]


def test_best_trial_is_that_of_least_rps_at_a_common_number_of_rounds(
    tuning: TuningResult, dataset: Dataset, split: pl.DataFrame
) -> None:
    assert tuning.best["rps"] == min(trial["rps"] for trial in tuning.trials)
    parts = [tuple(map(dataset.rows, fold_rows(split, number, SPLIT))) for number in range(3)]
    forecasts = []
    for training, validation in parts:
        booster = fit_xgboost(
            training, tuning.best["hyperparameters"], rounds=tuning.best["rounds"], seed=MODEL.seed, threads=1
        )
        forecasts.append(predict_xgboost(booster, validation.features))
    pooled = rps(np.vstack(forecasts), np.concatenate([validation.outcomes for _, validation in parts]))
    # a fold that stopped earlier than the common number was judged where it stopped
    assert tuning.best["rps"] == pytest.approx(pooled, abs=2e-3)
    assert [fold["skipped"] for fold in tuning.folds] == [None, None, None]


def test_interrupted_search_ends_like_an_undisturbed_one(
    dataset: Dataset, split: pl.DataFrame, tuning: TuningResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Trial] = []

    def stop_at_second(trial: Trial) -> None:
        kept.append(trial)
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(dataset, split, MODEL, SPLIT, on_trial=stop_at_second)
    later: list[Trial] = []
    resumed = tune(dataset, split, MODEL, SPLIT, finished_trials=kept, on_trial=later.append)
    assert resumed == tuning
    assert [trial["trial"] for trial in later] == [2]


def test_trials_of_another_search_are_run_anew(dataset: Dataset, split: pl.DataFrame, tuning: TuningResult) -> None:
    stale = {**tuning.trials[0], "hyperparameters": {"max_depth": 9}, "rps": 0.0}
    assert tune(dataset, split, MODEL, SPLIT, finished_trials=[stale]) == tuning


def test_one_failing_trial_is_recorded_and_all_failing_is_an_error(
    dataset: Dataset, split: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = boosting.fit_xgboost

    def shallow_only(*args: Any, **kwargs: Any) -> xgb.Booster:
        if args[1]["max_depth"] > limit:
            raise xgb.core.XGBoostError("no room\nstack")
        return real(*args, **kwargs)

    monkeypatch.setattr(boosting, "fit_xgboost", shallow_only)
    limit = 2
    result = tune(dataset, split, MODEL, SPLIT)
    assert {(trial["hyperparameters"]["max_depth"], trial["error"]) for trial in result.trials} == {
        (2, None),
        (3, "no room"),
    }
    assert result.best["hyperparameters"]["max_depth"] == 2
    limit = 0
    with pytest.raises(ModelError, match=r"all 3 tuning trials failed.*no room"):
        tune(dataset, split, MODEL, SPLIT)


def test_search_without_usable_fold_is_not_enough(dataset: Dataset, split: pl.DataFrame) -> None:
    with pytest.raises(NotEnoughDataError):
        tune(dataset, split.with_columns(validation_fold=pl.lit(None, dtype=pl.Int8)), MODEL, SPLIT)


def test_fresh_process_with_another_hash_seed_gives_the_same_model() -> None:
    program = (
        "from tests.drawn_matches import *\n"
        "from match_assets.modelling.boosting import tune\n"
        "from match_assets.modelling.training import train_outcome_model\n"
        "d, s = dataset_and_split(draw_matches(930))\n"
        "b = tune(d, s, MODEL, SPLIT).best\n"
        "r = train_outcome_model(d, s, b, linear_features=LINEAR, feature_version='v', cutoff=CUTOFF, params=MODEL,"
        " split_params=SPLIT)\n"
        "print(r.model.sha256)"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
