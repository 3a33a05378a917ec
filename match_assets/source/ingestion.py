"""Reading the source into the warehouse: catalogue, calendars, match pages.

Plain functions of a client and an engine; ``match_assets.source.runs`` wraps them for callers without an event loop.
What belongs together is read whole before any of it is written, and is remembered while it is read; match pages are
committed as they come. A run that ends anywhere goes on from there.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from match_assets.config import TournamentParams
from match_assets.source.calendars import joined, matches_report, read_calendar
from match_assets.source.client import SourceClient
from match_assets.source.match_pages import PageReading
from match_assets.source.parsers import parse_home_page, parse_season_list
from match_assets.source.progress import Progress
from match_assets.source.records import SeasonLink, TournamentLink
from match_assets.source.reports import CatalogueReport, MatchesReport, StatisticsReport
from match_assets.source.visiting import Visitor
from match_assets.warehouse import planning, visits, writing
from match_assets.warehouse.due import REVISIT_DAYS
from match_assets.warehouse.gaps import Partition

CATALOGUE = "catalogue"


def season_subject(tournament: str, season: str) -> str:
    """Under which name a visit to a season is kept."""
    return f"{season}|{tournament}"


async def scrape_catalogue(
    client: SourceClient,
    engine: Engine,
    tournaments: Mapping[str, TournamentParams],
    *,
    first_season: int,
    visit_hours: float = visits.VISIT_HOURS,
) -> CatalogueReport:
    """Store which seasons the source lists for the configured tournaments.

    Args:
        client: an entered client.
        engine: the warehouse.
        tournaments: by key, as in ``params.yaml``; those that the home page does not list are reported.
        first_season: older seasons are left out.
        visit_hours: an interrupted visit younger than this goes on where it was.

    Raises:
        SourceError: as ``SourceClient.page``.
    """
    asked_before = client.n_requests
    visit = await asyncio.to_thread(visits.open_visit, engine, CATALOGUE, hours=visit_hours)
    visitor = Visitor(client, engine, visit)
    listed = (await visitor.page("/", parse_home_page, tuple[TournamentLink, ...])).record
    links = {(link.region_id, link.tournament_id): link for link in listed}
    found: dict[str, tuple[str, ...]] = {}
    for key, tournament in tournaments.items():
        link = links.get((tournament.region_id, tournament.tournament_id))
        if link is None:
            continue
        answer = await visitor.page(link.url, parse_season_list, tuple[SeasonLink, ...])
        seasons = [season for season in answer.record if int(season.key) >= first_season]
        await asyncio.to_thread(writing.write_tournament, engine, key, link, seasons, answer.observed_at)
        found[key] = tuple(sorted(season.key for season in seasons))
    await asyncio.to_thread(visits.end_visit, engine, CATALOGUE)
    await client.log_fetches()
    not_offered = tuple(key for key in tournaments if key not in found)
    return CatalogueReport(found, not_offered, client.n_requests - asked_before)


async def scrape_matches(
    client: SourceClient,
    engine: Engine,
    tournament: str,
    season: str,
    progress: Progress | None = None,
    *,
    every_month: bool = False,
    revisit_days: Sequence[int] = REVISIT_DAYS,
    visit_hours: float = visits.VISIT_HOURS,
    pages_follow: bool = False,
) -> MatchesReport:
    """Bring a season's matches in the warehouse to what the source's calendar says.

    Args:
        client: an entered client.
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        progress: told how many of how many months are read.
        every_month: ask for months too in which nothing can have changed any more.
        revisit_days: days after kick-off at which a month is asked again.
        visit_hours: an interrupted visit younger than this goes on where it was.
        pages_follow: the visit goes on to the match pages, and whoever reads them ends it: when they are interrupted,
            the calendar is not asked for again.

    Returns:
        What was found; ``reason`` is set when the catalogue has no such season, which is no failure.

    Raises:
        UnexpectedPageError: a page's layout changed; nothing of this season was written.
        SourceError: as ``SourceClient.page``.
    """
    started, asked_before = time.monotonic(), client.n_requests
    links = await asyncio.to_thread(planning.season_links, engine, tournament, season)
    if not links:
        return MatchesReport(tournament, season, reason="the source's catalogue has no such season")
    visit = await asyncio.to_thread(visits.open_visit, engine, season_subject(tournament, season), hours=visit_hours)
    visitor = Visitor(client, engine, visit)
    reports = []
    for link in links:
        calendar = await read_calendar(
            visitor, engine, tournament, season, link, progress=progress, every_month=every_month
        )
        # the visit ends in the transaction that makes it superfluous; until then a replay of it writes nothing new
        ends_visit = link == links[-1] and not pages_follow
        counts = await asyncio.to_thread(
            writing.apply_visit,
            engine,
            calendar.batch,
            visit.visit_id if ends_visit else None,
            revisit_days=revisit_days,
        )
        reports.append(matches_report(calendar, counts))
    await client.log_fetches()
    return joined(
        reports,
        n_requests=client.n_requests - asked_before,
        n_remembered=visitor.n_remembered,
        seconds=time.monotonic() - started,
    )


async def scrape_match_stats(
    client: SourceClient,
    engine: Engine,
    tournament: str,
    season: str,
    progress: Progress | None = None,
    *,
    revisit_days: Sequence[int] = REVISIT_DAYS,
) -> StatisticsReport:
    """Read the pages of finished matches that are due: see ``planning.pages_wanted``.

    Args:
        client: an entered client; as many pages are read at once as it has.
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        progress: told how many of how many pages are read, first that none is.
        revisit_days: days after kick-off at which a page is read again.

    Raises:
        UnexpectedPageError: a page's layout changed; nothing of that page was written, what was read before is kept.
        SourceError: as ``SourceClient.page``; likewise.
    """
    started, asked_before = time.monotonic(), client.n_requests
    wanted = await asyncio.to_thread(planning.pages_wanted, engine, tournament, season)
    partition = Partition(tournament, season)
    reading = PageReading(client, engine, partition, wanted, progress, revisit_days=revisit_days)
    await reading.run()
    return StatisticsReport(
        tournament=tournament,
        season=season,
        n_requests=client.n_requests - asked_before,
        n_pages=reading.n_read,
        n_left=len(wanted) - reading.n_read,
        seconds=time.monotonic() - started,
        counts=reading.counts,
        without_statistics=dict(sorted(reading.without_statistics.items())),
        disagreements=tuple(sorted(reading.disagreements)),
        new_keys=tuple(sorted(reading.new_keys)),
    )
