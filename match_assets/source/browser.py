"""The browser: found or reached, asked for one document at a time, started anew when it dies, and always closed."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from match_assets.config import Settings
from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.source.browser_process import BrowserProcess
from match_assets.source.document import NoAnswerError, Tab, open_tab

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import BrowserContext, BrowserType, Playwright

INSTALLED_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
START_SECONDS = 30.0
REACH_SECONDS = 15.0
PROBE_SECONDS = 3.0
# closing everything takes three of these at most: a run that is told to end has ten seconds
CLOSE_SECONDS = 2.5
MAX_STARTS = 4
Endpoint = Literal["own", "cdp", "playwright"]


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


def endpoint_of(settings: Settings) -> Endpoint:
    """How the browser is reached: started by us, a Chromium's debugging port, or a Playwright server.

    Raises:
        ConfigurationError: ``MATCH_ASSETS_BROWSER_URL`` is neither an HTTP nor a WebSocket address.
    """
    if not settings.browser_url:
        return "own"
    parts = urlsplit(settings.browser_url)
    if not parts.hostname or parts.scheme not in {"http", "https", "ws", "wss"}:
        raise ConfigurationError(
            "MATCH_ASSETS_BROWSER_URL: neither http(s)://host:port nor ws(s)://host:port/devtools/browser/id of a"
            " Chromium's debugging port, nor ws(s)://host:port/ of a Playwright server"
        )
    return "cdp" if parts.scheme.startswith("http") or "/devtools/" in parts.path else "playwright"


class Browser:
    """A Chromium with a fixed number of tabs, each in use by one reader at a time.

    Scripts are off, and no page is ever opened: see ``document``. Measured on two cores with pages of 1.1 MB: 32 a
    second through one tab.

    Args:
        settings: where the browser is.
        user_agent: how we name ourselves.
        pages_at_once: tabs open at a time.
    """

    def __init__(self, settings: Settings, *, user_agent: str, pages_at_once: int) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._pages_at_once = pages_at_once
        self._idle: asyncio.Queue[Tab | None] = asyncio.Queue()
        self._starting = asyncio.Lock()
        self._n_starts = 0
        self._is_doubted = False
        self._process = BrowserProcess()
        self._playwright: Playwright | None = None
        self._browser: PlaywrightBrowser | None = None
        self._context: BrowserContext | None = None

    async def __aenter__(self) -> "Browser":
        try:
            await self._start()
        except BaseException:
            await self._close()
            raise
        for _ in range(self._pages_at_once):
            self._idle.put_nowait(None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """A tab for one reader; a tab on which anything went wrong is thrown away.

        Raises:
            NoAnswerError: the browser gave none in time.
            DependencyUnavailableError: it is gone and was started as often as it may be.
        """
        tab = await self._idle.get()
        try:
            context = await self._revived()
            if tab is None or tab.is_closed:
                tab = None
                tab = await open_tab(context)
            yield tab
        except BaseException as error:
            broken, tab = tab, None
            self._is_doubted = self._is_doubted or isinstance(error, NoAnswerError)
            # a run that is told to end closes the whole browser in a moment, and has no time for one page of it
            if broken is not None and isinstance(error, Exception):
                await broken.close()
            raise
        finally:
            self._idle.put_nowait(tab)

    async def _revived(self) -> "BrowserContext":
        """The context in which to work; of a new browser when the old one is gone or no longer reacts."""
        async with self._starting:
            if not await self._is_alive():
                await self._close()
                await self._start()
            assert self._context is not None  # _start made one
            return self._context

    async def _is_alive(self) -> bool:
        if self._browser is None or self._context is None or not self._browser.is_connected():
            return False
        if self._is_doubted:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    session = await self._browser.new_browser_cdp_session()
                    await session.send("Browser.getVersion")
                    await session.detach()
            except Exception:  # noqa: BLE001  # however it fails to answer: it is of no use any more
                return False
            self._is_doubted = False
        return True

    async def _start(self) -> None:
        """Start the driver and the browser, or reach one that runs elsewhere."""
        from playwright.async_api import Error, async_playwright

        if self._n_starts >= MAX_STARTS:
            raise DependencyUnavailableError(
                f"the browser ended {self._n_starts} times in this run and is not started again: look at the memory that"
                " is left (each page takes some 100 MB), then run the same again"
            )
        self._n_starts += 1
        self._is_doubted = False
        self._playwright = await async_playwright().start()
        try:
            self._browser = await self._reached(self._playwright.chromium)
            self._context = await self._browser.new_context(
                user_agent=self._user_agent, java_script_enabled=False, accept_downloads=False, service_workers="block"
            )
        except Error as error:
            raise DependencyUnavailableError(_no_browser(self._settings, str(error).splitlines()[0])) from error

    async def _reached(self, chromium: "BrowserType") -> "PlaywrightBrowser":
        endpoint, address = endpoint_of(self._settings), self._settings.browser_url
        if endpoint == "cdp" and address:
            return await chromium.connect_over_cdp(address, timeout=REACH_SECONDS * 1000)
        if endpoint == "playwright" and address:
            return await chromium.connect(address, timeout=REACH_SECONDS * 1000)
        executable = find_browser(self._settings)
        if executable is None and not _is_downloaded(chromium.executable_path):
            raise DependencyUnavailableError(_no_browser(self._settings, "none is installed"))
        self._process = BrowserProcess()
        browser = await chromium.launch(
            executable_path=executable,
            # as root Chromium cannot build its sandbox; anyone else keeps it
            chromium_sandbox=os.geteuid() != 0,
            args=["--disable-dev-shm-usage"],
            env=self._process.environment,
            timeout=START_SECONDS * 1000,
        )
        await asyncio.to_thread(self._process.note_profile)
        return browser

    async def _close(self) -> None:
        """Close what there is; closing a browser that hangs would hang for ever, so each part has its own deadline."""
        is_remote = endpoint_of(self._settings) != "own"
        context, browser, playwright = self._context, self._browser, self._playwright
        self._context = self._browser = self._playwright = None
        if context is not None and is_remote:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(context.close(), CLOSE_SECONDS)
        if browser is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(browser.close(), CLOSE_SECONDS)
        if not is_remote:
            await asyncio.to_thread(self._process.end)
        if playwright is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(playwright.stop(), CLOSE_SECONDS)


def _is_downloaded(expected: str) -> bool:
    """Whether Playwright has a Chromium of its own; launching none would leave its empty folders behind each time."""
    folder = next((parent for parent in Path(expected).parents if parent.name.startswith("chromium-")), None)
    return folder is None or any(folder.parent.glob("chromium*"))


def _no_browser(settings: Settings, cause: str) -> str:
    if settings.browser_url:
        # a hosted browser's address often carries a key in its query: it is not repeated
        parts = urlsplit(settings.browser_url)
        where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        cause = cause.replace(settings.browser_url, where)
        return f"no browser answers at {where}: {cause}. Check MATCH_ASSETS_BROWSER_URL"
    return (
        f"no browser could be started: {cause}. Install one with `playwright install --only-shell chromium` or"
        " `apt-get install chromium-headless-shell`, or point MATCH_ASSETS_CHROMIUM at one"
    )
