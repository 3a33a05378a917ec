"""What the public functions refuse, and what they make of nothing."""

import datetime as dt

import polars as pl
import pytest

from match_assets.errors import DataError, DuplicateFixtureError, SchemaMismatchError, UnknownTeamError
from match_assets.features import (
    TeamState,
    advance,
    assemble_match_features,
    build_team_features,
    feature_version,
    fixture_team_features,
    match_features_schema,
    team_features_schema,
)
from match_assets.features.state import STATE
from tests.property.bits import assert_same_bits
from tests.property.leagues import PARAMS, SHIPPED, a_frame, a_match, as_fixtures

PLAYED = [
    a_match(1, "2023-08-01 15:00", 1, 2, (2, 0)),
    a_match(2, "2023-08-08 15:00", 2, 3, (1, 1)),
]
NEXT = a_match(3, "2023-08-15 15:00", 3, 1)


def played_state() -> TeamState:
    return build_team_features(a_frame(PLAYED), PARAMS).state


def test_no_match_gives_empty_frames_of_the_right_schema() -> None:
    build = build_team_features(a_frame([]), PARAMS)
    assert build.team_features.schema == team_features_schema(PARAMS)
    assert build.state.to_frame().schema == STATE
    assert assemble_match_features(build.team_features, PARAMS).schema == match_features_schema(PARAMS)
    again = TeamState.from_frame(build.state.to_frame(), PARAMS)
    assert (again.team_ids.size, again.season, again.known_until_utc) == (0, "", None)
    assert fixture_team_features(again, as_fixtures([]), PARAMS).schema == team_features_schema(PARAMS)


def test_all_goalless_season_is_valid() -> None:
    rows = build_team_features(a_frame([a_match(i, f"2023-08-0{i}", 1, 2) for i in (1, 2, 3)]), PARAMS).team_features
    assert rows["points_5"].to_list() == [None, None, 1.0, 1.0, 1.0, 1.0]
    assert rows["goals_for_5"].to_list() == [None, None, 0.0, 0.0, 0.0, 0.0]


def test_fixture_of_a_tournament_that_starts_from_nothing_gets_the_first_priors() -> None:
    rows = fixture_team_features(TeamState.blank(PARAMS), as_fixtures([NEXT]), PARAMS, allow_unknown=True)
    assert rows["elo"].to_list() == [1500.0, 1500.0]


def test_unknown_team_is_refused_by_name_unless_allowed() -> None:
    stranger = a_match(3, "2023-08-15 15:00", 1, 404)
    with pytest.raises(UnknownTeamError, match="no team 404 in TST-League") as refused:
        fixture_team_features(played_state(), as_fixtures([stranger]), PARAMS)
    assert refused.value.facts["team_ids"] == [404]
    rows = fixture_team_features(played_state(), as_fixtures([stranger]), PARAMS, allow_unknown=True)
    assert rows["elo"].to_list()[1] == 1500.0, "the first season that is known has no promoted teams"
    next_season = stranger | {"season": "2024"}
    rows = fixture_team_features(played_state(), as_fixtures([next_season]), PARAMS, allow_unknown=True)
    assert rows["elo"].to_list()[1] == 1400.0


def test_postponed_fixture_at_a_past_date_has_unknown_rest_and_present_form() -> None:
    stale = a_match(3, "2023-08-05 15:00", 3, 1)
    now = fixture_team_features(played_state(), as_fixtures([NEXT]), PARAMS)
    rows = fixture_team_features(played_state(), as_fixtures([stale]), PARAMS)
    assert rows["rest_days"].to_list() == [None, 4.0], "team 3 has played on 8 August, team 1 on the first"
    of_the_date = ["kick_off_utc", "rest_days", "season_phase", "matches_last_14_days", "matches_last_30_days"]
    assert_same_bits(rows.drop(of_the_date), now.drop(of_the_date))


def test_several_fixtures_without_a_time_may_share_a_provisional_date() -> None:
    fixtures = [a_match(3, "2023-09-01", 1, 2), a_match(4, "2023-09-01", 3, 1)]
    assert fixture_team_features(played_state(), as_fixtures(fixtures), PARAMS).height == 4


def test_state_says_until_when_it_knows() -> None:
    assert played_state().known_until_utc == dt.datetime(2023, 8, 8, 15, tzinfo=dt.UTC)
    assert (played_state().season, played_state().team_names) == ("2023", ("Team 1", "Team 2", "Team 3"))


