"""Reading the source into the warehouse: catalogue, calendars, match pages.

Plain functions of a client and an engine; ``match_assets.source.runs`` wraps them for callers without an event loop.
A season's calendar is read whole before any of it is written. Match pages are committed in small batches, so that a run
that ends anywhere goes on from there.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from match_assets.config import TournamentParams
from match_assets.errors import DataError, SourceError, UnexpectedPageError
from match_assets.source.client import SourceClient
from match_assets.source.parsers import (
    parse_home_page,
    parse_match_page,
    parse_month_feed,
    parse_season_list,
    parse_season_page,
)
from match_assets.source.records import MatchPage, MonthFeed, SeasonPage, Status
from match_assets.source.reports import CatalogueReport, MatchesReport, StatisticsReport
from match_assets.warehouse import planning, writing
from match_assets.warehouse.gaps import Partition
from match_assets.warehouse.observed import EPOCH, PRESENT, PageObservation, WriteCounts
from match_assets.warehouse.planning import PageWanted, SeasonLinks
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar

Progress = Callable[[int, int], None]

# Pages of one transaction: what a killed run loses at most.
BATCH_PAGES = 25


async def scrape_catalogue(
    client: SourceClient, engine: Engine, tournaments: Mapping[str, TournamentParams], *, first_season: int
) -> CatalogueReport:
    """Store which seasons the source lists for the configured tournaments.

    Args:
        client: an entered client.
        engine: the warehouse.
        tournaments: by key, as in ``params.yaml``; those that the home page does not list are reported.
        first_season: older seasons are left out.

    Raises:
        SourceError: as ``SourceClient.page``.
    """
    asked_before = client.n_requests
    links = {(link.region_id, link.tournament_id): link for link in await client.page("/", parse_home_page)}
    found: dict[str, tuple[str, ...]] = {}
    for key, tournament in tournaments.items():
        link = links.get((tournament.region_id, tournament.tournament_id))
        if link is None:
            continue
        seasons = [
            season for season in await client.page(link.url, parse_season_list) if int(season.key) >= first_season
        ]
        await asyncio.to_thread(writing.write_tournament, engine, key, link, seasons, _now())
        found[key] = tuple(sorted(season.key for season in seasons))
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
) -> MatchesReport:
    """Bring a season's matches in the warehouse to what the source's calendar says.

    Args:
        client: an entered client.
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        progress: told how many of how many months are read.
        every_month: ask for months too in which nothing can have changed any more.

    Returns:
        What was found; ``reason`` is set when the catalogue has no such season, which is no failure.

    Raises:
        UnexpectedPageError: a page's layout changed; nothing of this season was written.
        SourceError: as ``SourceClient.page``.
    """
    asked_before = client.n_requests
    links = await asyncio.to_thread(planning.season_links, engine, tournament, season)
    if not links:
        return MatchesReport(tournament, season, reason="the source's catalogue has no such season")
    reports = [
        await _scrape_season(client, engine, tournament, season, link, progress=progress, every_month=every_month)
        for link in links
    ]
    await client.log_fetches()
    return _joined(reports, client.n_requests - asked_before)


async def scrape_match_stats(
    client: SourceClient, engine: Engine, tournament: str, season: str, progress: Progress | None = None
) -> StatisticsReport:
    """Read the pages of finished matches that lack statistics or whose score was corrected since.

    Args:
        client: an entered client; as many pages are read at once as it has.
        engine: the warehouse.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        progress: told how many of how many pages are read.

    Raises:
        UnexpectedPageError: a page's layout changed; nothing of that page was written, what was read before is kept.
        SourceError: as ``SourceClient.page``; likewise.
    """
    asked_before = client.n_requests
    wanted = await asyncio.to_thread(planning.pages_wanted, engine, tournament, season)
    reading = _PageReading(client, engine, Partition(tournament, season), wanted, progress)
    await reading.run()
    return StatisticsReport(
        tournament=tournament,
        season=season,
        n_requests=client.n_requests - asked_before,
        n_pages=reading.n_read,
        counts=reading.counts,
        without_statistics=dict(sorted(reading.without_statistics.items())),
        disagreements=tuple(sorted(reading.disagreements)),
    )


async def month_feed(
    client: SourceClient, stage_id: int, month: str, days: Sequence[dt.date], *, must_have_matches: bool = True
) -> ObservedMonth:
    """One month of a stage's calendar; ``days`` are the match days that the season page names for the stage."""
    days_in_mask = sum(f"{day:%Y%m}" == month for day in days) if must_have_matches else 0

    def parse(text: str, url: str) -> MonthFeed:
        return parse_month_feed(text, url, stage_id=stage_id, month=month, days_in_mask=days_in_mask)

    feed = await client.feed(f"/tournaments/{stage_id}/data/?d={month}", parse)
    return ObservedMonth(feed, _now())


