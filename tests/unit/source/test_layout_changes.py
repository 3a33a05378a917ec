"""ING-07: each required key of the practice site's pages in turn is removed, renamed, given another type; keys are added.

What is left must be refused with the key's name and the page's address. A new key changes nothing but ``new_keys``.
"""

import copy
import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from match_assets.errors import UnexpectedPageError
from match_assets.source.parsers import (
    parse_home_page,
    parse_match_page,
    parse_month_feed,
    parse_season_list,
    parse_season_page,
)
from match_assets.source.practice.routes import Router
from match_assets.source.practice.timeline import Moment
from match_assets.source.practice.world import draw_world
from match_assets.source.records import MatchPage, MonthFeed

URL = "http://site/the/page"
OTHER_VALUES: tuple[Any, ...] = (None, True, 7.5, 7, "x", [7], {"x": 7})
Path = tuple[str | int, ...]
CENTRE = re.compile(r"(?<=matchCentreData: )\{.*\}$", re.MULTILINE)


class Pages(NamedTuple):
    """One of each kind of page of the practice site, after a season's end."""

    home: str
    season: str
    feed: Any
    match: str
    stage_id: int
    month: str
    match_id: int

    @property
    def centre(self) -> Any:
        """``matchCentreData`` of the match page."""
        found = CENTRE.search(self.match)
        assert found is not None
        return json.loads(found.group())

    def read_feed(self, root: Any) -> MonthFeed:
        """The month, out of a changed feed."""
        body = json.dumps(root).encode()
        return parse_month_feed(body, URL, stage_id=self.stage_id, month=self.month, days_in_mask=1)

    def read_centre(self, centre: Any) -> MatchPage:
        """The match, out of a changed ``matchCentreData``."""
        return self.read_match(CENTRE.sub(lambda _: json.dumps(centre), self.match))

    def read_match(self, text: str) -> MatchPage:
        """The match, out of a changed page."""
        return parse_match_page(text.encode(), URL, match_id=self.match_id)


@pytest.fixture(scope="module")
def site() -> Pages:
    world = draw_world(3, first_season=2023, seasons=1)
    router, moment = Router(world), Moment(dt.datetime(2024, 7, 1, tzinfo=dt.UTC))

    def fetch(path: str, month: str = "") -> str:
        return router.answer(path, month, moment).body.decode()

    home = fetch("/")
    path = parse_home_page(home.encode(), URL)[0].url
    season = fetch(path)
    page = parse_season_page(season.encode(), URL)
    month = page.months[0]
    feed = json.loads(fetch(f"/tournaments/{page.stage_id}/data/", month))
    rows = feed["tournaments"][0]["matches"]
    match_id = next(row["id"] for row in rows if row["homeYellowCards"] and row["homeScore"])
    return Pages(home, season, feed, fetch(f"/Matches/{match_id}/Live"), page.stage_id, month, match_id)


FEED_KEYS: list[Path] = [
    ("createdAt",),
    ("tournaments",),
    ("tournaments", 0, "stageId"),
    ("tournaments", 0, "matches"),
    *(
        ("tournaments", 0, "matches", 1, key)
        for key in (
            *("id", "status", "elapsed", "stageId", "startTime", "startTimeUtc", "homeScore", "awayScore"),
            *("homeTeamId", "awayTeamId", "homeTeamName", "awayTeamName"),
        )
    ),
]
CENTRE_KEYS: list[Path] = [
    ("htScore",),
    *((side,) for side in ("home", "away")),
    *((side, key) for side in ("home", "away") for key in ("teamId", "name", "stats", "incidentEvents")),
]
# Absent is zero here, so that only another type can be told.
STATISTICS: list[Path] = [
    ("home", "stats", key) for key in ("shotsTotal", "foulsCommited", "touches", "passesTotal", "ratings")
]


def parent_of(root: Any, path: Path) -> Any:
    for step in path[:-1]:
        root = root[step]
    return root


def removed(root: Any, path: Path) -> Any:
    changed = copy.deepcopy(root)
    del parent_of(changed, path)[path[-1]]
    return changed


def renamed(root: Any, path: Path) -> Any:
    changed = removed(root, path)
    parent_of(changed, path)[f"{path[-1]}New"] = parent_of(root, path)[path[-1]]
    return changed


def retyped(root: Any, path: Path) -> Iterator[Any]:
    held = parent_of(root, path)[path[-1]]
    for other in OTHER_VALUES:
        if type(other) is not type(held):
            changed = copy.deepcopy(root)
            parent_of(changed, path)[path[-1]] = other
            yield changed


def require_refused(read: Callable[[Any], object], changed: Any, key: str) -> None:
    with pytest.raises(UnexpectedPageError, match="layout changed") as caught:
        read(changed)
    assert key in caught.value.facts["part"]
    assert caught.value.facts["url"] == URL
    assert URL in caught.value.message


@pytest.mark.parametrize("path", FEED_KEYS, ids=str)
def test_changed_key_of_the_feed_is_named(site: Pages, path: Path) -> None:
    key = str(path[-1])
    for change in (removed, renamed):
        require_refused(site.read_feed, change(site.feed, path), key)
    for changed in retyped(site.feed, path):
        if key == "elapsed" and parent_of(changed, path)[key] is None:
            continue  # nothing told: not a type, and a finished match without it is quarantined
        require_refused(site.read_feed, changed, key)


