"""A site on a free loopback port that answers from a script and keeps an access log: the log proves politeness.

It writes its answers byte by byte itself, so that it can also break every promise that HTTP makes.
"""

import asyncio
import gzip
import threading
import time
from collections import deque
from typing import NamedTuple

ENDLESS_CHUNK = b"<p>and so on</p>" * 4_096


class Answer(NamedTuple):
    """One HTTP answer.

    Attributes:
        body: text is sent as UTF-8.
        status, content_type, headers: as they say.
        delay: seconds before anything is sent.
        cut_at: close the connection after so many bytes of what the body is on the wire.
        chunked: send the body in chunks, without a length.
        unannounced: send no length; the end of the connection is the end of the body.
        gzipped: compress the body.
        endless: send more and more after the body, without a length.
        drip: seconds between two pieces of what is endless.
        reset: end the connection in the rudest way: before anything is sent, or where ``cut_at`` says.
    """

    body: str | bytes
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    cut_at: int | None = None
    chunked: bool = False
    unannounced: bool = False
    gzipped: bool = False
    endless: bool = False
    drip: float = 0.0
    reset: bool = False

    @property
    def wire(self) -> bytes:
        """The body as it goes over the wire, before it is cut."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        if self.gzipped:
            body = gzip.compress(body, mtime=0)
        if self.chunked:
            parts = [body[start : start + 1_000] for start in range(0, len(body), 1_000)]
            return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
        return body

    @property
    def head(self) -> bytes:
        """Status line and headers."""
        headers = [("Content-Type", self.content_type)]
        if self.chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        elif not (self.endless or self.unannounced):
            headers.append(("Content-Length", str(len(self.wire))))
        if self.gzipped:
            headers.append(("Content-Encoding", "gzip"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*headers, *self.headers))
        return f"HTTP/1.1 {self.status} X\r\n{lines}\r\n".encode()


class ScriptedSite:
    """Serves ``pages`` by path with query; ``script`` holds answers that come first, each once."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {"/robots.txt": Answer("User-agent: *\nDisallow:\n", content_type="text/plain")}
        self.script: dict[str, deque[Answer]] = {}
        self.log: list[tuple[float, str, str]] = []
        self.n_bytes_sent = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._connections: set[asyncio.Task[None]] = set()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._server = server.result(5)
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where the site is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """Paths asked for, robots.txt left out."""
        return [path for _, path, _ in self.log if path != "/robots.txt"]

    def moments(self, path: str) -> list[float]:
        """When a path was asked for, in seconds on the monotonic clock."""
        return [moment for moment, asked, _ in self.log if asked == path]

    def first(self, path: str, *answers: Answer) -> None:
        """Let ``path`` answer thus before its page."""
        self.script.setdefault(path, deque()).extend(answers)

    def close(self) -> None:
        """Stop serving."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while request := (await reader.readline()).split():
                agent = ""
                while header := (await reader.readline()).strip():
                    name, _, value = header.decode("latin-1").partition(":")
                    agent = value.strip() if name.lower() == "user-agent" else agent
                if not await self._answer(writer, request[1].decode("latin-1"), agent):
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, agent: str) -> bool:
        """Answer one request; whether the connection is still of use."""
        self.log.append((time.monotonic(), path, agent))
        waiting = self.script.get(path)
        answer = waiting.popleft() if waiting else self.pages.get(path, Answer("<html>not here</html>", 404))
        await asyncio.sleep(answer.delay)
        if answer.reset and answer.cut_at is None:
            writer.transport.abort()
            return False
        wire = answer.wire
        await self._send(writer, answer.head + wire[: answer.cut_at])
        if answer.cut_at is not None and answer.cut_at < len(wire):
            if answer.reset:
                writer.transport.abort()
            return False
        while answer.endless:
            await self._send(writer, ENDLESS_CHUNK)
            await asyncio.sleep(answer.drip)
        return not answer.unannounced

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.n_bytes_sent += len(data)


def asked_at_most(site: ScriptedSite, interval_seconds: float, *, slack_seconds: float) -> bool:
    """Whether the access log shows no stretch of requests faster than one an interval, but for a little of delay."""
    moments = sorted(moment for moment, _, _ in site.log)
    return all(
        later - earlier >= n * interval_seconds - slack_seconds
        for start, earlier in enumerate(moments)
        for n, later in enumerate(moments[start:])
    )
