"""The calendar feed: one stage's matches of one month, as JSON, sometimes wrapped in a page by the browser."""

import datetime as dt
import html
import re
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from match_assets.source.parsers.expect import member, optional_count, typed, unexpected
from match_assets.source.records import KNOWN_STATUSES, FeedMatch, MonthFeed, Status

SITE_ZONE = ZoneInfo("Europe/London")
_WRAPPED = re.compile(r"<(pre|body)\b[^>]*>(.*)</\1>", re.IGNORECASE | re.DOTALL)


def parse_month_feed(text: str, url: str, *, stage_id: int, month: str, days_in_mask: int = 0) -> MonthFeed:
    """Matches of ``stage_id`` in ``month`` (``YYYYMM``).

    Args:
        text: JSON as served, with or without byte order mark and ``<pre>`` wrapping.
        url: where it came from, for messages.
        stage_id: other stages' matches in the same answer are left out.
        month: the month that was asked for.
        days_in_mask: match days the season page promised; with any, an empty answer is an error and not an empty month.

    Raises:
        UnexpectedPageError: not JSON, a required key is missing or of another type, or an empty answer where the
            calendar promised matches.
    """
    root = _decode(text, url)
    if not root:
        if days_in_mask:
            unexpected(url, "tournaments", f"is missing, though the calendar names {days_in_mask} match days")
        return MonthFeed(stage_id, month, None, (), 0, {}, ())
    tournaments = [
        tournament
        for tournament in member(root, "tournaments", list, url, "")
        if member(tournament, "stageId", int, url, "tournaments") == stage_id
    ]
    if not tournaments and days_in_mask:
        unexpected(url, "tournaments", f"lacks stage {stage_id}, though the calendar names {days_in_mask} match days")
    rows = [row for tournament in tournaments for row in member(tournament, "matches", list, url, "tournaments")]
    return _month(rows, url, stage_id, month, _site_time(root, url))


def is_whole_document(text: str) -> bool:
    """Whether ``text`` is a complete JSON document, wrapped or not: a cut answer is not one."""
    try:
        msgspec.json.decode(_unwrapped(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _decode(text: str, url: str) -> dict[str, Any] | None:
    try:
        root = msgspec.json.decode(_unwrapped(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        unexpected(url, "the JSON document", f"is not readable ({error})")
    if root is None or root == []:
        return None
    return typed(root, dict, url, "the JSON document")


def _unwrapped(text: str) -> str:
    """JSON out of the page that a browser makes around it, without byte order mark and entities."""
    text = text.lstrip("\ufeff").strip()
    wrapped = _WRAPPED.search(text) if text.startswith("<") else None
    if wrapped is None:
        return text
    inner = re.sub(r"</?pre\b[^>]*>", "", wrapped[2], flags=re.IGNORECASE)
    return html.unescape(inner).lstrip("\ufeff").strip()


def _month(rows: list[Any], url: str, stage_id: int, month: str, site_time: dt.datetime | None) -> MonthFeed:
    matches: list[FeedMatch] = []
    shells, quarantined, mismatches = 0, dict[int, int](), []
    for row in rows:
        status = member(row, "status", int, url, "matches")
        match_id = member(row, "id", int, url, "matches")
        if status == Status.SHELL:
            shells += 1
        elif status not in KNOWN_STATUSES:
            quarantined[match_id] = status
        else:
            match, agrees = _match(row, url)
            matches.append(match)
            if not agrees:
                mismatches.append(match_id)
    return MonthFeed(stage_id, month, site_time, tuple(matches), shells, quarantined, tuple(mismatches))


def _match(row: dict[str, Any], url: str) -> tuple[FeedMatch, bool]:
    """The match, and whether its local and UTC kick-off agree."""
    path = f"matches[{row['id']}]"
    local = _timestamp(member(row, "startTime", str, url, path), url, f"{path}.startTime").replace(tzinfo=None)
    utc = _timestamp(member(row, "startTimeUtc", str, url, path), url, f"{path}.startTimeUtc")
    is_time_known = local.time() != dt.time(0)
    # A date without a time is shown as midnight London time, which in summer is the day before in UTC. The true date
    # counts then, at 00:00 UTC and flagged; with a time, the UTC field is the truth.
    kick_off = utc if is_time_known else local.replace(tzinfo=dt.UTC)
    home_score = optional_count(row.get("homeScore"), url, f"{path}.homeScore")
    away_score = optional_count(row.get("awayScore"), url, f"{path}.awayScore")
    if row["status"] == Status.FINISHED and (home_score is None or away_score is None):
        unexpected(url, f"{path}.homeScore or awayScore", "is missing in a finished match")
    match = FeedMatch(
        match_id=row["id"],
        stage_id=member(row, "stageId", int, url, path),
        status=row["status"],
        elapsed=typed(row.get("elapsed") or "", str, url, f"{path}.elapsed"),
        kick_off_utc=kick_off,
        is_kick_off_time_known=is_time_known,
        home_team_id=member(row, "homeTeamId", int, url, path),
        away_team_id=member(row, "awayTeamId", int, url, path),
        home_team=member(row, "homeTeamName", str, url, path),
        away_team=member(row, "awayTeamName", str, url, path),
        home_score=home_score,
        away_score=away_score,
    )
    return match, not is_time_known or utc.astimezone(SITE_ZONE).replace(tzinfo=None) == local


def _site_time(root: dict[str, Any], url: str) -> dt.datetime:
    return _timestamp(member(root, "createdAt", str, url, ""), url, "createdAt")


def _timestamp(text: str, url: str, part: str) -> dt.datetime:
    """ISO text as an aware time; without a suffix it is taken as UTC and the caller knows better.

    The mobile feed writes seven decimals: fractions of a second are of no use here and are dropped.
    """
    try:
        moment = dt.datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    except ValueError:
        unexpected(url, part, f"is no time: {text!r}")
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
