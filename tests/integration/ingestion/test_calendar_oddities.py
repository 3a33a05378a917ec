"""What real calendars do: matches that move, vanish and return, split and odd seasons; and what the frontier makes of it."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Engine, select

from match_assets.config import Params, Settings
from match_assets.source import runs
from match_assets.source.records import SeasonLink, TournamentLink
from match_assets.source.reports import SeasonReport
from match_assets.warehouse import planning, reading
from match_assets.warehouse.schema import match_pages, matches, months, observations
from match_assets.warehouse.writing import write_tournament
from tests import pages
from tests.integration.ingestion.conftest import JSON, KEY, QUICK, League, feed_path, match_path
from tests.integration.ingestion.plain_browser import PlainBrowser
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

BASE = f"/Regions/{pages.REGION}/Tournaments/{pages.TOURNAMENT}/Seasons"
SEEN = dt.datetime(2025, 2, 10, tzinfo=dt.UTC)
TOURNAMENT = TournamentLink(pages.REGION, "Testland", pages.TOURNAMENT, "League", "/regions/77/tournaments/701/x")


def season_link(season_id: int, name: str) -> SeasonLink:
    return SeasonLink(season_id, name, name[:4], f"{BASE}/{season_id}/testland-league", False)


class Visits:
    """Visits to the scripted season."""

    def __init__(self, settings: Settings, engine: Engine, params: Params, site: ScriptedSite, league: League) -> None:
        self.settings, self.engine, self.params = settings, engine, params
        self.site, self.league = site, league

    def list_seasons(self, *seasons: SeasonLink) -> None:
        write_tournament(self.engine, KEY, TOURNAMENT, list(seasons), SEEN)

    def visit(self, season: str = "2024") -> SeasonReport:
        self.site.log.clear()
        return runs.scrape_season(self.settings, self.engine, self.params, KEY, season, patience=QUICK)

    def at(self, clock: str) -> None:
        """Set the source's clock."""
        self.league.created_at = clock
        self.league.publish()

    def row(self, match_id: int) -> dict[str, Any]:
        with self.engine.connect() as connection:
            return dict(connection.execute(select(matches).where(matches.c.match_id == match_id)).mappings().one())

    def history(self, match_id: int) -> list[str]:
        """Kick-offs that the feed ever showed, in the order in which they were seen."""
        statement = (
            select(observations.c.content["kick_off_utc"].as_string())
            .where(observations.c.match_id == match_id, observations.c.surface == "feed")
            .order_by(observations.c.observation_id)
        )
        with self.engine.connect() as connection:
            return [str(moment)[:10] for moment in connection.scalars(statement)]

    def pages_asked(self) -> list[str]:
        return [path for path in self.site.paths if path.startswith("/Matches/")]

    def serve_season(self, season_id: int, stage: int, rows: list[dict[str, Any]], **page: Any) -> None:
        """Put another of the site's seasons with one stage onto the site."""
        days = sorted({dt.date.fromisoformat(row["startTime"][:10]) for row in rows})
        shown = pages.season_page(days, shown=season_id, stage=stage, **page)
        self.site.pages[f"{BASE}/{season_id}/testland-league"] = Answer(shown)
        self.serve_feeds(stage, rows)

    def serve_feeds(self, stage: int, rows: list[dict[str, Any]]) -> None:
        for month in {row["startTime"][:7].replace("-", "") for row in rows}:
            listed = [row | {"stageId": stage} for row in rows if row["startTime"][:7].replace("-", "") == month]
            body = pages.feed(listed, created_at=self.league.created_at, stage=stage)
            self.site.pages[f"/tournaments/{stage}/data/?d={month}"] = Answer(body, content_type=JSON)
        for row in rows:
            if row["status"] == 6:
                score = (row["homeScore"], row["awayScore"])
                page = pages.match_page(row["id"], row["homeTeamId"], row["awayTeamId"], score)
                self.site.pages[match_path(row["id"])] = Answer(page)


@pytest.fixture
def seen(
    source_settings: Settings,
    warehouse: Engine,
    params: Params,
    site: ScriptedSite,
    league: League,
    monkeypatch: pytest.MonkeyPatch,
) -> Visits:
    monkeypatch.setattr("match_assets.source.client.Browser", PlainBrowser)
    visits = Visits(source_settings, warehouse, params, site, league)
    visits.list_seasons(season_link(pages.SEASON, "2024/2025"))
    return visits


