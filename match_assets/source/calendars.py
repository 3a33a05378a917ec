"""A season's calendar: its stages, those months that are due, and the matches that no month lists any more.

Everything is read before anything is written. Which months are due is decided by the source's own clock, and that is
told by the months themselves: each answer may show that more of them are.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from match_assets.source.parsers import parse_month_feed, parse_season_page
from match_assets.source.progress import Progress
from match_assets.source.records import MonthFeed, SeasonPage
from match_assets.source.reports import MatchesReport
from match_assets.source.visiting import Visitor, now
from match_assets.warehouse import planning, reading
from match_assets.warehouse.observed import EPOCH, WriteCounts
from match_assets.warehouse.planning import KnownMonth, SeasonLinks
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar

NO_MATCH_DAYS = "the season is announced, its calendar names no match day yet"
# a month of a stage: stage id and YYYYMM
MonthKey = tuple[int, str]


class SeasonCalendar(NamedTuple):
    """What a visit read of one of the site's seasons, ready to be written, and the months it left alone."""

    batch: SeasonBatch
    months_left: tuple[str, ...]


class _Plan(NamedTuple):
    """What is known before the months are asked: which there are, what was read of them, and the source's clock."""

    months: frozenset[MonthKey]
    known: Mapping[MonthKey, KnownMonth]
    clock: dt.datetime | None
    is_anything_planned: bool

    def due(self, clock: dt.datetime | None) -> list[MonthKey]:
        """Months that were never read, or are to be asked again at ``clock``, ascending."""
        return sorted(key for key in self.months if key not in self.known or self.known[key].is_due(clock))


def feed_path(stage_id: int, month: str) -> str:
    """Where a stage's calendar of one month (``YYYYMM``) lies."""
    return f"/tournaments/{stage_id}/data/?d={month}"


def month_parser(stage_id: int, month: str, days: Sequence[dt.date]) -> Callable[[bytes, str], MonthFeed]:
    """The parser of one month's feed; ``days`` are the match days that the season page names for the stage."""
    days_in_mask = sum(f"{day:%Y%m}" == month for day in days)

    def parse(body: bytes, url: str) -> MonthFeed:
        return parse_month_feed(body, url, stage_id=stage_id, month=month, days_in_mask=days_in_mask)

    return parse


async def read_calendar(
    visitor: Visitor,
    engine: Engine,
    tournament: str,
    season: str,
    link: SeasonLinks,
    *,
    progress: Progress | None,
    every_month: bool,
) -> SeasonCalendar:
    """One of the site's seasons as its calendar shows it now; nothing is written but the visit's own answers.

    Args:
        visitor: asks the source.
        engine: the warehouse, for what is known.
        tournament: key in ``params.yaml``.
        season: year in which the season begins.
        link: the site's season.
        progress: told how many of how many months are read.
        every_month: ask for months too in which nothing can have changed any more.

    Raises:
        UnexpectedPageError: a page's layout changed.
        SourceError: as ``SourceClient.page``.
    """
    calendars = await _stage_calendars(visitor, link.url)
    plan = await asyncio.to_thread(_plan, engine, link.season_id, calendars)
    months = _MonthReading(visitor, calendars, plan, progress)
    if every_month:
        await months.read(sorted(plan.months))
    else:
        await months.read_due()
    held = await asyncio.to_thread(_listed_before, engine, link.season_id)
    if _unlisted(held, months.answers):
        # it may only have moved: no month may stay unread before a match is called missing
        await months.read(sorted(plan.months))
    answers = tuple(months.answers)
    moments = [answer.feed.site_time for answer in answers if answer.feed.site_time is not None]
    batch = SeasonBatch(
        tournament=tournament,
        season=season,
        season_id=link.season_id,
        stages=tuple(calendars),
        months=answers,
        missing=_unlisted(held, answers),
        site_time=max(moments, default=EPOCH),
        observed_at=max((answer.observed_at for answer in answers), default=now()),
    )
    return SeasonCalendar(batch, tuple(sorted({month for _, month in months.left})))


async def _stage_calendars(visitor: Visitor, url: str) -> list[StageCalendar]:
    """Every stage of a season with its match days; the shown stage needs no page of its own."""
    shown = (await visitor.page(url, parse_season_page, SeasonPage)).record
    calendars = []
    for stage in shown.stages:
        is_shown = stage.stage_id == shown.stage_id
        page = shown if is_shown else (await visitor.page(stage.url, parse_season_page, SeasonPage)).record
        calendars.append(StageCalendar(stage, page.days))
    return calendars


def _plan(engine: Engine, season_id: int, calendars: Sequence[StageCalendar]) -> _Plan:
    known = {(month.stage_id, month.month): month for month in planning.known_months(engine, season_id)}
    named = {(calendar.stage.stage_id, f"{day:%Y%m}") for calendar in calendars for day in calendar.days}
    return _Plan(
        months=frozenset(named | set(known)),
        known=known,
        clock=reading.site_time(engine),
        is_anything_planned=planning.is_anything_planned(engine, season_id),
    )


