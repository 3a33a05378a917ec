"""Our own parsers read from the site's pages exactly what the world holds, be it drawn or read from files."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from match_assets.source.parsers.calendar import parse_month_feed
from match_assets.source.parsers.catalogue import parse_home_page, parse_season_list, parse_season_page
from match_assets.source.parsers.match import parse_match_page
from match_assets.source.practice.csv_world import read_csv_world
from match_assets.source.practice.facts import SideStats, World
from match_assets.source.practice.routes import Router
from match_assets.source.practice.timeline import Moment, view_match
from match_assets.source.practice.world import draw_world
from match_assets.source.records import FeedMatch

DATASETS = Path(__file__).parents[4] / "shared" / "data" / "football-datasets"


def read_everything(world: World, moment: Moment, *, every: int) -> int:
    """Follow the links from the home page, compare all feeds and every n-th match page; how many matches there were."""
    router = Router(world)

    def fetch(path: str, month: str = "") -> bytes:
        answer = router.answer(path, month, moment)
        assert answer.status == 200, path
        return answer.body

    n_matches = 0
    for tournament in parse_home_page(fetch("/"), "/"):
        for season in parse_season_list(fetch(tournament.url), tournament.url):
            page = parse_season_page(fetch(season.url), season.url)
            held = world.stages[page.stage_id][1]
            months = sorted({f"{day:%Y%m}" for day in page.days})
            rows = list[FeedMatch]()
            for month in months:
                path = f"/tournaments/{page.stage_id}/data/"
                feed = parse_month_feed(fetch(path, month), path, stage_id=page.stage_id, month=month, days_in_mask=1)
                assert feed.site_time == moment.clock_utc
                assert not feed.quarantined
                rows.extend(feed.matches)
            assert sorted(row.match_id for row in rows) == sorted(match.match_id for match in held.matches)
            for row in rows:
                view = view_match(world.matches[row.match_id][2], moment)
                assert (row.home_score, row.away_score) == (view.goals or (None, None))
                assert (row.status, row.kick_off_utc) == (view.status, view.kick_off_utc)
                assert row.is_kick_off_time_known == view.match.is_kick_off_time_known
                assert row.home_team == world.teams[view.match.home_team_id].name
            for row in rows[::every]:
                compare_match_page(world, moment, row.match_id, fetch(f"/Matches/{row.match_id}/Live"))
            n_matches += len(rows)
    return n_matches


def compare_match_page(world: World, moment: Moment, match_id: int, body: bytes) -> None:
    view = view_match(world.matches[match_id][2], moment)
    page = parse_match_page(body, f"/Matches/{match_id}/Live", match_id=match_id)
    assert (page.home_score, page.away_score) == (view.goals or (None, None))
    assert (page.home_score_half_time, page.away_score_half_time) == (view.half_time_goals or (None, None))
    assert page.status == view.status
    if not page.has_match_centre:
        assert view.goals is None or view.match.home.is_unknown
        return
    for team, known in zip(page.teams, (view.match.home, view.match.away), strict=True):
        read = SideStats(team.shots, team.shots_on_target, team.corners, team.fouls, team.yellow_cards, team.red_cards)
        # cards are incidents: that there was none cannot be told from not knowing where nothing else is known
        is_silent = replace(known, yellow_cards=0, red_cards=0) == SideStats(yellow_cards=0, red_cards=0)
        assert read == (SideStats() if is_silent and not (known.yellow_cards or known.red_cards) else known)


def test_a_drawn_world_is_read_back() -> None:
    world = draw_world(3, first_season=2023, seasons=2)
    assert read_everything(world, Moment(world.start_clock_utc), every=4) == 4 * 132


def test_a_season_is_listed_from_its_july_on() -> None:
    world = draw_world(3, first_season=2023, seasons=2)
    assert read_everything(world, Moment(dt.datetime(2024, 6, 30, tzinfo=dt.UTC)), every=40) == 2 * 132


@pytest.mark.skipif(not DATASETS.is_dir(), reason=f"no real results at {DATASETS}")
@pytest.mark.parametrize(
    ("leagues", "seasons", "n_matches"),
    [
        (["premier-league", "bundesliga"], [2023, 2024], 2 * (380 + 306)),
        # scores alone; statistics with gaps; curtailed by the pandemic
        (["serie-a"], [1993, 2005], 306 + 380),
        (["ligue-1"], [2019], 279),
    ],
)
def test_real_results_are_read_back(leagues: list[str], seasons: list[int], n_matches: int) -> None:
    world = read_csv_world(DATASETS, leagues=leagues, seasons=seasons)
    assert read_everything(world, Moment(world.start_clock_utc), every=6) == n_matches
    assert read_everything(world, Moment(dt.datetime(2030, 1, 1, tzinfo=dt.UTC)), every=6) == n_matches


@pytest.mark.skipif(not DATASETS.is_dir(), reason=f"no real results at {DATASETS}")
def test_every_file_of_the_collection_is_readable() -> None:
    world = read_csv_world(DATASETS)
    assert [len(tournament.seasons) for tournament in world.tournaments] == [32] * 5
    assert len(world.matches) > 57_000