@pytest.mark.parametrize(
    ("moved_to", "is_time_known"),
    [
        ("2025-03-20T15:00:00", True),
        ("2025-06-28T15:00:00", True),
        ("2025-02-12T15:00:00", True),
        ("2025-02-22T00:00:00", False),
    ],
    ids=["other month", "summer, when the next season has begun", "earlier", "time unknown"],
)
def test_match_that_moves_is_one_row_with_its_old_dates_in_the_history(
    seen: Visits, moved_to: str, is_time_known: bool
) -> None:
    # ING-13
    seen.visit()
    seen.league.change(5005, startTime=moved_to, startTimeUtc=moved_to + "Z")
    report = seen.visit()
    assert report.matches is not None
    assert report.matches.missing == ()
    row = seen.row(5005)
    assert (f"{row['kick_off_utc']:%Y-%m-%dT%H:%M:%S}", row["is_kick_off_time_known"]) == (moved_to, is_time_known)
    assert seen.history(5005) == ["2025-02-15", moved_to[:10]]
    assert seen.visit().matches.counts.changed == 0  # type: ignore[union-attr]


def test_match_that_moves_within_months_that_were_left_alone_is_found_before_it_is_called_missing(
    seen: Visits,
) -> None:
    # ING-12, ING-13: February is open and read, January is not due; the match went from February to January
    seen.visit()
    seen.league.change(5003, startTime="2025-01-25T15:00:00", startTimeUtc="2025-01-25T15:00:00Z")
    report = seen.visit()
    assert report.matches is not None
    assert report.matches.missing == ()
    assert feed_path("202501") in seen.site.paths
    assert seen.row(5003)["feed_month"] == "202501"


def test_finished_match_that_vanishes_keeps_its_row_and_its_return_clears_the_mark(seen: Visits) -> None:
    # ING-12
    seen.visit()
    gone = seen.league.rows.pop(5003)
    seen.league.publish()
    assert seen.visit().matches.missing == (5003,)  # type: ignore[union-attr]
    row = seen.row(5003)
    assert (row["missing_since"], row["home_goals"]) == (row["site_time"], 1)
    assert 5003 in reading.season_snapshot(seen.engine, KEY, "2024")[0]["match_id"], "a result is never lost"
    seen.league.rows[5003] = gone
    seen.league.publish()
    seen.visit()
    assert seen.row(5003)["missing_since"] is None


def test_one_pairing_four_times_in_a_season_and_in_two_stages_is_four_matches(seen: Visits) -> None:
    # ING-16: a Scottish season with its split; (season, home, away) is nowhere a key
    stages = {pages.STAGE: "First phase", 31001: "Championship group", 31002: "Play-offs"}
    shown = pages.season_page([dt.date(2025, 1, 11), dt.date(2025, 1, 25)], stages=stages)
    seen.site.pages[f"{BASE}/{pages.SEASON}/testland-league"] = Answer(shown)
    pairings = {
        pages.STAGE: [(6001, "2025-01-11T15:00:00"), (6002, "2025-01-25T15:00:00")],
        31001: [(6003, "2025-02-01T15:00:00")],
        31002: [(6004, "2025-02-08T15:00:00")],
    }
    for stage, listed in pairings.items():
        days = [dt.date.fromisoformat(moment[:10]) for _, moment in listed]
        page = pages.season_page(days, stage=stage, stages=stages)
        seen.site.pages[f"{BASE}/{pages.SEASON}/Stages/{stage}/x"] = Answer(page)
        seen.serve_feeds(stage, [pages.feed_row(number, moment, 11, 12, (2, 1)) for number, moment in listed])
    report = seen.visit()
    assert report.matches is not None
    assert report.matches.counts.inserted == 4
    frame, stats = reading.season_snapshot(seen.engine, KEY, "2024")
    assert frame.select("match_id", "stage_id").rows() == [
        (6001, pages.STAGE), (6002, pages.STAGE), (6003, 31001), (6004, 31002)
    ]  # fmt: skip
    assert frame.select("home_team_id", "away_team_id").n_unique() == 1
    assert stats["match_id"].n_unique() == 4


