"""PG-09: migrations that are killed, that race, and that meet a database of another age."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, make_url, text

from match_assets import killpoint
from match_assets.cli import main
from match_assets.errors import ConfigurationError, DependencyUnavailableError, MatchAssetsError
from match_assets.warehouse import migrate as migration
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.migrate import migrate, require_current
from tests.byte_proxy import TO_CLIENT, TO_SERVER, ByteProxy, Fault
from tests.integration.warehouse_faults.own_postgres import OwnPostgres

# what a schema consists of, in the order of its names
SCHEMA = """
SELECT 'column', table_name, column_name, data_type, is_nullable, coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'right', table_name, grantee, privilege_type, '', '' FROM information_schema.table_privileges
WHERE table_schema = 'public'
UNION ALL
SELECT 'view', viewname, definition, '', '', '' FROM pg_views WHERE schemaname = 'public'
ORDER BY 1, 2, 3, 4
"""


def schema_of(url: str) -> list[tuple[str, ...]]:
    """Columns, constraints, indexes, rights and views."""
    engine = open_engine(url)
    found = in_transaction(engine, lambda connection: [tuple(row) for row in connection.execute(text(SCHEMA))])
    engine.dispose()
    return found


def migrate_to(url: str, revision: str) -> None:
    """An older version's migration."""

    def work(connection: Connection) -> None:
        config = migration._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = open_engine(url)
    in_transaction(engine, work)
    engine.dispose()


def migrate_apart(url: str, kill_at: int) -> tuple[int, str]:
    """A migration in a forked process, killed at a kill point: its exit code, and what it said last."""
    reading, writing = os.pipe()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        pid = os.fork()  # Python warns of threads in the parent, none of which the child needs
    if pid == 0:
        os.dup2(writing, 2)
        os.environ[killpoint.VARIABLE] = str(kill_at)
        try:
            migrate(url)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as said:
        words = said.read().split()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), words[-1] if words else ""


@pytest.mark.parametrize("start", ["base", "0001", "0002"])
def test_a_migration_killed_anywhere_leaves_all_or_nothing(server: OwnPostgres, start: str) -> None:
    """The loop ends at the first run that no kill point ends, so that a new point or revision is covered by itself."""
    complete = schema_of(server.new_warehouse())
    passed: list[str] = []
    for number in range(1, 30):
        url = server.new_database()
        if start != "base":
            migrate_to(url, start)
        before = schema_of(url)
        exit_code, place = migrate_apart(url, number)
        if exit_code == 0:
            break
        assert exit_code == -signal.SIGKILL
        passed.append(place)
        assert schema_of(url) == (complete if place == "migration.committed" else before)
        assert migrate(url) == run_head()
        assert schema_of(url) == complete
    revisions = ScriptDirectory.from_config(migration._config()).iterate_revisions("head", start)
    inside = ["migration.after_revision" for _ in revisions]
    assert inside
    assert passed == ["migration.locked", *inside, "migration.before_commit", "migration.committed"]


def test_a_match_quarantined_by_an_older_version_is_asked_for_again(server: OwnPostgres) -> None:
    url = server.new_database()
    migrate_to(url, "0002")
    engine = open_engine(url)
    before = (
        "INSERT INTO tournaments VALUES ('TST-League', 1, 1, 'Testland', 'League', '/', now())",
        "INSERT INTO seasons VALUES (1, 'TST-League', '2024', '2024/2025', '/', now())",
        "INSERT INTO stages VALUES (1, 1, '', '/', '[]', now())",
        "INSERT INTO teams VALUES (11, 'One', now()), (12, 'Two', now())",
        "INSERT INTO months VALUES (1, '202502', '2025-06-01Z', now(), 1), (1, '202503', '2025-06-01Z', now(), 1)",
        (
            "INSERT INTO matches (match_id, tournament, season, season_id, stage_id, status, elapsed, kick_off_utc,"
            " is_kick_off_time_known, home_team_id, away_team_id, home_team, away_team, feed_month, site_time, observed_at,"
            " content_hash) VALUES (7, 'TST-League', '2024', 1, 1, 1, '', '2025-02-01Z', true, 11, 12, 'One', 'Two',"
            " '202502', now(), now(), '')"
        ),
        (
            "INSERT INTO gaps VALUES (7, 'quarantined', 'TST-League', '2024', 'status 42', now()),"
            " (8, 'quarantined', 'TST-League', '2024', 'status 42', now())"
        ),
    )
    in_transaction(engine, lambda connection: [connection.execute(text(row)) for row in before])
    migrate(url)
    [places, due] = in_transaction(
        engine,
        lambda connection: [
            [tuple(row) for row in connection.execute(text(question))]
            for question in (
                "SELECT match_id, stage_id, feed_month FROM gaps ORDER BY match_id",
                "SELECT month FROM months WHERE due_at IS NOT NULL",
            )
        ],
    )
    engine.dispose()
    assert places == [(7, 1, "202502"), (8, None, None)], "nobody noted which month listed the second"
    assert due == [("202502",)]


def run_head() -> str:
    return migration._head()


