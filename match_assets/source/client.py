"""The one place that talks to the site: paced, obeying robots.txt, stopping at the first sign of refusal.

Every answer is judged in this order: refusal (stop, keep the page, open the circuit), asked to wait (wait as told, up
to a cap), server error or cut answer (capped retries), not what may be read (another host, a download, too large),
unexpected page (keep the page), a page of the shape we know.
"""

import asyncio
import datetime as dt
import hashlib
import importlib.metadata
import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
from sqlalchemy import Engine

from match_assets.config import Settings
from match_assets.errors import (
    ConfigurationError,
    RobotsDisallowedError,
    SourceBlockedError,
    SourceUnavailableError,
    UnexpectedPageError,
)
from match_assets.killpoint import killpoint
from match_assets.source import circuit
from match_assets.source.alerts import Alert, announce
from match_assets.source.blocks import block_marker
from match_assets.source.browser import Browser
from match_assets.source.document import Answer, NoAnswerError
from match_assets.source.judging import Failure, Kind, failure_of
from match_assets.source.pace import Pace
from match_assets.source.robots import AGENT, Robots
from match_assets.warehouse.migrate import require_current
from match_assets.warehouse.writing import Fetch, write_fetches

Record = TypeVar("Record")
Parse = Callable[[bytes, str], Record]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
NOBODY = Settings.model_fields["contact"].default
MAX_HOPS = 5
LONGEST_STOP_HOURS = 24.0
NO_FAILURE = Failure("")

_jitter = random.SystemRandom()


class Patience(msgspec.Struct, frozen=True):
    """How long and how often to try.

    ``retry_after_cap_seconds`` is the longest wait that a site may ask for in a running job, be it after an answer or,
    in robots.txt, between any two requests. Beyond it we stop, and after such an answer the circuit stays open for as
    long as it asked, at most a day.
    """

    attempts: int = 4
    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    deadline_seconds: float = 30.0
    retry_after_cap_seconds: float = 300.0
    cool_down_hours: float = circuit.COOL_DOWN_HOURS


class _Exchange(NamedTuple):
    """One request and what came of it: an answer, or why there is none."""

    url: str
    sent_at: dt.datetime
    seconds: float
    answer: Answer | None
    failure: Failure = NO_FAILURE


