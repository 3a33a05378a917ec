"""The client's browser over plain HTTP, for tests of what is asked and stored: a browser costs a second a run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from match_assets.source.document import Answer


class PlainBrowser:
    """What the client needs of a browser, over plain HTTP."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def __aenter__(self) -> "PlainBrowser":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator["PlainBrowser"]:
        """A tab is nothing of its own here."""
        yield self

    async def read(self, url: str, *, deadline_seconds: float) -> Answer:
        """One document."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        async with asyncio.timeout(deadline_seconds):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            status = int((await reader.readline()).split()[1])
            headers = {}
            while line := (await reader.readline()).decode("latin-1").strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers["content-length"]))
            writer.close()
        return Answer(url, status, headers, body)
