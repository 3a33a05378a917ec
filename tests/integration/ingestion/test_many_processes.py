"""Real processes that scrape at once: the site's own access log shows one pace, whoever asks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.ingestion import browsers
from tests.integration.ingestion.conftest import PAGE, Visitor
from tests.integration.ingestion.scripted_site import ScriptedSite, asked_at_most

N_PROCESSES = 10
N_PAGES = 2
PER_MINUTE = 300
SLACK_SECONDS = 1.0

# forked after the imports, which cost more than all the rest
RUN = """
import asyncio, os, sys
from pathlib import Path
from match_assets.config import Settings
from match_assets.source.client import SourceClient
from match_assets.warehouse.database import engine

async def main(number):
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())
    async with SourceClient(settings, engine(settings.postgres_url)) as client:
        for page in range(int(sys.argv[3])):
            await client.page(f"/{number}/{page}", lambda body, url: body)

started = []
for number in range(int(sys.argv[2])):
    pid = os.fork()
    if not pid:
        asyncio.run(main(number))
        sys.exit(0)
    started.append(pid)
sys.exit(sum(os.waitpid(pid, 0)[1] != 0 for pid in started))
"""


# ING-22
@pytest.mark.timeout(300)
def test_ten_processes_ask_no_faster_than_one(visitor: Visitor, site: ScriptedSite, tmp_path: Path) -> None:
    paths = [f"/{process}/{page}" for process in range(N_PROCESSES) for page in range(N_PAGES)]
    site.pages |= dict.fromkeys(paths, PAGE)
    script, settings = tmp_path / "run.py", tmp_path / "settings.json"
    script.write_text(RUN)
    # one browser for all: what is shared here is the pace, and ten browsers would only keep the machine busy
    with browsers.debugged_chromium(tmp_path / "profile") as address:
        visitor.change(browser_url=address, requests_per_minute=PER_MINUTE)
        settings.write_text(visitor.settings.model_dump_json())
        command = [sys.executable, str(script), str(settings), str(N_PROCESSES), str(N_PAGES)]
        subprocess.run(command, cwd=Path.cwd(), check=True, timeout=250)
    assert sorted(site.paths) == sorted(paths)
    assert len(site.moments("/robots.txt")) == N_PROCESSES
    # a request may reach the site a little after its moment, and then the next one seems closer
    assert asked_at_most(site, 60.0 / PER_MINUTE, slack_seconds=SLACK_SECONDS)