class _MonthReading:
    """The months of one visit, each asked at most once."""

    def __init__(
        self, visitor: Visitor, calendars: Sequence[StageCalendar], plan: _Plan, progress: Progress | None
    ) -> None:
        self.answers: list[ObservedMonth] = []
        self._visitor = visitor
        self._days = {calendar.stage.stage_id: calendar.days for calendar in calendars}
        self._plan = plan
        self._progress = progress
        self._read: set[MonthKey] = set()

    @property
    def left(self) -> set[MonthKey]:
        """Months that were not asked for."""
        return set(self._plan.months) - self._read

    @property
    def _clock(self) -> dt.datetime | None:
        answered = (answer.feed.site_time for answer in self.answers)
        return max((moment for moment in (self._plan.clock, *answered) if moment is not None), default=None)

    async def read_due(self) -> None:
        """Read what is due, and what the answers then show to be due."""
        while wanted := [key for key in self._plan.due(self._clock) if key not in self._read]:
            await self.read(wanted)
        if not self.answers and self._plan.is_anything_planned and self._plan.months:
            # without any answer the source's clock would stand still here, and what is planned would never be due
            await self.read([max(self._plan.months, key=lambda key: (key[1], key[0]))])
            await self.read_due()

    async def read(self, wanted: Sequence[MonthKey]) -> None:
        """Read those of ``wanted`` that this visit has not read yet."""
        unread = [key for key in wanted if key not in self._read]
        total = len(self._read) + len(unread)
        for stage_id, month in unread:
            parse = month_parser(stage_id, month, self._days.get(stage_id, ()))
            answer = await self._visitor.feed(feed_path(stage_id, month), parse, MonthFeed)
            self.answers.append(ObservedMonth(answer.record, answer.observed_at))
            self._read.add((stage_id, month))
            if self._progress:
                self._progress(len(self._read), total)


class _ListedBefore(NamedTuple):
    """Which feed listed a match last, and the source's clock in it."""

    month: MonthKey
    site_time: dt.datetime


def _listed_before(engine: Engine, season_id: int) -> dict[int, _ListedBefore]:
    """Matches that are listed as far as the warehouse knows, those of an unknown status among them."""
    rows = planning.held_matches(engine, season_id)
    held = {
        match_id: _ListedBefore((row["stage_id"], row["feed_month"]), row["site_time"])
        for match_id, row in rows.items()
        if row["missing_since"] is None
    }
    unknown = planning.quarantined(engine, season_id)
    return held | {match_id: _ListedBefore(place, EPOCH) for match_id, place in unknown.items()}


def _unlisted(held: Mapping[int, _ListedBefore], answers: Sequence[ObservedMonth]) -> tuple[int, ...]:
    """Matches of the months read that no answer lists any more; an answer older than the row proves nothing."""
    listed = {match.match_id for answer in answers for match in answer.feed.matches}
    listed |= {match_id for answer in answers for match_id in answer.feed.quarantined}
    read_at = {
        (answer.feed.stage_id, answer.feed.month): answer.feed.site_time
        for answer in answers
        if answer.feed.site_time is not None
    }
    return tuple(
        match_id
        for match_id, before in sorted(held.items())
        if match_id not in listed and (moment := read_at.get(before.month)) is not None and moment >= before.site_time
    )


def matches_report(calendar: SeasonCalendar, counts: WriteCounts) -> MatchesReport:
    """What was read and what writing it changed."""
    batch = calendar.batch
    feeds = [month.feed for month in batch.months]
    asked = {feed.month for feed in feeds}
    played = {match.kick_off_utc.date() for feed in feeds for match in feed.matches}
    # the mask's days are London's: a late kick-off there can be the next day in UTC
    played |= {day - dt.timedelta(days=1) for day in played} | {day + dt.timedelta(days=1) for day in played}
    named = {day for stage in batch.stages for day in stage.days if f"{day:%Y%m}" in asked}
    return MatchesReport(
        tournament=batch.tournament,
        season=batch.season,
        months_asked=tuple(sorted(asked)),
        months_left=calendar.months_left,
        counts=counts,
        site_time=batch.site_time if feeds else None,
        missing=batch.missing,
        quarantined={match_id: status for feed in feeds for match_id, status in feed.quarantined.items()},
        n_shells=sum(feed.shells for feed in feeds),
        time_mismatches=tuple(sorted({match_id for feed in feeds for match_id in feed.time_mismatches})),
        days_without_matches=tuple(sorted(named - played)),
        new_keys=tuple(sorted({key for feed in feeds for key in feed.new_keys})),
    )


def joined(reports: Sequence[MatchesReport], *, n_requests: int, n_remembered: int, seconds: float) -> MatchesReport:
    """The report of a partition made of one or more of the site's seasons."""
    moments = [report.site_time for report in reports if report.site_time is not None]
    return MatchesReport(
        tournament=reports[0].tournament,
        season=reports[0].season,
        reason="" if any(report.months_asked or report.months_left for report in reports) else NO_MATCH_DAYS,
        n_requests=n_requests,
        n_remembered=n_remembered,
        seconds=seconds,
        months_asked=tuple(sorted({month for report in reports for month in report.months_asked})),
        months_left=tuple(sorted({month for report in reports for month in report.months_left})),
        counts=sum((report.counts for report in reports), start=WriteCounts()),
        site_time=max(moments, default=None),
        missing=tuple(match_id for report in reports for match_id in report.missing),
        quarantined={match_id: status for report in reports for match_id, status in report.quarantined.items()},
        n_shells=sum(report.n_shells for report in reports),
        time_mismatches=tuple(match_id for report in reports for match_id in report.time_mismatches),
        days_without_matches=tuple(day for report in reports for day in report.days_without_matches),
        new_keys=tuple(sorted({key for report in reports for key in report.new_keys})),
    )
