"""One document through one page of the browser: a single request, its body counted while it is read.

The browser asks and decodes, but the answer is taken from it before it could become a page: nothing of it is rendered,
run, followed or saved. A redirect is an answer like any other, so that whoever asks decides whether to go on, and each
request has a moment of its own in the pace. It works alike for a browser of ours and for one elsewhere.
"""

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, CDPSession, Page

# the largest page of the site that was ever seen has 1.3 MB
MAX_BODY_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
OPEN_SECONDS = 5.0
CLOSE_SECONDS = 2.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Answer(NamedTuple):
    """An HTTP answer.

    Attributes:
        url: what was asked for.
        status: of the answer; a redirect is not followed.
        headers: by name in lower case.
        body: decoded; empty when it was not read.
        cut: how it is shorter than announced; empty when it is not.
        refused: why it was not read to its end; empty when it was.
    """

    url: str
    status: int
    headers: dict[str, str]
    body: bytes = b""
    cut: str = ""
    refused: str = ""

    @property
    def location(self) -> str | None:
        """Where a redirect leads; ``None`` when this is none."""
        return self.headers.get("location") if self.status in REDIRECTS else None


class NoAnswerError(Exception):
    """The connection, the page or the browser broke before there was a whole answer; the text says which.

    ``is_sent`` when the site may have seen the request, ``is_slow`` when time ran out.
    """

    def __init__(self, cause: str, *, is_sent: bool, is_slow: bool = False) -> None:
        super().__init__(cause)
        self.is_sent = is_sent
        self.is_slow = is_slow


class Tab:
    """A page of the browser, used by one reader at a time. Made by ``open_tab``."""

    def __init__(self, page: "Page", session: "CDPSession") -> None:
        self._page = page
        self._session = session
        self._paused: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        session.on("Fetch.requestPaused", self._paused.put_nowait)

    async def read(self, url: str, *, deadline_seconds: float) -> Answer:
        """Ask for ``url`` once.

        Raises:
            NoAnswerError: nothing, or nothing whole, came before the deadline. The tab must be closed then.
        """
        from playwright.async_api import Error

        going = asyncio.ensure_future(self._page.goto(url, wait_until="commit", timeout=deadline_seconds * 1000))
        # whatever becomes of it is either awaited below or of no more interest
        going.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(deadline_seconds):
                answer = await self._answer(url, going)
                with contextlib.suppress(Error):
                    await going
        except TimeoutError:
            raise NoAnswerError(f"no whole answer within {deadline_seconds:g} s", is_sent=True, is_slow=True) from None
        except Error as error:
            raise NoAnswerError(_cause(error), is_sent=True) from error
        finally:
            going.cancel()
        return answer

    async def close(self) -> None:
        """Give the page up; a page that crashed may never say that it closed."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._page.close(), CLOSE_SECONDS)

    @property
    def is_closed(self) -> bool:
        """Whether the page is gone."""
        return self._page.is_closed()

    async def _answer(self, url: str, going: "asyncio.Future[Any]") -> Answer:
        is_sent = False
        while True:
            paused = await self._next(going)
            if reason := paused.get("responseErrorReason"):
                # let the page fail on it: its message tells more than the reason does
                await self._session.send("Fetch.continueRequest", {"requestId": paused["requestId"]})
                await going
                raise NoAnswerError(str(reason), is_sent=True)
            if "responseStatusCode" in paused:
                answer = await self._received(url, paused)
                await self._end(paused)
                return answer
            if is_sent:
                await self._end(paused)
            else:
                is_sent = True
                await self._session.send("Fetch.continueRequest", {"requestId": paused["requestId"]})

    async def _next(self, going: "asyncio.Future[Any]") -> dict[str, Any]:
        """The next request or answer that waits for our word."""
        waiting = asyncio.ensure_future(self._paused.get())
        try:
            await asyncio.wait({going, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            await going
        finally:
            waiting.cancel()
        raise NoAnswerError("the page opened without an answer", is_sent=True)

    async def _end(self, paused: dict[str, Any]) -> None:
        await self._session.send("Fetch.failRequest", {"requestId": paused["requestId"], "errorReason": "Aborted"})

    async def _received(self, url: str, paused: dict[str, Any]) -> Answer:
        headers = {header["name"].lower(): header["value"] for header in paused.get("responseHeaders", ())}
        answer = Answer(url, int(paused["responseStatusCode"]), headers)
        if answer.location is not None:
            return answer
        if "attachment" in headers.get("content-disposition", "").lower():
            return answer._replace(refused="a download")
        announced = _announced(headers)
        if announced is not None and announced > MAX_BODY_BYTES:
            return answer._replace(refused=_too_large(announced))
        body = await self._body(paused["requestId"])
        if len(body) > MAX_BODY_BYTES:
            return answer._replace(refused=_too_large(len(body)))
        is_short = announced is not None and len(body) < announced
        return answer._replace(body=body, cut=f"{len(body)} of {announced} bytes came" if is_short else "")

    async def _body(self, request_id: str) -> bytes:
        """The body as it comes, and no further than the first chunk beyond what we take."""
        opened = await self._session.send("Fetch.takeResponseBodyAsStream", {"requestId": request_id})
        parts, n_bytes, is_over = list[bytes](), 0, False
        while not is_over and n_bytes <= MAX_BODY_BYTES:
            chunk = await self._session.send("IO.read", {"handle": opened["stream"], "size": CHUNK_BYTES})
            data: str = chunk["data"]
            parts.append(base64.b64decode(data) if chunk.get("base64Encoded") else data.encode())
            n_bytes += len(parts[-1])
            is_over = bool(chunk["eof"])
        await self._session.send("IO.close", {"handle": opened["stream"]})
        return b"".join(parts)


async def open_tab(context: "BrowserContext") -> Tab:
    """A new tab in ``context``, without cache: what was read once may have been half of it.

    Raises:
        NoAnswerError: the browser is gone or does not react.
    """
    from playwright.async_api import Error

    stages: list[dict[str, Any]] = [{"urlPattern": "*", "requestStage": stage} for stage in ("Request", "Response")]
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            page = await context.new_page()
            session = await context.new_cdp_session(page)
            tab = Tab(page, session)
            await session.send("Network.enable")
            await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
            await session.send("Fetch.enable", {"patterns": stages})
    except TimeoutError:
        raise NoAnswerError(f"the browser opened no page within {OPEN_SECONDS:g} s", is_sent=False) from None
    except Error as error:
        raise NoAnswerError(_cause(error), is_sent=False) from error
    return tab


def _announced(headers: dict[str, str]) -> int | None:
    """Bytes that the body should have; ``None`` when the header speaks of the compressed body or of nothing."""
    length = headers.get("content-length", "")
    return int(length) if length.isdigit() and "content-encoding" not in headers else None


def _too_large(n_bytes: int) -> str:
    return f"{n_bytes} bytes and perhaps more, {MAX_BODY_BYTES} are taken at most"


def _cause(error: Exception) -> str:
    """The first line of Playwright's message without the name of its method."""
    line = str(error).strip().splitlines()[0]
    return line.removeprefix("Page.goto: ")
