"""Ratings and priors against figures worked out with a pocket calculator."""

import math
from typing import Any

import polars as pl
import pytest

from match_assets.features import assemble_match_features, build_team_features, ledger, ratings
from tests.property.leagues import PARAMS, Match, a_frame, a_match

# 2-0 between new teams, in the first season that is known
OPENING = a_match(1, "2022-08-01 15:00", 1, 2, (2, 0), season="2022", home_shots_on_target=6, away_shots_on_target=3)


def ratings_after(matches: list[Match], team: int, *, season: str) -> dict[str, Any]:
    """A team's row in a match of ``season`` after these."""
    year = int(season)
    nxt = a_match(99, f"{year}-12-01 15:00", team, 77, season=season)
    rows = build_team_features(a_frame([*matches, nxt]), PARAMS).team_features
    return rows.filter((pl.col("match_id") == 99) & (pl.col("team_id") == team)).row(0, named=True)


@pytest.mark.parametrize(("last", "season"), [(-1, 0), (0, 0), (0, 1), (0, 2), (3, 3), (3, 2), (3, 4), (3, 9)])
def test_ledger_and_ratings_count_seasons_alike(last: int, season: int) -> None:
    # each kernel is compiled from one file, so the function stands in both
    assert ledger.seasons_since(last, season) == ratings.seasons_since(last, season)


def test_elo_moves_by_surprise_and_margin() -> None:
    # expected 1 / (1 + 10^(-65/400)) = 0.592465; 20 * sqrt(1 + 2) * (1 - 0.592465) = 14.1174
    assert ratings_after([OPENING], 1, season="2022")["elo"] == pytest.approx(1514.1174, abs=1e-3)
    assert ratings_after([OPENING], 2, season="2022")["elo"] == pytest.approx(1485.8826, abs=1e-3)


def test_pi_ratings_move_by_the_log_of_the_error() -> None:
    # error 2: 3 * log10(3) * 0.06 = 0.0858818; the other venue learns 0.6 of it
    home, away = (ratings_after([OPENING], team, season="2022") for team in (1, 2))
    assert (home["pi_home"], home["pi_away"]) == pytest.approx((0.0858818, 0.0515291), abs=1e-6)
    assert (away["pi_home"], away["pi_away"]) == pytest.approx((-0.0515291, -0.0858818), abs=1e-6)


def test_attack_and_defence_follow_goals() -> None:
    # home expects 1.35 e^0.125 = 1.529750, away 1.35 e^-0.125 = 1.191371
    home, away = (ratings_after([OPENING], team, season="2022") for team in (1, 2))
    assert (home["attack"], home["defence"]) == pytest.approx((0.06 * 0.470250, 0.06 * 1.191371), abs=1e-6)
    assert (away["attack"], away["defence"]) == pytest.approx((-0.06 * 1.191371, -0.06 * 0.470250), abs=1e-6)


def test_attack_on_shots_on_target_moves_in_the_measure_of_goals() -> None:
    # home expects 4.5 e^0.125 = 5.099168 shots and takes 6; a shot counts 1.35 / 4.5 = 0.3 goals
    home = ratings_after([OPENING], 1, season="2022")
    assert home["shots_on_target_attack"] == pytest.approx(0.06 * 0.3 * 0.900832, abs=1e-6)


def test_unknown_shots_on_target_leave_that_rating_alone() -> None:
    silent = OPENING | {"home_shots_on_target": None, "away_shots_on_target": None}
    home = ratings_after([silent], 1, season="2022")
    assert (home["shots_on_target_attack"], home["shots_on_target_defence"]) == (0.0, 0.0)
    assert home["attack"] > 0


def test_elo_goes_part_of_the_way_back_between_seasons() -> None:
    assert ratings_after([OPENING], 1, season="2023")["elo"] == pytest.approx(1500 + 0.8 * 14.1174, abs=1e-3)


def test_reading_the_new_season_twice_regresses_once() -> None:
    in_between = a_match(2, "2023-08-20 15:00", 1, 3, is_walkover=True)
    once, twice = (ratings_after(matches, 1, season="2023") for matches in ([OPENING], [OPENING, in_between]))
    assert once["elo"] == twice["elo"]


def test_promoted_team_starts_from_the_prior_of_promoted_teams() -> None:
    newcomer = ratings_after([OPENING], 55, season="2023")
    assert (newcomer["elo"], newcomer["pi_home"], newcomer["pi_away"]) == (1400.0, -0.3, -0.3)
    assert (newcomer["attack"], newcomer["defence"]) == (-0.15, -0.15)
    assert (newcomer["matches_played"], newcomer["goals_for_5"], newcomer["rest_days"]) == (0.0, None, None)


def test_late_starter_of_the_first_season_is_not_a_promoted_team() -> None:
    assert ratings_after([OPENING], 55, season="2022")["elo"] == 1500.0


@pytest.mark.parametrize("back_in", ["2024", "2032"])
def test_team_that_missed_a_season_comes_back_as_promoted(back_in: str) -> None:
    others = [a_match(year, f"{year}-09-01", 3, 4, season=str(year)) for year in range(2023, int(back_in))]
    back = ratings_after([OPENING, *others], 1, season=back_in)
    newcomer = ratings_after([OPENING, *others], 55, season=back_in)
    unlike = {"team_id", "opponent_id"}
    assert {k: v for k, v in back.items() if k not in unlike} == {k: v for k, v in newcomer.items() if k not in unlike}
    assert (back["elo"], back["matches_played"]) == (1400.0, 0.0)


def test_a_season_that_was_not_held_is_nobodys_absence() -> None:
    again = ratings_after([OPENING], 1, season="2026")
    assert again["elo"] == pytest.approx(1500 + 0.8 * 14.1174, abs=1e-3)
    assert again["matches_played"] == 1.0


def test_expectations_of_equal_teams_are_the_home_advantage() -> None:
    rows = build_team_features(a_frame([OPENING]), PARAMS).team_features
    wide = assemble_match_features(rows, PARAMS).row(0, named=True)
    assert wide["elo_home_expectation"] == pytest.approx(0.592465, abs=1e-5)
    assert wide["pi_expected_goal_difference"] == 0.0
    assert wide["home_expected_goals"] == pytest.approx(1.35 * math.exp(0.125), rel=1e-12)
    assert wide["away_expected_goals"] == pytest.approx(1.35 * math.exp(-0.125), rel=1e-12)
    assert wide["home_expected_shots_on_target"] == pytest.approx(4.5 * math.exp(0.125), rel=1e-12)


def test_expected_goals_answer_to_attack_and_the_other_sides_defence() -> None:
    back_leg = a_match(2, "2022-09-01 15:00", 2, 1, season="2022")
    wide = assemble_match_features(build_team_features(a_frame([OPENING, back_leg]), PARAMS).team_features, PARAMS)
    row = wide.filter(pl.col("match_id") == 2).row(0, named=True)
    # team 2 at home: attack -0.0714823 against defence 0.0714823; team 1: attack 0.0282150 against defence -0.0282150
    assert row["home_expected_goals"] == pytest.approx(1.35 * math.exp(0.125 - 2 * 0.0714823), rel=1e-5)
    assert row["away_expected_goals"] == pytest.approx(1.35 * math.exp(-0.125 + 2 * 0.0282150), rel=1e-5)
