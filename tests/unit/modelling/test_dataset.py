"""Feature rows become arrays without a silent change of meaning."""

import numpy as np
import polars as pl
import pytest

from match_assets.errors import DataError, SchemaMismatchError
from match_assets.modelling.dataset import build_dataset, feature_matrix, split_candidates
from tests.drawn_matches import FEATURES, PLAYED, draw_matches

MATCHES = draw_matches(20)


def test_rows_are_sorted_and_null_becomes_nan() -> None:
    dataset = build_dataset(MATCHES.reverse(), MATCHES.sample(fraction=1.0, shuffle=True, seed=1), FEATURES)
    assert dataset.match_ids.tolist() == list(range(1, 21))
    position = FEATURES.index("home_points")
    assert np.isnan(dataset.features[:5, position]).all()
    assert dataset.features[5:, position].tolist() == MATCHES["home_points"][5:].to_list()
    goals = MATCHES["home_goals"].cast(pl.Int64) - MATCHES["away_goals"]
    assert dataset.outcomes.tolist() == [0 if d > 0 else 1 if d == 0 else 2 for d in goals]


def test_only_matches_with_result_and_play_enter() -> None:
    results = MATCHES.head(10).with_columns(is_walkover=pl.col("match_id") == 3)
    assert build_dataset(MATCHES, results, FEATURES).match_ids.tolist() == [1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert 3 not in split_candidates(MATCHES, results, played_columns=PLAYED, min_history=0)["match_id"]


def test_eligible_needs_the_history_of_both_teams() -> None:
    counts = MATCHES.head(4).with_columns(
        pl.Series("home_matches_played", [3.0, 2.0, None, 5.0]), pl.Series("away_matches_played", [3.0, 9.0, 9.0, 4.0])
    )
    found = split_candidates(counts, MATCHES, played_columns=PLAYED, min_history=3)
    assert found["eligible"].to_list() == [True, False, False, True]


def test_missing_renamed_or_mistyped_feature_is_named() -> None:
    with pytest.raises(SchemaMismatchError, match="home_points"):
        feature_matrix(MATCHES.rename({"home_points": "homePoints"}), FEATURES)
    with pytest.raises(SchemaMismatchError, match="elo_difference are not Float64"):
        build_dataset(MATCHES.with_columns(pl.col("elo_difference").cast(pl.Int64)), MATCHES, FEATURES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_neither_number_nor_null_is_refused(value: float) -> None:
    broken = MATCHES.with_columns(noise_0=pl.lit(value))
    with pytest.raises(DataError, match="noise_0"):
        feature_matrix(broken, FEATURES)


def test_order_of_columns_is_the_models_not_the_frames() -> None:
    reordered = MATCHES.select(*reversed(FEATURES))
    assert np.array_equal(feature_matrix(reordered, FEATURES), feature_matrix(MATCHES, FEATURES), equal_nan=True)


def test_no_row_gives_an_empty_matrix() -> None:
    assert feature_matrix(MATCHES.clear(), FEATURES).shape == (0, len(FEATURES))


def test_asking_for_a_match_that_is_not_there_is_an_error() -> None:
    dataset = build_dataset(MATCHES, MATCHES, FEATURES)
    assert dataset.rows(np.array([9, 4])).match_ids.tolist() == [4, 9]
    with pytest.raises(DataError, match="first is 77"):
        dataset.rows(np.array([4, 77]))
    with pytest.raises(DataError, match="twice"):
        build_dataset(pl.concat([MATCHES, MATCHES]), MATCHES, FEATURES)
