"""A match of a status that this version does not know: held up, asked for again, and let go once it is gone. (ING-10)"""

import pytest
from sqlalchemy import select

from match_assets.errors import SourceUnavailableError
from match_assets.warehouse import reading
from match_assets.warehouse.gaps import Place, quarantined_of
from match_assets.warehouse.schema import months
from tests import pages
from tests.integration.ingestion.conftest import KEY, QUICK, League, Watcher, feed_path
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

UNKNOWN = 42
# far enough after the last match for every revisit to be over
LATER = "2025-06-01T12:00:00Z"


def quarantined(watcher: Watcher) -> dict[int, Place]:
    with watcher.engine.connect() as connection:
        return quarantined_of(connection, pages.SEASON)


def appear(league: League, match_id: int = 5007, kick_off: str = "2025-02-20T15:00:00") -> None:
    """A match that was never seen in any other status."""
    league.rows[match_id] = pages.feed_row(match_id, kick_off, 13, 11, status=UNKNOWN)
    league.publish()


def end_season(league: League) -> None:
    """All is played but what is of an unknown status, and the site's clock is far ahead."""
    league.created_at = LATER
    for row in league.rows.values():
        if row["status"] == 1:
            row |= {"status": 6, "elapsed": "FT", "homeScore": 1, "awayScore": 0}
    league.publish()


@pytest.mark.parametrize("match_id", [5005, 5007], ids=["known before", "never known"])
def test_a_quarantined_match_that_vanishes_holds_its_season_up_no_longer(
    watcher: Watcher, league: League, match_id: int
) -> None:
    appear(league, match_id)
    watcher.scrape()
    assert quarantined(watcher) == {match_id: Place(pages.STAGE, "202502")}
    del league.rows[match_id]
    league.publish()
    watcher.scrape()
    assert quarantined(watcher) == {}
    assert match_id not in reading.season_snapshot(watcher.engine, KEY, "2024")[0]["match_id"]


def test_one_that_moved_is_looked_for_in_every_month_before_it_is_let_go(
    watcher: Watcher, league: League, site: ScriptedSite
) -> None:
    appear(league)
    watcher.scrape()
    league.change(5007, startTime="2025-01-18T15:00:00", startTimeUtc="2025-01-18T15:00:00Z")
    site.log.clear()
    watcher.scrape()
    assert feed_path("202501") in site.paths, "a month in which nothing was due"
    assert quarantined(watcher) == {5007: Place(pages.STAGE, "202501")}


def test_a_month_that_cannot_be_read_lets_nothing_go(watcher: Watcher, league: League, site: ScriptedSite) -> None:
    appear(league)
    watcher.scrape()
    del league.rows[5007]
    league.publish()
    site.first(feed_path("202501"), *[Answer("{}", 500)] * QUICK.attempts)
    with pytest.raises(SourceUnavailableError):
        watcher.scrape()
    assert quarantined(watcher) == {5007: Place(pages.STAGE, "202502")}


def test_its_month_is_asked_at_every_visit_however_long_ago_it_was(
    watcher: Watcher, league: League, site: ScriptedSite
) -> None:
    appear(league)
    end_season(league)
    watcher.scrape()
    with watcher.engine.connect() as connection:
        due = {row.month for row in connection.execute(select(months)) if row.due_at is not None}
    assert due == {"202502"}, "the others are done for good"
    league.change(5007, status=6, elapsed="FT", homeScore=2, awayScore=2)
    site.log.clear()
    watcher.scrape()
    assert feed_path("202502") in site.paths
    assert quarantined(watcher) == {}
    frame, _ = reading.season_snapshot(watcher.engine, KEY, "2024")
    assert 5007 in frame["match_id"]


def test_what_is_quarantined_and_what_is_let_go_is_another_state_of_the_season(
    watcher: Watcher, league: League
) -> None:
    """Else a season that was refused for it would stay refused: nothing would look at it again."""
    revisions = [reading.season_revision(watcher.engine)[f"2024|{KEY}"]]
    appear(league)
    watcher.scrape()
    revisions.append(reading.season_revision(watcher.engine)[f"2024|{KEY}"])
    del league.rows[5007]
    league.publish()
    watcher.scrape()
    revisions.append(reading.season_revision(watcher.engine)[f"2024|{KEY}"])
    assert revisions[0] != revisions[1]
    assert revisions[0] == revisions[2]


def test_a_status_that_nobody_knows_is_news_once_and_so_is_its_end(watcher: Watcher, league: League) -> None:
    kinds = []

    def look() -> None:
        kinds.append([item.matches for item in watcher.look()])

    appear(league)
    look()
    watcher.scrape()
    look()
    league.change(5007, status=1)
    look()
    watcher.scrape()
    league.change(5005, status=UNKNOWN)
    watcher.scrape()
    league.change(5005, status=1)
    look()
    watcher.scrape()
    appear(league, 5008)
    watcher.scrape()
    del league.rows[5008]
    league.publish()
    look()
    watcher.scrape()
    look()
    assert kinds == [
        [{"status unknown": 1}],
        [],
        [{"new match": 1, "status known again": 1}],
        [{"status known again": 1}],
        [{"match gone from its month": 1}],
        [],
    ]
