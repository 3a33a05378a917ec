"""The browser as it dies, hangs, is absent or runs elsewhere."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from match_assets.config import Settings
from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.source.browser import MAX_STARTS, endpoint_of
from match_assets.source.client import SourceClient
from tests.integration.ingestion import browsers
from tests.integration.ingestion.conftest import PAGE, QUICK, Visitor, read
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

IMPATIENT = msgspec.structs.replace(QUICK, deadline_seconds=2.0)


def processes(client: SourceClient) -> list[psutil.Process]:
    return client._browser._process.living()


def main_process(client: SourceClient) -> psutil.Process:
    """The browser itself: the one whose children are the others."""
    return max(processes(client), key=lambda process: len(process.children()))


def profiles(client: SourceClient) -> set[Path]:
    return client._browser._process._profiles


# ING-20
def test_a_killed_browser_is_replaced_and_nothing_of_either_stays(visitor: Visitor, site: ScriptedSite) -> None:
    site.first("/2", Answer("<html>fine</html>", delay=20))
    left: list[Any] = []

    async def work(client: SourceClient) -> list[str]:
        found = [await client.page("/1", read)]
        left.extend(processes(client))
        left.extend(profiles(client))
        asking = asyncio.ensure_future(client.page("/2", read))
        while "/2" not in site.paths:
            await asyncio.sleep(0.02)
        main_process(client).kill()
        found.append(await asking)
        left.extend(processes(client))
        left.extend(profiles(client))
        return found

    assert visitor.run(work) == [PAGE.body] * 2
    assert site.paths == ["/1", "/2", "/2"]
    assert any(isinstance(one, Path) for one in left)
    for one in left:
        assert not (one.exists() if isinstance(one, Path) else browsers.is_alive(one)), f"{one} is still there"


# ING-20
def test_a_browser_that_always_dies_is_given_up(visitor: Visitor, site: ScriptedSite) -> None:
    visitor.change(requests_per_minute=600_000)

    async def work(client: SourceClient) -> None:
        for number in range(MAX_STARTS + 1):
            await client.page(f"/{number % 3 + 1}", read)
            main_process(client).kill()

    with pytest.raises(DependencyUnavailableError, match=f"the browser ended {MAX_STARTS} times") as caught:
        visitor.run(work)
    assert caught.value.exit_code == 4
    assert len(site.paths) == MAX_STARTS, "without a browser nothing was asked"


# ING-20
def test_a_crashed_or_killed_page_is_replaced(visitor: Visitor, site: ScriptedSite) -> None:
    async def work(client: SourceClient) -> list[str]:
        found = [await client.page("/1", read)]
        context = client._browser._context
        assert context is not None
        with pytest.raises(Exception, match="chrome://crash"):
            await context.pages[0].goto("chrome://crash")
        found.append(await client.page("/2", read))
        for process in processes(client):
            if "--type=renderer" in process.cmdline():
                process.kill()
        found.append(await client.page("/3", read))
        assert client._browser._n_starts == 1, "the browser itself was well"
        return found

    assert visitor.run(work) == [PAGE.body] * 3


# ING-20
def test_a_stopped_renderer_keeps_nobody_waiting(visitor: Visitor, site: ScriptedSite) -> None:
    async def work(client: SourceClient) -> list[str]:
        found = [await client.page("/1", read)]
        for process in processes(client):
            if "--type=renderer" in process.cmdline():
                process.suspend()
        found.append(await client.page("/2", read))
        return found

    assert visitor.run(work, patience=IMPATIENT) == [PAGE.body] * 2


# ING-20
def test_a_stopped_browser_is_replaced_and_the_close_has_a_deadline(visitor: Visitor, site: ScriptedSite) -> None:
    stopped: list[psutil.Process] = []

    async def work(client: SourceClient) -> list[str]:
        found = [await client.page("/1", read)]
        stopped.append(main_process(client))
        stopped[-1].suspend()
        found.append(await client.page("/2", read))
        stopped.append(main_process(client))
        stopped[-1].suspend()
        return found

    assert visitor.run(work, patience=IMPATIENT) == [PAGE.body] * 2
    assert not any(browsers.is_alive(process) for process in stopped)


# ING-20
def test_a_killed_driver_is_replaced(visitor: Visitor, site: ScriptedSite) -> None:
    async def work(client: SourceClient) -> list[str]:
        found = [await client.page("/1", read)]
        root = min(processes(client), key=lambda process: process.create_time())
        driver = root.parent()
        assert driver is not None
        assert driver.pid != os.getpid()
        driver.kill()
        found.append(await client.page("/2", read))
        return found

    assert visitor.run(work) == [PAGE.body] * 2


# ING-20
def test_nothing_is_left_of_a_killed_run(visitor: Visitor, site: ScriptedSite, tmp_path: Path) -> None:
    site.pages["/1"] = Answer("<html>fine</html>", delay=600)
    script = tmp_path / "run.py"
    script.write_text(RUN)
    settings = tmp_path / "settings.json"
    settings.write_text(visitor.settings.model_dump_json())
    command = [sys.executable, str(script), str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        mark, *folders = process.stdout.readline().split()
        browsers.until(lambda: "/1" in site.paths)
        assert browsers.marked_processes(mark)
        process.kill()
    browsers.until(lambda: not browsers.marked_processes(mark), 30)
    assert folders
    browsers.until(lambda: not any(Path(folder).exists() for folder in folders), 30)


RUN = """
import asyncio, sys
from pathlib import Path
from match_assets.config import Settings
from match_assets.source.client import SourceClient
from match_assets.warehouse.database import engine

