"""The one place that talks to the site: paced, obeying robots.txt, stopping at the first sign of refusal.

Every answer is judged in this order: refusal (stop, keep the page, open the circuit), asked to wait (wait as told, up
to a cap), server error or cut answer (capped retries), unexpected page (keep the page), a page of the shape we know.
"""

import asyncio
import datetime as dt
import email.utils
import hashlib
import importlib.metadata
import random
import time
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, NoReturn, TypeVar
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
from match_assets.source import circuit
from match_assets.source.blocks import block_marker
from match_assets.source.browser import Answer, Browser
from match_assets.source.pace import Pace
from match_assets.source.parsers.calendar import is_whole_document
from match_assets.source.robots import AGENT, Robots
from match_assets.warehouse.migrate import require_current
from match_assets.warehouse.writing import Fetch, write_fetches

Record = TypeVar("Record")
Parse = Callable[[str, str], Record]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
NOBODY = Settings.model_fields["contact"].default
Kind = Literal["page", "feed"]

_jitter = random.SystemRandom()


class Patience(msgspec.Struct, frozen=True):
    """How long and how often to try.

    ``retry_after_cap_seconds`` is the longest wait that a site may ask for in a running job; beyond it we stop and
    the circuit stays open for as long as it asked, at most a day.
    """

    attempts: int = 4
    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    deadline_seconds: float = 30.0
    retry_after_cap_seconds: float = 300.0
    cool_down_hours: float = circuit.COOL_DOWN_HOURS


class _Failure(NamedTuple):
    """Why an attempt brought nothing, and how long to wait when the site said so."""

    cause: str
    wait_seconds: float | None = None


