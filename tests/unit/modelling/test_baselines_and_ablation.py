"""Baselines in their order of strength, and an ablation that finds the group that matters."""

import numpy as np
import polars as pl
import pytest

from match_assets.errors import SchemaMismatchError
from match_assets.modelling.ablation import ALL_FEATURES, ablation_study
from match_assets.modelling.baselines import (
    CLASS_FREQUENCY,
    all_baselines,
    fit_class_frequencies,
    linear_feature_names,
    run_baselines,
)
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.metrics import METRICS, score
from match_assets.modelling.split import role_ids
from tests.drawn_matches import GROUPS, LINEAR, MODEL, SPLIT

BASELINES = all_baselines(["elo_difference"], LINEAR)


@pytest.fixture(scope="module")
def scores(dataset: Dataset, split: pl.DataFrame) -> pl.DataFrame:
    return run_baselines(dataset, split, BASELINES, SPLIT)


def test_frequencies_count_the_training_rows_and_one_spread_out_match(dataset: Dataset) -> None:
    rows = dataset.rows(dataset.match_ids[dataset.outcomes != 1][:11])
    home, away = (rows.outcomes == 0).sum(), (rows.outcomes == 2).sum()
    forecast = fit_class_frequencies(rows).predict(dataset.features[:2])
    assert forecast == pytest.approx(np.array([[home + 1 / 3, 1 / 3, away + 1 / 3]] * 2) / 12)


def test_every_baseline_is_scored_on_both_parts(scores: pl.DataFrame, split: pl.DataFrame) -> None:
    assert scores.select("baseline", "part").is_duplicated().sum() == 0
    assert scores.height == 2 * len(BASELINES)
    assert scores["baseline"][0] == CLASS_FREQUENCY
    assert scores.select(METRICS).null_count().sum_horizontal()[0] == 0
    holdout = scores.filter(pl.col("part") == "holdout")
    assert holdout["n"].unique().to_list() == [len(role_ids(split, "holdout"))]


def test_frequencies_on_the_holdout_by_hand(scores: pl.DataFrame, dataset: Dataset, split: pl.DataFrame) -> None:
    learned, holdout = dataset.rows(role_ids(split, "fit", "calibration")), dataset.rows(role_ids(split, "holdout"))
    counts = np.bincount(learned.outcomes, minlength=3) + 1 / 3
    expected = score(np.tile(counts / counts.sum(), (len(holdout), 1)), holdout.outcomes)
    row = scores.row(by_predicate=(pl.col("baseline") == CLASS_FREQUENCY) & (pl.col("part") == "holdout"), named=True)
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_ratings_beat_class_frequencies(scores: pl.DataFrame) -> None:
    rps = dict(scores.filter(pl.col("part") == "holdout").select("baseline", "rps").iter_rows())
    assert all(value < rps[CLASS_FREQUENCY] - 0.01 for name, value in rps.items() if name != CLASS_FREQUENCY)


def test_linear_columns_are_the_ratings_and_all_differences_once() -> None:
    assert linear_feature_names(GROUPS, ("elo",)) == ("elo_difference", "points_difference")


def test_ablation_names_the_group_that_carries_the_signal(dataset: Dataset, split: pl.DataFrame) -> None:
    rows = ablation_study(dataset, split, GROUPS, MODEL, SPLIT)
    assert rows["group"].to_list()[0] == ALL_FEATURES
    assert rows["group"].to_list()[1] == "elo"
    complete, elo = rows.row(0, named=True), rows.row(1, named=True)
    assert complete["delta_rps"] == 0.0
    assert elo["delta_rps"] == pytest.approx(elo["rps"] - complete["rps"])
    assert elo["delta_rps"] > elo["standard_error"]
    noise = rows.row(by_predicate=pl.col("group") == "noise", named=True)
    assert noise["n_features"] == len(dataset.feature_names) - len(GROUPS["noise"])
    assert noise["delta_rps"] < 2 * noise["standard_error"]


def test_ablation_of_a_group_that_the_dataset_lacks_is_an_error(dataset: Dataset, split: pl.DataFrame) -> None:
    with pytest.raises(SchemaMismatchError, match="xg_for"):
        ablation_study(dataset, split, {"xg": ["xg_for"]}, MODEL, SPLIT)
