"""The drawn world: rules of a football calendar, and counts that fit each other."""

import datetime as dt
from collections import Counter
from itertools import pairwise

import pytest

from match_assets.errors import DataError
from match_assets.source.practice.facts import Match, Season, World
from match_assets.source.practice.schedule import round_robin, wall_time_utc
from match_assets.source.practice.world import draw_world, final_table


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(3)


def all_matches(world: World) -> list[Match]:
    return [match for _, _, match in world.matches.values()]


def all_seasons(world: World) -> list[Season]:
    return [season for tournament in world.tournaments for season in tournament.seasons]


def test_same_seed_gives_the_same_world(world: World) -> None:
    assert draw_world(3) == world


def test_another_seed_gives_other_results(world: World) -> None:
    other = draw_world(4)
    assert [m.goals for m in all_matches(other)] != [m.goals for m in all_matches(world)]


def test_seasons_and_ids_are_the_promised_ones(world: World) -> None:
    assert [(t.region_id, t.tournament_id, t.name) for t in world.tournaments] == [
        (900, 9001, "First Division"),
        (900, 9002, "Second Division"),
    ]
    for tournament in world.tournaments:
        assert [season.name for season in tournament.seasons[:4]] == [
            "2021/2022",
            "2022/2023",
            "2023/2024",
            "2024/2025",
        ]
    assert len(world.matches) == sum(len(season.matches) for season in all_seasons(world))


def test_every_pair_meets_once_at_either_ground(world: World) -> None:
    for season in all_seasons(world):
        meetings = Counter((match.home_team_id, match.away_team_id) for match in season.matches)
        teams = {team_id for pair in meetings for team_id in pair}
        assert len(teams) == 12
        assert len(season.matches) == 132
        assert set(meetings) == {(home, away) for home in teams for away in teams if home != away}


def test_round_robin_gives_each_team_one_match_a_round() -> None:
    rounds = round_robin(list(range(12)))
    assert len(rounds) == 22
    assert all(sorted(team for pair in pairs for team in pair) == list(range(12)) for pairs in rounds)


def test_no_team_plays_twice_within_a_day(world: World) -> None:
    days: dict[int, list[dt.date]] = {}
    for match in all_matches(world):
        for team_id in (match.home_team_id, match.away_team_id):
            days.setdefault(team_id, []).append(match.kick_off_utc.date())
    for played in days.values():
        assert all((later - earlier).days >= 2 for earlier, later in pairwise(sorted(played)))


def test_seasons_run_from_august_to_may(world: World) -> None:
    for season in all_seasons(world):
        kick_offs = [match.kick_off_utc for match in season.matches]
        assert dt.date(season.first_year, 7, 31) <= min(kick_offs).date() <= dt.date(season.first_year, 8, 15)
        assert max(kick_offs).date() <= dt.date(season.first_year + 1, 5, 21)


def test_two_teams_go_up_and_two_go_down(world: World) -> None:
    first, second = (tournament.seasons for tournament in world.tournaments)
    for year in range(len(first) - 1):
        relegated, promoted = final_table(first[year].matches)[-2:], final_table(second[year].matches)[:2]
        stayed = set(final_table(first[year].matches)) - set(relegated)
        assert {match.home_team_id for match in first[year + 1].matches} == stayed | set(promoted)
        assert set(relegated) <= {match.home_team_id for match in second[year + 1].matches}


def test_final_table_counts_points_then_difference_then_goals() -> None:
    world = draw_world(3, seasons=1)
    template = all_matches(world)[0]

    def match(home: int, away: int, goals: tuple[int, int]) -> Match:
        return Match(0, home, away, template.kick_off_utc, True, goals, (0, 0), template.home, template.away)

    # 1: three points, +1; 2: three points, +2; 3: three points, +2 but more goals; 4: none
    results = [match(1, 4, (1, 0)), match(2, 4, (2, 0)), match(3, 4, (3, 1))]
    assert final_table(results) == [3, 2, 1, 4]


def test_counts_of_a_match_fit_each_other(world: World) -> None:
    for match in all_matches(world):
        if match.is_walkover:
            continue
        assert match.goals is not None
        assert match.half_time_goals is not None
        for goals, at_half_time, stats in zip(
            match.goals, match.half_time_goals, (match.home, match.away), strict=True
        ):
            assert 0 <= at_half_time <= goals
            assert stats.shots is not None
            assert stats.shots_on_target is not None
            assert goals <= stats.shots_on_target <= stats.shots


def test_a_walkover_has_a_score_and_nothing_else(world: World) -> None:
    walkovers = [match for match in all_matches(world) if match.is_walkover]
    assert walkovers
    for match in walkovers:
        assert match.goals in {(3, 0), (0, 3)}
        assert match.half_time_goals is None
        assert match.home.is_unknown
        assert match.away.is_unknown
        with pytest.raises(DataError, match=str(match.match_id)):
            world.true_probabilities(match.match_id)


def test_corrections_change_one_goal_after_the_interval(world: World) -> None:
    corrected = [match for match in all_matches(world) if match.correction is not None]
    assert 0.01 < len(corrected) / len(world.matches) < 0.05
    for match in corrected:
        assert match.correction is not None
        assert match.goals is not None
        assert match.half_time_goals is not None
        wrong = match.correction.published_goals
        assert sum(abs(a - b) for a, b in zip(wrong, match.goals, strict=True)) == 1
        assert all(a >= b for a, b in zip(wrong, match.half_time_goals, strict=True))
        assert 4 <= (match.correction.corrected_at_utc - match.kick_off_utc).days <= 9


def test_postponed_matches_move_to_a_later_evening(world: World) -> None:
    moved = [match for match in all_matches(world) if match.postponement is not None]
    assert moved
    for match in moved:
        postponement = match.postponement
        assert postponement is not None
        times = (
            postponement.announced_at_utc,
            postponement.first_kick_off_utc,
            postponement.rescheduled_at_utc,
            match.kick_off_utc,
        )
        assert list(times) == sorted(times)
        assert match.kick_off_utc.weekday() in {1, 2}


def test_strengths_drift_within_a_season(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without drift the first week's chances are the same ones and nearly all later ones are others."""
    moving = draw_world(3, seasons=1).probabilities
    monkeypatch.setattr("match_assets.source.practice.world.WEEKLY_DRIFT", 0.0)
    still_world = draw_world(3, seasons=1)
    still = still_world.probabilities
    first_week = [
        m.match_id for m in all_matches(still_world) if m.kick_off_utc < dt.datetime(2021, 8, 14, tzinfo=dt.UTC)
    ]
    assert len(first_week) >= 6
    # another score shifts the draws after it, and with them who wins without playing
    in_both = still.keys() & moving.keys()
    assert all(moving[match_id] == still[match_id] for match_id in in_both & set(first_week))
    assert sum(moving[match_id] != still[match_id] for match_id in in_both) > 0.9 * len(in_both)


def test_default_clock_stands_in_the_middle_of_2024_2025() -> None:
    world = draw_world()
    for tournament in world.tournaments:
        season = next(season for season in tournament.seasons if season.first_year == 2024)
        played = sum(match.kick_off_utc < world.start_clock_utc for match in season.matches)
        assert 0.4 < played / len(season.matches) < 0.8


def test_wall_time_follows_british_summer_time() -> None:
    assert wall_time_utc(dt.date(2025, 1, 11), "15:00") == dt.datetime(2025, 1, 11, 15, tzinfo=dt.UTC)
    assert wall_time_utc(dt.date(2025, 4, 12), "15:00") == dt.datetime(2025, 4, 12, 14, tzinfo=dt.UTC)
