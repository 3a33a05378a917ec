"""Writing many rows at once: sorted, each key once, as they are; and reading them while others write."""

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, func, select, text

from match_assets.warehouse import copying, reading, writing
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.files import write_file_season
from match_assets.warehouse.schema import matches, team_names, teams
from tests.integration.warehouse.telling import (
    KEY,
    SEASON,
    START,
    Teller,
    batch,
    file_season,
    filed,
    listed,
    month,
    page,
    utc,
)

# each would do something in a statement put together from strings, or in COPY's own format
HOSTILE = (
    "'); DROP TABLE matches;--",
    "%s %(name)s {0} {name} $1 :name",
    "back\\slash \" quote ' and `tick`",
    "\\N",
    "\\.",
    "tab\tand\nnew\r\nlines",
    "İstanbul ß ø O’Neill\u00a0&amp; Ünîted",
    "x" * 300,
)


def together(*works: Callable[[], object]) -> None:
    """Run all at once; an error of any is raised here."""
    with ThreadPoolExecutor(len(works)) as pool:
        for running in [pool.submit(work) for work in works]:
            running.result(60)


def test_two_batches_in_opposite_order_are_both_stored(teller: Teller) -> None:
    # PG-05, through the public writers: one season, two visits that see different matches
    rows = [listed(5000 + number, "2025-02-01", 11, 12 + number % 20, (number, 0)) for number in range(1, 21)]
    barrier = threading.Barrier(2)

    def write(mine: list[int]) -> None:
        for index in mine:
            barrier.wait(20)
            writing.write_season(teller.engine, batch(month([rows[index], rows[-1 - index]], START)))

    together(lambda: write(list(range(10))), lambda: write(list(range(9, -1, -1))))
    assert teller.count(matches) == 20


def test_writers_without_the_lock_never_wait_in_a_circle(warehouse: Engine) -> None:
    # PG-05: rows arrive in opposite orders and are locked in one
    names = [{"team_id": number, "name": "", "observed_at": START} for number in range(1, 2001)]
    copying_in(warehouse, names)
    barrier = threading.Barrier(2)

    def write(step: int, rows: list[dict[str, object]]) -> None:
        for turn in range(4):
            barrier.wait(20)
            later = START + dt.timedelta(minutes=10 * turn + step)
            with warehouse.begin() as connection:
                news = [{**row, "name": f"{turn} {step}", "observed_at": later} for row in rows]
                copying.replace(connection, teams, news, newest_by=("observed_at", "name"))
                copying.change(connection, teams, [{"team_id": row["team_id"], "name": row["name"]} for row in news])

    together(lambda: write(1, names), lambda: write(2, names[::-1]))
    with warehouse.connect() as connection:
        assert set(connection.scalars(select(teams.c.observed_at))) == {START + dt.timedelta(minutes=32)}


def copying_in(engine: Engine, rows: list[dict[str, object]]) -> None:
    with engine.begin() as connection:
        copying.append(connection, teams, rows)


def test_a_real_deadlock_costs_its_victim_another_try_and_nothing_else(warehouse: Engine) -> None:
    # PG-05: 40P01 from PostgreSQL itself
    copying_in(warehouse, [{"team_id": number, "name": "", "observed_at": START} for number in (1, 2)])
    barrier, attempts = threading.Barrier(2), []

    def write(first: int, second: int) -> None:
        def work(connection: Connection) -> None:
            attempts.append(first)
            add = text("UPDATE teams SET name = name || 'x' WHERE team_id = :team_id")
            connection.execute(add, {"team_id": first})
            if len(attempts) <= 2:
                barrier.wait(20)
            connection.execute(add, {"team_id": second})

        in_transaction(warehouse, work)

    together(lambda: write(1, 2), lambda: write(2, 1))
    assert len(attempts) == 3
    with warehouse.connect() as connection:
        assert list(connection.scalars(select(teams.c.name))) == ["xx", "xx"]


def test_a_key_that_stands_twice_in_one_statement_is_settled_first(warehouse: Engine) -> None:
    # PG-07: "ON CONFLICT DO UPDATE command cannot affect row a second time"
    rows = [
        {"team_id": 1, "name": name, "observed_at": START + dt.timedelta(minutes=minutes)}
        for name, minutes in (("old", 0), ("new", 2), ("newer", 2), ("middle", 1))
    ]
    for arrival in (rows, rows[::-1], rows[:1]):
        with warehouse.begin() as connection:
            copying.replace(connection, teams, arrival, newest_by=("observed_at", "name"))
            copying.add(connection, teams, arrival)
        with warehouse.connect() as connection:
            assert list(connection.scalars(select(teams.c.name))) == ["newer"]


