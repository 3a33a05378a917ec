"""A scripted site with one small season, and the warehouse it is read into."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, select, text

from match_assets.config import Params, Settings, TournamentParams, load_params
from match_assets.errors import MatchAssetsError, UnexpectedPageError
from match_assets.source import runs
from match_assets.source.client import Parse, Patience, SourceClient
from match_assets.source.parsers import parse_home_page, parse_season_list
from match_assets.source.reports import News
from match_assets.warehouse.schema import fetches
from match_assets.warehouse.writing import write_tournament
from tests import pages
from tests.integration.ingestion.plain_browser import PlainBrowser
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

Result = TypeVar("Result")

KEY = "TST-League"
JSON = "application/json; charset=utf-8"
# no test waits for seconds: what is checked is order and count, not patience
QUICK = Patience(base_seconds=0.01, cap_seconds=0.05, deadline_seconds=10.0, retry_after_cap_seconds=5.0)

BLOCK = Answer(
    "<html>Request unsuccessful. Incapsula incident ID: 1370<script src='/_Incapsula_Resource?a'></script></html>"
)
PAGE = Answer("<html>fine</html>")


def read(body: bytes, url: str) -> str:
    """The simplest of parsers: a page that says that it is fine."""
    if b"fine" not in body:
        raise UnexpectedPageError(f"{url}: layout changed: fine", url=url, part="fine")
    return body.decode()


class Visitor:
    """Asks for a list of pages one after the other, as one run does."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine = settings, engine

    def change(self, **settings: Any) -> None:
        """Run with other settings from now on."""
        self.settings = self.settings.model_copy(update=settings)

    def ask(self, *paths: str, patience: Patience = QUICK, feeds: bool = False, parse: Parse[Any] = read) -> list[Any]:
        """What was read from each path; the first failure ends the run."""
        return self.run(lambda client: _in_turn(client, paths, parse, feeds), patience=patience)

    def outcomes(self, *paths: str, patience: Patience = QUICK, feeds: bool = False) -> list[Any]:
        """What was read from each path, or the error that it gave; all in one run."""
        return self.run(lambda client: _in_turn(client, paths, read, feeds, is_stubborn=True), patience=patience)

    def run(self, work: Callable[[SourceClient], Awaitable[Result]], *, patience: Patience = QUICK) -> Result:
        """Whatever is to be done with a client."""

        async def main() -> Result:
            async with SourceClient(self.settings, self.engine, patience=patience) as client:
                return await work(client)

        return asyncio.run(main())


async def _in_turn(
    client: SourceClient, paths: Sequence[str], parse: Parse[Any], feeds: bool, *, is_stubborn: bool = False
) -> list[Any]:
    found: list[Any] = []
    for path in paths:
        try:
            found.append(await (client.feed if feeds else client.page)(path, parse))
        except MatchAssetsError as error:
            if not is_stubborn:
                raise
            found.append(error)
    return found


def logged(engine: Engine) -> list[tuple[str, str]]:
    """The last part of each address in the log of requests, and what came of it."""
    with engine.connect() as connection:
        rows = connection.execute(select(fetches.c.url, fetches.c.outcome).order_by(fetches.c.fetch_id))
        return [(row.url.rpartition("/")[2], row.outcome) for row in rows]


