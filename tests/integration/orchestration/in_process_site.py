"""The practice site without HTTP or browser: our own client's seam, for tests of what comes after scraping."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from match_assets.source.practice.facts import World
from match_assets.source.practice.routes import Router
from match_assets.source.practice.timeline import ManualCorrection, Moment, after_next_match_day

Record = TypeVar("Record")


class InProcessClient:
    """What ``source.ingestion`` needs of a client, answered out of a world at a moment of its clock."""

    pages_at_once = 2

    def __init__(self, world: World) -> None:
        self.world = world
        self.moment = Moment(world.start_clock_utc)
        self.n_requests = 0
        self._router = Router(world)

    def advance(self) -> None:
        """Plays the next match day."""
        clock = after_next_match_day(self.world, self.moment.clock_utc)
        assert clock is not None
        self.moment = replace(self.moment, clock_utc=clock)

    def correct(self, match_id: int, goals: tuple[int, int]) -> None:
        """Changes a result, as the source does now and then."""
        changed = {**self.moment.corrections, match_id: ManualCorrection(goals, self.moment.clock_utc)}
        self.moment = replace(self._a_minute_later(), corrections=changed)

    def annul(self, match_id: int) -> None:
        """Shows nothing of a match any more."""
        self.moment = replace(self._a_minute_later(), annulled=self.moment.annulled | {match_id})

    def _a_minute_later(self) -> Moment:
        return replace(self.moment, clock_utc=self.moment.clock_utc + dt.timedelta(minutes=1))

    async def page(self, path: str, parse: Callable[[bytes, str], Record]) -> Record:
        """A page, parsed."""
        self.n_requests += 1
        # a real request lets the other reader go on, in the middle of a write too
        await asyncio.sleep(0.005)
        parts = urlsplit(path)
        month = parse_qs(parts.query).get("d", [""])[0]
        answer = self._router.answer(parts.path, month, self.moment)
        assert answer.status == 200, path
        return parse(answer.body, f"http://practice{path}")

    async def feed(self, path: str, parse: Callable[[bytes, str], Record]) -> Record:
        """A feed, parsed."""
        return await self.page(path, parse)

    async def log_fetches(self) -> None:
        """Nothing was fetched."""


def as_client(client: InProcessClient) -> Any:
    """The client under the type that ingestion names."""
    return client
