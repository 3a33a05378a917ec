"""Pictures of the running stack for the documentation: asset graph, an asset with its checks, the fixtures page.

    make up && make screenshots

Needs a stack that `make demo` has filled; writes `docs/images/*.png`.
"""

import asyncio
from pathlib import Path

from playwright.async_api import Page, async_playwright

from match_assets.config import load_settings
from match_assets.source.browser import find_browser

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDE = {"width": 1600, "height": 900}


async def asset_graph(page: Page, dagster: str) -> None:
    """The lineage of all groups, expanded."""
    await page.goto(f"{dagster}/asset-groups", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "asset-graph-groups.png")
    await page.keyboard.press("Alt+e")
    for _ in range(12):
        collapsed = page.get_by_text("Expand", exact=False)
        if await collapsed.count() == 0:
            break
        await collapsed.first.click(timeout=2000)
        await page.wait_for_timeout(300)
    await page.wait_for_timeout(1500)
    await page.screenshot(path=IMAGES / "asset-graph.png")


async def asset_page(page: Page, dagster: str) -> None:
    """One asset: its newest materialisation and its checks."""
    await page.goto(f"{dagster}/assets/finished_matches?view=overview", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "asset-overview.png")
    await page.goto(f"{dagster}/assets/finished_matches?view=checks", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "asset-checks.png")
    await page.goto(f"{dagster}/assets/finished_matches?view=partitions", wait_until="networkidle")
    await page.wait_for_timeout(3000)
    await page.screenshot(path=IMAGES / "asset-partitions.png")


async def fixtures_page(page: Page, service: str) -> None:
    """What a person sees."""
    await page.goto(service, wait_until="networkidle")
    await page.screenshot(path=IMAGES / "fixtures.png")


async def main() -> None:
    """All pictures, one browser."""
    settings = load_settings()
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(settings), args=["--no-sandbox"])
        page = await browser.new_page(viewport=WIDE)
        await asset_graph(page, settings.dagster_url.rstrip("/"))
        await asset_page(page, settings.dagster_url.rstrip("/"))
        await fixtures_page(page, settings.service_url)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