class League:
    """A season of the scripted site: rows by month, kept in step with season page, feeds and match pages."""

    def __init__(self, site: ScriptedSite) -> None:
        self.site = site
        self.created_at = "2025-02-10T12:00:00Z"
        self.rows: dict[int, dict[str, Any]] = {}
        for row in (
            pages.feed_row(5001, "2025-01-11T15:00:00", 11, 12, (2, 1)),
            pages.feed_row(5002, "2025-01-12T15:00:00", 13, 14, (0, 0)),
            pages.feed_row(5003, "2025-02-01T15:00:00", 12, 13, (1, 3)),
            pages.feed_row(5004, "2025-02-08T17:30:00", 14, 11, (1, 1)),
            pages.feed_row(5005, "2025-02-15T15:00:00", 11, 13),
            pages.feed_row(5006, "2025-03-01T15:00:00", 12, 14),
        ):
            self.rows[row["id"]] = row
        self.publish()

    def change(self, match_id: int, **changes: Any) -> None:
        """Let the calendar say something else about a match."""
        self.rows[match_id] |= changes
        self.publish()

    def publish(self) -> None:
        """Put the rows as they are onto the site."""
        days = sorted({dt.date.fromisoformat(row["startTime"][:10]) for row in self.rows.values()})
        season = Answer(pages.season_page(days))
        base = f"/regions/{pages.REGION}/tournaments/{pages.TOURNAMENT}"
        served = {"/": Answer(pages.home_page()), f"{base}/testland-league": season}
        served[f"/Regions/{pages.REGION}/Tournaments/{pages.TOURNAMENT}/Seasons/{pages.SEASON}/testland-league"] = (
            season
        )
        for month in sorted({f"{day:%Y%m}" for day in days} | {"202501", "202502", "202503"}):
            rows = [row for row in self.rows.values() if row["startTime"][:7].replace("-", "") == month]
            served[feed_path(month)] = Answer(pages.feed(rows, created_at=self.created_at), content_type=JSON)
        for row in self.rows.values():
            if row["status"] == 6:
                score = (row["homeScore"], row["awayScore"])
                page = pages.match_page(row["id"], row["homeTeamId"], row["awayTeamId"], score)
                served[match_path(row["id"])] = Answer(page)
        self.site.pages |= served


def feed_path(month: str) -> str:
    """Where the calendar of a month lies."""
    return f"/tournaments/{pages.STAGE}/data/?d={month}"


def match_path(match_id: int) -> str:
    """Where a match page lies."""
    return f"/Matches/{match_id}/Live"


@pytest.fixture
def site() -> Iterator[ScriptedSite]:
    """The scripted site."""
    served = ScriptedSite()
    yield served
    served.close()


@pytest.fixture
def league(site: ScriptedSite) -> League:
    """Six matches, four of them played, on the site."""
    return League(site)


@pytest.fixture
def source_settings(site: ScriptedSite, postgres_url: str) -> Settings:
    """Settings that lead to the scripted site at an unlimited pace."""
    return Settings(
        postgres_url=postgres_url,
        s3_bucket="unused",
        redis_url="redis://unused",
        mlflow_url=postgres_url,
        source_url=site.url,
        requests_per_minute=600_000,
    )


@pytest.fixture
def visitor(source_settings: Settings, warehouse: Engine, site: ScriptedSite) -> Visitor:
    """Somebody who asks; pages 1 to 3 are there."""
    for path in ("/1", "/2", "/3"):
        site.pages[path] = PAGE
    return Visitor(source_settings, warehouse)


@pytest.fixture
def params() -> Params:
    """The shipped parameters with the scripted site's one tournament."""
    tournament = TournamentParams(region_id=pages.REGION, tournament_id=pages.TOURNAMENT)
    return load_params().model_copy(update={"tournaments": {KEY: tournament}})


class Watcher:
    """A scraped season and the look for news about it."""

    def __init__(self, settings: Settings, engine: Engine, params: Params) -> None:
        self.settings, self.engine, self.params = settings, engine, params

    def scrape(self) -> None:
        runs.scrape_season(self.settings, self.engine, self.params, KEY, "2024", patience=QUICK)

    def look(self) -> list[News]:
        return runs.find_news(self.settings, self.engine, self.params, patience=QUICK)


@pytest.fixture
def watcher(
    source_settings: Settings, warehouse: Engine, params: Params, league: League, monkeypatch: pytest.MonkeyPatch
) -> Watcher:
    monkeypatch.setattr("match_assets.source.client.Browser", PlainBrowser)
    link = parse_home_page(pages.home_page().encode(), "/")[0]
    seasons = parse_season_list(pages.season_page([]).encode(), "/")
    write_tournament(warehouse, KEY, link, seasons, dt.datetime(2025, 2, 10, tzinfo=dt.UTC))
    watching = Watcher(source_settings, warehouse, params)
    assert league.rows
    assert [item.reason for item in watching.look()] == ["1 season never scraped"]
    watching.scrape()
    return watching


def end_session_of_the_lease(engine: Engine) -> None:
    """As a network does that forgets a connection."""
    statement = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_database ON oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with engine.connect() as connection:
        assert connection.scalars(text(statement)).all() == [True]
