"""Parsers against real captures, every one of them, when they lie beside the project."""

import csv
import datetime as dt
import gzip
import json
import re
from pathlib import Path

import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.blocks import block_marker
from match_assets.source.parsers import (
    parse_home_page,
    parse_match_page,
    parse_month_feed,
    parse_season_list,
    parse_season_page,
)
from match_assets.source.parsers.whole import is_whole_document, is_whole_page
from match_assets.source.records import MonthFeed

SAMPLES = Path(__file__).parents[4] / "shared" / "whoscored" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures at ../shared/whoscored/samples")

MATCH, MATCH_ID = "match_page_1650630.html.gz", 1650630
SEASON, TOURNAMENT, BLOCKED = "season_page.html.gz", "tournament_page.html.gz", "blocked_page.html.gz"
STAGE = 18685
FEEDS = {
    "202101": "calendar_feed_stage18685_month_index_0.json.gz",
    "202009": "calendar_feed_stage18685_month_index_8.json.gz",
    "202010": "calendar_feed_stage18685_month_index_9.json.gz",
    "202011": "calendar_feed_stage18685_month_index_10.json.gz",
}
READ_ELSEWHERE = {"ws_calendar.json.gz", "team_alias.csv"}


def capture(name: str) -> bytes:
    body = gzip.decompress((SAMPLES / name).read_bytes())
    # two of them were saved as the inside of the page's body
    is_inside = name in {SEASON, TOURNAMENT}
    return b"<html><body>%s</body></html>" % body if is_inside else body


def month_of(month: str) -> MonthFeed:
    return parse_month_feed(capture(FEEDS[month]), "capture", stage_id=STAGE, month=month, days_in_mask=1)


def test_no_capture_is_left_unread() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {
        MATCH,
        SEASON,
        TOURNAMENT,
        BLOCKED,
        *FEEDS.values(),
        *READ_ELSEWHERE,
    }


def test_season_page_of_2020() -> None:
    page = parse_season_page(capture(SEASON), "capture")
    assert page.stage_id == STAGE
    # no stage list: a season of one stage
    assert [(stage.stage_id, stage.is_shown) for stage in page.stages] == [(STAGE, True)]
    assert page.months == tuple(["202009", "202010", "202011", "202012"] + [f"20210{month}" for month in range(1, 6)])
    assert (page.days[0], page.days[-1]) == (dt.date(2020, 9, 12), dt.date(2021, 5, 23))
    shown = [season for season in parse_season_list(capture(SEASON), "capture") if season.is_shown]
    assert [(season.season_id, season.name, season.key) for season in shown] == [(8228, "2020/2021", "2020")]


def test_season_pages_mask_is_the_one_that_a_browser_read() -> None:
    mask = json.loads(gzip.decompress((SAMPLES / "ws_calendar.json.gz").read_bytes()))["mask"]
    days = {
        dt.date(int(year), int(month) + 1, int(day))
        for year, months in mask.items()
        for month, marked in months.items()
        for day in marked
    }
    assert set(parse_season_page(capture(SEASON), "capture").days) == days


def test_tournament_page_lists_seasons_newest_first() -> None:
    seasons = parse_season_list(capture(TOURNAMENT), "capture")
    assert [(season.season_id, season.key) for season in seasons[:3]] == [
        (10743, "2025"),
        (10316, "2024"),
        (9618, "2023"),
    ]
    assert [season.key for season in seasons if season.is_shown] == ["2024"]
    assert len({season.key for season in seasons}) == len(seasons)


@pytest.mark.parametrize("month", FEEDS)
def test_calendar_feed_agrees_with_the_mask(month: str) -> None:
    feed = month_of(month)
    days = {day for day in parse_season_page(capture(SEASON), "capture").days if f"{day:%Y%m}" == month}
    assert {match.kick_off_utc.date() for match in feed.matches} == days
    assert all(match.is_result and match.is_kick_off_time_known for match in feed.matches)
    assert (feed.time_mismatches, feed.quarantined, feed.shells, feed.new_keys) == ((), {}, 0, ())
    assert feed.site_time is not None
    assert feed.site_time.date() == dt.date(2025, 7, 29)


@pytest.mark.parametrize("month", FEEDS)
def test_wrapped_calendar_feed_reads_the_same(month: str) -> None:
    body = capture(FEEDS[month])
    wrapped = b"<html><body><pre>%s</pre></body></html>" % body.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    assert parse_month_feed(wrapped, "capture", stage_id=STAGE, month=month) == month_of(month)


