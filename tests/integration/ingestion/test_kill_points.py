"""A run killed anywhere: the next one asks only for what is missing, and ends where an undisturbed one ends (ING-21)."""

import datetime as dt
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from match_assets.config import Params, Settings
from match_assets.local.processes import STACK_MARKER, marked_processes
from match_assets.source.parsers import parse_home_page, parse_season_list
from match_assets.warehouse.database import lease
from match_assets.warehouse.schema import METADATA, fetches, match_pages, visit_answers, visits
from match_assets.warehouse.writing import write_tournament
from tests import pages
from tests.depth import EVERY, THOROUGH
from tests.integration.ingestion.conftest import KEY, League, match_path
from tests.integration.ingestion.forked_runs import ForkedRuns
from tests.integration.ingestion.scripted_site import Answer, ScriptedSite

# when something happened by our clock, and logs of attempts: all that may differ between a run and its twin
OWN_TIMES = {"observed_at", "first_observed_at", "first_seen_at", "asked_at", "observation_id", "raised_at"}
LOGS = {"fetches", "source_pace", "visits", "visit_answers"}
# what every run passes last
LAST_PLACES = ("visit.before_end", "visit.after_end")
# a run passes at least so many places where it may be killed
FEWEST_PLACES = {"catalogue": 10, "season": 30}


