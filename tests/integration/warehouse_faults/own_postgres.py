"""A PostgreSQL server of a test's own, to be killed, frozen and starved, and what is written into it."""

import contextlib
import datetime as dt
import itertools
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, Engine, make_url, select

from match_assets.local import servers
from match_assets.local.layout import Layout, choose_ports, load_secrets, write_private
from match_assets.local.processes import marked_processes
from match_assets.source.parsers import parse_home_page, parse_match_page, parse_month_feed, parse_season_list
from match_assets.source.records import StageLink
from match_assets.warehouse import schema, writing
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.migrate import migrate
from match_assets.warehouse.observed import PRESENT, PageObservation
from tests import pages

UTC = dt.UTC
SEEN = dt.datetime(2025, 2, 10, 12, tzinfo=UTC)
KEY = "TST-League"
FEED_CLOCK = "2025-02-10T12:00:00Z"
# attempt logs and numbers given in order of arrival differ between a run with a fault and its twin
UNCOMPARED = {"fetches"}
NUMBERED = {"observation_id"}
MAX_CONNECTIONS = 25


class OwnPostgres:
    """One server in a folder; every database in it is a test's own.

    It is the project's server but for three things: it holds few connections, its segments of the log are small, and it
    does not wait for the disk, which a killed process does not lose.
    """

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        self.layout.create()
        self.secrets = load_secrets(self.layout)
        self.port = choose_ports(("postgres",), remembered={})["postgres"]
        self.process = servers.postgres(self.layout, {"postgres": self.port}, self.secrets)
        self.process.command_parts += [f"--max_connections={MAX_CONNECTIONS}", "--fsync=off"]
        self._number = itertools.count(1)
        self._migrated: str | None = None
        self._initialise()

    def __enter__(self) -> "OwnPostgres":
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.end()
        left = marked_processes(self.secrets["stack_id"])
        assert not left, f"processes of the server are still alive: {left}"

    @property
    def pid(self) -> int:
        assert self.process.process is not None
        return self.process.process.pid

    def new_database(self, *, template: str = "template1") -> str:
        """SQLAlchemy's address of a new database, a copy of ``template``."""
        name = f"own_{next(self._number)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def new_warehouse(self) -> str:
        """SQLAlchemy's address of a migrated and empty warehouse."""
        if self._migrated is None:
            made = self.new_database()
            migrate(made)
            self._migrated = make_url(made).database
        return self.new_database(template=self._migrated or "")

    def url(self, database: str, *, port: int | None = None, user: str | None = None) -> str:
        """Address of a database, through a proxy's ``port`` or as another ``user`` (of the same password)."""
        dsn = servers.postgres_dsn(port or self.port, self.secrets["postgres"], database, driver="psycopg")
        return dsn.replace(f"//{servers.POSTGRES_USER}:", f"//{user or servers.POSTGRES_USER}:")

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Rows of a statement of the superuser."""
        dsn = servers.postgres_dsn(self.port, self.secrets["postgres"], database)
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_user(self, name: str, role: str) -> None:
        """A role that logs in with the server's password and may what ``role`` may."""
        words = {"user": sql.Identifier(name), "role": sql.Identifier(role), "secret": self.secrets["postgres"]}
        create = sql.SQL("CREATE ROLE {user} LOGIN PASSWORD {secret} IN ROLE {role}").format(**words)
        self.execute(create.as_string())

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.process.kill()

    def restart(self) -> None:
        """Start again on the old port and data."""
        self.process.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The server and all its sessions stand still, ports stay open."""
        server = psutil.Process(self.pid)
        family = [server]
        try:
            # the parent first: it starts no more children then; one may end before it is stopped
            server.send_signal(signal.SIGSTOP)
            for child in server.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.send_signal(signal.SIGSTOP)
                    family.append(child)
            yield
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def limit_files(self, n_bytes: int | None) -> None:
        """Let no process of the server that starts from now on write beyond ``n_bytes`` of a file; None lifts it."""
        hard = psutil.Process(self.pid).rlimit(psutil.RLIMIT_FSIZE)[1]
        psutil.Process(self.pid).rlimit(psutil.RLIMIT_FSIZE, (hard if n_bytes is None else n_bytes, hard))

    def _initialise(self) -> None:
        data, password = self.layout.root / "postgres", self.layout.root / "first-password"
        prefix, owner = servers._as_postgres_wants(data)
        if owner is not None:
            pytest.skip("PostgreSQL refuses root, and this machine has no user namespaces")
        write_private(password, self.secrets["postgres"])
        command = [*prefix, str(servers.postgres_binary("initdb")), "-D", str(data), "-U", servers.POSTGRES_USER]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8"]
        command += ["--no-sync", "--wal-segsize=1"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        password.unlink()


def write_catalogue(engine: Engine) -> None:
    """The tournament and its one season."""
    link = parse_home_page(pages.home_page().encode(), "/")[0]
    writing.write_tournament(engine, KEY, link, parse_season_list(pages.season_page([]).encode(), "/"), SEEN)


def season(n_matches: int = 6, *, goals: int = 1, seen: dt.datetime = SEEN) -> writing.SeasonBatch:
    """A visit to the season: finished matches, two a day, ``goals`` to nil."""
    first = dt.datetime(2024, 8, 1, 15, tzinfo=UTC)
    rows = [
        pages.feed_row(
            5001 + number,
            f"{first + dt.timedelta(days=number // 2):%Y-%m-%dT%H:%M:%S}",
            11 + 2 * (number % 2),
            12 + 2 * (number % 2),
            (goals, 0),
        )
        for number in range(n_matches)
    ]
    days = tuple(sorted({dt.date.fromisoformat(row["startTime"][:10]) for row in rows}))
    months = []
    for month in sorted({f"{day:%Y%m}" for day in days}):
        listed = [row for row in rows if row["startTime"][:7].replace("-", "") == month]
        body = pages.feed(listed, created_at=FEED_CLOCK).encode()
        months.append(writing.ObservedMonth(parse_month_feed(body, "/feed", stage_id=pages.STAGE, month=month), seen))
    return writing.SeasonBatch(
        tournament=KEY,
        season="2024",
        season_id=pages.SEASON,
        stages=(writing.StageCalendar(StageLink(pages.STAGE, "", "", is_shown=True), days),),
        months=tuple(months),
        missing=(),
        site_time=seen,
        observed_at=seen,
    )


def match_pages(n_matches: int = 6, *, shots: int = 3, seen: dt.datetime = SEEN) -> list[PageObservation]:
    """The pages of the season's first matches, each with both teams' statistics."""
    statistics = {**pages.RECORDED, "shotsTotal": {"1": shots}}
    return [
        PageObservation(
            match_id=5001 + number,
            statistics=PRESENT,
            page=parse_match_page(
                pages.match_page(
                    5001 + number, 11 + 2 * (number % 2), 12 + 2 * (number % 2), (1, 0), stats=(statistics, statistics)
                ).encode(),
                "/page",
                match_id=5001 + number,
            ),
            feed_score=(1, 0),
            site_time=seen,
            observed_at=seen,
        )
        for number in range(n_matches)
    ]


def dump(engine: Engine) -> dict[str, list[str]]:
    """Everything that the warehouse knows, in one order: equal for a run with a fault and its undisturbed twin."""

    def work(connection: Connection) -> dict[str, list[str]]:
        held = {}
        for table in schema.METADATA.sorted_tables:
            if table.name not in UNCOMPARED:
                columns = [column for column in table.columns if column.name not in NUMBERED]
                held[table.name] = sorted(repr(tuple(row)) for row in connection.execute(select(*columns)))
        return held

    return in_transaction(engine, work)
