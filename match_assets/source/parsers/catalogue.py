"""Home, tournament and season pages: which tournaments, seasons, stages and match days there are."""

import datetime as dt
import html
import re
from collections.abc import Iterator
from typing import Any

from match_assets.source.literals import LiteralError, literal_after
from match_assets.source.parsers.expect import identifier, member, page_text, typed, unexpected
from match_assets.source.records import SeasonLink, SeasonPage, StageLink, TournamentLink

# No pattern here runs over more than one unclosed tag or one object's head, so that a hostile page takes no longer.
_REGIONS = re.compile(r"\ballRegions\s*=\s*")
_CALENDAR = re.compile(r"\bwsCalendar\s*=\s*\{")
_MASK = re.compile(r"\bmask\s*:\s*")
_ARGUMENTS = re.compile(r"require\.config\.params\[\s*['\"]args['\"]\s*\]\s*=\s*\{")
_ARGUMENTS_STAGE = re.compile(r"\bstageId\s*:\s*(\d{1,18})\b")
_LINKED_STAGE = re.compile(r"/stages/(\d{1,18})/fixtures", re.IGNORECASE)
_LIST = re.compile(r"<select\b([^<>]*)>", re.IGNORECASE)
_LIST_END = re.compile(r"</select\b", re.IGNORECASE)
_OPTION = re.compile(r"<option\b([^<>]*)>([^<]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([\w-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_SEASON_ID = re.compile(r"/seasons/(\d{1,18})\b", re.IGNORECASE)
_STAGE_ID = re.compile(r"/stages/(\d{1,18})\b", re.IGNORECASE)
_FIRST_YEAR = re.compile(r"[12][0-9]{3}")
# An absolute path: not another host's, and nothing that a browser would take for a scheme.
_OWN_PATH = re.compile(r"/(?:[^/\\\s:?#]+(?:/[^\\\s]*)?)?")


def parse_home_page(body: bytes, url: str) -> tuple[TournamentLink, ...]:
    """Tournaments of all regions, in the order of the page.

    Raises:
        UnexpectedPageError: the page is cut short or has no readable ``allRegions``.
    """
    try:
        regions = typed(literal_after(page_text(body, url), _REGIONS), list, url, "allRegions")
    except LiteralError as error:
        unexpected(url, "allRegions", f"is not readable ({error})")
    return tuple(
        TournamentLink(
            region_id=_id(region, url, "allRegions"),
            region_name=member(region, "name", str, url, "allRegions"),
            tournament_id=_id(tournament, url, "allRegions.tournaments"),
            name=member(tournament, "name", str, url, "allRegions.tournaments"),
            url=_own_path(member(tournament, "url", str, url, "allRegions.tournaments"), url),
        )
        for region in regions
        for tournament in member(region, "tournaments", list, url, "allRegions")
    )


def parse_season_list(body: bytes, url: str) -> tuple[SeasonLink, ...]:
    """Seasons that a tournament page offers, newest first as the page has them.

    Raises:
        UnexpectedPageError: the page is cut short, there is no season list, or an entry without id or year.
    """
    return _seasons(page_text(body, url), url)


def parse_season_page(body: bytes, url: str) -> SeasonPage:
    """Stages of the shown season and the shown stage's match days.

    A page without a stage list belongs to a season of one stage, whose id stands in the page's arguments or else in the
    link to its fixtures.

    Raises:
        UnexpectedPageError: the page is cut short, has no stage id, or no readable calendar mask.
    """
    text = page_text(body, url)
    _seasons(text, url)  # a page without it is some other page, whatever else it holds
    arguments = _ARGUMENTS.search(text)
    stage = (arguments and _ARGUMENTS_STAGE.search(text, arguments.end())) or _LINKED_STAGE.search(text)
    if stage is None:
        unexpected(url, "the stage id (params['args'].stageId)")
    stage_id = identifier(int(stage[1]), url, "the stage id (params['args'].stageId)")
    stages = []
    for value, label, is_shown in _options(text, "stages"):
        found = _STAGE_ID.search(value)
        if found is None:
            unexpected(url, "the stage list (select#stages)", f"has an entry without id: {value!r}")
        listed = identifier(int(found[1]), url, "the stage list (select#stages)")
        stages.append(StageLink(listed, label, _own_path(value, url), is_shown))
    return SeasonPage(
        stage_id=stage_id,
        stages=tuple(stages) or (StageLink(stage_id, "", "", is_shown=True),),
        days=_mask_days(text, url),
    )


def _seasons(text: str, url: str) -> tuple[SeasonLink, ...]:
    part = "the season list (select#seasons)"
    seasons = []
    for value, label, is_shown in _options(text, "seasons"):
        found, year = _SEASON_ID.search(value), _FIRST_YEAR.search(label)
        if found is None or year is None:
            unexpected(url, part, f"has an entry without id or year: {value!r} {label!r}")
        season_id = identifier(int(found[1]), url, part)
        seasons.append(SeasonLink(season_id, label, year.group(), _own_path(value, url), is_shown))
    if not seasons:
        unexpected(url, part)
    return tuple(seasons)


def _mask_days(text: str, url: str) -> tuple[dt.date, ...]:
    """Days of ``wsCalendar.mask``: year → month counted from 0 → day of the month."""
    calendar = _CALENDAR.search(text)
    if calendar is None:
        unexpected(url, "wsCalendar.mask")
    try:
        mask = typed(literal_after(text, _MASK, calendar.end()), dict, url, "wsCalendar.mask")
    except LiteralError as error:
        unexpected(url, "wsCalendar.mask", f"is not readable ({error})")
    try:
        days = [
            dt.date(int(year), int(month) + 1, int(day))
            for year, months in mask.items()
            for month, marked in months.items()
            for day in marked
        ]
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        unexpected(url, "wsCalendar.mask", f"holds something other than year, month and day ({error})")
    return tuple(sorted(days))


def _options(text: str, name: str) -> Iterator[tuple[str, str, bool]]:
    """Value, label and whether selected, of each option of ``<select id=name>``; none without the whole list."""
    opening = next((found for found in _LIST.finditer(text) if _attributes(found[1]).get("id") == name), None)
    closing = opening and _LIST_END.search(text, opening.end())
    if opening is None or closing is None:
        return
    for option in _OPTION.finditer(text, opening.end(), closing.start()):
        attributes = _attributes(option[1])
        yield attributes.get("value", ""), html.unescape(option[2]).strip(), "selected" in attributes


def _attributes(tag: str) -> dict[str, str]:
    """A tag's attributes by name in lower case; the first of two with one name counts, as in a browser."""
    attributes = dict[str, str]()
    for name, double, single, bare in _ATTRIBUTE.findall(tag):
        attributes.setdefault(name.lower(), html.unescape(double or single or bare))
    return attributes


def _id(mapping: Any, url: str, path: str) -> int:
    return identifier(member(mapping, "id", int, url, path), url, f"{path}.id")


def _own_path(value: str, url: str) -> str:
    """A link that stays on the site: only an absolute path is followed."""
    if not _OWN_PATH.fullmatch(value):
        unexpected(url, "a link", f"leaves the site: {value!r}")
    return value
