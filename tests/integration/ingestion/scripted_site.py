"""A site on a free loopback port that answers from a script and keeps an access log: the log proves politeness."""

import asyncio
import threading
import time
from collections import deque
from typing import NamedTuple


class Answer(NamedTuple):
    """One HTTP answer; ``cut_at`` closes the connection after so many bytes of the body, ``delay`` comes first."""

    body: str
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0


class ScriptedSite:
    """Serves ``pages`` by path with query; ``script`` holds answers that come first, each once."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {"/robots.txt": Answer("User-agent: *\nDisallow:\n", content_type="text/plain")}
        self.script: dict[str, deque[Answer]] = {}
        self.log: list[tuple[float, str, str]] = []
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
                await self._answer(writer, request[1].decode("latin-1"), agent)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, agent: str) -> None:
        self.log.append((time.monotonic(), path, agent))
        waiting = self.script.get(path)
        answer = waiting.popleft() if waiting else self.pages.get(path, Answer("<html>not here</html>", 404))
        await asyncio.sleep(answer.delay)
        body = answer.body.encode()
        headers = (("Content-Type", answer.content_type), ("Content-Length", str(len(body))), *answer.headers)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        writer.write(f"HTTP/1.1 {answer.status} X\r\n{head}\r\n".encode() + body)
        await writer.drain()
