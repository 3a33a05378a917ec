"""SEC-04 and PG-11: each role may do its job and nothing else, and who lacks a right reads which role lacks it on what."""

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, make_url, text

from match_assets.errors import ConfigurationError, DataError
from match_assets.warehouse import reading, requests, withdrawals, writing
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.database import in_transaction, unavailable_is_named
from match_assets.warehouse.migrate import require_current
from match_assets.warehouse.schema import METADATA
from tests.integration.warehouse_faults.own_postgres import (
    KEY,
    OwnPostgres,
    dump,
    match_pages,
    season,
    write_catalogue,
)

ROLES = ("scrape", "export", "read", "request")
# nobody who works on rows may do these, whatever rows they are
NOBODYS = (
    "DROP TABLE matches CASCADE",
    "ALTER TABLE matches ADD COLUMN odds int",
    "ALTER TABLE matches DROP CONSTRAINT ck_matches_two_teams",
    "ALTER TABLE observations DISABLE TRIGGER ALL",
    "TRUNCATE matches CASCADE",
    "TRUNCATE observations",
    "DROP VIEW frontier",
    "CREATE TABLE mine (n int)",
    "CREATE INDEX ON matches (status)",
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA mine",
    "UPDATE warehouse_version SET version_num = '0001'",
    "DELETE FROM warehouse_version",
    "CREATE ROLE another SUPERUSER",
    "ALTER ROLE match_assets PASSWORD 'known'",
    "GRANT match_assets_scrape TO CURRENT_USER",
    "SET ROLE match_assets",
    "ALTER SYSTEM SET fsync = off",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY matches TO PROGRAM 'true'",
    "COPY matches TO '/tmp/matches'",
    "UPDATE observations SET content = '{}'",
    "DELETE FROM observations",
    "UPDATE fetches SET outcome = 'ok'",
    "DELETE FROM fetches",
    "UPDATE withdrawals SET reason = 'another'",
    "DELETE FROM withdrawals",
)
CHANGES = ("INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}")
TABLES = sorted(METADATA.tables)
LOGS = ("fetches", "alerts", "circuits", "source_pace", "visits", "visit_answers", "team_aliases", "scrape_requests")
FORBIDDEN = {
    "scrape": NOBODYS,
    "export": (
        *NOBODYS,
        *(change.format(table) for table in TABLES for change in CHANGES),
        *(f"SELECT * FROM {table}" for table in LOGS),
    ),
    "read": (*NOBODYS, *(change.format(table) for table in TABLES for change in CHANGES)),
    "request": (
        *NOBODYS,
        *(
            f"SELECT * FROM {table}"
            for table in TABLES
            if table not in {"scrape_requests", "tournaments", "seasons", "warehouse_version"}
        ),
        *(change.format(table) for table in TABLES if table != "scrape_requests" for change in CHANGES),
        "UPDATE scrape_requests SET state = 'done'",
        "DELETE FROM scrape_requests",
    ),
}


@pytest.fixture
def filled(warehouse: Engine) -> Engine:
    """A warehouse with a season in it, seen by its owner."""
    write_catalogue(warehouse)
    writing.write_season(warehouse, season())
    writing.write_pages(warehouse, KEY, "2024", match_pages())
    return warehouse


@pytest.fixture(scope="package")
def users(running: OwnPostgres) -> dict[str, str]:
    """A user for each role, as a deployment makes them."""
    running.new_warehouse()
    names = {role: f"does_{role}" for role in ROLES}
    for role, name in names.items():
        running.new_user(name, f"match_assets_{role}")
    return names


@pytest.fixture
def log_in(server: OwnPostgres, url: str, users: dict[str, str]) -> Iterator[Callable[[str], Engine]]:
    """Connections to the warehouse in a role."""
    engines = {role: open_engine(server.url(make_url(url).database or "", user=user)) for role, user in users.items()}
    yield engines.__getitem__
    for engine in engines.values():
        engine.dispose()


@pytest.mark.parametrize("role", ROLES)
def test_what_is_not_the_roles_job_is_refused_by_the_server(
    filled: Engine, log_in: Callable[[str], Engine], users: dict[str, str], role: str
) -> None:
    """SEC-04: every forbidden act is tried, each is refused for lack of a right, and nothing has changed."""
    before = dump(filled)
    told = (
        rf"^the role {users[role]} of PostgreSQL at 127\.0\.0\.1:\d+ may not do this: (permission denied|must be owner)"
    )
    answers = {act: _answer(log_in(role), act) for act in FORBIDDEN[role]}
    assert {act: answer for act, answer in answers.items() if not re.match(told, answer)} == {}
    assert dump(filled) == before


