"""Match pages of the practice site: through Chromium as the project reads them, and by plain HTTP with the same parser.

The pace is off and the pages are the same finished matches in every way of reading them, two at a time. The browser's
figure holds everything that the client does with a page: pace, judgement, parsing, the log of requests in PostgreSQL.
The parser alone stands beside ``json.loads`` of the payload inside the page. The site's own cost is told in processor
time of its process.

    .venv/bin/python benchmarks/bench_ingestion.py --pages 200
"""

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from measuring import practice_site, quickest, report, require

from match_assets.config import Settings, load_settings
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
PAYLOAD = re.compile(r"^\s*matchCentreData\s*:\s*(\{.*\}),?$", re.MULTILINE)


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
                path_of(match_id), lambda text, url: parse_match_page(text, url, match_id=match_id)
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
            return parse_match_page(answer.text, str(answer.url), match_id=match_id)

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


def time_parsing(texts: dict[int, str], rounds: int) -> dict[str, float]:
    """Seconds for all pages by our parser, and for their payloads alone by ``json.loads``."""
    payloads = {match_id: PAYLOAD.search(text) for match_id, text in texts.items()}
    require(all(payloads.values()), "a page without a match centre")
    plain = {match_id: found[1] for match_id, found in payloads.items() if found}
    for match_id, payload in plain.items():
        centre, page = json.loads(payload), parse_match_page(texts[match_id], "", match_id=match_id)
        for team, side in zip(page.teams, ("home", "away"), strict=True):
            shots = sum(centre[side]["stats"].get("shotsTotal", {}).values())
            require((team.team_id, team.shots) == (centre[side]["teamId"], shots), f"shots in match {match_id}")
    return quickest(
        {
            "parser": lambda: [parse_match_page(text, "", match_id=key) for key, text in texts.items()],
            "json": lambda: [json.loads(payload) for payload in plain.values()],
        },
        rounds=rounds,
    )


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
    parsing = time_parsing(texts, 5 * arguments.rounds)
    n_pages, n_bytes = len(texts), sum(len(text.encode()) for text in texts.values())
    print(
        f"{n_pages} match pages of {n_bytes / n_pages / 1000:.1f} kB read alike in both ways, {PAGES_AT_ONCE} at once"
    )
    print(
        f"Chromium {seconds['browser']:.2f} s (start {seconds['browser_start']:.2f} s), httpx {seconds['httpx']:.2f} s"
    )
    print(
        f"parser {1000 * parsing['parser'] / n_pages:.3f} ms a page, json.loads {1000 * parsing['json'] / n_pages:.3f}"
    )
    report(
        {
            "pages_per_second": n_pages / seconds["browser"],
            "browser_vs_httpx": seconds["httpx"] / seconds["browser"],
            "parse_vs_json_loads": parsing["json"] / parsing["parser"],
            "practice_site_pages_per_second": n_pages / seconds["texts"],
            "httpx_pages_per_second": n_pages / seconds["httpx"],
            "browser_start_seconds": seconds["browser_start"],
            "practice_site_first_cpu_ms": seconds["site_first"],
            "practice_site_again_cpu_ms": seconds["site_again"],
        }
    )


if __name__ == "__main__":
    main()
