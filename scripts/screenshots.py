"""Pictures of the running stack for the documentation: graph, assets, a refused season, a correction, lineage of columns.

    make demo && make screenshots

Needs the stack that `make demo` has filled, on the practice site; writes `docs/images/*.png`. For two of the pictures it makes
news: three kick-offs of a season are put into another year, which its gate refuses until the site is asked again, and the
site corrects a result of an old season, which every later season of that tournament replays.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright
from sqlalchemy import text

from match_assets.config import Settings, load_settings
from match_assets.source.browser import find_browser
from match_assets.store import Store
from match_assets.warehouse.database import engine as open_engine

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDE = {"width": 1500, "height": 860}
REFUSED = ("PRA-Second", "2022")
CORRECTED = ("PRA-First", "2022")
SPOIL = """
UPDATE matches SET kick_off_utc = kick_off_utc + interval '3 years', content_hash = 'spoilt ' || match_id WHERE match_id IN (
    SELECT match_id FROM matches WHERE tournament = :tournament AND season = :season ORDER BY match_id LIMIT 3
)
"""


def backfill(tournament: str, season: str, *options: str) -> int:
    """Exit code of ``match-assets backfill``."""
    line = [sys.executable, "-m", "match_assets.cli", "backfill", tournament, season, *options]
    return subprocess.run(line, check=False, capture_output=True).returncode


async def asset_graph(page: Page, dagster: str) -> None:
    """The lineage of all groups, expanded."""
    await page.goto(f"{dagster}/asset-groups", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.get_by_text("Hide navigation").click()
    # the button beside "Jump to..." hides the list of groups
    await page.mouse.click(340, 80)
    # "Expand all groups"
    await page.keyboard.press("Alt+e")
    await page.wait_for_timeout(2000)
    await page.screenshot(path=IMAGES / "asset-graph.png")


async def asset_page(page: Page, dagster: str) -> None:
    """One asset: its newest materialisation and its checks."""
    await page.goto(f"{dagster}/assets/finished_matches?view=overview", wait_until="networkidle")
    await page.get_by_text("Kinds").first.wait_for(timeout=20_000)
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "asset-overview.png")
    await page.goto(f"{dagster}/assets/finished_matches?view=checks", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "asset-checks.png")


async def refused_season(page: Page, settings: Settings) -> None:
    """A gate that refuses: the rule, its count, its rows. Afterwards the site is asked again, which mends it."""
    tournament, season = REFUSED
    engine = open_engine(settings.postgres_url)
    with engine.begin() as connection:
        connection.execute(text(SPOIL), {"tournament": tournament, "season": season})
    engine.dispose()
    if backfill(tournament, season, "--no-scrape") != 3:
        raise SystemExit("the spoilt season was not refused")
    await page.goto(f"{settings.dagster_url}/assets/raw_matches?view=checks", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "refused-season.png")
    if backfill(tournament, season, "--every-month") != 0:
        raise SystemExit("asking the site again did not mend the season")


async def corrected_result(page: Page, settings: Settings) -> None:
    """The partitions of a table after an old result was corrected."""
    tournament, season = CORRECTED
    store = Store.from_settings(settings)
    match_id = store.read("finished_matches", f"{season}|{tournament}")["match_id"][0]
    later = f"{int(season) + 1}|{tournament}"
    before = store.pointer("team_match_features", later)
    order = {"match_id": match_id, "home_goals": 7, "away_goals": 6}
    httpx.post(f"{settings.source_url.rstrip('/')}/_practice/correct", json=order, timeout=30).raise_for_status()
    if backfill(tournament, season, "--every-month") != 0:
        raise SystemExit("the corrected season was not carried")
    for _ in range(180):
        if store.pointer("team_match_features", later) != before:
            break
        await asyncio.sleep(1.0)  # the sensor `missing_or_late` finds the later seasons
    else:
        raise SystemExit("the correction did not reach the season after it")
    url = f"{settings.dagster_url}/assets/team_match_features?view=partitions&partition={later.replace('|', '%7C')}"
    await page.goto(url, wait_until="networkidle")
    await page.get_by_text("View all historical events").wait_for(timeout=60_000)
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "partitions.png")


async def column_lineage(page: Page, dagster: str) -> None:
    """What each column is made of: the open-source webserver draws no graph of columns, so their descriptions say it."""
    await page.goto(f"{dagster}/assets/team_match_features?view=overview", wait_until="networkidle")
    await page.get_by_placeholder("Filter columns").fill("elo")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "column-lineage.png")


async def fixtures_page(page: Page, service: str) -> None:
    """What a person sees."""
    await page.goto(service, wait_until="networkidle")
    await page.screenshot(path=IMAGES / "fixtures.png")


async def main() -> None:
    """All pictures, one browser."""
    settings = load_settings()
    dagster = settings.dagster_url.rstrip("/")
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(settings), args=["--no-sandbox"])
        page = await browser.new_page(viewport=WIDE, device_scale_factor=1.5)
        await asset_graph(page, dagster)
        await asset_page(page, dagster)
        await column_lineage(page, dagster)
        await fixtures_page(page, settings.service_url)
        await refused_season(page, settings)
        await corrected_result(page, settings)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
