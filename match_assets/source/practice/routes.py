"""Paths of the practice site, and the page that answers each; pages are kept until the clock or a score moves."""

import re
from collections import OrderedDict

import msgspec

from match_assets.source.practice import pages
from match_assets.source.practice.facts import World
from match_assets.source.practice.faults import Answer
from match_assets.source.practice.feed import month_feed
from match_assets.source.practice.timeline import Moment

# Litestar adds the charset to all three
HTML, JSON, TEXT = "text/html", "application/json", "text/plain"
NOT_FOUND = Answer(404, b"<html><body><h1>Page not found</h1></body></html>", HTML)
BAD_MONTH = Answer(400, b"<html><body><h1>d has to be a month, YYYYMM</h1></body></html>", HTML)
KEPT_PAGES = 1_000

TOURNAMENT = re.compile(
    r"/regions/(\d+)/tournaments/(\d+)(?:/seasons/(\d+)(?:/stages/(\d+))?)?(?:/[^/]*){0,2}", re.IGNORECASE
)
FEED = re.compile(r"/tournaments/(\d+)/data/?", re.IGNORECASE)
MATCH = re.compile(r"/matches/(\d+)/live(?:/[^/]*)?", re.IGNORECASE)
MONTH = re.compile(r"\d{4}(?:0[1-9]|1[0-2])")


class Router:
    """Answers paths out of a world; the same moment gives the same bytes."""

    def __init__(self, world: World) -> None:
        """Start with no page kept."""
        self.world = world
        self._kept: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._kept_at: Moment | None = None

    def answer(self, path: str, month: str, moment: Moment) -> Answer:
        """The answer to a request.

        Args:
            path: with its leading slash, without the query.
            month: the query's ``d``, empty without.
            moment: a new object whenever anything changed.
        """
        if self._kept_at is not moment:
            self._kept.clear()
            self._kept_at = moment
        key = (path, month)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        answer = self._render(path, month, moment)
        self._kept[key] = answer
        if len(self._kept) > KEPT_PAGES:
            self._kept.popitem(last=False)
        return answer

    def _render(self, path: str, month: str, moment: Moment) -> Answer:
        if path == "/":
            return Answer(200, pages.home_page(self.world), HTML)
        if path == "/robots.txt":
            return Answer(200, pages.ROBOTS.encode(), TEXT)
        if found := FEED.fullmatch(path):
            return self._feed(int(found[1]), month, moment)
        if found := MATCH.fullmatch(path):
            return self._match(int(found[1]), moment)
        if found := TOURNAMENT.fullmatch(path):
            region_id, tournament_id, season_id, stage_id = (int(part) if part else None for part in found.groups())
            return self._season((region_id, tournament_id), season_id, stage_id, moment)
        return NOT_FOUND

    def _feed(self, stage_id: int, month: str, moment: Moment) -> Answer:
        if not MONTH.fullmatch(month):
            return BAD_MONTH
        if stage_id not in self.world.stages:
            return NOT_FOUND
        tournament, season = self.world.stages[stage_id]
        if pages.shown_season(tournament, season.season_id, moment) is None:
            return NOT_FOUND
        return Answer(200, msgspec.json.encode(month_feed(self.world, stage_id, month, moment)), JSON)

    def _match(self, match_id: int, moment: Moment) -> Answer:
        if match_id not in self.world.matches or match_id in moment.annulled:
            return NOT_FOUND
        tournament, season, _ = self.world.matches[match_id]
        if pages.shown_season(tournament, season.season_id, moment) is None:
            return NOT_FOUND
        return Answer(200, pages.match_page(self.world, match_id, moment), HTML)

    def _season(
        self, ids: tuple[int | None, int | None], season_id: int | None, stage_id: int | None, moment: Moment
    ) -> Answer:
        tournament = next((t for t in self.world.tournaments if (t.region_id, t.tournament_id) == ids), None)
        season = pages.shown_season(tournament, season_id, moment) if tournament else None
        if tournament is None or season is None or stage_id not in {None, season.stage_id}:
            return NOT_FOUND
        return Answer(200, pages.season_page(self.world, tournament, season, moment), HTML)
