"""The processes and the profile folder of a browser that we started: found again, and ended whatever state they are in.

Playwright does not tell whom it started. A mark in the environment does, and no other browser on the machine bears it.
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

import psutil

MARK_VARIABLE = "MATCH_ASSETS_BROWSER_MARK"
# the supervisor ends what a killed parent left running, and finds it by this variable
KEPT_VARIABLES = frozenset({"MATCH_ASSETS_STACK_ID"})
SECRET_PREFIXES = ("MATCH_ASSETS_", "AWS_", "PG", "DAGSTER_", "MLFLOW_")
PROFILE_OPTION = "--user-data-dir="
PROFILE_PREFIX = "playwright_chromiumdev_profile-"
END_SECONDS = 2.0


class BrowserProcess:
    """The processes of one start of a browser."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self._profiles: set[Path] = set()

    @property
    def environment(self) -> dict[str, str | float | bool]:
        """What the browser is started with: it reads strangers' pages, so it is told no address or password of ours."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT_VARIABLES or not name.startswith(SECRET_PREFIXES)
        }
        return {**kept, MARK_VARIABLE: self.mark}

    def living(self) -> list[psutil.Process]:
        """The browser's processes that live, with their children: some of these overwrite their environment."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK_VARIABLE) == self.mark:
                    found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        return [process for process in found.values() if _is_alive(process)]

    def note_profile(self) -> None:
        """Remember where the browser keeps its profile, for the day on which nobody else clears it away."""
        for process in self.living():
            with contextlib.suppress(psutil.Error, OSError):
                folders = (part.removeprefix(PROFILE_OPTION) for part in process.cmdline() if PROFILE_OPTION in part)
                self._profiles |= {Path(folder) for folder in folders if PROFILE_PREFIX in folder}

    def end(self) -> None:
        """Kill what still lives, stopped processes too, and clear the profile away; nothing to do after a clean close."""
        left = self.living()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=END_SECONDS)
        for profile in self._profiles:
            shutil.rmtree(profile, ignore_errors=True)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