def test_newest_name_of_a_renamed_club_is_kept() -> None:
    renamed = PLAYED[1] | {"home_team": "Two United"}
    assert build_team_features(a_frame([renamed, PLAYED[0]]), PARAMS).state.team_names[1] == "Two United"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("away_corners"), "column away_corners is missing"),
        (lambda f: f.rename({"home_shots": "shots_home"}), "column home_shots is missing"),
        (lambda f: f.with_columns(pl.col("home_goals").cast(pl.Int64)), "column home_goals is Int64, expected Int16"),
        (lambda f: f.with_columns(home_goals=pl.lit(None, pl.Int16)), "column home_goals is null in 2 rows"),
    ],
)
def test_column_missing_renamed_of_other_type_or_null_is_named(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SchemaMismatchError, match=message):
        build_team_features(change(a_frame(PLAYED)), PARAMS)


def test_match_in_two_rows_is_refused() -> None:
    with pytest.raises(DuplicateFixtureError, match="match 1 stands in more than one row"):
        build_team_features(a_frame([*PLAYED, PLAYED[0]]), PARAMS)


def test_team_in_two_matches_at_one_kick_off_is_refused() -> None:
    with pytest.raises(DuplicateFixtureError, match=r"team 2 has two matches at one kick-off \(matches 2 and 9\)"):
        build_team_features(a_frame([*PLAYED, a_match(9, "2023-08-08 15:00", 4, 2)]), PARAMS)


def test_team_against_itself_is_refused() -> None:
    with pytest.raises(DuplicateFixtureError, match="match 9"):
        fixture_team_features(played_state(), as_fixtures([a_match(9, "2023-08-18", 1, 1)]), PARAMS)


def test_two_tournaments_at_once_are_refused() -> None:
    other = NEXT | {"tournament": "TST-Cup"}
    with pytest.raises(DataError, match="one tournament at a time, found TST-Cup, TST-League"):
        build_team_features(a_frame([*PLAYED, other]), PARAMS)
    with pytest.raises(DataError, match="match 3 is of TST-Cup, the state of TST-League"):
        advance(played_state(), a_frame([other]), PARAMS)


def test_season_that_is_not_a_year_is_refused() -> None:
    with pytest.raises(DataError, match="season '2023/2024' is not a year"):
        build_team_features(a_frame([NEXT | {"season": "2023/2024"}]), PARAMS)


def test_continuing_with_a_match_of_the_past_is_refused() -> None:
    with pytest.raises(DataError, match="replay the whole history"):
        advance(played_state(), a_frame([a_match(9, "2023-08-08 15:00", 3, 4)]), PARAMS)
    with pytest.raises(DataError, match="season 2022 is older than 2023"):
        advance(played_state(), a_frame([a_match(9, "2023-09-08 15:00", 5, 4, season="2022")]), PARAMS)


def test_continuing_leaves_the_old_state_as_it_was() -> None:
    state = played_state()
    before = state.to_frame()
    advance(state, a_frame([NEXT]), PARAMS)
    assert_same_bits(state.to_frame(), before)


def test_state_of_another_version_is_refused_naming_both() -> None:
    frame = played_state().to_frame()
    with pytest.raises(SchemaMismatchError) as refused:
        TeamState.from_frame(frame, SHIPPED)
    assert feature_version(PARAMS) in refused.value.message
    assert feature_version(SHIPPED) in refused.value.message
    with pytest.raises(SchemaMismatchError, match="materialise team_state again"):
        fixture_team_features(played_state(), as_fixtures([NEXT]), SHIPPED)
    with pytest.raises(SchemaMismatchError, match="column elo is missing"):
        TeamState.from_frame(frame.drop("elo"), PARAMS)


def test_half_a_match_cannot_be_assembled() -> None:
    rows = build_team_features(a_frame(PLAYED), PARAMS).team_features
    with pytest.raises(DataError, match="one row of its home team and one of its away team"):
        assemble_match_features(rows[:-1], PARAMS)
    with pytest.raises(SchemaMismatchError, match="column points_3 is missing"):
        assemble_match_features(rows.drop("points_3"), PARAMS)


def test_windows_of_one_length_work() -> None:
    single = PARAMS.model_copy(update={"windows": (1,)})
    rows = build_team_features(a_frame([*PLAYED, NEXT]), single).team_features
    assert rows["goals_for_1"].to_list() == [None, None, 0.0, None, 1.0, 2.0]
