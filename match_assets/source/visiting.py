"""One visit to the site that goes on where an earlier one was killed: no answer is asked for twice."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Engine

from match_assets.source.client import Parse, SourceClient
from match_assets.warehouse import visits
from match_assets.warehouse.visits import Remembered, Visit

Record = TypeVar("Record")


class Answered(NamedTuple, Generic[Record]):
    """What the source said, and when it was asked."""

    record: Record
    observed_at: dt.datetime


class Visitor:
    """Asks the source, or the visit's own memory where it has the answer already.

    Args:
        client: an entered client.
        engine: the warehouse.
        visit: under way; the caller holds its subject's lease and ends it.
    """

    def __init__(self, client: SourceClient, engine: Engine, visit: Visit) -> None:
        self.visit = visit
        self.n_remembered = 0
        self._client = client
        self._engine = engine

    async def page(self, path: str, parse: Parse[Record], kind: type[Record]) -> Answered[Record]:
        """The page at ``path`` as a record of type ``kind``; raises as ``SourceClient.page``."""
        return await self._answer(self._client.page, path, parse, kind)

    async def feed(self, path: str, parse: Parse[Record], kind: type[Record]) -> Answered[Record]:
        """The JSON document at ``path``, likewise."""
        return await self._answer(self._client.feed, path, parse, kind)

    async def _answer(
        self,
        ask: Callable[[str, Parse[Record]], Awaitable[Record]],
        path: str,
        parse: Parse[Record],
        kind: type[Record],
    ) -> Answered[Record]:
        known = self.visit.answers.get(path)
        if known is not None and (record := _decoded(known.record, kind)) is not None:
            self.n_remembered += 1
            return Answered(record, known.observed_at)
        record = await ask(path, parse)
        answer = Remembered(msgspec.json.encode(record), now())
        await asyncio.to_thread(visits.remember, self._engine, self.visit, path, answer)
        return Answered(record, answer.observed_at)


def _decoded(record: bytes, kind: type[Record]) -> Record | None:
    """The record as it was read, or ``None`` when another version of this code wrote it."""
    try:
        return msgspec.json.decode(record, type=kind)
    except msgspec.MsgspecError:
        return None


def now() -> dt.datetime:
    """When something was observed."""
    return dt.datetime.now(dt.UTC)  # noqa: TID251  # an edge: when something was observed
