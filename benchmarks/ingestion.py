"""From pages and files to rows: reading through the browser, parsing, writing to PostgreSQL, importing files.

- Pages of the practice site, the pace off, two at a time: through Chromium with everything that the client does (pace,
  judgement, parsing, the log of requests), and by plain HTTP with the same parser. The site's own cost is told in
  processor time of its process.
- A match page of full size, from bytes to records, beside ``json.loads`` of its payload: ``parse_vs_json_loads`` is our
  time over its time, so less than 1 is faster.
- The same rows into PostgreSQL by COPY and one sorted upsert, and by ``executemany``: ``copy_vs_executemany`` is how
  many times the rows a second.
- Thirty seasons of drawn files through ``import-csv``.

    .venv/bin/python benchmarks/ingestion.py --pages 200
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from file_import import measure_import
from match_pages import measure_parsing
from measuring import practice_site, report, require
from warehouse_writes import measure_writes

from match_assets.config import Settings, load_settings
from match_assets.local.servers import create_databases, postgres_dsn
from match_assets.local.stack import ServerStack
from match_assets.source.client import SourceClient
from match_assets.source.parsers import parse_match_page
from match_assets.source.practice.world import draw_world
from match_assets.source.records import MatchPage
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate

PAGES_AT_ONCE = 2
PACE_OFF = "1000000"
BROWSER_VARIABLES = ("MATCH_ASSETS_CHROMIUM", "MATCH_ASSETS_BROWSER_URL")


def finished_matches(n_pages: int) -> list[int]:
    """Ids of matches that the site shows with a match centre from its first start on."""
    world = draw_world()
    seasons = [season for tournament in world.tournaments for season in tournament.seasons[:3]]
    matches = [match for season in seasons for match in season.matches if not match.is_walkover]
    require(len(matches) >= n_pages, f"the drawn world has {len(matches)} such pages, not {n_pages}")
    return [match.match_id for match in matches[:n_pages]]


def path_of(match_id: int) -> str:
    return f"/Matches/{match_id}/Live"


async def read_all(match_ids: Sequence[int], read: Callable[[int], Awaitable[Any]]) -> dict[int, Any]:
    """What ``read`` makes of every match, as many at a time as the project opens pages."""
    waiting, found = iter(match_ids), {}

    async def read_on() -> None:
        for match_id in waiting:
            found[match_id] = await read(match_id)

    await asyncio.gather(*(read_on() for _ in range(PAGES_AT_ONCE)))
    return found


class Readers:
    """Three ways of reading the same pages: the project's client, plain HTTP with its parser, plain HTTP alone."""

    def __init__(self, browser: SourceClient, plain: httpx.AsyncClient, match_ids: Sequence[int]) -> None:
        self._browser, self._plain, self._match_ids = browser, plain, match_ids

    async def browser(self) -> dict[int, MatchPage]:
        """Through Chromium; the log of requests is written as a scraping run writes it."""

        def read(match_id: int) -> Awaitable[MatchPage]:
            return self._browser.page(
                path_of(match_id), lambda body, url: parse_match_page(body, url, match_id=match_id)
            )

        found = await read_all(self._match_ids, read)
        await self._browser.log_fetches()
        return found

    async def texts(self) -> dict[int, str]:
        """The pages by plain HTTP, unread."""

        async def read(match_id: int) -> str:
            return (await self._plain.get(path_of(match_id))).raise_for_status().text

        return await read_all(self._match_ids, read)

    async def httpx(self) -> dict[int, MatchPage]:
        """By plain HTTP, read by the same parser."""

        async def read(match_id: int) -> MatchPage:
            answer = (await self._plain.get(path_of(match_id))).raise_for_status()
            return parse_match_page(answer.content, str(answer.url), match_id=match_id)

        return await read_all(self._match_ids, read)


async def time_reading(
    settings: Settings, site_pid: int, match_ids: Sequence[int], rounds: int
) -> tuple[dict[str, float], dict[int, str]]:
    """Quickest seconds of each way of reading, and milliseconds of processor time that the site takes for a page."""
    engine = open_engine(settings.postgres_url)
    site, best = psutil.Process(site_pid), dict[str, float]()

    def site_milliseconds() -> float:
        return 1000 * sum(site.cpu_times()[:2]) / len(match_ids)

    begun = time.perf_counter()
    async with (
        SourceClient(settings, engine, pages_at_once=PAGES_AT_ONCE) as client,
        httpx.AsyncClient(base_url=settings.source_url, trust_env=False, timeout=30) as plain,
    ):
        best["browser_start"] = time.perf_counter() - begun
        readers = Readers(client, plain, match_ids)
        before = site_milliseconds()
        texts = await readers.texts()
        best["site_first"] = site_milliseconds() - before
        # also the warm-up: both connections are open and every page is rendered before anything is timed
        require(await readers.browser() == await readers.httpx(), "pages read through the browser and by plain HTTP")
        best["site_again"] = float("inf")
        for _ in range(rounds):
            for name, read in (("browser", readers.browser), ("httpx", readers.httpx), ("texts", readers.texts)):
                before, begun = site_milliseconds(), time.perf_counter()
                await read()
                best[name] = min(best.get(name, float("inf")), time.perf_counter() - begun)
                best["site_again"] = min(best["site_again"], site_milliseconds() - before)
    engine.dispose()
    return best, texts


def _empty_database(stack: ServerStack, name: str) -> str:
    port, password = stack.ports["postgres"], stack.secrets["postgres"]
    create_databases(port, password, (name,))
    return postgres_dsn(port, password, name, driver="psycopg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds, of which the quickest counts")
    arguments = parser.parse_args()
    match_ids = finished_matches(arguments.pages)
    with (
        tempfile.TemporaryDirectory(prefix="match-assets-bench-", ignore_cleanup_errors=True) as folder,
        ServerStack(Path(folder) / "state") as stack,
        practice_site(Path(folder) / "site") as (url, site_pid),
    ):
        own = {name: os.environ[name] for name in BROWSER_VARIABLES if name in os.environ}
        source = {"MATCH_ASSETS_SOURCE_URL": url, "MATCH_ASSETS_REQUESTS_PER_MINUTE": PACE_OFF}
        settings = load_settings({**stack.settings_environment(), **own, **source})
        migrate(settings.postgres_url)
        seconds, texts = asyncio.run(time_reading(settings, site_pid, match_ids, arguments.rounds))
        written, imported = (part(_empty_database(stack, part.__name__)) for part in (measure_writes, measure_import))
    parsing = measure_parsing(5 * arguments.rounds)
    n_pages, n_bytes = len(texts), sum(len(text.encode()) for text in texts.values())
    print(
        f"{n_pages} match pages of {n_bytes / n_pages / 1000:.1f} kB read alike in both ways, {PAGES_AT_ONCE} at once"
    )
    print(
        f"Chromium {seconds['browser']:.2f} s (start {seconds['browser_start']:.2f} s), httpx {seconds['httpx']:.2f} s"
    )
    report(
        {
            "pages_per_second": n_pages / seconds["browser"],
            "browser_vs_httpx": seconds["httpx"] / seconds["browser"],
            "practice_site_pages_per_second": n_pages / seconds["texts"],
            "httpx_pages_per_second": n_pages / seconds["httpx"],
            "browser_start_seconds": seconds["browser_start"],
            "practice_site_first_cpu_ms": seconds["site_first"],
            "practice_site_again_cpu_ms": seconds["site_again"],
            **parsing,
            **written,
            **imported,
        }
    )


if __name__ == "__main__":
    main()