def test_league_that_splits_its_year_into_two_seasons_is_one_partition(seen: Visits) -> None:
    # ING-16: Apertura and Clausura are two of the site's seasons that begin in one year
    seen.list_seasons(season_link(9201, "2023/2024"), season_link(9202, "2023 Clausura"))
    seen.serve_season(9201, 32001, [pages.feed_row(7001, "2023-08-12T15:00:00", 11, 12, (1, 0))])
    seen.serve_season(9202, 32002, [pages.feed_row(7002, "2024-01-13T15:00:00", 11, 12, (0, 1))])
    report = seen.visit("2023")
    assert report.partition_key == f"2023|{KEY}"
    frame, stats = reading.season_snapshot(seen.engine, KEY, "2023")
    assert frame["match_id"].to_list() == [7001, 7002]
    assert stats["match_id"].n_unique() == 2


def test_calendar_year_season_stands_beside_those_over_the_turn_of_the_year(seen: Visits) -> None:
    # ING-17
    seen.list_seasons(season_link(9301, "2019/2020"), season_link(9302, "2020"), season_link(9303, "2021/2022"))
    assert [entry.partition_key for entry in reading.catalogue(seen.engine)] == [
        f"{season}|{KEY}" for season in ("2019", "2020", "2021", "2024")
    ]
    rows = [
        pages.feed_row(7101, "2020-02-15T15:00:00", 11, 12, (1, 0)),
        pages.feed_row(7102, "2020-11-28T15:00:00", 12, 11, (0, 0)),
    ]
    seen.serve_season(9302, 33002, rows)
    seen.visit("2020")
    assert reading.season_snapshot(seen.engine, KEY, "2020")[0]["match_id"].to_list() == [7101, 7102]
    assert reading.season_snapshot(seen.engine, KEY, "2019")[0].is_empty()


def test_curtailed_season_keeps_its_results_and_is_done_for_good(seen: Visits) -> None:
    # ING-17: the rest of the season was cancelled
    seen.list_seasons(season_link(9401, "2019/2020"))
    rows = [
        pages.feed_row(7201, "2020-03-07T15:00:00", 11, 12, (1, 0)),
        pages.feed_row(7202, "2020-04-11T15:00:00", 12, 11, status=7, elapsed="Can"),
    ]
    seen.serve_season(9401, 34001, rows)
    seen.visit("2019")
    frame, _ = reading.season_snapshot(seen.engine, KEY, "2019")
    assert frame.filter(pl.col("home_goals").is_not_null())["match_id"].to_list() == [7201]
    report = seen.visit("2019")
    assert seen.site.paths == [f"{BASE}/9401/testland-league"], "no month can change any more"
    assert report.matches is not None
    assert report.matches.months_left == ("202003", "202004")


def test_announced_season_without_matches_is_empty_with_a_reason(seen: Visits) -> None:
    # ING-17
    seen.list_seasons(season_link(9501, "2025/2026"))
    seen.serve_season(9501, 35001, [])
    report = seen.visit("2025")
    assert report.error is None
    assert report.matches is not None
    assert "no match day" in report.matches.reason
    assert reading.season_snapshot(seen.engine, KEY, "2025")[0].is_empty()


@pytest.mark.parametrize(
    ("status", "is_stored"), [(0, False), (2, True), (3, True)], ids=["shell", "postponed", "live"]
)
def test_row_without_a_result_makes_no_result(seen: Visits, status: int, is_stored: bool) -> None:
    # ING-10
    seen.league.change(5005, status=status, homeScore=1, awayScore=0)
    report = seen.visit()
    assert report.matches is not None
    assert report.matches.n_shells == (not is_stored)
    frame, _ = reading.season_snapshot(seen.engine, KEY, "2024")
    goals = frame.filter(pl.col("match_id") == 5005)["home_goals"].to_list()
    assert goals == ([None] if is_stored else [])
    assert match_path(5005) not in seen.site.paths