async def _scrape_season(
    client: SourceClient,
    engine: Engine,
    tournament: str,
    season: str,
    link: SeasonLinks,
    *,
    progress: Progress | None,
    every_month: bool,
) -> MatchesReport:
    calendars = await _calendars(client, link.url)
    months = {(calendar.stage.stage_id, f"{day:%Y%m}") for calendar in calendars for day in calendar.days}
    known = await asyncio.to_thread(planning.known_months, engine, link.season_id)
    months |= {(month.stage_id, month.month) for month in known}
    settled = set() if every_month else {(month.stage_id, month.month) for month in known if month.is_settled()}
    days = {calendar.stage.stage_id: calendar.days for calendar in calendars}

    answers: list[ObservedMonth] = []

    async def ask(wanted: Sequence[tuple[int, str]]) -> None:
        for stage_id, month in wanted:
            answers.append(await month_feed(client, stage_id, month, days.get(stage_id, ())))
            if progress:
                progress(len(answers), len(months - settled))

    await ask(sorted(months - settled))
    held = await asyncio.to_thread(planning.held_matches, engine, link.season_id)
    if _unlisted(held, answers):
        # it may only have moved: no month may stay unread before a match is called missing
        settled, unread = set(), sorted(months & settled)
        await ask(unread)
    missing = _unlisted(held, answers)
    batch = _batch(tournament, season, link.season_id, calendars=calendars, answers=answers, missing=missing)
    counts = await asyncio.to_thread(writing.write_season, engine, batch)
    return _report(batch, counts, sorted({month for _, month in settled}))


async def _calendars(client: SourceClient, url: str) -> list[StageCalendar]:
    """Every stage of a season with its match days; the shown stage needs no page of its own."""
    shown: SeasonPage = await client.page(url, parse_season_page)
    calendars = []
    for stage in shown.stages:
        page = shown if stage.stage_id == shown.stage_id else await client.page(stage.url, parse_season_page)
        calendars.append(StageCalendar(stage, page.days))
    return calendars


def _unlisted(held: Mapping[int, Mapping[str, Any]], answers: Sequence[ObservedMonth]) -> tuple[int, ...]:
    """Stored matches of the months read that no answer lists; an answer older than the row proves nothing."""
    listed = {match.match_id for answer in answers for match in answer.feed.matches}
    listed |= {match_id for answer in answers for match_id in answer.feed.quarantined}
    read_at = {
        (answer.feed.stage_id, answer.feed.month): answer.feed.site_time
        for answer in answers
        if answer.feed.site_time is not None
    }
    return tuple(
        match_id
        for match_id, row in sorted(held.items())
        if match_id not in listed
        and row["missing_since"] is None
        and (moment := read_at.get((row["stage_id"], row["feed_month"]))) is not None
        and moment >= row["site_time"]
    )


def _batch(
    tournament: str,
    season: str,
    season_id: int,
    *,
    calendars: Sequence[StageCalendar],
    answers: Sequence[ObservedMonth],
    missing: tuple[int, ...],
) -> SeasonBatch:
    moments = [answer.feed.site_time for answer in answers if answer.feed.site_time is not None]
    return SeasonBatch(
        tournament=tournament,
        season=season,
        season_id=season_id,
        stages=tuple(calendars),
        months=tuple(answers),
        missing=missing,
        site_time=max(moments, default=EPOCH),
        observed_at=max((answer.observed_at for answer in answers), default=_now()),
    )


def _report(batch: SeasonBatch, counts: WriteCounts, months_left: Sequence[str]) -> MatchesReport:
    feeds = [month.feed for month in batch.months]
    asked = {feed.month for feed in feeds}
    played = {match.kick_off_utc.date() for feed in feeds for match in feed.matches}
    # the mask's days are London's: a late kick-off there can be the next day in UTC
    played |= {day - dt.timedelta(days=1) for day in played} | {day + dt.timedelta(days=1) for day in played}
    named = {day for calendar in batch.stages for day in calendar.days if f"{day:%Y%m}" in asked}
    return MatchesReport(
        tournament=batch.tournament,
        season=batch.season,
        months_asked=tuple(sorted(asked)),
        months_left=tuple(months_left),
        counts=counts,
        site_time=batch.site_time if feeds else None,
        missing=batch.missing,
        quarantined={match_id: status for feed in feeds for match_id, status in feed.quarantined.items()},
        n_shells=sum(feed.shells for feed in feeds),
        time_mismatches=tuple(sorted({match_id for feed in feeds for match_id in feed.time_mismatches})),
        days_without_matches=tuple(sorted(named - played)),
    )


