"""Scraping for callers without an event loop: Dagster steps, the bulk job, the command line.

Each run opens one browser, holds the lease of what it scrapes and asks for nothing without it, and closes everything
whatever happens.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from sqlalchemy import Engine

from match_assets.config import Params, Settings
from match_assets.errors import (
    DataError,
    DependencyUnavailableError,
    MatchAssetsError,
    SourceBlockedError,
    SourceBudgetError,
    UnexpectedPageError,
)
from match_assets.keys import DataKey
from match_assets.source import ingestion
from match_assets.source.client import Patience, SourceClient
from match_assets.source.news import look_for_news
from match_assets.source.progress import Progress
from match_assets.source.reports import CatalogueReport, MatchesReport, News, SeasonReport, StatisticsReport
from match_assets.source.stopping import run_until_stopped
from match_assets.warehouse import visits
from match_assets.warehouse.database import Lease, lease

Result = TypeVar("Result")
Announce = Callable[[SeasonReport, int, int], None]


def scrape_catalogue(
    settings: Settings, engine: Engine, params: Params, *, patience: Patience | None = None
) -> CatalogueReport:
    """As ``ingestion.scrape_catalogue``, for the tournaments and first season of ``params``."""

    def work(client: SourceClient) -> Awaitable[CatalogueReport]:
        return ingestion.scrape_catalogue(
            client,
            engine,
            params.tournaments,
            first_season=params.ingestion.first_season,
            visit_hours=params.ingestion.visit_hours,
        )

    with _catalogue_lease(engine) as ours:
        return _run(settings, engine, params, patience, work, ours)


def scrape_matches(
    settings: Settings,
    engine: Engine,
    params: Params,
    tournament: str,
    season: str,
    *,
    progress: Progress | None = None,
    every_month: bool = False,
    patience: Patience | None = None,
) -> MatchesReport:
    """As ``ingestion.scrape_matches``, alone in its season.

    Raises:
        DependencyUnavailableError: another process scrapes this season.
    """

    def work(client: SourceClient) -> Awaitable[MatchesReport]:
        return ingestion.scrape_matches(
            client,
            engine,
            tournament,
            season,
            progress,
            every_month=every_month,
            revisit_days=params.ingestion.revisit_days,
            visit_hours=params.ingestion.visit_hours,
        )

    with _season_lease(engine, tournament, season) as ours:
        return _run(settings, engine, params, patience, work, ours)


def scrape_match_stats(
    settings: Settings,
    engine: Engine,
    params: Params,
    tournament: str,
    season: str,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> StatisticsReport:
    """As ``ingestion.scrape_match_stats``, alone in its season.

    Raises:
        DependencyUnavailableError: another process scrapes this season.
    """

    def work(client: SourceClient) -> Awaitable[StatisticsReport]:
        return ingestion.scrape_match_stats(
            client, engine, tournament, season, progress, revisit_days=params.ingestion.revisit_days
        )

    with _season_lease(engine, tournament, season) as ours:
        return _run(settings, engine, params, patience, work, ours)


def find_news(settings: Settings, engine: Engine, params: Params, *, patience: Patience | None = None) -> list[News]:
    """As ``news.look_for_news``, for the tournaments of ``params``."""
    return _run(
        settings, engine, params, patience, lambda client: look_for_news(client, engine, list(params.tournaments))
    )


def scrape_season(
    settings: Settings,
    engine: Engine,
    params: Params,
    tournament: str,
    season: str,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> SeasonReport:
    """Calendar and match pages of one season in one browser.

    Raises:
        MatchAssetsError: whatever ended it.
    """
    reports = scrape_seasons(settings, engine, params, [f"{season}|{tournament}"], progress=progress, patience=patience)
    if reports[0].error is not None:
        raise reports[0].error
    return reports[0]


def scrape_seasons(
    settings: Settings,
    engine: Engine,
    params: Params,
    partition_keys: Sequence[str],
    *,
    every_month: bool = False,
    announce: Announce | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> list[SeasonReport]:
    """Calendars and match pages of many seasons in one browser; a season that fails fails alone.

    Args:
        settings: source, pace and browser.
        engine: the warehouse.
        params: pages at once.
        partition_keys: ``season|tournament``, scraped in this order.
        every_month: ask for months too in which nothing can have changed any more.
        announce: told each season's report with how many of how many are done.
        progress: told how many of how many pages of the current season are read.
        patience: deadlines and retries.

    Returns:
        One report a season, with its error where it failed.

    Raises:
        SourceBlockedError: the site refuses us; the seasons before stay written.
        SourceBudgetError: the day's requests are spent; likewise.
        DependencyUnavailableError: PostgreSQL or the browser could not be used from the start.
    """

    async def work(client: SourceClient) -> list[SeasonReport]:
        reports = []
        for number, key in enumerate(partition_keys, start=1):
            reports.append(await _scrape_one(client, engine, params, key, progress, every_month=every_month))
            if announce:
                announce(reports[-1], number, len(partition_keys))
        return reports

    return _run(settings, engine, params, patience, work)


async def _scrape_one(
    client: SourceClient, engine: Engine, params: Params, key: str, progress: Progress | None, *, every_month: bool
) -> SeasonReport:
    tournament, season = DataKey.parse(key).tournament, DataKey.parse(key).season
    rules = params.ingestion
    try:
        with _season_lease(engine, tournament, season) as ours, client.guarded_by(ours.renew):
            matches = await ingestion.scrape_matches(
                client,
                engine,
                tournament,
                season,
                revisit_days=rules.revisit_days,
                visit_hours=rules.visit_hours,
                every_month=every_month,
                pages_follow=True,
            )
            statistics = await _read_pages(client, engine, params, DataKey(tournament, season), progress)
    except (SourceBlockedError, SourceBudgetError):
        raise
    except MatchAssetsError as error:
        return SeasonReport(key, error=error)
    return SeasonReport(key, matches, statistics)


async def _read_pages(
    client: SourceClient, engine: Engine, params: Params, key: DataKey, progress: Progress | None
) -> StatisticsReport:
    """The second half of a season's visit, which it ends: if it is interrupted, the calendar is not asked again."""
    subject = ingestion.season_subject(key.tournament, key.season)
    try:
        statistics = await ingestion.scrape_match_stats(
            client, engine, key.tournament, key.season, progress, revisit_days=params.ingestion.revisit_days
        )
    except (UnexpectedPageError, DataError):
        # the page may contradict the calendar as this visit saw it: the next one looks afresh
        await asyncio.to_thread(visits.end_visit, engine, subject)
        raise
    await asyncio.to_thread(visits.end_visit, engine, subject)
    return statistics