class Killing:
    """The scripted season, runs over it that may be killed, and what they leave behind."""

    def __init__(self, engine: Engine, site: ScriptedSite, forked: ForkedRuns, pages_at_once: int) -> None:
        self.engine, self.site, self.forked, self.pages_at_once = engine, site, forked, pages_at_once

    def begin(self, what: str) -> None:
        """An empty warehouse, with the catalogue when that is not what is read."""
        names = ", ".join(table.name for table in METADATA.sorted_tables)
        with self.engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        if what == "season":
            link = parse_home_page(pages.home_page().encode(), "/")[0]
            seasons = parse_season_list(pages.season_page([]).encode(), "/")
            write_tournament(self.engine, KEY, link, seasons, dt.datetime(2025, 2, 10, tzinfo=dt.UTC))
        self.site.log.clear()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table but logs of attempts, without our own times."""
        found = {}
        with self.engine.connect() as connection:
            for table in METADATA.sorted_tables:
                if table.name not in LOGS:
                    columns = [column for column in table.columns if column.name not in OWN_TIMES]
                    found[table.name] = sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)
        return found

    def committed(self) -> set[str]:
        """Paths whose answers a visit under way, or the tables, hold."""
        with self.engine.connect() as connection:
            paths = set(connection.scalars(select(visit_answers.c.path)))
            return paths | {match_path(match_id) for match_id in connection.scalars(select(match_pages.c.match_id))}

    def n_unlogged(self) -> int:
        """Requests that the site has seen and the log of requests has not."""
        with self.engine.connect() as connection:
            told = Counter(url.removeprefix(self.site.url) for url in connection.scalars(select(fetches.c.url)))
        return (Counter(self.site.paths) - told).total()

    def n_visits(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(visits)).scalar_one()


@pytest.fixture
def marker() -> str:
    """Stands in the environment of every process that the runs start."""
    return f"killed-{os.getpid()}-{time.monotonic_ns()}"


@pytest.fixture
def killing(
    source_settings: Settings,
    warehouse: Engine,
    params: Params,
    league: League,
    site: ScriptedSite,
    tmp_path: Path,
    marker: str,
) -> Iterator[Killing]:
    assert league.rows
    forked = ForkedRuns(source_settings, params, tmp_path / "said.txt", {STACK_MARKER: marker})
    yield Killing(warehouse, site, forked, params.ingestion.pages_at_once)
    forked.close()
    _wait_until_gone(marker)


def _wait_until_gone(marker: str) -> None:
    deadline = time.monotonic() + 20
    while (left := marked_processes(marker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"left over: {left}"


@pytest.mark.parametrize("what", ["catalogue", "season"])
def test_run_killed_at_every_place_is_completed_by_the_next_one(killing: Killing, what: str) -> None:
    killing.begin(what)
    assert killing.forked.run(what).code == 0
    twin, whole = killing.dump(), sorted(killing.site.paths)
    assert len(whole) == len(set(whole)), "an undisturbed run asks for nothing twice"
    seen: list[str] = []
    for place in range(1, 400):
        known = set() if place % EVERY == 0 else set(seen)
        said = _kill_and_run_again(killing, what, place, twin, set(whole), known=known)
        if said is None:
            break
        seen += [said] if said not in seen else []
    else:
        pytest.fail("the run never ended untouched")
    assert place > FEWEST_PLACES[what]
    # on a busy machine a run commits in other batches than the one before, and its last places have other numbers
    for name in LAST_PLACES:
        assert _kill_and_run_again(killing, what, name, twin, set(whole)) == name
        seen += [name] if name not in seen else []
    expected = {"source.before_request", "visit.before_commit"}
    if what == "season":
        expected |= {"season.before_commit", "season.after_commit", "pages.before_commit"}
    assert expected <= set(seen)
    # the browser makes no difference to what was stored: tried at some kinds of place, since a start of it takes a second
    for name in (seen if THOROUGH else seen[::EVERY]) if what == "season" else ():
        assert _kill_and_run_again(killing, what, name, twin, set(whole), browser=True) == name


def _kill_and_run_again(
    killing: Killing,
    what: str,
    place: int | str,
    twin: dict[str, Any],
    whole: set[str],
    *,
    known: set[str] | None = None,
    browser: bool = False,
) -> str | None:
    """Kills a run at a place and lets the next one complete it; where it was killed, or None if it passed no such place.

    A name in place of a number is its first place. At a place of a ``known`` name it is left at the killing.
    """
    killing.begin(what)
    ended = killing.forked.run(what, kill_at=place, browser=browser)
    if ended.code == 0:
        return None
    assert ended.code == -signal.SIGKILL, ended.said
    assert killing.n_unlogged() <= killing.pages_at_once, (place, ended.said)
    name = ended.said.strip().removeprefix("killed at ")
    if known and name in known:
        return name
    asked, committed, was_under_way = set(killing.site.paths), killing.committed(), killing.n_visits() > 0
    killing.site.log.clear()
    again = killing.forked.run(what, browser=browser)
    assert again.code == 0, (place, again.said)
    assert killing.dump() == twin, (place, ended.said)
    assert killing.n_visits() == 0
    if was_under_way:
        assert committed.isdisjoint(killing.site.paths), (place, ended.said)
        assert asked | set(killing.site.paths) == whole
        again_asked = asked & set(killing.site.paths)
        assert len([path for path in again_asked if not path.startswith("/Matches/")]) <= 1, "the one in flight"
    assert len(killing.site.paths) == len(set(killing.site.paths))
    return name


@pytest.mark.parametrize(
    ("number", "taken", "code"),
    [
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, False, 143),
        (signal.SIGTERM, True, 130),
        (signal.SIGKILL, False, -9),
    ],
    ids=["Ctrl-C in the terminal", "terminate", "terminate a step of the orchestrator", "kill"],
)
def test_signal_closes_browser_and_lease_and_the_rerun_asks_for_the_rest(
    killing: Killing, marker: str, number: signal.Signals, taken: bool, code: int
) -> None:
    # ING-20, ING-21, ING-22
    killing.begin("season")
    killing.forked.run("season")
    twin = killing.dump()
    killing.begin("season")
    killing.site.first(match_path(5003), Answer("<html></html>", delay=60))
    child = killing.forked.start("season", signals_taken=taken)
    _wait_until(lambda: match_path(5003) in killing.site.paths)
    _wait_until(lambda: match_path(5004) in killing.committed())
    partition = f"scraping 2024|{KEY}"
    with lease(killing.engine, partition) as is_ours:
        assert not is_ours, "the run holds it"
    sent = time.monotonic()
    # a terminal signals the whole group: the browser's driver, too
    (os.killpg if number == signal.SIGINT else os.kill)(child, number)
    ended = killing.forked.wait()
    assert ended.code == code, ended.said
    assert time.monotonic() - sent < 10, "as the issue promises"
    _wait_until(lambda: _is_free(killing.engine, partition))
    _wait_until(lambda: len(marked_processes(marker)) == 1)  # the helper itself
    committed = killing.committed()
    assert killing.n_visits() == 1
    killing.site.log.clear()
    killing.forked.run("season")
    assert killing.site.paths == [match_path(5003)]
    assert committed.isdisjoint(killing.site.paths)
    assert killing.dump() == twin


def _is_free(engine: Engine, name: str) -> bool:
    with lease(engine, name) as is_ours:
        return is_ours


def _wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
