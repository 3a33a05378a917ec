"""A season through a real browser into a real PostgreSQL."""

import datetime as dt

import polars as pl
import pytest
from sqlalchemy import Engine, func, select

from match_assets.config import Params, Settings
from match_assets.errors import UnexpectedPageError
from match_assets.source import runs
from match_assets.source.parsers import parse_home_page, parse_season_list
from match_assets.source.reports import CatalogueReport, SeasonReport
from match_assets.warehouse import reading
from match_assets.warehouse.gaps import known_gaps
from match_assets.warehouse.schema import fetches, matches, months, observations
from match_assets.warehouse.writing import write_tournament
from tests import pages
from tests.integration.ingestion.conftest import JSON, KEY, QUICK, League, feed_path, match_path
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite


class Scraper:
    """Catalogue and season as a run does them."""

    def __init__(self, settings: Settings, engine: Engine, params: Params) -> None:
        self.settings, self.engine, self.params = settings, engine, params

    def catalogue(self) -> CatalogueReport:
        return runs.scrape_catalogue(self.settings, self.engine, self.params, patience=QUICK)

    def season(self) -> SeasonReport:
        return runs.scrape_season(self.settings, self.engine, self.params, KEY, "2024", patience=QUICK)

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return reading.season_snapshot(self.engine, KEY, "2024")

    def revision(self) -> str:
        return reading.season_revision(self.engine)[f"2024|{KEY}"]


@pytest.fixture
def scraper(source_settings: Settings, warehouse: Engine, params: Params, league: League) -> Scraper:
    assert league.rows
    link = parse_home_page(pages.home_page().encode(), "/")[0]
    seasons = parse_season_list(pages.season_page([]).encode(), "/")
    write_tournament(warehouse, KEY, link, seasons, dt.datetime(2025, 2, 10, tzinfo=dt.UTC))
    return Scraper(source_settings, warehouse, params)


def test_season_arrives_as_the_source_shows_it(scraper: Scraper) -> None:
    report = scraper.season()
    matches_frame, stats = scraper.frames()
    assert matches_frame["match_id"].to_list() == [5001, 5002, 5003, 5004, 5005, 5006]
    assert matches_frame.schema == pl.Schema(reading.RAW_MATCHES)
    played = matches_frame.filter(pl.col("status") == 6)
    assert played.select("home_goals", "away_goals").rows() == [(2, 1), (0, 0), (1, 3), (1, 1)]
    assert played["home_goals_half_time"].to_list() == [1, 1, 1, 1]
    assert matches_frame.filter(pl.col("status") == 1)["home_goals"].null_count() == 2
    assert stats.schema == pl.Schema(reading.RAW_MATCH_STATS)
    assert stats.select("match_id", "is_home").rows() == [
        (match_id, is_home) for match_id in (5001, 5002, 5003, 5004) for is_home in (True, False)
    ]
    assert stats["shots"].to_list() == [0] * 8
    assert report.matches is not None
    assert report.statistics is not None
    assert report.matches.counts.inserted == 6
    assert report.statistics.n_pages == 4
    assert report.matches.site_time == dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)


def test_unchanged_season_writes_nothing_and_asks_no_match_page(scraper: Scraper, site: ScriptedSite) -> None:
    scraper.season()
    before, revision = scraper.frames(), scraper.revision()
    site.log.clear()
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.months_left == ("202501",)
    assert (report.matches.counts.inserted, report.matches.counts.changed, report.matches.counts.unchanged) == (0, 0, 4)
    assert not [path for path in site.paths if path.startswith("/Matches/")]
    assert scraper.revision() == revision
    assert all(one.equals(other) for one, other in zip(before, scraper.frames(), strict=True))
    with scraper.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(observations)) == 10


def test_settled_months_are_left_alone(scraper: Scraper, site: ScriptedSite, league: League) -> None:
    league.created_at = "2025-02-11T12:00:00Z"  # January's last kick-off, on the 12th, may still be corrected
    league.publish()
    scraper.season()
    league.created_at = "2025-02-12T12:00:00Z"
    league.publish()
    scraper.season()
    assert site.paths.count(feed_path("202501")) == 2
    site.log.clear()
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.months_left == ("202501",)
    assert feed_path("202501") not in site.paths
    assert feed_path("202502") in site.paths


def test_corrected_score_replaces_the_old_one_and_keeps_it_in_history(
    scraper: Scraper, site: ScriptedSite, league: League
) -> None:
    # ING-11
    scraper.season()
    revision = scraper.revision()
    site.log.clear()
    league.change(5003, homeScore=2)
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.counts.changed == 1
    assert [path for path in site.paths if path.startswith("/Matches/")] == [match_path(5003)]
    frame, _ = scraper.frames()
    assert frame.filter(pl.col("match_id") == 5003).select("home_goals", "away_goals").rows() == [(2, 3)]
    assert scraper.revision() != revision
    with scraper.engine.connect() as connection:
        history = connection.scalars(
            select(observations.c.content["home_score"].as_integer())
            .where(observations.c.match_id == 5003, observations.c.surface == "feed")
            .order_by(observations.c.observation_id)
        )
        assert list(history) == [1, 2]