@pytest.mark.parametrize("role", ROLES)
def test_no_role_hands_on_what_it_may(filled: Engine, log_in: Callable[[str], Engine], role: str) -> None:
    """PostgreSQL answers such a GRANT with a warning or a refusal; what counts is that it grants nothing."""
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
    before = in_transaction(filled, lambda connection: connection.execute(text(rights)).all())
    with contextlib.suppress(ConfigurationError):
        _do(log_in(role), "GRANT ALL ON matches, observations TO PUBLIC")
    assert in_transaction(filled, lambda connection: connection.execute(text(rights)).all()) == before


def test_the_scraper_does_its_whole_job(log_in: Callable[[str], Engine], warehouse: Engine, twin: Engine) -> None:
    """SEC-04: the grants are not too few either, temporary tables and identity columns included."""
    scraper = log_in("scrape")
    require_current(scraper)
    for engine in (scraper, twin):
        write_catalogue(engine)
        for goals in (1, 2):
            writing.write_season(engine, season(goals=goals))
            writing.write_pages(engine, KEY, "2024", match_pages(shots=goals))
    assert dump(warehouse) == dump(twin)


def test_a_result_is_withdrawn_and_reinstated_with_the_scrapers_rights(
    filled: Engine, log_in: Callable[[str], Engine]
) -> None:
    scraper = log_in("scrape")
    with pytest.raises(DataError, match="its source lists it"):
        withdrawals.withdraw(scraper, 5001, "annulled")
    in_transaction(
        filled,
        lambda connection: connection.execute(text("UPDATE matches SET missing_since = now() WHERE match_id = 5001")),
    )
    withdrawals.withdraw(scraper, 5001, "annulled")
    assert [match.match_id for match in withdrawals.withdrawn(log_in("export"))] == [5001]
    withdrawals.reinstate(scraper, 5001)
    assert withdrawals.withdrawn(log_in("export")) == []


def test_exporter_and_reader_see_what_they_need(filled: Engine, log_in: Callable[[str], Engine]) -> None:
    matches, statistics = reading.season_snapshot(log_in("export"), KEY, "2024")
    assert (matches.height, statistics.height) == (6, 12)
    for table in (*TABLES, "frontier"):
        _do(log_in("read"), f"SELECT * FROM {table}")


def test_the_service_asks_for_scrapes_and_cannot_answer_them(
    filled: Engine, log_in: Callable[[str], Engine], users: dict[str, str]
) -> None:
    service = log_in("request")
    require_current(service)
    asked = requests.submit(service, KEY, "2024", "for a test", max_open=5)
    assert asked is not None
    assert requests.get(service, asked.request_id) == asked
    with pytest.raises(ConfigurationError, match=f"the role {users['request']} .* for table scrape_requests"):
        requests.follow(service, asked.request_id, state="done", run_id="mine", detail="")


@pytest.mark.parametrize("right", ["INSERT", "SELECT", "UPDATE"])
def test_a_right_taken_away_is_named_with_role_and_table(
    server: OwnPostgres, filled: Engine, log_in: Callable[[str], Engine], users: dict[str, str], right: str
) -> None:
    """PG-11: and nothing of the batch is stored."""
    before = dump(filled)
    in_transaction(
        filled, lambda connection: connection.execute(text(f"REVOKE {right} ON matches FROM match_assets_scrape"))
    )
    told = f"^the role {users['scrape']} of PostgreSQL at 127.0.0.1:{server.port} may not .* permission denied for table matches"
    with pytest.raises(ConfigurationError, match=told) as refused:
        writing.write_season(log_in("scrape"), season(8, goals=3))
    assert refused.value.exit_code == 2
    assert server.secrets["postgres"] not in str(refused.value)
    assert dump(filled) == before


def _do(engine: Engine, statement: str) -> None:
    """One statement outside a transaction: some may not stand in one."""
    with unavailable_is_named(engine), engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(statement))


def _answer(engine: Engine, statement: str) -> str:
    """Why a statement was refused."""
    try:
        _do(engine, statement)
    except ConfigurationError as refused:
        return refused.message
    return "done"