async def main():
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())
    async with SourceClient(settings, engine(settings.postgres_url)) as client:
        process = client._browser._process
        print(process.mark, *process._profiles, flush=True)
        await client.page("/1", lambda body, url: body)

asyncio.run(main())
"""


# ING-20
def test_no_browser_at_all_says_how_to_get_one(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(DependencyUnavailableError, match=r"playwright install.*apt-get install.*MATCH_ASSETS_CHROMIUM"):
        visitor.ask("/1")
    assert list(tmp_path.glob("playwright*")) == [], "no folder of a browser that never was"


# SEC-06
def test_the_browser_keeps_its_sandbox_unless_we_are_root(
    visitor: Visitor, site: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATCH_ASSETS_POSTGRES_URL", "secret")
    monkeypatch.setenv("MATCH_ASSETS_STACK_ID", "of-the-stack")

    async def look(client: SourceClient) -> tuple[set[bool], list[dict[str, str]]]:
        found = processes(client)
        own = [process for process in found if not any("--type=" in part for part in process.cmdline())]
        return {"--no-sandbox" in process.cmdline() for process in own}, [process.environ() for process in own]

    options, environments = visitor.run(look)
    assert options == {os.geteuid() == 0}
    for environment in environments:
        assert "secret" not in environment.values()
        assert environment["MATCH_ASSETS_STACK_ID"] == "of-the-stack", "the supervisor finds what was left over by it"


# SEC-06
def test_as_another_user_the_browser_is_asked_for_with_its_sandbox(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = tmp_path / "arguments"
    listening = tmp_path / "chromium"
    listening.write_text(f'#!/bin/sh\necho "$@" > {arguments}\nexit 1\n')
    listening.chmod(0o755)
    visitor.change(chromium=str(listening))
    for user, has_sandbox in ((0, False), (1000, True)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        with pytest.raises(DependencyUnavailableError):
            visitor.ask("/1")
        assert ("--no-sandbox" not in arguments.read_text()) == has_sandbox


# SEC-06
def test_chromium_really_runs_in_its_sandbox_for_another_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("we are another user already: every other test shows it")
    as_another = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if shutil.which("unshare") is None or subprocess.run([*as_another, "true"], check=False).returncode:
        pytest.skip("this machine allows no user namespaces")
    script = tmp_path / "run.py"
    script.write_text(SANDBOXED)
    told = subprocess.run(
        [*as_another, sys.executable, str(script)], cwd=Path.cwd(), check=True, capture_output=True, text=True
    )
    assert told.stdout.split() == ["1000", "True", "False"]


SANDBOXED = """
import asyncio, os
from match_assets.config import Settings
from match_assets.source.browser import Browser

