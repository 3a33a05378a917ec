"""The cheap look for news: what it sees, what it asks, and that it stores nothing."""

import polars as pl
import pytest
from sqlalchemy import func, select

from match_assets.errors import SourceUnavailableError
from match_assets.warehouse import reading
from match_assets.warehouse.schema import observations
from tests import pages
from tests.integration.ingestion.conftest import KEY, QUICK, League, Watcher, feed_path, match_path
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

PARTITION = f"2024|{KEY}"


def test_no_news_is_an_empty_list(watcher: Watcher, site: ScriptedSite) -> None:
    site.log.clear()
    assert watcher.look() == []
    assert site.paths == [feed_path("202502"), feed_path("202503")], "January waits for its next moment"


def test_result_correction_and_move_are_news_and_nothing_is_stored(watcher: Watcher, league: League) -> None:
    league.created_at = "2025-02-16T12:00:00Z"
    league.change(5005, status=6, elapsed="FT", homeScore=1, awayScore=0)
    league.change(5001, awayScore=2)
    league.change(5006, startTime="2025-03-02T15:00:00", startTimeUtc="2025-03-02T15:00:00Z")
    revision = reading.season_revision(watcher.engine)
    (news,) = watcher.look()
    assert news.partition_key == PARTITION
    assert news.matches == {"kick-off moved": 1, "result": 1, "score corrected": 1}
    assert reading.season_revision(watcher.engine) == revision
    with watcher.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(observations)) == 10
    watcher.scrape()
    assert watcher.look() == []


def test_vanished_match_is_news_until_it_is_marked(watcher: Watcher, league: League) -> None:
    del league.rows[5006]
    league.publish()
    assert watcher.look()[0].matches == {"match gone from its month": 1}
    watcher.scrape()
    assert watcher.look() == []


def test_match_page_to_be_asked_again_is_news_once_its_time_has_come(
    watcher: Watcher, league: League, site: ScriptedSite
) -> None:
    league.change(5001, homeScore=3)
    site.pages[match_path(5001)] = Answer(pages.match_page(5001, 11, 12, (3, 1), centre="null"))
    watcher.scrape()
    assert watcher.look() == [], "its statistics from before stand"


def test_interrupted_visit_is_told_the_newer_answer(watcher: Watcher, league: League, site: ScriptedSite) -> None:
    site.first(feed_path("202503"), *[Answer("{}", 500)] * QUICK.attempts)
    with pytest.raises(SourceUnavailableError):
        watcher.scrape()
    league.created_at = "2025-02-16T12:00:00Z"
    league.change(5005, status=6, elapsed="FT", homeScore=1, awayScore=0)
    assert watcher.look()[0].matches == {"result": 1}
    site.log.clear()
    watcher.scrape()
    assert feed_path("202502") not in site.paths, "the visit goes on, with what the look saw"
    frame, _ = reading.season_snapshot(watcher.engine, KEY, "2024")
    assert frame.filter(pl.col("match_id") == 5005).select("home_goals", "away_goals").rows() == [(1, 0)]


def test_months_out_of_reach_are_not_asked(watcher: Watcher, league: League, site: ScriptedSite) -> None:
    league.rows[5007] = pages.feed_row(5007, "2025-05-03T15:00:00", 13, 11)
    league.publish()
    watcher.scrape()
    site.log.clear()
    watcher.look()
    assert feed_path("202505") not in site.paths
