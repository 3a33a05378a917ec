"""What the site shows of a match as its clock goes on."""

import datetime as dt
from dataclasses import replace

import pytest

from match_assets.source.practice.facts import (
    Correction,
    Match,
    Postponement,
    Season,
    SideStats,
    Team,
    Tournament,
    World,
)
from match_assets.source.practice.timeline import (
    ManualCorrection,
    Moment,
    after_next_match_day,
    changed_matches,
    view_match,
    view_season,
)

SATURDAY = dt.datetime(2025, 4, 12, 14, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
MATCH = Match(1, 10, 20, SATURDAY, True, (2, 1), (1, 1), SideStats(9, 4, 5, 10, 1, 0), SideStats(7, 3, 2, 12, 2, 1))


def at(clock: dt.datetime) -> Moment:
    return Moment(clock)


def test_a_match_under_way_has_no_score() -> None:
    view = view_match(MATCH, at(SATURDAY + HOUR))
    assert (view.status, view.elapsed, view.goals, view.half_time_goals) == (1, "", None, None)


def test_a_finished_match_shows_its_score() -> None:
    view = view_match(MATCH, at(SATURDAY + 2 * HOUR))
    assert (view.status, view.elapsed, view.goals, view.half_time_goals) == (6, "FT", (2, 1), (1, 1))
    assert view.score_changed_at_utc == SATURDAY + dt.timedelta(minutes=115)


def test_local_kick_off_is_british_wall_time() -> None:
    assert view_match(MATCH, at(SATURDAY)).kick_off_local == dt.datetime(2025, 4, 12, 15)  # noqa: DTZ001


def test_a_date_without_time_reads_as_midnight_of_that_date_and_ends_with_it() -> None:
    midnight = dt.datetime(2025, 4, 12, tzinfo=dt.UTC)
    match = replace(MATCH, kick_off_utc=midnight, is_kick_off_time_known=False)
    late = view_match(match, at(midnight + 23 * HOUR))
    assert late.status == 1
    assert late.kick_off_local == dt.datetime(2025, 4, 12)  # noqa: DTZ001
    assert view_match(match, at(midnight + DAY)).status == 6


def test_a_postponed_match_is_scheduled_then_put_off_then_scheduled_anew_then_finished() -> None:
    new = SATURDAY + 30 * DAY
    postponement = Postponement(SATURDAY, SATURDAY - DAY, SATURDAY + 7 * DAY)
    match = replace(MATCH, kick_off_utc=new, postponement=postponement)
    clocks = (SATURDAY - 2 * DAY, SATURDAY, SATURDAY + 3 * DAY, SATURDAY + 8 * DAY, new + 2 * HOUR)
    views = [view_match(match, at(clock)) for clock in clocks]
    assert [(view.status, view.elapsed, view.kick_off_utc) for view in views] == [
        (1, "", SATURDAY),
        (2, "Post", SATURDAY),
        (2, "Post", SATURDAY),
        (1, "", new),
        (6, "FT", new),
    ]


def test_a_wrong_score_stands_until_it_is_corrected() -> None:
    corrected_at = SATURDAY + 7 * DAY
    match = replace(MATCH, correction=Correction((1, 1), corrected_at))
    assert view_match(match, at(corrected_at - HOUR)).goals == (1, 1)
    after = view_match(match, at(corrected_at))
    assert (after.goals, after.score_changed_at_utc) == ((2, 1), corrected_at)


def test_a_score_changed_by_hand_wins_over_the_worlds_own_correction() -> None:
    match = replace(MATCH, correction=Correction((1, 1), SATURDAY + 7 * DAY))
    moment = Moment(SATURDAY + 8 * DAY, {1: ManualCorrection((0, 5), SATURDAY + 8 * DAY)})
    view = view_match(match, moment)
    # a half-time score above the final one would be no football score
    assert (view.goals, view.half_time_goals) == ((0, 5), (0, 1))


def test_a_withheld_result_stays_scheduled_after_its_kick_off() -> None:
    view = view_match(MATCH, Moment(SATURDAY + 5 * HOUR, withheld=frozenset({1})))
    assert (view.status, view.goals) == (1, None)


@pytest.fixture
def world() -> World:
    """Three matches: Saturday, the Sunday after it and the next Saturday; the last never gets a result."""
    matches = (
        MATCH,
        replace(MATCH, match_id=2, kick_off_utc=SATURDAY + DAY),
        replace(MATCH, match_id=3, kick_off_utc=SATURDAY + 7 * DAY),
        replace(MATCH, match_id=4, kick_off_utc=SATURDAY + 9 * DAY, goals=None),
    )
    season = Season(5, 6, 2024, SATURDAY - 200 * DAY, matches)
    teams = {10: Team(10, "Ten", "Ten"), 20: Team(20, "Twenty", "Twenty")}
    tournament = Tournament(1, "Region", "rg", 2, "League", 0, (season,))
    return World("test", "test", 0, True, SATURDAY - DAY, (tournament,), teams)


def test_match_days_are_played_one_by_one_until_none_is_left(world: World) -> None:
    clocks, clock = [], after_next_match_day(world, SATURDAY - 3 * DAY)
    while clock is not None:
        clocks.append(clock)
        clock = after_next_match_day(world, clock)
    mornings = [SATURDAY.date() + n * DAY for n in (1, 2, 8)]
    assert clocks == [dt.datetime.combine(day, dt.time(6), tzinfo=dt.UTC) for day in mornings]


def test_changed_matches_are_those_played_in_between(world: World) -> None:
    assert set(changed_matches(world, at(SATURDAY), at(SATURDAY + 2 * DAY))) == {1, 2}
    assert changed_matches(world, at(SATURDAY + 2 * DAY), at(SATURDAY + 3 * DAY)) == {}


def test_a_season_is_shown_in_the_order_of_the_kick_offs_shown(world: World) -> None:
    season = world.tournaments[0].seasons[0]
    late = replace(season.matches[0], postponement=Postponement(SATURDAY + 3 * DAY, SATURDAY - DAY, SATURDAY + DAY))
    shuffled = replace(season, matches=(season.matches[2], late, season.matches[1]))
    assert [view.match.match_id for view in view_season(shuffled, at(SATURDAY - HOUR))] == [2, 1, 3]
