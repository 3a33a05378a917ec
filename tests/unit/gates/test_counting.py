"""A season against its calendar, its pairings, its clock and its names."""

import datetime as dt

import polars as pl

from match_assets.gates.counting import EVERY_PAIRING, ONE_AT_A_TIME, ONE_NAME, ONE_TEAM, calendar_rules, late_results
from match_assets.gates.verdict import Failure, Rule
from tests.unit.gates.test_verdict import KICK_OFF, raw

UNPLAYED = {
    "status": 1,
    "home_goals": None,
    "away_goals": None,
    "home_goals_half_time": None,
    "away_goals_half_time": None,
}
DAY = KICK_OFF.date()


def told(rules: tuple[Rule, ...], frame: pl.DataFrame) -> dict[str, Failure]:
    failures = [rule.failure(frame) for rule in rules]
    return {failure.rule: failure for failure in failures if failure}


def test_no_match_on_days_that_the_calendar_names_is_refused() -> None:
    # DAG-07: an empty season is fine only where the calendar is empty too
    assert told(calendar_rules([], 0), raw()) == {}
    refused = told(calendar_rules([DAY], 0), raw())
    assert refused["a season with match days has matches"].severity == "error"


def test_a_match_day_without_a_match_is_told() -> None:
    lone = DAY + dt.timedelta(days=7)
    failure = told(calendar_rules([DAY, lone], 1), raw({}))["every match day has a match"]
    assert failure.severity == "warning"
    assert failure.rows["day"].to_list() == [lone]


def test_londons_day_may_be_the_one_before() -> None:
    late = raw({"kick_off_utc": dt.datetime(2025, 6, 1, 0, 30, tzinfo=dt.UTC)})
    assert told(calendar_rules([dt.date(2025, 5, 31)], 1), late) == {}


def test_fewer_matches_than_the_calendar_lists_are_told_with_both_numbers() -> None:
    failure = told(calendar_rules([DAY], 3), raw({}, {}))["as many matches as the calendar lists"]
    assert (failure.severity, failure.explanation) == ("warning", "the calendar lists 3 matches, 2 are here")


def test_matches_of_a_file_do_not_make_up_for_those_of_the_site() -> None:
    frame = raw({}, {"match_id": -5})
    assert told(calendar_rules([DAY], 2), frame)["as many matches as the calendar lists"].rows["missing"].to_list() == [
        1
    ]


def test_a_result_is_late_by_the_sources_clock() -> None:
    frame = raw(UNPLAYED, {})
    before, after = KICK_OFF + dt.timedelta(hours=2), KICK_OFF + dt.timedelta(hours=4)
    assert late_results({1: before}, late_after_hours=3).failure(frame) is None
    failure = late_results({1: after}, late_after_hours=3).failure(frame)
    assert failure is not None
    assert (failure.severity, failure.rows["match_id"].to_list()) == ("warning", [1])


def test_a_date_without_a_time_has_its_whole_day() -> None:
    frame = raw({**UNPLAYED, "is_kick_off_time_known": False})
    hours = {20: None, 28: 1}
    for passed, n in hours.items():
        failure = late_results({1: KICK_OFF + dt.timedelta(hours=passed)}, late_after_hours=3).failure(frame)
        assert (failure and failure.count) == n


def test_a_stage_whose_clock_is_unknown_is_never_late() -> None:
    assert late_results({}, late_after_hours=3).failure(raw(UNPLAYED)) is None
    assert late_results({2: KICK_OFF + dt.timedelta(days=90)}, late_after_hours=3).failure(raw(UNPLAYED)) is None


def round_robin(n: int) -> list[dict[str, object]]:
    return [
        {"home_team_id": home, "away_team_id": away, "home_team": f"T{home}", "away_team": f"T{away}"}
        for home in range(1, n + 1)
        for away in range(1, n + 1)
        if home != away
    ]


def test_a_finished_season_names_the_pairing_it_lacks() -> None:
    assert EVERY_PAIRING.failure(raw(*round_robin(6))) is None
    failure = EVERY_PAIRING.failure(raw(*round_robin(6)[1:]))
    assert failure is not None
    assert failure.rows.rows() == [("T1", "T2")]


def test_a_season_under_way_or_of_another_shape_lacks_no_pairing() -> None:
    matches = round_robin(6)
    assert EVERY_PAIRING.failure(raw(*matches[1:], {**matches[0], **UNPLAYED})) is None
    assert EVERY_PAIRING.failure(raw(*matches[1:], matches[1])) is None, "one pairing twice: no double round robin"
    assert EVERY_PAIRING.failure(raw(*matches[:10])) is None, "too few: a cup, or only begun"


def test_two_names_of_one_team_and_one_name_of_two_teams_are_told() -> None:
    # ING-18
    renamed = ONE_NAME.failure(raw({}, {"home_team": "FC Barcelona", "away_team_id": 70, "away_team": "Getafe"}))
    assert renamed is not None
    assert set(renamed.rows["team"]) == {"Barcelona", "FC Barcelona"}
    shared = ONE_TEAM.failure(raw({}, {"home_team_id": 99, "home_team": "barcelona"}))
    assert shared is not None
    assert set(shared.rows["team_id"]) == {65, 99}
    assert (renamed.severity, shared.severity) == ("warning", "warning")


def test_a_team_in_two_matches_at_once_is_refused() -> None:
    # FEA-02
    failure = ONE_AT_A_TIME.failure(raw({}, {"away_team_id": 70, "away_team": "Getafe"}))
    assert failure is not None
    assert failure.severity == "error"
    assert failure.rows["team_id"].to_list() == [65, 65]
