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
WIDE = {"width": 1500, "height": 860}


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
        page = await browser.new_page(viewport=WIDE, device_scale_factor=1.5)
        await asset_graph(page, settings.dagster_url.rstrip("/"))
        await asset_page(page, settings.dagster_url.rstrip("/"))
        await fixtures_page(page, settings.service_url)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