@pytest.mark.parametrize("path", CENTRE_KEYS, ids=str)
def test_changed_key_of_the_match_centre_is_named(site: Pages, path: Path) -> None:
    key = str(path[-1])
    for change in (removed, renamed):
        require_refused(site.read_centre, change(site.centre, path), key)
    for changed in retyped(site.centre, path):
        require_refused(site.read_centre, changed, key)


@pytest.mark.parametrize("path", STATISTICS, ids=str)
def test_statistic_of_another_type_is_named(site: Pages, path: Path) -> None:
    for changed in retyped(site.centre, path):
        require_refused(site.read_centre, changed, str(path[-1]))


def test_changed_card_is_named(site: Pages) -> None:
    centre = site.centre
    number = next(n for n, event in enumerate(centre["home"]["incidentEvents"]) if "cardType" in event)
    path: Path = ("home", "incidentEvents", number, "cardType")
    require_refused(site.read_centre, renamed(centre, (*path, "displayName")), "cardType")
    for changed in (*retyped(centre, path), *retyped(centre, (*path, "displayName"))):
        require_refused(site.read_centre, changed, "cardType")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("params['matchheader']", "params['header']", "matchheader"),
        ("input:", "inputs:", "matchheader.input"),
        ("input: [", "input: [,", "matchheader.input[0]"),
        ("input: [", "input: {}, was: [", "matchheader.input"),
        ('params["args"]', 'params["arguments"]', "args"),
        ("matchCentreData:", "centreData:", "matchCentreData"),
        ("matchId:", "gameId:", "matchId"),
    ],
)
def test_changed_script_of_the_match_page_is_named(site: Pages, old: str, new: str, part: str) -> None:
    assert old in site.match
    require_refused(site.read_match, site.match.replace(old, new), part)


def test_header_with_a_slot_fewer_is_refused(site: Pages) -> None:
    header = re.search(r"input: (\[.*\])", site.match)
    assert header is not None
    slots = header[1][1:-1].split(",")
    for slot in range(len(slots)):
        shorter = "[" + ",".join(slots[:slot] + slots[slot + 1 :]) + "]"
        require_refused(site.read_match, site.match.replace(header[1], shorter), "matchheader.input")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('id="seasons"', 'id="years"', "select#seasons"),
        ("<option", "<entry", "select#seasons"),
        ("/Seasons/", "/Years/", "select#seasons"),
        ("stageId", "phaseId", "stage id"),
        ("wsCalendar", "calendar", "wsCalendar.mask"),
        ("mask:", "days:", "wsCalendar.mask"),
        ("mask:{", "mask:[{", "wsCalendar.mask"),
    ],
)
def test_changed_script_of_the_season_page_is_named(site: Pages, old: str, new: str, part: str) -> None:
    assert old in site.season
    text = re.sub("/stages/", "/phases/", site.season, flags=re.IGNORECASE) if old == "stageId" else site.season
    require_refused(lambda page: parse_season_page(page.encode(), URL), text.replace(old, new), part)


@pytest.mark.parametrize("key", ["allRegions", "id:", "name:", "tournaments:", "url:"])
def test_changed_script_of_the_home_page_is_named(site: Pages, key: str) -> None:
    assert key in site.home
    changed = site.home.replace(key, f"new{key}")
    require_refused(lambda page: parse_home_page(page.encode(), URL), changed, key.rstrip(":"))


def test_pages_of_the_practice_site_hold_no_novelty(site: Pages) -> None:
    assert site.read_feed(site.feed).new_keys == ()
    assert site.read_match(site.match).new_keys == ()
    assert parse_season_list(site.season.encode(), URL)


@pytest.mark.parametrize(
    ("path", "name"),
    [((), ""), (("tournaments", 0), "tournaments."), (("tournaments", 0, "matches", 1), "matches.")],
)
def test_new_key_of_the_feed_is_counted_and_changes_nothing(site: Pages, path: Path, name: str) -> None:
    changed = copy.deepcopy(site.feed)
    parent_of(changed, (*path, ""))["novelty"] = {"deep": [1, {"a": None}]}
    feed = site.read_feed(changed)
    assert feed.new_keys == (f"{name}novelty",)
    assert msgspec.structs.replace(feed, new_keys=()) == site.read_feed(site.feed)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), "matchCentreData."),
        (("home",), "home."),
        (("away", "stats"), "away.stats."),
        (("home", "incidentEvents", 0), "home.incidentEvents."),
    ],
)
def test_new_key_of_the_match_centre_is_counted_and_changes_nothing(site: Pages, path: Path, name: str) -> None:
    changed = site.centre
    parent_of(changed, (*path, ""))["novelty"] = {"deep": [1, {"a": None}]}
    page = site.read_centre(changed)
    assert page.new_keys == (f"{name}novelty",)
    assert msgspec.structs.replace(page, new_keys=()) == site.read_match(site.match)
