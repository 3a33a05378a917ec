"""Browsers that run elsewhere, as the client would find them, and what is left of those that it started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil

from match_assets.source.browser_process import MARK_VARIABLE

START_SECONDS = 60.0


def executable() -> str:
    """The browser that the tests use."""
    from match_assets.config import Settings
    from match_assets.source.browser import find_browser

    nothing = Settings(postgres_url="x", s3_bucket="x", redis_url="x", mlflow_url="x", source_url="x")
    return find_browser(nothing) or "chromium"


@contextlib.contextmanager
def debugged_chromium(folder: Path) -> Iterator[str]:
    """A Chromium with a debugging port; yields its ``http://`` address."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    options = ["--headless", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--disable-dev-shm-usage"]
    with _running([executable(), *options, *sandbox]):
        port_file = folder / "DevToolsActivePort"
        until(lambda: port_file.exists() and "\n" in port_file.read_text())
        yield f"http://127.0.0.1:{port_file.read_text().splitlines()[0]}"


def websocket_of(address: str) -> str:
    """The ``ws://…/devtools/…`` address of a debugged Chromium."""
    found: str = httpx.get(f"{address}/json/version", timeout=10).json()["webSocketDebuggerUrl"]
    return found


@contextlib.contextmanager
def playwright_server(folder: Path) -> Iterator[str]:
    """A Playwright server; yields its ``ws://`` address."""
    options = {"headless": True, "executablePath": executable(), "chromiumSandbox": os.geteuid() != 0, "port": 0}
    config = folder / "playwright.json"
    config.write_text(json.dumps({**options, "host": "127.0.0.1"}))
    command = [sys.executable, "-m", "playwright", "launch-server", "--browser", "chromium", "--config", str(config)]
    told = folder / "playwright.log"
    with told.open("w") as log, _running(command, stdout=log):
        until(lambda: "ws://" in told.read_text())
        yield told.read_text().strip().splitlines()[-1]


def until(is_so: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still does anything: nobody may have collected a dead one yet."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def marked_processes(mark: str) -> list[psutil.Process]:
    """Living processes that bear the mark of one start of a browser."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK_VARIABLE) == mark and is_alive(process):
                found.append(process)
    return found


@contextlib.contextmanager
def _running(command: list[str], stdout: object = subprocess.DEVNULL) -> Iterator[None]:
    """A process with all that it starts, ended by its group."""
    with subprocess.Popen(
        command, stdout=stdout, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:  # type: ignore[call-overload]
        try:
            yield
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, signal.SIGTERM)
            _, left = psutil.wait_procs(children, timeout=5)
            for child in left:
                child.kill()
            process.kill()
