"""Scrapes asked for over HTTP: a row in PostgreSQL that the orchestrator turns into a run, and how that run goes.

PostgreSQL may be away, slow or silent: these answers then say so, and no other answer of the service waits for it.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from match_assets.config import Params
from match_assets.errors import MatchAssetsError
from match_assets.warehouse import database, requests
from match_assets.warehouse.requests import ScrapeRequest
from serving.problems import RefusedRequestError
from serving.schemas import ScrapeAnswer, ScrapeQuery, ScrapeTicket

Result = TypeVar("Result")
LOGGER = logging.getLogger(__name__)

BUDGET_SECONDS = 3.0
# for the thread, which goes on after its caller was told 503
STATEMENT_SECONDS = 5
# threads of their own: while PostgreSQL is silent, these hang and not the ones that predictions are made in
THREADS = 2
MOST_WAITING = 16
# a scrape takes minutes: the queue is not shorter five seconds later
FULL_RETRY_SECONDS = 60
_REQUEST_ID = re.compile("[0-9a-f]{32}")


class Scrapes:
    """The requests as the HTTP service sees them; nothing is connected before the first."""

    def __init__(self, url: str, params: Params) -> None:
        self._url = url
        self._params = params
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="scrapes")
        self._n_waiting = 0

    @cached_property
    def _engine(self) -> Engine:
        return database.engine(self._url, statement_seconds=STATEMENT_SECONDS)

    async def submit(self, query: ScrapeQuery) -> ScrapeTicket:
        """Asks for a season, or finds the request that is still open for it.

        Raises:
            RefusedRequestError: 422, no such tournament or season; 429, enough is asked for already; 503, PostgreSQL does
                not answer.
        """
        if query.tournament not in self._params.tournaments:
            known = ", ".join(self._params.tournaments)
            raise RefusedRequestError(422, f"unknown tournament {query.tournament!r}; params.yaml has: {known}")
        request = await self._ask(lambda: self._submit(query))
        return ScrapeTicket(
            request_id=request.request_id, state=request.state, status_url=f"/scrape/{request.request_id}"
        )

    def _submit(self, query: ScrapeQuery) -> ScrapeRequest:
        limits = self._params.ingestion
        listed = requests.listed_seasons(self._engine, query.tournament)
        reason = requests.unknown_season(
            query.season, listed, tournament=query.tournament, first_season=limits.first_season
        )
        if reason is not None:
            raise RefusedRequestError(422, reason)
        request = requests.submit(
            self._engine, query.tournament, query.season, query.reason, max_open=limits.max_open_requests
        )
        if request is None:
            raise RefusedRequestError(
                429,
                f"{limits.max_open_requests} scrapes are asked for and not done yet; ask again when some are",
                retry_after=FULL_RETRY_SECONDS,
            )
        return request

    async def look_up(self, request_id: str) -> ScrapeAnswer:
        """How far a request is.

        Raises:
            RefusedRequestError: 404, no such request; 503, PostgreSQL does not answer.
        """
        found = None
        if _REQUEST_ID.fullmatch(request_id):
            found = await self._ask(lambda: requests.get(self._engine, request_id))
        if found is None:
            raise RefusedRequestError(404, f"no scrape {request_id} was asked for; POST /scrape gives the id")
        return ScrapeAnswer(
            request_id=found.request_id,
            tournament=found.tournament,
            season=found.season,
            reason=found.reason,
            state=found.state,
            detail=found.detail,
            run_id=found.run_id,
            requested_at=found.requested_at,
            updated_at=found.updated_at,
        )

    def close(self) -> None:
        """Ends the connections; a thread that still waits for the server is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if "_engine" in self.__dict__:
            self._engine.dispose()

    async def _ask(self, work: Callable[[], Result]) -> Result:
        """``work`` in a thread of ours, within the budget."""
        if self._n_waiting >= MOST_WAITING:
            raise _away("too many requests wait for it")
        self._n_waiting += 1
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                # what no thread has begun when the time is up is never begun
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError as error:
            raise _away(f"not within {BUDGET_SECONDS:.0f} s") from error
        except RefusedRequestError:
            raise
        except (MatchAssetsError, SQLAlchemyError) as error:
            # also a table or a right that is missing: a matter for the operator, who finds it in the log
            LOGGER.warning("scrape requests: %s", str(error).splitlines()[0])
            raise _away(type(error).__name__) from error
        finally:
            self._n_waiting -= 1


def _away(cause: str) -> RefusedRequestError:
    return RefusedRequestError(
        503, f"scrapes cannot be asked for now, PostgreSQL does not answer ({cause}); predictions are not affected"
    )
