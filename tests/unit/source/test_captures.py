"""Parsers against real captures, when they lie beside the project."""

import datetime as dt
import gzip
from pathlib import Path

import pytest

from match_assets.source.blocks import block_marker
from match_assets.source.parsers import (
    parse_home_page,
    parse_match_page,
    parse_month_feed,
    parse_season_list,
    parse_season_page,
)

SAMPLES = Path(__file__).parents[4] / "shared" / "whoscored" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures at ../shared/whoscored/samples")


def capture(name: str) -> str:
    return gzip.decompress((SAMPLES / name).read_bytes()).decode("utf-8")


def test_season_page_of_2020() -> None:
    page = parse_season_page(capture("season_page.html.gz"), "capture")
    assert page.stage_id == 18685
    assert page.months == tuple(["202009", "202010", "202011", "202012"] + [f"20210{month}" for month in range(1, 6)])
    assert (page.days[0], page.days[-1]) == (dt.date(2020, 9, 12), dt.date(2021, 5, 23))


def test_tournament_page_lists_seasons_newest_first() -> None:
    seasons = parse_season_list(capture("tournament_page.html.gz"), "capture")
    assert [(season.season_id, season.key) for season in seasons[:3]] == [
        (10743, "2025"),
        (10316, "2024"),
        (9618, "2023"),
    ]
    assert [season.key for season in seasons if season.is_shown] == ["2024"]


@pytest.mark.parametrize(("index", "month"), [(0, "202101"), (8, "202009"), (9, "202010"), (10, "202011")])
def test_calendar_feed_agrees_with_the_mask(index: int, month: str) -> None:
    text = capture(f"calendar_feed_stage18685_month_index_{index}.json.gz")
    feed = parse_month_feed(text, "capture", stage_id=18685, month=month, days_in_mask=1)
    days = {day for day in parse_season_page(capture("season_page.html.gz"), "capture").days if f"{day:%Y%m}" == month}
    assert {match.kick_off_utc.date() for match in feed.matches} == days
    assert all(match.is_result for match in feed.matches)
    assert feed.time_mismatches == ()
    assert feed.quarantined == {}


def test_match_page_of_barcelona_and_rayo() -> None:
    # the same match in football-data: 21 and 4 shots, 6 and 2 on target, 8 and 0 corners, 16 and 14 fouls
    page = parse_match_page(capture("match_page_1650630.html.gz"), "capture", match_id=1650630)
    home, away = page.teams
    assert (home.shots, home.shots_on_target, home.corners, home.fouls) == (21, 6, 8, 16)
    assert (away.shots, away.shots_on_target, away.corners, away.fouls) == (4, 2, 0, 14)
    assert (home.yellow_cards, home.red_cards, away.yellow_cards, away.red_cards) == (2, 1, 6, 0)
    assert (page.home_score, page.away_score, page.home_score_half_time, page.away_score_half_time) == (0, 0, 0, 0)


@pytest.mark.parametrize("name", ["season_page", "tournament_page", "match_page_1650630"])
def test_all_regions_stand_on_every_page(name: str) -> None:
    links = {
        (link.region_id, link.tournament_id): link.name for link in parse_home_page(capture(f"{name}.html.gz"), "x")
    }
    assert links[252, 2] == "Premier League"
    assert links[206, 4] == "LaLiga"


def test_block_page_is_told_from_real_pages() -> None:
    assert block_marker(capture("blocked_page.html.gz"), 200) == "_Incapsula_Resource"
    for name in ("season_page.html.gz", "tournament_page.html.gz", "match_page_1650630.html.gz"):
        assert block_marker(capture(name), 200) is None
