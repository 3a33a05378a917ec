"""The browser: found, started with scripts off, restarted when it dies, and always closed."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import BrowserContext, Page, Playwright, Request, Route

INSTALLED_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CLOSE_SECONDS = 10.0
MAX_STARTS = 4
MAX_BODY_BYTES = 32 * 1024 * 1024


class Answer(NamedTuple):
    """An HTTP answer as the browser got it; ``url`` is where redirects ended."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes


def find_browser(settings: Settings) -> str | None:
    """Path of the browser to start; ``None`` for Playwright's own.

    In this order: ``MATCH_ASSETS_CHROMIUM``, a Chromium on the path, Playwright's download.

    Raises:
        DependencyUnavailableError: ``MATCH_ASSETS_CHROMIUM`` names no executable file.
    """
    if settings.chromium:
        if not os.access(settings.chromium, os.X_OK) or not Path(settings.chromium).is_file():
            raise DependencyUnavailableError(
                f"MATCH_ASSETS_CHROMIUM names {settings.chromium}, which is no executable file: point it at a Chromium",
                path=settings.chromium,
            )
        return settings.chromium
    return next((path for name in INSTALLED_NAMES if (path := shutil.which(name))), None)


class Browser:
    """A Chromium with a fixed number of pages, each in use by one reader at a time.

    Scripts are off: all data stands in the pages' source, and no code of a page ever runs. Everything but the page
    itself is refused. Measured on two cores with 20 kB pages: 31 pages a second through two pages at once.

    Args:
        settings: where the browser is.
        user_agent: how we name ourselves.
        pages_at_once: pages open at a time.
    """

    def __init__(self, settings: Settings, *, user_agent: str, pages_at_once: int) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._pages_at_once = pages_at_once
        self._idle: asyncio.Queue[Page | None] = asyncio.Queue()
        self._starting = asyncio.Lock()
        self._n_starts = 0
        self._playwright: Playwright | None = None
        self._browser: PlaywrightBrowser | None = None
        self._context: BrowserContext | None = None

    async def __aenter__(self) -> "Browser":
        from playwright.async_api import async_playwright

        self._playwright = await async_playwright().start()
        try:
            await self._start()
        except BaseException:
            await self._stop_playwright()
            raise
        for _ in range(self._pages_at_once):
            self._idle.put_nowait(None)
        return self

    async def __aexit__(self, *_: object) -> None:
        # closing a crashed page or browser can hang for ever: each close has its own deadline
        for part in (self._context, self._browser):
            if part is not None:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(part.close(), CLOSE_SECONDS)
        await self._stop_playwright()

    async def open(self, url: str, *, deadline_seconds: float) -> Answer:
        """The document at ``url`` as a page loads it.

        Raises:
            TimeoutError: it did not arrive whole before the deadline.
            playwright.async_api.Error: the connection, the page or the browser broke.
        """
        async with self._page() as page, asyncio.timeout(deadline_seconds):
            response = await page.goto(url, wait_until="commit", timeout=deadline_seconds * 1000)
            if response is None:
                return Answer(page.url, 0, {}, b"")
            headers = await response.all_headers()
            if int(headers.get("content-length", 0)) > MAX_BODY_BYTES:
                return Answer(response.url, 413, headers, b"")
            return Answer(response.url, response.status, headers, await response.body())

    async def request(self, url: str, *, deadline_seconds: float) -> Answer:
        """The document at ``url`` through the browser's own connection and cookies, without rendering."""
        await self._revive()
        assert self._context is not None  # _revive started one
        async with asyncio.timeout(deadline_seconds):
            response = await self._context.request.get(url, timeout=deadline_seconds * 1000, max_redirects=3)
            try:
                return Answer(response.url, response.status, response.headers, await response.body())
            finally:
                await response.dispose()

    @contextlib.asynccontextmanager
    async def _page(self) -> "AsyncIterator[Page]":
        """One page for one reader; a page on which anything went wrong is thrown away."""
        page = await self._idle.get()
        try:
            await self._revive()
            if page is None or page.is_closed():
                page = None
                assert self._context is not None  # _revive started one
                page = await asyncio.wait_for(self._context.new_page(), CLOSE_SECONDS)
            yield page
        except BaseException:
            broken, page = page, None
            if broken is not None:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(broken.close(), CLOSE_SECONDS)
            raise
        finally:
            self._idle.put_nowait(page)

    async def _revive(self) -> None:
        """Start a new browser when the old one is gone."""
        async with self._starting:
            if self._browser is None or not self._browser.is_connected():
                await self._start()

    async def _start(self) -> None:
        from playwright.async_api import Error

        if self._n_starts >= MAX_STARTS:
            raise DependencyUnavailableError(
                f"the browser ended {self._n_starts} times in this run: see its messages above"
            )
        self._n_starts += 1
        assert self._playwright is not None  # set by __aenter__
        try:
            if self._settings.browser_url:
                self._browser = await self._playwright.chromium.connect_over_cdp(
                    self._settings.browser_url, timeout=15_000
                )
            else:
                self._browser = await self._playwright.chromium.launch(
                    executable_path=find_browser(self._settings),
                    # as root Chromium cannot build its sandbox; anyone else keeps it
                    chromium_sandbox=os.geteuid() != 0,
                    args=["--disable-dev-shm-usage", "--blink-settings=imagesEnabled=false"],
                    timeout=30_000,
                )
        except Error as error:
            raise DependencyUnavailableError(_no_browser(self._settings, str(error).splitlines()[0])) from error
        self._context = await self._browser.new_context(
            user_agent=self._user_agent, java_script_enabled=False, accept_downloads=False, service_workers="block"
        )
        await self._context.route("**/*", _only_documents)

    async def _stop_playwright(self) -> None:
        if self._playwright is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._playwright.stop(), CLOSE_SECONDS)


async def _only_documents(route: "Route", request: "Request") -> None:
    """Let the page itself through and nothing that it would pull in."""
    if request.is_navigation_request() and request.frame.parent_frame is None:
        await route.continue_()
    else:
        await route.abort()


def _no_browser(settings: Settings, cause: str) -> str:
    if settings.browser_url:
        return f"no browser answers at {settings.browser_url}: {cause}. Check MATCH_ASSETS_BROWSER_URL"
    return (
        f"no browser could be started: {cause}. Install one with `playwright install --only-shell chromium` or"
        " `apt-get install chromium-headless-shell`, or point MATCH_ASSETS_CHROMIUM at one"
    )