def test_cached_old_feed_never_brings_the_old_kick_off_back(scraper: Scraper, league: League) -> None:
    # ING-13
    scraper.season()
    league.created_at = "2025-02-12T12:00:00Z"
    league.change(5006, startTime="2025-03-02T15:00:00", startTimeUtc="2025-03-02T15:00:00Z")
    scraper.season()
    league.created_at = "2025-02-11T12:00:00Z"
    league.change(5006, startTime="2025-03-01T15:00:00", startTimeUtc="2025-03-01T15:00:00Z")
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.counts.stale == 1
    assert report.matches.missing == ()
    frame, _ = scraper.frames()
    assert frame.filter(pl.col("match_id") == 5006)["kick_off_utc"].item().day == 2


def test_match_that_moves_to_another_month_is_one_row_and_not_missing(scraper: Scraper, league: League) -> None:
    # ING-13
    scraper.season()
    league.change(5005, startTime="2025-03-20T15:00:00", startTimeUtc="2025-03-20T15:00:00Z")
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.missing == ()
    frame, _ = scraper.frames()
    assert frame.filter(pl.col("match_id") == 5005)["kick_off_utc"].item().month == 3


def test_vanished_matches_are_marked_and_come_back(scraper: Scraper, league: League) -> None:
    # ING-12
    scraper.season()
    finished, upcoming = league.rows.pop(5003), league.rows.pop(5006)
    league.publish()
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.missing == (5003, 5006)
    frame, _ = scraper.frames()
    assert 5003 in frame["match_id"], "a result is never lost"
    assert 5006 not in frame["match_id"]
    gaps = {(gap.match_id, gap.kind) for gap in known_gaps(scraper.engine, KEY, "2024")}
    assert gaps == {(5003, "missing"), (5006, "missing")}
    again = scraper.season()
    assert again.matches is not None
    assert again.matches.missing == (), "known already"
    league.rows |= {5003: finished, 5006: upcoming}
    league.publish()
    scraper.season()
    assert scraper.frames()[0].height == 6
    assert known_gaps(scraper.engine, KEY, "2024") == []


def test_unknown_status_is_quarantined_and_the_stored_match_stays(scraper: Scraper, league: League) -> None:
    # ING-10
    scraper.season()
    league.change(5005, status=42)
    report = scraper.season()
    assert report.matches is not None
    assert report.matches.quarantined == {5005: 42}
    assert report.matches.missing == ()
    assert 5005 in scraper.frames()[0]["match_id"]
    (gap,) = known_gaps(scraper.engine, KEY, "2024")
    assert (gap.match_id, gap.kind, gap.reason) == (5005, "quarantined", "status 42 is unknown to this version")


@pytest.mark.parametrize("status", [5, 7, 8])
def test_score_beside_a_status_that_is_no_result_never_becomes_goals(
    scraper: Scraper, league: League, status: int
) -> None:
    # ING-10
    league.change(5004, status=status, elapsed="x")
    scraper.season()
    row = scraper.frames()[0].filter(pl.col("match_id") == 5004)
    assert row.select("status", "home_goals", "away_goals").rows() == [(status, None, None)]
    with scraper.engine.connect() as connection:
        shown = connection.execute(select(matches.c.home_score, matches.c.away_score).where(matches.c.match_id == 5004))
        assert shown.one() == (1, 1)


def test_extra_time_score_never_becomes_goals(scraper: Scraper, league: League, site: ScriptedSite) -> None:
    # ING-10
    league.change(5003, elapsed="AET")
    scraper.season()
    row = scraper.frames()[0].filter(pl.col("match_id") == 5003)
    assert row.select("elapsed", "home_goals").rows() == [("AET", None)]
    assert match_path(5003) not in site.paths


def test_null_match_centre_leaves_a_gap_and_is_asked_again_a_day_later(
    scraper: Scraper, site: ScriptedSite, league: League
) -> None:
    # ING-08
    whole = site.pages[match_path(5003)]
    site.pages[match_path(5003)] = Answer(pages.match_page(5003, 12, 13, (1, 3), centre="null"))
    report = scraper.season()
    assert report.statistics is not None
    assert report.statistics.without_statistics == {5003: "the match centre is null"}
    assert 5003 not in scraper.frames()[1]["match_id"]
    site.pages[match_path(5003)] = whole
    site.log.clear()
    scraper.season()
    assert match_path(5003) not in site.paths, "the source's clock has not moved"
    league.created_at = "2025-02-11T13:00:00Z"
    league.publish()
    scraper.season()
    assert site.paths.count(match_path(5003)) == 1
    assert 5003 in scraper.frames()[1]["match_id"]
    assert known_gaps(scraper.engine, KEY, "2024") == []


