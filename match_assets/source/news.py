"""A cheap look for news: the live seasons' current feeds against the warehouse, storing nothing but the requests."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine

from match_assets.source.calendars import MonthKey, feed_path, month_parser
from match_assets.source.client import SourceClient
from match_assets.source.ingestion import season_subject
from match_assets.source.records import FeedMatch, MonthFeed
from match_assets.source.reports import News
from match_assets.source.visiting import now
from match_assets.warehouse import observed, planning, reading, visits
from match_assets.warehouse.reading import SeasonEntry
from match_assets.warehouse.visits import Remembered

# Kick-offs further ahead move often and matter little: the next visit for another reason brings them.
AHEAD_DAYS = 31


async def look_for_news(client: SourceClient, engine: Engine, tournaments: Sequence[str]) -> list[News]:
    """Partitions of live seasons for which the source says something else than the warehouse.

    Asked are the months up to ``AHEAD_DAYS`` ahead of the source's clock that are due, so that corrections of earlier
    matches are seen too. Nothing is stored: the partition's own run reads and writes. Only an interrupted visit, which
    that run will take up again, is told a newer answer than it has.

    Args:
        client: an entered client.
        engine: the warehouse.
        tournaments: keys to look at.

    Raises:
        SourceError: as ``SourceClient.feed``.
    """
    live = set(await asyncio.to_thread(reading.live_partitions, engine))
    entries = [
        entry
        for entry in await asyncio.to_thread(reading.catalogue, engine)
        if entry.tournament in tournaments and entry.partition_key in live and entry.season_id > 0
    ]
    news: list[News] = []
    for entry in entries:
        kinds = await _season_news(client, engine, entry)
        wanted = await asyncio.to_thread(planning.pages_wanted, engine, entry.tournament, entry.season)
        if wanted:
            kinds["match page to read"] = len(wanted)
        if kinds:
            reason = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
            news.append(News(entry.partition_key, reason, dict(sorted(kinds.items()))))
    await client.log_fetches()
    return news


async def _season_news(client: SourceClient, engine: Engine, entry: SeasonEntry) -> Counter[str]:
    days = await asyncio.to_thread(planning.stage_days, engine, entry.season_id)
    if not days:
        return Counter({"season never scraped": 1})
    known = {
        (month.stage_id, month.month): month
        for month in await asyncio.to_thread(planning.known_months, engine, entry.season_id)
    }
    held = await asyncio.to_thread(planning.held_matches, engine, entry.season_id)
    unknown = await asyncio.to_thread(planning.quarantined, engine, entry.season_id)
    months = {(stage_id, f"{day:%Y%m}") for stage_id, named in days.items() for day in named} | set(known)
    clock = await asyncio.to_thread(reading.site_time, engine)

    def reachable() -> list[MonthKey]:
        """Months not asked yet that are due and not too far ahead; each answer may show that more of them are."""
        due = {key for key in months - asked if key not in known or known[key].is_due(clock)}
        return sorted(key for key in due if clock is None or key[1] <= _last_month(clock))

    kinds: Counter[str] = Counter()
    listed: set[int] = set()
    asked: set[MonthKey] = set()
    while wanted := reachable():
        stage_id, month = wanted[0]
        asked.add((stage_id, month))
        feed = await _ask(client, engine, entry, (stage_id, month), days.get(stage_id, ()))
        clock = max(filter(None, (clock, feed.site_time)), default=None)
        listed |= {match.match_id for match in feed.matches} | set(feed.quarantined)
        kinds += _feed_news(feed, held, entry)
        kinds["status unknown"] += len(set(feed.quarantined) - set(unknown))
        kinds["status known again"] += len({match.match_id for match in feed.matches} & set(unknown))
    shown = {key: (row["stage_id"], row["feed_month"]) for key, row in held.items() if row["missing_since"] is None}
    gone = [key for key, place in (shown | unknown).items() if key not in listed and place in asked]
    if gone:
        kinds["match gone from its month"] = len(gone)
    return +kinds


async def _ask(
    client: SourceClient, engine: Engine, entry: SeasonEntry, key: MonthKey, days: Sequence[dt.date]
) -> MonthFeed:
    path = feed_path(*key)
    feed = await client.feed(path, month_parser(*key, days))
    answer = Remembered(msgspec.json.encode(feed), now())
    subject = season_subject(entry.tournament, entry.season)
    await asyncio.to_thread(visits.refresh, engine, subject, path, answer)
    return feed


def _feed_news(feed: MonthFeed, held: Mapping[int, Mapping[str, Any]], entry: SeasonEntry) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for match in feed.matches:
        row = held.get(match.match_id)
        seen = observed.match_observation(
            match,
            tournament=entry.tournament,
            season=entry.season,
            season_id=entry.season_id,
            month=feed.month,
            site_time=feed.site_time or observed.EPOCH,
            observed_at=feed.site_time or observed.EPOCH,
        )
        if row is None:
            kinds["new match"] += 1
        elif seen.content_hash != row["content_hash"] and seen.site_time >= row["site_time"]:
            kinds[_kind(match, row)] += 1
    return kinds


def _kind(match: FeedMatch, row: Mapping[str, Any]) -> str:
    if row["missing_since"] is not None:
        return "match back in the calendar"
    if match.status != row["status"]:
        return "result" if match.is_result else "status changed"
    if (match.home_score, match.away_score) != (row["home_score"], row["away_score"]):
        return "score corrected"
    if match.kick_off_utc != row["kick_off_utc"]:
        return "kick-off moved"
    return "detail changed"


def _last_month(clock: dt.datetime) -> str:
    return f"{clock + dt.timedelta(days=AHEAD_DAYS):%Y%m}"