def _run(
    settings: Settings,
    engine: Engine,
    params: Params,
    patience: Patience | None,
    work: Callable[[SourceClient], Awaitable[Result]],
    ours: Lease | None = None,
) -> Result:
    async def main() -> Result:
        client = SourceClient(settings, engine, pages_at_once=params.ingestion.pages_at_once, patience=patience)
        async with client:
            with client.guarded_by(ours.renew) if ours else nullcontext():
                return await work(client)

    return run_until_stopped(main())


@contextmanager
def _alone(engine: Engine, what: str, partition: str) -> Iterator[Lease]:
    with lease(engine, f"scraping {partition}") as ours:
        if not ours:
            raise DependencyUnavailableError(
                f"another process scrapes {what}: nothing was asked. Run again when it has ended", partition=partition
            )
        yield ours


def _season_lease(engine: Engine, tournament: str, season: str) -> AbstractContextManager[Lease]:
    return _alone(engine, f"{season}|{tournament}", f"{season}|{tournament}")


def _catalogue_lease(engine: Engine) -> AbstractContextManager[Lease]:
    return _alone(engine, "the catalogue", ingestion.CATALOGUE)


def failed(reports: Iterable[SeasonReport]) -> list[SeasonReport]:
    """Those of ``reports`` that ended in an error."""
    return [report for report in reports if report.error is not None]
