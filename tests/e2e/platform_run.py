"""The whole platform as a person starts it, in a folder of its own: the demo's commands, its servers, its addresses."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
Found = TypeVar("Found")

MATERIALISATIONS = """
query Materialisations($limit: Int!, $job: String!) {
  runsOrError(filter: {pipelineName: $job}, limit: $limit) {
    ... on Runs { results { runId status tags { key value } assetMaterializations { assetKey { path } partition } } }
  }
}
"""

SYNC = """
query Sync($asset: [String!]!, $partition: String!) {
  assetNodeOrError(assetKey: {path: $asset}) { ... on AssetNode { staleStatus(partition: $partition) } }
}
"""


class PlatformRun:
    """One state folder and the commands that act on it."""

    def __init__(self, folder: Path, **overrides: str) -> None:
        self.folder = folder
        self.env_file = folder / "env"
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("MATCH_ASSETS_", "DAGSTER_", "MLFLOW_", "AWS_"))
        }
        chromium = {k: v for k, v in os.environ.items() if k == "MATCH_ASSETS_CHROMIUM"}
        self.environment = {
            **inherited,
            **chromium,
            **overrides,
            "MATCH_ASSETS_STATE_DIR": str(folder / "state"),
            "MATCH_ASSETS_ENV_FILE": str(self.env_file),
            "COLUMNS": "200",
        }

    def command(self, *arguments: str, timeout: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Runs ``match-assets`` with these arguments and hands over what it printed."""
        return self._run(["-m", "match_assets.cli", *arguments], timeout)

    def python(self, statements: str, timeout: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Runs statements with the same settings as ``command``."""
        return self._run(["-c", statements], timeout)

    def _run(self, arguments: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, *arguments]
        return subprocess.run(
            line, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def address(self, name: str) -> str:
        """An address that ``up`` wrote into the env file."""
        value = dotenv_values(self.env_file)[f"MATCH_ASSETS_{name}_URL"]
        assert value
        return value

    def service(self, path: str, **query: str) -> Any:
        """JSON of a successful GET from the service."""
        answer = httpx.get(self.address("SERVICE") + path, params=query, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def site(self, action: str, body: dict[str, Any] | None = None) -> Any:
        """An order to the practice site's control."""
        answer = httpx.post(f"{self.address('SOURCE')}/_practice/{action}", json=body or {}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def runs(self, job: str) -> list[dict[str, Any]]:
        """The newest runs of a job with the assets and partitions that each materialised, newest first."""
        body = {"query": MATERIALISATIONS, "variables": {"job": job, "limit": 50}}
        answer = httpx.post(f"{self.address('DAGSTER')}/graphql", json=body, timeout=60).json()
        found: list[dict[str, Any]] = answer["data"]["runsOrError"]["results"]
        return found

    def sync_of(self, asset: str, partition: str) -> str:
        """What the webserver says of a partition: FRESH, STALE (shown as unsynced) or MISSING."""
        body = {"query": SYNC, "variables": {"asset": [asset], "partition": partition}}
        answer = httpx.post(f"{self.address('DAGSTER')}/graphql", json=body, timeout=60).json()
        return str(answer["data"]["assetNodeOrError"]["staleStatus"])

    def kill_hard(self) -> None:
        """SIGKILL to every process of this platform at once, as a power cut would."""
        marker = str(self.folder)
        mine = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("MATCH_ASSETS_STATE_DIR", "").startswith(
                    marker
                ):
                    mine.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        for process in mine:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(mine, timeout=20)
        assert mine, "no process of the platform was found"


def materialised(run: dict[str, Any]) -> set[tuple[str, str]]:
    """Asset and partition of every materialisation of a run."""
    return {(item["assetKey"]["path"][-1], item["partition"]) for item in run["assetMaterializations"]}


def eventually(ask: Callable[[], Found | None], *, seconds: float, what: str) -> Found:
    """The first answer that is not None and not false.

    Raises:
        AssertionError: there was none in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        time.sleep(1.0)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def curl_line(output: str) -> str:
    """The address in the curl line that the demo prints."""
    found = re.search(r"curl (http://\S+)", output)
    assert found, output
    return found.group(1)
