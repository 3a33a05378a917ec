"""Runs of the scraper in processes of their own, which may be killed.

A helper imports everything once and forks one child a run: a hundred runs cost a hundred forks and not a hundred starts
of Python. It speaks JSON lines: an order comes in, the child's process id and then its end go out.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from match_assets.config import Params, Settings
from match_assets.errors import MatchAssetsError
from match_assets.killpoint import VARIABLE
from match_assets.source import client, runs
from match_assets.warehouse.database import engine as open_engine
from tests.integration.ingestion.conftest import KEY, QUICK
from tests.integration.ingestion.plain_browser import PlainBrowser

REPOSITORY = Path(__file__).parents[3]


class Ended(NamedTuple):
    """How a run ended: exit code, negative for a signal, and what it said on standard error."""

    code: int
    said: str


class ForkedRuns:
    """Starts the helper and gives it orders, one at a time."""

    def __init__(self, settings: Settings, params: Params, log: Path, environment: dict[str, str]) -> None:
        self._order = {"settings": settings.model_dump(mode="json"), "params": params.model_dump_json(by_alias=True)}
        self._log = log
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.ingestion.forked_runs", str(log)],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, what: str, *, kill_at: int | str | None = None, browser: bool = True, signals_taken: bool = False
    ) -> int:
        """Begin a run; its process id. It leads a session and a process group of its own.

        With ``signals_taken`` somebody else handles SIGTERM, as the orchestrator does in its steps.
        """
        told = {"what": what, "kill_at": kill_at, "browser": browser, "signals_taken": signals_taken}
        order = {**self._order, **told}
        assert self._helper.stdin is not None
        self._helper.stdin.write(json.dumps(order) + "\n")
        self._helper.stdin.flush()
        return int(self._line())

    def wait(self) -> Ended:
        """The end of the run that was started last."""
        return Ended(os.waitstatus_to_exitcode(int(self._line())), self._log.read_text())

    def run(self, what: str, *, kill_at: int | str | None = None, browser: bool = False) -> Ended:
        """A whole run, over plain HTTP unless a browser is asked for, which takes a second more."""
        self.start(what, kill_at=kill_at, browser=browser)
        return self.wait()

    def close(self) -> None:
        """End the helper."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.close()
        self._helper.wait(30)
        self._helper.stdout.close()

    def _line(self) -> str:
        assert self._helper.stdout is not None
        line = self._helper.stdout.readline()
        assert line, "the helper is gone"
        return line


def _scrape(order: dict[str, Any]) -> None:
    settings = Settings.model_validate(order["settings"])
    params = Params.model_validate_json(order["params"])
    engine = open_engine(settings.postgres_url)
    if order["what"] == "catalogue":
        runs.scrape_catalogue(settings, engine, params, patience=QUICK)
    else:
        runs.scrape_season(settings, engine, params, KEY, "2024", patience=QUICK)
    engine.dispose()


def _child(order: dict[str, Any], log: str) -> NoReturn:
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, target in ((nothing, 0), (nothing, 1), (said, 2)):
        os.dup2(descriptor, target)
    if order["kill_at"] is not None:
        os.environ[VARIABLE] = str(order["kill_at"])
    if not order["browser"]:
        client.Browser = PlainBrowser  # type: ignore[attr-defined,assignment]
    if order["signals_taken"]:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = 1
    try:
        _scrape(order)
        code = 0
    except MatchAssetsError as error:
        os.write(2, f"{error.message}\n".encode())
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:
        code = int(str(error.code))
    finally:
        os._exit(code)


def main(log: str) -> None:
    """Fork a child for each order until there are no more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _child(json.loads(line), log)
        _tell(child)
        _tell(os.waitpid(child, 0)[1])


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
