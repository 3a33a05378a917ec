"""Windows, streaks and dates, by hand."""

import polars as pl
import pytest

from match_assets.features import assemble_match_features, build_team_features, team_feature_names
from tests.property.bits import assert_same_bits
from tests.property.leagues import PARAMS, Match, a_frame, a_match

COUNTS_AND_PRIORS = {
    "matches_played", "season_matches", "elo", "pi_home", "pi_away", "attack", "defence", "shots_on_target_attack",
    "shots_on_target_defence", "matches_last_14_days", "matches_last_30_days", "head_to_head_matches", "season_phase",
}  # fmt: skip


def row_of(matches: list[Match], match_id: int, team: int) -> dict[str, float | None]:
    rows = build_team_features(a_frame(matches), PARAMS).team_features
    return rows.filter((pl.col("match_id") == match_id) & (pl.col("team_id") == team)).row(0, named=True)


# team 1: 2-0 at home, 1-1 away, 0-3 at home, then the match that is read
THREE_PLAYED = [
    a_match(1, "2023-08-01 15:00", 1, 2, (2, 0), home_shots=10, away_shots=4, home_yellow_cards=2, home_red_cards=1),
    a_match(2, "2023-08-05 15:00", 3, 1, (1, 1), home_shots=8, away_shots=None),
    a_match(3, "2023-08-12 18:00", 1, 4, (0, 3), home_shots=6, away_shots=12, home_yellow_cards=1),
    a_match(4, "2023-08-14 12:00", 1, 2),
]


def test_first_match_knows_nothing_but_counts_and_priors() -> None:
    row = row_of(THREE_PLAYED, 1, 1)
    assert {name for name in team_feature_names(PARAMS) if row[name] is not None} == COUNTS_AND_PRIORS
    assert (row["matches_played"], row["season_matches"], row["elo"], row["attack"]) == (0.0, 0.0, 1500.0, 0.0)


def test_windows_take_the_newest_matches_only() -> None:
    row = row_of(THREE_PLAYED, 4, 1)
    assert [row[f"goals_for_{w}"] for w in (2, 3, 5)] == [0.5, 1.0, 1.0]
    assert [row[f"goals_against_{w}"] for w in (2, 3, 5)] == [2.0, 4 / 3, 4 / 3]
    assert [row[f"points_{w}"] for w in (2, 3, 5)] == [0.5, 4 / 3, 4 / 3]


def test_an_unknown_statistic_is_left_out_of_the_mean_and_is_not_zero() -> None:
    row = row_of(THREE_PLAYED, 4, 1)
    assert (row["shots_for_2"], row["shots_for_3"]) == (6.0, 8.0)
    assert row["shots_against_3"] == (4 + 8 + 12) / 3
    assert row["corners_for_5"] is None
    assert row["cards_for_5"] == 3.0, "the third match has no count of red cards, so its cards are unknown"


def test_form_at_the_venue_of_the_match_reads_matches_there() -> None:
    at_home = row_of(THREE_PLAYED, 4, 1)
    assert (at_home["points_same_venue_5"], at_home["goals_against_same_venue_5"]) == (1.5, 1.5)
    away = row_of([*THREE_PLAYED[:3], a_match(4, "2023-08-14 12:00", 2, 1)], 4, 1)
    assert (away["points_same_venue_5"], away["goals_for_same_venue_5"]) == (1.0, 1.0)


def test_weighted_goals_halve_with_the_half_life() -> None:
    decay = 0.5 ** (1 / 6)
    row = row_of(THREE_PLAYED, 4, 1)
    assert row["goals_for_weighted"] == pytest.approx((0 + decay + 2 * decay**2) / (1 + decay + decay**2), rel=1e-12)


def test_weighted_points_of_a_team_that_always_wins_are_three_to_the_last_bit() -> None:
    matches = [a_match(day, f"2023-08-{day:02} 15:00", 1, 1 + day, (1, 0)) for day in range(1, 28)]
    rows = build_team_features(a_frame(matches), PARAMS).team_features.filter(pl.col("team_id") == 1)
    for name in ("points_weighted", "points_same_venue_weighted", "goals_for_weighted"):
        assert set(rows[name][1:]) == {1.0 if name.startswith("goals") else 3.0}, name


def test_rest_is_in_days_and_capped() -> None:
    assert row_of(THREE_PLAYED, 4, 1)["rest_days"] == 1.75
    later = [*THREE_PLAYED[:3], a_match(4, "2023-12-01 12:00", 1, 2)]
    assert row_of(later, 4, 1)["rest_days"] == 21.0