async def main():
    nothing = Settings(postgres_url="x", s3_bucket="x", redis_url="x", mlflow_url="x", source_url="x")
    async with Browser(nothing, user_agent="x", pages_at_once=1) as browser:
        async with browser.tab():
            found = [process.cmdline() for process in browser._process.living()]
    print(os.geteuid(), bool(found), any("--no-sandbox" in command for command in found))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chromium that was started by somebody else."""
    with browsers.debugged_chromium(tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_browser_elsewhere_is_used_and_left_running(
    visitor: Visitor, site: ScriptedSite, remote: str, scheme: str
) -> None:
    address = remote if scheme == "http" else browsers.websocket_of(remote)
    visitor.change(browser_url=address, chromium="/nowhere")
    site.first("/2", Answer("<html>fi", unannounced=True))
    for _ in range(2):
        assert visitor.ask("/1", "/2") == [PAGE.body] * 2
    assert {agent.partition("/")[0] for _, _, agent in site.log} == {"match-assets"}

    async def look(client: SourceClient) -> tuple[int, int]:
        await client.page("/1", read)
        browser = client._browser._browser
        assert browser is not None
        session = await browser.new_browser_cdp_session()
        contexts = (await session.send("Target.getBrowserContexts"))["browserContextIds"]
        return len(contexts), len(processes(client))

    assert visitor.run(look) == (1, 0), "one context of this run, none of the runs before, and no browser of our own"


def test_a_playwright_server_is_used(visitor: Visitor, site: ScriptedSite, tmp_path: Path) -> None:
    with browsers.playwright_server(tmp_path) as address:
        visitor.change(browser_url=address, chromium="/nowhere")
        assert visitor.ask("/1", "/2") == [PAGE.body] * 2
        site.pages["/3"] = Answer("<html>fine", endless=True)
        error, found = visitor.outcomes("/3", "/1")
        assert "are taken at most" in error.message
        assert found == PAGE.body


def test_a_browser_elsewhere_that_is_away_is_named_without_its_key(visitor: Visitor, site: ScriptedSite) -> None:
    for address in ("http://127.0.0.1:9/?token=s3cret", "ws://u:s3cret@127.0.0.1:9/x?token=s3cret"):
        visitor.change(browser_url=address)
        with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9.*MATCH_ASSETS_BROWSER_URL") as caught:
            visitor.ask("/1")
        assert "s3cret" not in caught.value.message
    assert site.log == []


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        (None, "own"),
        ("http://grid:9222", "cdp"),
        ("https://grid/x?token=y", "cdp"),
        ("ws://grid:9222/devtools/browser/1", "cdp"),
        ("wss://grid/?token=y", "playwright"),
        ("ws://grid:3000/", "playwright"),
    ],
)
def test_the_address_says_how_a_browser_is_reached(
    source_settings: Settings, address: str | None, endpoint: str
) -> None:
    assert endpoint_of(source_settings.model_copy(update={"browser_url": address})) == endpoint


@pytest.mark.parametrize("address", ["grid:9222", "ftp://grid", "http://", "/run/browser.sock"])
def test_an_address_that_is_none_is_refused(source_settings: Settings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="MATCH_ASSETS_BROWSER_URL") as caught:
        endpoint_of(source_settings.model_copy(update={"browser_url": address}))
    assert caught.value.exit_code == 2