def test_finished_match_is_looked_at_again_after_a_day_a_week_and_a_month(seen: Visits) -> None:
    # kick-off of 5004 is on 8 February at 17:30; the clock is the source's
    asked = []
    for clock in ("2025-02-08T20:00:00Z", "2025-02-09T12:00:00Z", "2025-02-09T18:00:00Z", "2025-02-10T18:00:00Z",
                  "2025-02-15T18:00:00Z", "2025-02-20T18:00:00Z", "2025-03-10T18:00:00Z", "2025-04-20T18:00:00Z"):  # fmt: skip
        seen.at(clock)
        seen.visit()
        asked += [clock[5:13]] * seen.pages_asked().count(match_path(5004))
    assert asked == ["02-08T20", "02-09T18", "02-15T18", "03-10T18"]
    with seen.engine.connect() as connection:
        statement = select(match_pages.c.attempts, match_pages.c.due_at).where(match_pages.c.match_id == 5004)
        assert connection.execute(statement).one() == (4, None)
        seen_pages = select(observations.c.match_id).where(
            observations.c.match_id == 5004, observations.c.surface == "match_page"
        )
        assert len(connection.execute(seen_pages).all()) == 1, "unchanged pages write nothing"


def test_correction_that_only_the_page_shows_is_found_by_the_revisit(seen: Visits) -> None:
    # ING-11
    seen.visit()
    cards = (("Yellow", "Yellow"), ())
    seen.site.pages[match_path(5004)] = Answer(pages.match_page(5004, 14, 11, (1, 1), cards=cards))
    revision = reading.season_revision(seen.engine)
    assert seen.visit().statistics.n_pages == 0  # type: ignore[union-attr]
    _set_clock(seen, "2025-02-16T12:00:00Z")
    assert match_path(5004) in _pages_of(seen)
    assert reading.season_revision(seen.engine) != revision


def _set_clock(seen: Visits, clock: str) -> None:
    """The feeds at another time, the match pages left as they are."""
    for path, answer in list(seen.site.pages.items()):
        if "/data/" in path:
            body = str(answer.body).replace("2025-02-10T12:00:00Z", clock)
            seen.site.pages[path] = answer._replace(body=body)


def _pages_of(seen: Visits) -> list[str]:
    seen.visit()
    return seen.pages_asked()


def test_season_that_ended_is_revisited_although_nothing_in_it_tells_the_time(seen: Visits) -> None:
    for match_id in (5005, 5006):
        seen.league.change(match_id, status=6, elapsed="FT", homeScore=1, awayScore=0)
    seen.at("2025-03-02T12:00:00Z")
    seen.visit()
    seen.at("2025-03-20T12:00:00Z")
    due = planning.due_partitions(seen.engine, _our_clock(seen.engine) + dt.timedelta(days=18))
    assert due[f"2024|{KEY}"]["month revisit"] > 0, "our own clock carries the source's on"
    seen.visit()
    assert feed_path("202503") in seen.site.paths
    assert match_path(5006) in seen.pages_asked()
    seen.at("2025-06-01T12:00:00Z")
    seen.visit()
    assert planning.due_partitions(seen.engine, _our_clock(seen.engine) + dt.timedelta(days=999)) == {}
    seen.visit()
    assert seen.site.paths == [f"{BASE}/{pages.SEASON}/testland-league"]


def _our_clock(engine: Engine) -> dt.datetime:
    with engine.connect() as connection:
        return (
            connection.execute(select(months.c.observed_at).order_by(months.c.observed_at.desc())).scalars().first()
            or SEEN
        )


def test_frontier_counts_what_is_due_waits_and_is_done(seen: Visits) -> None:
    assert set(planning.frontier_counts(seen.engine).values()) == {0}
    runs.scrape_matches(seen.settings, seen.engine, seen.params, KEY, "2024", patience=QUICK)
    assert planning.frontier_counts(seen.engine) == {
        "months due": 2, "months waiting": 1, "months done": 0, "pages due": 4, "pages waiting": 0, "pages done": 0
    }  # fmt: skip
    partition = f"2024|{KEY}"
    assert planning.due_partitions(seen.engine, _our_clock(seen.engine))[partition] == {"page never read": 4}
    seen.visit()
    counts = planning.frontier_counts(seen.engine)
    assert (counts["pages due"], counts["pages waiting"]) == (0, 4)
    assert planning.due_partitions(seen.engine, _our_clock(seen.engine)) == {}