def test_streaks_and_season_points() -> None:
    matches = [
        a_match(1, "2023-08-01 15:00", 1, 2, (0, 1)),
        a_match(2, "2023-08-05 15:00", 3, 1, (1, 1)),
        a_match(3, "2023-08-12 18:00", 1, 4, (3, 1)),
        a_match(4, "2023-08-14 12:00", 1, 2),
    ]
    row = row_of(matches, 4, 1)
    assert (row["win_streak"], row["unbeaten_streak"]) == (1.0, 2.0)
    assert row["season_points_per_match"] == 4 / 3
    assert row_of(matches, 2, 1)["unbeaten_streak"] == 0.0


def test_simultaneous_matches_do_not_see_each_other() -> None:
    one = a_match(1, "2023-08-01 15:00", 1, 2, (5, 0))
    other = a_match(2, "2023-08-01 15:00", 3, 4, (0, 5))
    both = build_team_features(a_frame([one, other]), PARAMS).team_features
    alone = build_team_features(a_frame([other]), PARAMS).team_features
    assert_same_bits(both.filter(pl.col("match_id") == 2), alone)


@pytest.mark.parametrize(
    ("other", "is_seen"),
    [
        ("2023-08-04 23:59", True),
        ("2023-08-05 00:30", False),
        ("2023-08-05 23:59", False),
    ],
)
def test_a_match_of_unknown_time_sees_nothing_of_its_day(other: str, is_seen: bool) -> None:
    matches = [a_match(1, other, 1, 2, (1, 0)), a_match(2, "2023-08-05", 1, 3)]
    assert row_of(matches, 2, 1)["matches_played"] == float(is_seen)


@pytest.mark.parametrize(("other", "is_seen"), [("2023-08-05 23:59", False), ("2023-08-06 00:00", True)])
def test_a_match_of_unknown_time_is_seen_from_the_next_day_on(other: str, is_seen: bool) -> None:
    matches = [a_match(1, "2023-08-05", 1, 2, (1, 0)), a_match(2, other, 1, 3)]
    assert row_of(matches, 2, 1)["matches_played"] == float(is_seen)


def test_walkover_leaves_form_and_ratings_unchanged_but_was_a_date() -> None:
    walkover = a_match(9, "2023-08-13 12:00", 1, 2, (3, 0), is_walkover=True)
    without, with_it = row_of(THREE_PLAYED, 4, 1), row_of([*THREE_PLAYED, walkover], 4, 1)
    assert with_it["rest_days"] == 1.0
    busy = {"rest_days", "matches_last_14_days", "matches_last_30_days"}
    assert {name for name in without if without[name] != with_it[name]} == busy


def test_last_season_counts_in_form_but_not_in_season_figures() -> None:
    matches = [*THREE_PLAYED[:3], a_match(4, "2024-08-14 12:00", 1, 2, season="2024")]
    row = row_of(matches, 4, 1)
    assert row["goals_for_3"] == 1.0
    assert (row["matches_played"], row["season_matches"], row["season_points_per_match"]) == (3.0, 0.0, None)


def test_a_match_row_compares_its_teams() -> None:
    wide = assemble_match_features(build_team_features(a_frame(THREE_PLAYED), PARAMS).team_features, PARAMS)
    row = wide.filter(pl.col("match_id") == 4).row(0, named=True)
    assert (row["home_team_id"], row["away_team_id"]) == (1, 2)
    assert (row["home_goals_for_5"], row["away_goals_for_5"], row["goals_for_5_difference"]) == (1.0, 0.0, 1.0)
    assert (row["home_rest_days"], row["away_rest_days"], row["rest_days_difference"]) == (1.75, 12.875, -11.125)
    first = wide.filter(pl.col("match_id") == 1).row(0, named=True)
    assert first["goals_for_5_difference"] is None
    assert first["elo_difference"] == 0.0


def test_only_the_season_asked_for_is_returned() -> None:
    matches = [*THREE_PLAYED, a_match(5, "2024-08-14 12:00", 1, 2, season="2024")]
    whole = build_team_features(a_frame(matches), PARAMS)
    part = build_team_features(a_frame(matches), PARAMS, season="2024")
    assert part.team_features["match_id"].to_list() == [5, 5]
    assert_same_bits(part.team_features, whole.team_features.filter(pl.col("season") == "2024"))
    assert_same_bits(part.state.to_frame(), whole.state.to_frame())
