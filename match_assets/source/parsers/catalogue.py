"""Home, tournament and season pages: which tournaments, seasons, stages and match days there are."""

import datetime as dt
import html
import re
from typing import Any

from match_assets.source.literals import LiteralError, literal_after
from match_assets.source.parsers.expect import member, typed, unexpected
from match_assets.source.records import SeasonLink, SeasonPage, StageLink, TournamentLink

_REGIONS = re.compile(r"\ballRegions\s*=\s*")
_MASK = re.compile(r"\bwsCalendar\s*=\s*\{.*?\bmask\s*:\s*", re.DOTALL)
_ARGUMENTS_STAGE = re.compile(
    r"require\.config\.params\[\s*['\"]args['\"]\s*\]\s*=\s*\{.*?\bstageId\s*:\s*(\d+)", re.DOTALL
)
_LINKED_STAGE = re.compile(r"/stages/(\d+)/fixtures", re.IGNORECASE)
_OPTION = re.compile(r"<option\b([^>]*)>(.*?)</option>", re.IGNORECASE | re.DOTALL)
_VALUE = re.compile(r"\bvalue\s*=\s*(['\"])(.*?)\1", re.IGNORECASE | re.DOTALL)
_SEASON_ID = re.compile(r"/seasons/(\d+)", re.IGNORECASE)
_STAGE_ID = re.compile(r"/stages/(\d+)", re.IGNORECASE)
_FIRST_YEAR = re.compile(r"\d{4}")


def parse_home_page(text: str, url: str) -> tuple[TournamentLink, ...]:
    """Tournaments of all regions, in the order of the page.

    Raises:
        UnexpectedPageError: the page has no readable ``allRegions``.
    """
    try:
        regions = typed(literal_after(text, _REGIONS), list, url, "allRegions")
    except LiteralError as error:
        unexpected(url, "allRegions", f"is not readable ({error})")
    return tuple(
        TournamentLink(
            region_id=member(region, "id", int, url, "allRegions"),
            region_name=member(region, "name", str, url, "allRegions"),
            tournament_id=member(tournament, "id", int, url, "allRegions.tournaments"),
            name=member(tournament, "name", str, url, "allRegions.tournaments"),
            url=_own_path(member(tournament, "url", str, url, "allRegions.tournaments"), url),
        )
        for region in regions
        for tournament in member(region, "tournaments", list, url, "allRegions")
    )


def parse_season_list(text: str, url: str) -> tuple[SeasonLink, ...]:
    """Seasons that a tournament page offers, newest first as the page has them.

    Raises:
        UnexpectedPageError: no season list, or an entry without id or year.
    """
    options = _options(text, "seasons")
    if not options:
        unexpected(url, "the season list (select#seasons)")
    seasons = []
    for value, label, is_shown in options:
        season_id, year = _SEASON_ID.search(value), _FIRST_YEAR.search(label)
        if season_id is None or year is None:
            unexpected(url, "the season list (select#seasons)", f"has an entry without id or year: {value!r} {label!r}")
        seasons.append(SeasonLink(int(season_id[1]), label, year.group(), _own_path(value, url), is_shown))
    return tuple(seasons)


def parse_season_page(text: str, url: str) -> SeasonPage:
    """Stages of the shown season and the shown stage's match days.

    A page without a stage list belongs to a season of one stage, whose id stands in the page's arguments.

    Raises:
        UnexpectedPageError: no stage id, or no readable calendar mask.
    """
    parse_season_list(text, url)  # a page without it is some other page, whatever else it holds
    stage = _ARGUMENTS_STAGE.search(text) or _LINKED_STAGE.search(text)
    if stage is None:
        unexpected(url, "the stage id (params['args'].stageId)")
    stages = []
    for value, label, is_shown in _options(text, "stages"):
        stage_id = _STAGE_ID.search(value)
        if stage_id is None:
            unexpected(url, "the stage list (select#stages)", f"has an entry without id: {value!r}")
        stages.append(StageLink(int(stage_id[1]), label, _own_path(value, url), is_shown))
    return SeasonPage(
        stage_id=int(stage[1]),
        stages=tuple(stages) or (StageLink(int(stage[1]), "", "", is_shown=True),),
        days=_mask_days(text, url),
    )


def _mask_days(text: str, url: str) -> tuple[dt.date, ...]:
    """Days of ``wsCalendar.mask``: year → month counted from 0 → day of the month."""
    try:
        mask = typed(literal_after(text, _MASK), dict, url, "wsCalendar.mask")
    except LiteralError as error:
        unexpected(url, "wsCalendar.mask", f"is not readable ({error})")
    try:
        days = [
            dt.date(int(year), int(month) + 1, int(day))
            for year, months in mask.items()
            for month, marked in months.items()
            for day in marked
        ]
    except (ValueError, AttributeError, TypeError) as error:
        unexpected(url, "wsCalendar.mask", f"holds something other than year, month and day ({error})")
    return tuple(sorted(days))


def _options(text: str, name: str) -> list[tuple[str, str, bool]]:
    """Value, label and whether selected, of each option of ``<select id=name>``; none without the list."""
    found = re.search(
        rf"<select\b[^>]*\bid\s*=\s*['\"]{name}['\"][^>]*>(.*?)</select>", text, re.IGNORECASE | re.DOTALL
    )
    if found is None:
        return []
    options: list[tuple[str, str, bool]] = []
    for attributes, label in _OPTION.findall(found[1]):
        value = _VALUE.search(attributes)
        options.append(
            (html.unescape(value[2]) if value else "", html.unescape(label).strip(), "selected" in attributes.lower())
        )
    return options


def _own_path(value: Any, url: str) -> str:
    """A link that stays on the site: only an absolute path is followed."""
    if not value.startswith("/") or value.startswith("//"):
        unexpected(url, "a link", f"leaves the site: {value!r}")
    return str(value)