class SourceClient:
    """Asks the site for pages and feeds and hands each to its parser.

    Use as an asynchronous context manager: entering checks the warehouse and the circuit before any browser starts.

    Args:
        settings: address of the site, pace, contact and browser.
        engine: the warehouse, which holds pace, circuit and the log of requests.
        pages_at_once: browser pages open at a time.
        patience: deadlines and retries.

    Raises:
        SourceBlockedError: on entering, while the circuit is open; later, when the site refuses us.
        DependencyUnavailableError: PostgreSQL or the browser is away.
        ConfigurationError: the warehouse is not migrated, or another one's site is to be asked without a contact.
    """

    def __init__(
        self, settings: Settings, engine: Engine, *, pages_at_once: int = 2, patience: Patience | None = None
    ) -> None:
        self.host = urlsplit(settings.source_url).netloc
        self.pages_at_once = pages_at_once
        self.n_requests = 0
        self._base_url = settings.source_url.rstrip("/") + "/"
        self._engine = engine
        self._settings = settings
        self._patience = patience or Patience()
        self._pace = Pace(engine, self.host, settings.requests_per_minute)
        agent = f"{AGENT}/{importlib.metadata.version('match-assets')} (+{settings.contact})"
        self._browser = Browser(settings, user_agent=agent, pages_at_once=pages_at_once)
        self._robots: Robots | None = None
        self._reading_robots = asyncio.Lock()
        self._refusal: SourceBlockedError | None = None
        self._fetches: list[Fetch] = []

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

    def _require_contact(self) -> None:
        """A guest leaves an address at which the host can reach somebody; our own machine needs none."""
        is_ours = urlsplit(self._base_url).hostname in LOOPBACK
        if not is_ours and self._settings.contact == NOBODY:
            raise ConfigurationError(
                f"set MATCH_ASSETS_CONTACT to an address at which {self.host} can reach you before asking it for pages"
            )

    async def page(self, path: str, parse: Parse[Record]) -> Record:
        """The page at ``path``, opened in the browser and read by ``parse``.

        Raises:
            UnexpectedPageError: not the page we know; it is kept in ``fetches``.
            RobotsDisallowedError: robots.txt forbids the path.
            SourceBlockedError: the site refuses us; no further request is sent.
            SourceUnavailableError: no usable answer after the capped retries.
        """
        return await self._ask("page", path, parse)

    async def feed(self, path: str, parse: Parse[Record]) -> Record:
        """The JSON document at ``path``, by the browser's connection without rendering; raises as ``page``."""
        return await self._ask("feed", path, parse)

    async def log_fetches(self) -> None:
        """Write the requests made since the last call to the log."""
        fetches, self._fetches = self._fetches, []
        await asyncio.to_thread(write_fetches, self._engine, fetches)

    async def _ask(self, kind: Kind, path: str, parse: Parse[Record]) -> Record:
        url = urljoin(self._base_url, path.lstrip("/"))
        await self._require_allowed(url)
        failure = _Failure("not asked")
        for attempt in range(self._patience.attempts):
            if attempt:
                await self._wait_before(attempt, failure)
            outcome = await self._attempt(kind, url, lambda text: parse(text, url))
            if not isinstance(outcome, _Failure):
                return outcome
            failure = outcome
        raise SourceUnavailableError(
            f"{url}: no usable answer after {self._patience.attempts} attempts, the last: {failure.cause}. What was"
            " stored before stays; run again later",
            url=url,
            cause=failure.cause,
        )

    async def _attempt(self, kind: Kind, url: str, parse: Callable[[str], Record]) -> Record | _Failure:
        """One request and its judgement."""
        started = time.monotonic()
        answer = await self._send(kind, url)
        if isinstance(answer, _Failure):
            self._log(url, started, "unavailable", answer.cause)
            return answer
        text = answer.body.decode("utf-8", errors="replace")
        if marker := block_marker(text, answer.status):
            await self._stop(url, started, answer, marker)
        if failure := await self._failure(kind, url, answer, text):
            self._log(url, started, "unavailable", failure.cause, answer)
            return failure
        try:
            self._require_expected(url, answer)
            record = parse(text)
        except UnexpectedPageError as error:
            self._log(url, started, "unexpected", error.message, answer, keep=True)
            await self.log_fetches()
            raise
        self._log(url, started, "ok", "", answer)
        return record

    async def _send(self, kind: Kind, url: str) -> Answer | _Failure:
        from playwright.async_api import Error

        await self._pace.wait()
        if self._refusal is not None:
            raise self._refusal
        self.n_requests += 1
        send: Callable[..., Awaitable[Answer]] = self._browser.open if kind == "page" else self._browser.request
        try:
            return await send(url, deadline_seconds=self._patience.deadline_seconds)
        except TimeoutError:
            return _Failure(f"no whole answer within {self._patience.deadline_seconds:g} s")
        except Error as error:
            return _Failure(str(error).strip().splitlines()[0])

    async def _failure(self, kind: Kind, url: str, answer: Answer, text: str) -> _Failure | None:
        """Why this answer is worth another attempt; ``None`` when it is final."""
        if answer.status == 429:
            return await self._told_to_wait(url, answer)
        if answer.status >= 500:
            return _Failure(f"HTTP {answer.status}", _retry_after(answer.headers))
        if answer.status != 200:
            return None
        is_whole = "</html>" in text[-2_000:].lower() if kind == "page" else is_whole_document(text)
        if is_whole and "\ufffd" in text:
            is_whole = _is_utf8(answer.body)
        return None if is_whole else _Failure(f"the answer is cut short ({len(answer.body)} bytes)")

    async def _told_to_wait(self, url: str, answer: Answer) -> _Failure:
        wait = _retry_after(answer.headers)
        if wait is not None and wait > self._patience.retry_after_cap_seconds:
            hours = min(wait / 3600, 24.0)
            marker = f"HTTP 429, Retry-After {wait:g} s"
            await self._stop(url, time.monotonic(), answer, marker, hours=hours)
        return _Failure("HTTP 429", wait)

    async def _wait_before(self, attempt: int, failure: _Failure) -> None:
        """Back off: as told by the site and then for every process, else exponentially with full jitter."""
        if failure.wait_seconds is not None:
            await self._pace.hold(min(failure.wait_seconds, self._patience.retry_after_cap_seconds))
            return
        ceiling = min(self._patience.cap_seconds, self._patience.base_seconds * 2 ** (attempt - 1))
        await asyncio.sleep(_jitter.uniform(ceiling / 2, ceiling))

    async def _stop(
        self, url: str, started: float, answer: Answer, marker: str, *, hours: float | None = None
    ) -> NoReturn:
        """Refused: no further request from this client, nor from any run before the cool-down is over."""
        hours = self._patience.cool_down_hours if hours is None else hours
        self._refusal = SourceBlockedError(
            f"{url}: the site refuses us ({marker}). Nothing more is asked for {hours:.1f} hours; the page is kept in"
            " `fetches`. Do not change identity or pace to get around it",
            url=url,
            marker=marker,
        )
        self._log(url, started, "blocked", marker, answer, keep=True)
        await asyncio.to_thread(circuit.open_circuit, self._engine, self.host, url=url, marker=marker, hours=hours)
        await self.log_fetches()
        raise self._refusal

    async def _require_allowed(self, url: str) -> None:
        async with self._reading_robots:
            if self._robots is None:
                self._robots = await self._read_robots()
                self._pace.slow_to(self._robots.delay_seconds)
        if not self._robots.allows(url):
            cause = "forbids it" if self._robots.is_reachable else "could not be read, which counts as forbidding all"
            raise RobotsDisallowedError(f"{url}: robots.txt {cause}; not asked", url=url)

    async def _read_robots(self) -> Robots:
        url = urljoin(self._base_url, "robots.txt")
        started = time.monotonic()
        answer = await self._send("feed", url)
        if isinstance(answer, _Failure):
            self._log(url, started, "unavailable", answer.cause)
            return Robots(None, "")
        text = answer.body.decode("utf-8", errors="replace")
        marker = block_marker(text, 200)  # a 403 for robots.txt alone means there is none (RFC 9309)
        if marker:
            await self._stop(url, started, answer, marker)
        self._log(url, started, "ok", "", answer)
        return Robots(answer.status, text)

    def _require_expected(self, url: str, answer: Answer) -> None:
        if urlsplit(answer.url).netloc != self.host:
            raise UnexpectedPageError(
                f"{url}: led away to {answer.url}; not read. Check MATCH_ASSETS_SOURCE_URL", url=url, part="address"
            )
        if answer.status != 200:
            raise UnexpectedPageError(
                f"{url}: HTTP {answer.status}; not read", url=url, part="the page", http_status=answer.status
            )

    def _log(
        self, url: str, started: float, outcome: str, detail: str, answer: Answer | None = None, *, keep: bool = False
    ) -> None:
        body = answer.body if answer else b""
        duration = time.monotonic() - started
        self._fetches.append(
            Fetch(
                requested_at=_now() - dt.timedelta(seconds=duration),
                url=url,
                outcome=outcome,
                http_status=answer.status if answer else None,
                n_bytes=len(body),
                duration_seconds=duration,
                sha256=hashlib.sha256(body).hexdigest() if answer else None,
                detail=detail,
                body=body if keep else None,
            )
        )


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _retry_after(headers: dict[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for, whether it gives seconds or a date; ``None`` without a readable one."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value[:12])
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - _now()).total_seconds())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251  # an edge: when a request was sent