@pytest.mark.parametrize("fault", [Fault(cut_at=b"COMMIT", way=TO_SERVER), Fault(cut_at=b"COMMIT\0", way=TO_CLIENT)])
def test_a_migration_whose_commit_is_lost_is_settled_by_the_next(server: OwnPostgres, fault: Fault) -> None:
    url = server.new_database()
    with ByteProxy(server.port, fault) as proxy:
        spoilt = url.replace(f":{server.port}/", f":{proxy.port}/")
        with pytest.raises(DependencyUnavailableError, match=f":{proxy.port} cannot be used"):
            migrate(spoilt)
        assert proxy.n_cuts == 1
        proxy.pass_on()
        assert migrate(spoilt) == run_head()
    assert schema_of(url) == schema_of(server.new_warehouse())


def test_of_two_migrations_one_waits_and_finds_nothing_to_do(server: OwnPostgres) -> None:
    url = server.new_database()
    holder = open_engine(url)
    done: list[str] = []
    with holder.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": migration._LOCK_KEY})
        racers = [threading.Thread(target=lambda: done.append(migrate(url))) for _ in range(2)]
        for racer in racers:
            racer.start()
        racers[0].join(0.5)
        assert done == [], "one went ahead while another migration was under way"
    for racer in racers:
        racer.join(60)
    holder.dispose()
    assert done == [run_head()] * 2
    assert schema_of(url) == schema_of(server.new_warehouse())


def test_two_new_warehouses_of_one_server_may_be_made_at_once(server: OwnPostgres) -> None:
    """Roles belong to the whole server: both migrations want to make the same ones."""
    context = multiprocessing.get_context("fork")  # Alembic is not made for two migrations in one process
    server.new_warehouse()
    roles = [row[0] for row in server.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'match_assets_%'")]
    for role in roles:
        server.execute(f"ALTER ROLE {role} RENAME TO former_{role}")
    urls = [server.new_database() for _ in range(3)]
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        racers = [context.Process(target=migrate, args=(url,)) for url in urls]
        for racer in racers:
            racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    for url in urls:
        server.execute(f"DROP DATABASE {make_url(url).database}")
    for role in roles:
        server.execute(f"DROP ROLE {role}")
        server.execute(f"ALTER ROLE former_{role} RENAME TO {role}")
    assert len(roles) == 4


def older(connection: Connection) -> None:
    connection.execute(text("UPDATE warehouse_version SET version_num = '0001'"))


def newer(connection: Connection) -> None:
    connection.execute(text("UPDATE warehouse_version SET version_num = '9999'"))


def unmade(connection: Connection) -> None:
    connection.execute(text("DROP TABLE warehouse_version"))


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (older, "at revision 0001, the code needs .*: run `match-assets migrate`"),
        (unmade, "at revision none, the code needs .*: run `match-assets migrate`"),
        (newer, "at revision 9999, which this version does not know: update match-assets"),
    ],
)
def test_work_on_a_schema_of_another_age_is_refused_with_the_command_to_run(
    warehouse: Engine, age: Callable[[Connection], None], told: str
) -> None:
    in_transaction(warehouse, age)
    with pytest.raises(ConfigurationError, match=told) as refused:
        require_current(warehouse)
    assert refused.value.exit_code == 2


def test_an_old_program_does_not_touch_a_newer_schema(
    server: OwnPostgres, url: str, warehouse: Engine, command_line: None
) -> None:
    before = schema_of(url)
    in_transaction(warehouse, newer)
    result = CliRunner().invoke(main, ["migrate"])
    assert result.exit_code == 2
    assert "update match-assets" in result.stderr
    assert schema_of(url) == before


def test_a_query_on_a_schema_that_lacks_its_table_says_what_to_run(warehouse: Engine) -> None:
    """Some ways in do not ask for the revision first."""
    in_transaction(warehouse, lambda connection: connection.execute(text("DROP TABLE visits CASCADE")))
    with pytest.raises(ConfigurationError, match=r'relation "visits" does not exist.* Run `match-assets migrate`'):
        in_transaction(warehouse, lambda connection: connection.execute(text("SELECT * FROM visits")))


def test_a_migration_by_a_role_without_rights_changes_nothing(server: OwnPostgres, url: str) -> None:
    server.execute(f"CREATE ROLE migrator LOGIN PASSWORD '{server.secrets['postgres']}'")
    fresh = server.new_database()
    try:
        with pytest.raises(
            MatchAssetsError, match=r"the role migrator of .* may not do this: permission denied"
        ) as refused:
            migrate(fresh.replace("//match_assets:", "//migrator:"))
        assert refused.value.exit_code == 2
        assert schema_of(fresh) == []
    finally:
        server.execute("DROP ROLE migrator")


def test_where_the_roles_are_there_an_owner_without_the_right_to_make_roles_migrates(
    server: OwnPostgres, url: str
) -> None:
    migrate(url)
    server.execute(f"CREATE ROLE migrator LOGIN PASSWORD '{server.secrets['postgres']}'")
    fresh = server.new_database()
    name = make_url(fresh).database
    server.execute(f'ALTER DATABASE "{name}" OWNER TO migrator')
    try:
        migrate(fresh.replace("//match_assets:", "//migrator:"))
        assert [row for row in schema_of(fresh) if row[0] == "right" and row[2] == "match_assets_read"]
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        server.execute("DROP ROLE migrator")