def test_page_and_calendar_that_disagree_are_flagged_and_the_calendar_stands(
    scraper: Scraper, site: ScriptedSite
) -> None:
    # ING-11
    site.pages[match_path(5001)] = Answer(pages.match_page(5001, 11, 12, (2, 2)))
    report = scraper.season()
    assert report.statistics is not None
    assert report.statistics.disagreements == (5001,)
    assert scraper.frames()[0].filter(pl.col("match_id") == 5001)["away_goals"].item() == 1
    assert [gap.kind for gap in known_gaps(scraper.engine, KEY, "2024")] == ["disagreement"]


@pytest.mark.parametrize("month", ["202501", "202503"])
def test_changed_feed_layout_stops_the_season_and_writes_nothing_of_it(
    scraper: Scraper, site: ScriptedSite, month: str
) -> None:
    # ING-07
    text = site.pages[feed_path(month)].body.replace('"homeTeamId"', '"renamed"')
    site.pages[feed_path(month)] = Answer(text, content_type=JSON)
    with pytest.raises(UnexpectedPageError, match="homeTeamId") as caught:
        scraper.season()
    assert feed_path(month) in caught.value.message
    assert scraper.frames()[0].is_empty()
    with scraper.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(months)) == 0
        kept = connection.execute(select(fetches.c.url, fetches.c.evidence).where(fetches.c.outcome == "unexpected"))
        assert all(row.evidence for row in kept)


def test_changed_match_page_names_page_and_part(scraper: Scraper, site: ScriptedSite) -> None:
    # ING-07
    for match_id in (5001, 5002, 5003, 5004):
        site.pages[match_path(match_id)] = Answer("<html>params['other'] = {}</html>")
    with pytest.raises(UnexpectedPageError, match=r"matchheader") as caught:
        scraper.season()
    assert "/Matches/500" in caught.value.message
    matches_frame, stats = scraper.frames()
    assert matches_frame.height == 6
    assert stats.is_empty()


def test_two_stages_are_both_read(scraper: Scraper, site: ScriptedSite) -> None:
    # ING-16
    stages = {pages.STAGE: "Regular", 31001: "Play-offs"}
    base = f"/Regions/{pages.REGION}/Tournaments/{pages.TOURNAMENT}/Seasons/{pages.SEASON}"
    regular = [dt.date(2025, 1, 4), dt.date(2025, 2, 1), dt.date(2025, 3, 1)]
    site.pages[f"{base}/testland-league"] = Answer(pages.season_page(regular, stages=stages))
    site.pages[f"{base}/Stages/31001/x"] = Answer(pages.season_page([dt.date(2025, 5, 1)], stage=31001, stages=stages))
    row = pages.feed_row(5100, "2025-05-01T15:00:00", 11, 12, stageId=31001)
    site.pages["/tournaments/31001/data/?d=202505"] = Answer(pages.feed([row], stage=31001), content_type=JSON)
    scraper.season()
    assert scraper.frames()[0].select("match_id", "stage_id").rows()[-1] == (5100, 31001)


def test_season_that_the_source_does_not_list_is_empty_with_a_reason(scraper: Scraper) -> None:
    # ING-17
    report = runs.scrape_season(scraper.settings, scraper.engine, scraper.params, KEY, "1999", patience=QUICK)
    assert report.matches is not None
    assert "no such season" in report.matches.reason
    assert reading.season_snapshot(scraper.engine, KEY, "1999")[0].is_empty()


def test_catalogue_leaves_out_what_the_source_does_not_offer(scraper: Scraper) -> None:
    absent = scraper.params.tournaments[KEY].model_copy(update={"tournament_id": 4})
    scraper.params = scraper.params.model_copy(
        update={"tournaments": {**scraper.params.tournaments, "TST-Absent": absent}}
    )
    report = scraper.catalogue()
    assert report.partition_keys == [f"2024|{KEY}"]
    assert report.not_offered == ("TST-Absent",)
    assert [entry.partition_key for entry in reading.catalogue(scraper.engine)] == [f"2024|{KEY}"]


def test_late_matches_go_by_the_sources_clock(scraper: Scraper, league: League) -> None:
    scraper.season()
    assert reading.late_matches(scraper.engine, late_after_hours=3) == []
    league.created_at = "2025-02-15T18:00:01Z"
    league.publish()
    scraper.season()
    assert [late.match_id for late in reading.late_matches(scraper.engine, late_after_hours=3)] == [5005]


def test_names_survive_the_round_trip(scraper: Scraper) -> None:
    # ING-18
    scraper.season()
    frame, _ = scraper.frames()
    names = dict(frame.select("home_team_id", "home_team").rows())
    assert names == pages.TEAMS
    assert reading.team_names(scraper.engine) == pages.TEAMS