def test_score_and_half_time_of_every_row_follow_from_its_incidents() -> None:
    # whoever scored an own goal, the field is the side that benefits: what we do not count agrees with what we read
    for month, name in FEEDS.items():
        rows = json.loads(capture(name))["tournaments"][0]["matches"]
        goals = {
            row["id"]: tuple(sum(i["type"] == 1 and i["field"] == side for i in row["incidents"]) for side in (0, 1))
            for row in rows
        }
        assert {match.match_id: (match.home_score, match.away_score) for match in month_of(month).matches} == goals


def test_week_on_the_season_page_is_a_feed_like_any_other() -> None:
    blocks = re.findall(rb"<!--(\{\"createdAt\".*?\})-->", capture(SEASON), re.DOTALL)
    (week,) = (block for block in blocks if b'"matches"' in block)
    feed = parse_month_feed(week, "capture", stage_id=STAGE, month="202105")
    assert len(feed.matches) == 20
    assert all(match.is_result for match in feed.matches)
    assert feed.new_keys == ()


def test_match_page_of_barcelona_and_rayo() -> None:
    # the same match in football-data: 21 and 4 shots, 6 and 2 on target, 8 and 0 corners, 16 and 14 fouls
    page = parse_match_page(capture(MATCH), "capture", match_id=MATCH_ID)
    home, away = page.teams
    assert (home.shots, home.shots_on_target, home.corners, home.fouls) == (21, 6, 8, 16)
    assert (away.shots, away.shots_on_target, away.corners, away.fouls) == (4, 2, 0, 14)
    assert (home.yellow_cards, home.red_cards, away.yellow_cards, away.red_cards) == (2, 1, 6, 0)
    assert (page.home_score, page.away_score, page.home_score_half_time, page.away_score_half_time) == (0, 0, 0, 0)
    assert (page.home_team_id, page.away_team_id, page.status, page.elapsed) == (65, 64, 6, "FT")
    assert page.new_keys == ()


def test_match_page_without_its_match_centre_keeps_header_and_score() -> None:
    body = capture(MATCH)
    start = body.index(b"matchCentreData: ") + len(b"matchCentreData: ")
    page = parse_match_page(body[:start] + b"null" + body[body.index(b",\r\n", start) :], "capture", match_id=MATCH_ID)
    assert (page.has_match_centre, page.teams, page.home_score) == (False, (), 0)


def test_cut_match_page_is_refused_at_every_forty_thousandth_byte() -> None:
    body = capture(MATCH)
    for length in range(0, len(body) - 20, 40_000):
        assert not is_whole_page(body[:length])
        with pytest.raises(UnexpectedPageError, match="cut short"):
            parse_match_page(body[:length], "capture", match_id=MATCH_ID)


@pytest.mark.parametrize("name", [SEASON, TOURNAMENT, MATCH])
def test_all_regions_stand_on_every_page(name: str) -> None:
    links = {(link.region_id, link.tournament_id): link.name for link in parse_home_page(capture(name), "x")}
    assert links[252, 2] == "Premier League"
    assert links[206, 4] == "LaLiga"
    assert links[225, 17]


def test_teams_of_the_feeds_are_those_of_the_alias_list_by_id() -> None:
    with (SAMPLES / "team_alias.csv").open(encoding="utf-8") as file:
        aliases = {
            int(row["whoscoredTeamId"]): row["whoscoredName"] for row in csv.DictReader(file) if row["div"] == "E0"
        }
    matches = [match for month in FEEDS for match in month_of(month).matches]
    ids = {match.home_team_id for match in matches} | {match.away_team_id for match in matches}
    assert len(ids) == 20
    # clubs that were promoted after the list was made are not on it
    assert len(ids & set(aliases)) >= 15


def test_block_page_is_told_from_real_answers() -> None:
    assert block_marker(capture(BLOCKED), 200) == "_Incapsula_Resource"
    for name in (SEASON, TOURNAMENT, MATCH, *FEEDS.values()):
        assert block_marker(capture(name), 200) is None


def test_real_answers_are_whole() -> None:
    assert is_whole_page(capture(MATCH))
    assert all(is_whole_document(capture(name)) for name in FEEDS.values())