class SourceClient:
    """Asks the site for pages and feeds and hands each to its parser.

    Use as an asynchronous context manager: entering checks the warehouse and the circuit before any browser starts.

    Args:
        settings: address of the site, pace, contact and browser.
        engine: the warehouse, which holds pace, circuit and the log of requests.
        pages_at_once: browser pages open at a time.
        patience: deadlines and retries.

    Attributes:
        n_requests: requests sent.
        n_refused: answers that led away, were downloads or too large; they were not read.

    Raises:
        SourceBlockedError: on entering, while the circuit is open; later, when the site refuses us.
        SourceBudgetError: later, when the day's requests are spent.
        DependencyUnavailableError: PostgreSQL or the browser is away.
        ConfigurationError: the warehouse is not migrated, or another one's site is to be asked without a contact.
    """

    def __init__(
        self, settings: Settings, engine: Engine, *, pages_at_once: int = 2, patience: Patience | None = None
    ) -> None:
        self.host = urlsplit(settings.source_url).netloc
        self.pages_at_once = pages_at_once
        self.n_requests = 0
        self.n_refused = 0
        self._base_url = settings.source_url.rstrip("/") + "/"
        self._engine = engine
        self._settings = settings
        self._patience = patience or Patience()
        self._pace = Pace(engine, self.host, settings.requests_per_minute, settings.requests_per_day)
        agent = f"{AGENT}/{importlib.metadata.version('match-assets')} (+{settings.contact})"
        self._browser = Browser(settings, user_agent=agent, pages_at_once=pages_at_once)
        self._robots: Robots | SourceUnavailableError | None = None
        self._reading_robots = asyncio.Lock()
        self._refusal: SourceBlockedError | None = None
        self._fetches: list[Fetch] = []
        self._guard: Callable[[], None] | None = None

    async def __aenter__(self) -> "SourceClient":
        self._require_contact()
        await asyncio.to_thread(require_current, self._engine)
        await asyncio.to_thread(circuit.require_closed, self._engine, self.host)
        await self._browser.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        try:
            await self._browser.__aexit__(*details)
        finally:
            await self.log_fetches()
            await self._pace.give_back()

    def _require_contact(self) -> None:
        """A guest leaves an address at which the host can reach somebody; our own machine needs none."""
        is_ours = urlsplit(self._base_url).hostname in LOOPBACK
        if not is_ours and self._settings.contact == NOBODY:
            raise ConfigurationError(
                f"set MATCH_ASSETS_CONTACT to an address at which {self.host} can reach you before asking it for pages"
            )

    @contextmanager
    def guarded_by(self, guard: Callable[[], None]) -> Iterator[None]:
        """Within it ``guard`` is asked before each request, and sends none when it raises."""
        self._guard = guard
        try:
            yield
        finally:
            self._guard = None

    async def page(self, path: str, parse: Parse[Record]) -> Record:
        """The page at ``path``, asked for by the browser and read by ``parse``.

        Raises:
            UnexpectedPageError: not the page we know, and kept in ``fetches``; or it led away, was a download or too
                large, and was not read.
            RobotsDisallowedError: robots.txt forbids the path, or asks us to come so seldom that it means never.
            SourceBlockedError: the site refuses us, this process or another one; no further request is sent.
            SourceBudgetError: the day's requests are spent; none was sent.
            SourceUnavailableError: no usable answer after the capped retries.
            DependencyUnavailableError: PostgreSQL is away, or the browser ended too often.
        """
        return await self._ask("page", path, parse)

    async def feed(self, path: str, parse: Parse[Record]) -> Record:
        """The JSON document at ``path``; asks and raises as ``page``, and judges the end of the answer as JSON."""
        return await self._ask("feed", path, parse)

    async def log_fetches(self) -> None:
        """Write the requests made since the last call to the log."""
        if not self._fetches:
            return
        fetches, self._fetches = self._fetches, []
        await asyncio.to_thread(write_fetches, self._engine, fetches)

    async def _ask(self, kind: Kind, path: str, parse: Parse[Record]) -> Record:
        url = urljoin(self._base_url, path.lstrip("/"))

        def read(answer: Answer) -> Record:
            if answer.status != 200:
                raise UnexpectedPageError(
                    f"{url}: HTTP {answer.status}; not read", url=url, part="the page", http_status=answer.status
                )
            return parse(answer.body, url)

        await self._require_allowed(url)
        return await self._persist(kind, url, read)

    async def _persist(self, kind: Kind, url: str, read: Callable[[Answer], Record]) -> Record:
        """Ask until there is an answer to read, as often as ``Patience`` allows."""
        failure = NO_FAILURE
        for attempt in range(self._patience.attempts):
            if attempt:
                await self._wait_before(attempt, failure)
            outcome = await self._attempt(kind, url, read)
            if not isinstance(outcome, Failure):
                return outcome
            failure = outcome
        if failure.http_status == 429:
            # waited as told each time, and still too much: another partition's pages would be too much as well
            await self._stop(url, f"HTTP 429, {self._patience.attempts} times")
        raise SourceUnavailableError(
            f"{url}: no usable answer after {self._patience.attempts} attempts, the last: {failure.cause}. What was"
            " stored before stays; run again later",
            url=url,
            cause=failure.cause,
            is_away=failure.http_status is None and not failure.is_slow,
        )

    async def _attempt(self, kind: Kind, url: str, read: Callable[[Answer], Record]) -> Record | Failure:
        """One document, whatever redirects lead to it within the site, and its judgement."""
        exchange = await self._arrive(kind, url)
        answer = exchange.answer
        if answer is None:
            return exchange.failure
        # a 403 for robots.txt alone means that there is none (RFC 9309)
        if marker := block_marker(answer.body, 200 if kind == "robots" else answer.status):
            self._log(exchange, "blocked", marker, keep=True)
            await self._stop(url, marker)
        if failure := failure_of(kind, answer, _now()):
            self._log(exchange, "unavailable", failure.cause)
            if failure.wait_seconds is not None and failure.wait_seconds > self._patience.retry_after_cap_seconds:
                marker = f"{failure.cause}, Retry-After {failure.wait_seconds:g} s"
                await self._stop(url, marker, hours=min(failure.wait_seconds / 3600, LONGEST_STOP_HOURS))
            return failure
        if answer.refused:
            await self._refuse(exchange, f"{url}: {answer.refused}; not read", part="the answer")
        try:
            record = read(answer)
        except UnexpectedPageError as error:
            self._log(exchange, "unexpected", error.message, keep=True)
            await self.log_fetches()
            raise
        self._log(exchange, "ok", "")
        return record

    async def _arrive(self, kind: Kind, url: str) -> _Exchange:
        """The first answer that is no redirect. Each redirect is a request of its own, paced and allowed like any."""
        target = url
        for hop in itertools.count():
            exchange = await self._send(target)
            answer = exchange.answer
            if answer is None or answer.location is None:
                break
            target = _resolved(answer)
            if not self._is_home(target):
                await self._refuse(
                    exchange,
                    f"{url}: led away to {target}; not followed. Check MATCH_ASSETS_SOURCE_URL",
                    part="address",
                )
            if hop == MAX_HOPS:
                await self._refuse(exchange, f"{url}: led on more than {MAX_HOPS} times; not followed", part="address")
            self._log(exchange, "ok", f"leads to {target}")
            if kind != "robots":
                await self._require_allowed(target)
        return exchange

    async def _send(self, url: str) -> _Exchange:
        """One request at its moment; what was answered before it is in the log, so that a kill loses what is in flight."""
        await self.log_fetches()
        started, sent_at = time.monotonic(), _now()
        try:
            async with self._browser.tab() as tab:
                await self._pace.wait()
                if self._guard is not None:
                    await asyncio.to_thread(self._guard)
                if self._refusal is not None:
                    raise self._refusal
                killpoint("source.before_request")
                self.n_requests += 1
                started, sent_at = time.monotonic(), _now()
                answer = await tab.read(url, deadline_seconds=self._patience.deadline_seconds)
                killpoint("source.after_request")
                return _Exchange(url, sent_at, time.monotonic() - started, answer)
        except NoAnswerError as error:
            failure = Failure(str(error), is_slow=error.is_slow)
            exchange = _Exchange(url, sent_at, time.monotonic() - started, None, failure)
            if error.is_sent:
                self._log(exchange, "unavailable", failure.cause)
            return exchange

    async def _wait_before(self, attempt: int, failure: Failure) -> None:
        """Back off: as told by the site and then for every process, else exponentially with jitter."""
        ceiling = min(self._patience.cap_seconds, self._patience.base_seconds * 2 ** (attempt - 1))
        seconds = _jitter.uniform(ceiling / 2, ceiling)
        if failure.is_plea:
            await self._pace.hold(max(seconds, failure.wait_seconds or 0.0))
        else:
            await asyncio.sleep(seconds)

    async def _stop(self, url: str, marker: str, *, hours: float | None = None) -> NoReturn:
        """Refused: no further request from this client, nor from any run before the cool-down is over."""
        hours = self._patience.cool_down_hours if hours is None else hours
        self._refusal = SourceBlockedError(
            f"{url}: the site refuses us ({marker}). Nothing more is asked for {hours:.1f} hours; the page is kept in"
            " `fetches`. Do not change identity or pace to get around it",
            url=url,
            marker=marker,
        )
        await self.log_fetches()
        alert = Alert("blocked", self.host, self._refusal.message, {"url": url, "marker": marker, "hours": hours})
        is_new = await asyncio.to_thread(
            circuit.open_circuit, self._engine, self.host, url=url, marker=marker, hours=hours, alert=alert
        )
        if is_new:
            await announce(alert, self._settings.alert_url)
        raise self._refusal

    async def _refuse(self, exchange: _Exchange, message: str, *, part: str) -> NoReturn:
        """Leave an answer unread that is not ours to read."""
        self.n_refused += 1
        self._log(exchange, "refused", message)
        await self.log_fetches()
        raise UnexpectedPageError(message, url=exchange.url, part=part)

    async def _require_allowed(self, url: str) -> None:
        async with self._reading_robots:
            if self._robots is None:
                self._robots = await self._read_robots()
        if isinstance(self._robots, SourceUnavailableError):
            raise self._robots
        if not self._robots.allows(url):
            cause = "forbids it" if self._robots.is_reachable else "could not be read, which counts as forbidding all"
            raise RobotsDisallowedError(f"{url}: robots.txt {cause}; not asked", url=url)
        delay, cap = self._robots.delay_seconds, self._patience.retry_after_cap_seconds
        if delay > cap:
            raise RobotsDisallowedError(
                f"{url}: robots.txt asks for {delay:g} s between requests, more than the {cap:g} s that a run waits for;"
                " not asked",
                url=url,
            )

    async def _read_robots(self) -> Robots | SourceUnavailableError:
        """What robots.txt says; a site that is away altogether is an error that stands for the rest of the run."""
        try:
            robots = await self._persist("robots", urljoin(self._base_url, "robots.txt"), _as_robots)
        except SourceUnavailableError as error:
            return error if error.facts["is_away"] else Robots(None, "")
        if robots.delay_seconds <= self._patience.retry_after_cap_seconds:
            await self._pace.obey(robots.delay_seconds)
        return robots

    def _is_home(self, url: str) -> bool:
        """Whether an address lies on the site itself; one that is not encrypted any more does not."""
        parts, home = urlsplit(url), urlsplit(self._base_url)
        return parts.netloc == home.netloc and parts.scheme in {home.scheme, "https"}

    def _log(self, exchange: _Exchange, outcome: str, detail: str, *, keep: bool = False) -> None:
        answer = exchange.answer
        body = answer.body if answer else b""
        self._fetches.append(
            Fetch(
                requested_at=exchange.sent_at,
                url=exchange.url,
                outcome=outcome,
                http_status=answer.status if answer else None,
                n_bytes=len(body),
                duration_seconds=exchange.seconds,
                sha256=hashlib.sha256(body).hexdigest() if answer else None,
                detail=detail,
                body=body if keep else None,
            )
        )


def _as_robots(answer: Answer) -> Robots:
    return Robots(answer.status, answer.body.decode("utf-8", errors="replace"))


def _resolved(answer: Answer) -> str:
    """Where a redirect leads; an address that cannot be one leads nowhere, which is away from the site."""
    try:
        target = urljoin(answer.url, answer.location or "")
        urlsplit(target)
    except ValueError:
        return f"what is no address ({answer.location})"
    return target


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251  # an edge: when a request was sent
