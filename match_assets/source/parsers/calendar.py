"""The calendar feed: one stage's matches of one month, as JSON, sometimes wrapped in a page by the browser."""

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from match_assets.source.parsers import known
from match_assets.source.parsers.expect import identifier, member, new_keys, optional_count, typed, unexpected
from match_assets.source.parsers.whole import unwrapped
from match_assets.source.records import ENDINGS, KNOWN_STATUSES, FeedMatch, MonthFeed, Status

SITE_ZONE = ZoneInfo("Europe/London")
# A kick-off outside is a misread field, and its neighbours in other time zones would be out of range.
YEARS = range(1850, 2201)
_FRACTION = re.compile(r"\.\d+")


def parse_month_feed(body: bytes, url: str, *, stage_id: int, month: str, days_in_mask: int = 0) -> MonthFeed:
    """Matches of ``stage_id`` in ``month`` (``YYYYMM``).

    Args:
        body: JSON as served, with or without byte order mark and ``<pre>`` wrapping.
        url: where it came from, for messages.
        stage_id: other stages' matches in the same answer are left out.
        month: the month that was asked for.
        days_in_mask: match days the season page promised; with any, an empty answer is an error and not an empty month.

    Raises:
        UnexpectedPageError: not JSON, a required key is missing or of another type, or an empty answer where the
            calendar promised matches.
    """
    root = _decode(body, url)
    if not root:
        if days_in_mask:
            unexpected(url, "tournaments", f"is missing, though the calendar names {days_in_mask} match days")
        return MonthFeed(stage_id, month, None, (), 0, {}, ())
    novelties = new_keys(root, known.FEED, "")
    tournaments = list[dict[str, Any]]()
    for tournament in member(root, "tournaments", list, url, ""):
        if member(tournament, "stageId", int, url, "tournaments") == stage_id:
            tournaments.append(tournament)
            novelties |= new_keys(tournament, known.FEED_TOURNAMENT, "tournaments")
    if not tournaments and days_in_mask:
        unexpected(url, "tournaments", f"lacks stage {stage_id}, though the calendar names {days_in_mask} match days")
    rows = [row for tournament in tournaments for row in member(tournament, "matches", list, url, "tournaments")]
    site_time = _timestamp(member(root, "createdAt", str, url, ""), url, "createdAt")
    return _month(rows, url, stage_id, month, site_time, novelties)


def _decode(body: bytes, url: str) -> dict[str, Any] | None:
    try:
        root = msgspec.json.decode(unwrapped(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        unexpected(url, "the JSON document", f"is not readable ({error})")
    if root is None or root == []:
        return None
    return typed(root, dict, url, "the JSON document")


def _month(
    rows: list[Any], url: str, stage_id: int, month: str, site_time: dt.datetime, novelties: set[str]
) -> MonthFeed:
    matches: list[FeedMatch] = []
    shells, quarantined, mismatches = 0, dict[int, int](), []
    for row in rows:
        status = member(row, "status", int, url, "matches")
        if status == Status.SHELL:
            shells += 1
            continue
        match_id = identifier(member(row, "id", int, url, "matches"), url, "matches.id")
        path = f"matches[{match_id}]"
        novelties = novelties | new_keys(row, known.FEED_MATCH, "matches")
        elapsed = typed(member(row, "elapsed", object, url, path) or "", str, url, f"{path}.elapsed")
        if status not in KNOWN_STATUSES or (status == Status.FINISHED and elapsed not in ENDINGS):
            quarantined[match_id] = status
            continue
        match, do_times_agree = _match(row, match_id, elapsed, url, path)
        matches.append(match)
        if not do_times_agree:
            mismatches.append(match_id)
    return MonthFeed(
        stage_id=stage_id,
        month=month,
        site_time=site_time,
        matches=tuple(matches),
        shells=shells,
        quarantined=quarantined,
        time_mismatches=tuple(mismatches),
        new_keys=tuple(sorted(novelties)),
    )


def _match(row: dict[str, Any], match_id: int, elapsed: str, url: str, path: str) -> tuple[FeedMatch, bool]:
    """The match, and whether its local and UTC kick-off agree."""
    kick_off, is_time_known, do_times_agree = _kick_off(row, url, path)
    home_score = optional_count(row.get("homeScore"), url, f"{path}.homeScore")
    away_score = optional_count(row.get("awayScore"), url, f"{path}.awayScore")
    if row["status"] == Status.FINISHED and (home_score is None or away_score is None):
        unexpected(url, f"{path}.homeScore or awayScore", "is missing in a finished match")
    match = FeedMatch(
        match_id=match_id,
        stage_id=_id(row, "stageId", url, path),
        status=row["status"],
        elapsed=elapsed,
        kick_off_utc=kick_off,
        is_kick_off_time_known=is_time_known,
        home_team_id=_id(row, "homeTeamId", url, path),
        away_team_id=_id(row, "awayTeamId", url, path),
        home_team=member(row, "homeTeamName", str, url, path),
        away_team=member(row, "awayTeamName", str, url, path),
        home_score=home_score,
        away_score=away_score,
    )
    return match, do_times_agree


def _id(row: dict[str, Any], key: str, url: str, path: str) -> int:
    return identifier(member(row, key, int, url, path), url, f"{path}.{key}")


def _kick_off(row: dict[str, Any], url: str, path: str) -> tuple[dt.datetime, bool, bool]:
    """Kick-off in UTC, whether its time is known, and whether the local and the UTC field agree.

    A date without a time is shown as midnight, by London's clock or in UTC; in summer the first is the day before in
    UTC. The true date counts then, at 00:00 UTC and flagged. In everything else the UTC field is the truth.
    """
    local = _timestamp(member(row, "startTime", str, url, path), url, f"{path}.startTime").replace(tzinfo=None)
    utc = _timestamp(member(row, "startTimeUtc", str, url, path), url, f"{path}.startTimeUtc")
    in_london = utc.astimezone(SITE_ZONE).replace(tzinfo=None)
    if local.time() == dt.time(0) and local in {in_london, utc.replace(tzinfo=None)}:
        return local.replace(tzinfo=dt.UTC), False, True
    return utc, True, in_london == local


def _timestamp(text: str, url: str, part: str) -> dt.datetime:
    """ISO text as an aware time; without a suffix it is taken as UTC and the caller knows better.

    The mobile feed writes seven decimals: fractions of a second are of no use here and are dropped.
    """
    try:
        moment = dt.datetime.fromisoformat(_FRACTION.sub("", text))
    except ValueError:
        unexpected(url, part, f"is no time: {text!r}")
    if moment.year not in YEARS:
        unexpected(url, part, f"is in the year {moment.year}")
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