def _joined(reports: Sequence[MatchesReport], n_requests: int) -> MatchesReport:
    """The report of a partition made of one or more of the site's seasons."""
    moments = [report.site_time for report in reports if report.site_time is not None]
    return MatchesReport(
        tournament=reports[0].tournament,
        season=reports[0].season,
        n_requests=n_requests,
        months_asked=tuple(sorted({month for report in reports for month in report.months_asked})),
        months_left=tuple(sorted({month for report in reports for month in report.months_left})),
        counts=sum((report.counts for report in reports), start=WriteCounts()),
        site_time=max(moments, default=None),
        missing=tuple(match_id for report in reports for match_id in report.missing),
        quarantined={match_id: status for report in reports for match_id, status in report.quarantined.items()},
        n_shells=sum(report.n_shells for report in reports),
        time_mismatches=tuple(match_id for report in reports for match_id in report.time_mismatches),
        days_without_matches=tuple(day for report in reports for day in report.days_without_matches),
    )


class _PageReading:
    """Several readers over one list of match pages, writing what they read in small batches."""

    def __init__(
        self,
        client: SourceClient,
        engine: Engine,
        partition: Partition,
        wanted: Sequence[PageWanted],
        progress: Progress | None,
    ) -> None:
        self.counts = WriteCounts()
        self.without_statistics: dict[int, str] = {}
        self.disagreements: set[int] = set()
        self.n_read = 0
        self._client = client
        self._engine = engine
        self._partition = partition
        self._wanted = wanted
        self._queue: Iterator[PageWanted] = iter(wanted)
        self._progress = progress
        self._pending: list[PageObservation] = []
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Read all pages, or until one of them must not be passed over; what was read is written either way."""
        try:
            await asyncio.gather(*(self._read_on() for _ in range(self._client.pages_at_once)))
        finally:
            await self._flush()
        if self._failure is not None:
            raise self._failure

    async def _read_on(self) -> None:
        for wanted in self._queue:
            if self._failure is not None:
                return
            try:
                observation = await self._observe(wanted)
            except (SourceError, DataError) as error:
                self._failure = self._failure or error
                return
            # appended after the await, never in one expression with it: a flush meanwhile would take the old list away
            self._pending.append(observation)
            self.n_read += 1
            if self._progress:
                self._progress(self.n_read, len(self._wanted))
            if len(self._pending) >= BATCH_PAGES:
                await self._flush()

    async def _observe(self, wanted: PageWanted) -> PageObservation:
        def parse(text: str, url: str) -> MatchPage:
            return parse_match_page(text, url, match_id=wanted.match_id)

        page: MatchPage | None = None
        try:
            page = await self._client.page(f"/Matches/{wanted.match_id}/Live", parse)
        except UnexpectedPageError as error:
            if error.facts.get("http_status") not in {404, 410}:
                raise
            statistics = f"HTTP {error.facts['http_status']} for the match page"
        else:
            statistics = _statistics_state(page, wanted)
        if statistics != PRESENT:
            self.without_statistics[wanted.match_id] = statistics
        if page and (page.home_score, page.away_score) not in {(None, None), (wanted.home_score, wanted.away_score)}:
            self.disagreements.add(wanted.match_id)
        return PageObservation(
            match_id=wanted.match_id,
            statistics=statistics,
            page=page,
            feed_score=(wanted.home_score, wanted.away_score),
            site_time=wanted.site_time,
            observed_at=_now(),
        )

    async def _flush(self) -> None:
        batch, self._pending = self._pending, []
        if batch:
            counts = await asyncio.to_thread(writing.write_pages, self._engine, *self._partition, batch)
            self.counts += counts
        await self._client.log_fetches()


def _statistics_state(page: MatchPage, wanted: PageWanted) -> str:
    """``present``, or why this page gives no statistics.

    Raises:
        UnexpectedPageError: the page shows other teams than the calendar.
    """
    if (page.home_team_id, page.away_team_id) != (wanted.home_team_id, wanted.away_team_id):
        raise UnexpectedPageError(
            f"/Matches/{wanted.match_id}/Live: teams {page.home_team_id} and {page.away_team_id}, the calendar has"
            f" {wanted.home_team_id} and {wanted.away_team_id}; nothing of this page was stored. Scrape the calendar",
            url=f"/Matches/{wanted.match_id}/Live",
            part="matchheader.input",
        )
    if page.status != Status.FINISHED:
        return f"the match page still says status {page.status}"
    if not page.has_match_centre:
        return "the match centre is null"
    if all(team.is_empty for team in page.teams):
        return "no statistics were recorded"
    return PRESENT


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251  # an edge: when something was observed