def test_contents_of_one_instant_have_the_same_winner_in_any_order(teller: Teller) -> None:
    # PG-07
    one, other = (batch(month([listed(5001, "2025-02-01", score=(goals, 0))], START)) for goals in (1, 2))
    first = writing.write_season(teller.engine, one) + writing.write_season(teller.engine, other)
    winner = teller.stored(5001).home_goals
    assert first.contested == 1
    for again in (one, other, other, one):
        writing.write_season(teller.engine, again)
        assert teller.stored(5001).home_goals == winner


@pytest.mark.parametrize("source", ["site", "file"])
def test_hostile_text_is_stored_and_returned_as_it_is(teller: Teller, source: str) -> None:
    # PG-08, ING-18
    pairs = [(number, f"2025-02-{number:02}") for number in range(1, len(HOSTILE) + 1)]
    if source == "site":
        rows = [
            listed(number, day, 100 + number, 200 + number, home_team=name, away_team=name[::-1])
            for (number, day), name in zip(pairs, HOSTILE, strict=True)
        ]
        teller.visit(*rows)
    else:
        found = [
            msgspec.structs.replace(
                filed(-number, day, -100 - number, -200 - number), home_team=name, away_team=name[::-1]
            )
            for (number, day), name in zip(pairs, HOSTILE, strict=True)
        ]
        write_file_season(teller.engine, file_season(found, utc("2025-06-01")))
    exported = reading.season_snapshot(teller.engine, KEY, SEASON)[0].sort("kick_off_utc")
    assert tuple(exported["home_team"]) == HOSTILE
    assert tuple(exported["away_team"]) == tuple(name[::-1] for name in HOSTILE)
    with teller.engine.connect() as connection:
        assert set(HOSTILE) <= set(connection.scalars(select(team_names.c.name)))
        assert set(HOSTILE) <= set(connection.scalars(select(teams.c.name)))


def test_hostile_keys_find_nothing_and_harm_nothing(teller: Teller) -> None:
    # PG-08
    teller.visit(listed(5001, "2025-02-01"))
    for key in HOSTILE:
        assert reading.season_snapshot(teller.engine, key, key)[0].height == 0
        assert reading.lost_results(teller.engine, key, key).n_finished == 0
    assert teller.count(matches) == 1


def test_every_column_type_goes_through_copy_unchanged(warehouse: Engine) -> None:
    # PG-08: a table of the test's own, with the columns' order not the rows'
    table = Table("copied", MetaData(), Column("key", Integer, primary_key=True), Column("value", Text))
    with warehouse.begin() as connection:
        table.create(connection)
        copying.append(connection, table, [{"value": text_, "key": key} for key, text_ in enumerate(HOSTILE)])
        copying.append(connection, table, [{"value": None, "key": -1}])
        copying.append(connection, table, [])
        copying.change(connection, table, [{"key": -1, "value": ""}, {"key": 99, "value": "nobody"}])
    with warehouse.connect() as connection:
        assert list(connection.scalars(select(table.c.value).order_by(table.c.key))) == ["", *HOSTILE]
        assert connection.scalar(select(func.count()).select_from(table)) == len(HOSTILE) + 1


def test_every_export_is_some_committed_state_of_the_season(teller: Teller) -> None:
    # PG-10: calendar and pages are written in turn, so at most one step apart, and all matches of a step are alike
    teams_of = {5001: (11, 12), 5002: (13, 14), 5003: (15, 16)}
    stop = threading.Event()

    def step(number: int) -> None:
        teller.visit(*(listed(key, "2025-02-01", *sides, (number, number)) for key, sides in teams_of.items()))
        pages = [page(key, teller.now, home=home, away=away, shots=number) for key, (home, away) in teams_of.items()]
        writing.write_pages(teller.engine, KEY, SEASON, pages)

    def write() -> None:
        for number in range(1, 30):
            if stop.is_set():
                return
            step(number)

    seen = set()

    def export() -> None:
        try:
            for _ in range(40):
                exported, statistics = reading.season_snapshot(teller.engine, KEY, SEASON)
                [goals], [shots] = set(exported["home_goals"]), set(statistics["shots"])
                assert (exported.height, statistics.height) == (3, 6)
                assert goals - shots in (0, 1)
                seen.add((goals, shots))
        finally:
            stop.set()

    step(0)
    together(write, export)
    assert len(seen) > 1, "the writer wrote meanwhile"
