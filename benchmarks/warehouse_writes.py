"""Upserts by COPY and one sorted statement beside the driver's executemany, and a whole season's write.

Every way writes the same rows of ``matches`` and ``match_stats`` with the same conditions, into empty tables and then
once more with every row corrected; what the tables hold afterwards is compared. The ``executemany`` of psycopg 3, our
driver, sends its statements in a pipeline; that of psycopg2, which Dagster's storage uses, waits for the answer to every
one. COPY of the rows into a table without an index, before any of them is inserted or updated, bounds what any way that
begins with COPY can win.

    .venv/bin/python benchmarks/warehouse_writes.py
"""

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import report, require
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    literal,
    make_url,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.local.stack import ServerStack
from match_assets.source.records import (
    FeedMatch,
    MatchPage,
    MonthFeed,
    SeasonLink,
    StageLink,
    TeamStatistics,
    TournamentLink,
)
from match_assets.warehouse import copying, writing
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate
from match_assets.warehouse.observed import PRESENT, PageObservation
from match_assets.warehouse.schema import match_pages, match_stats, matches
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar

KEY, SEASON, SEASON_ID, STAGE = "BEN-League", "2024", 1, 1
START = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
N_ROWS, N_MATCHES, N_TEAMS, ROUNDS = 5_000, 380, 20, 3
Rows = Sequence[dict[str, Any]]
Write = Callable[[Connection, Table, Rows], None]
NEWEST_BY = ("site_time", "observed_at", "content_hash")


def measure_writes(postgres_url: str) -> dict[str, float]:
    """Rows a second in each way, their ratios, and the seconds of a season of 380 matches with statistics.

    Args:
        postgres_url: an empty database, which is migrated and left full.
    """
    migrate(postgres_url)
    engine = open_engine(postgres_url)
    older = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg2"))
    with closed(engine), closed(older):
        prepare(engine)
        seconds = quickest_upserts(
            {
                "copy": (engine, by_copy),
                "executemany": (engine, by_executemany),
                "psycopg2": (older, by_psycopg2),
            }
        )
        copying_alone = min(time_copying_alone(engine) for _ in range(ROUNDS))
        season, again = time_season(engine)
    n_rows = 2 * (N_ROWS + 2 * N_ROWS)
    return {
        "copy_rows_per_second": n_rows / seconds["copy"],
        "executemany_rows_per_second": n_rows / seconds["executemany"],
        "psycopg2_rows_per_second": n_rows / seconds["psycopg2"],
        "copy_vs_executemany": seconds["executemany"] / seconds["copy"],
        "copy_vs_executemany_of_psycopg2": seconds["psycopg2"] / seconds["copy"],
        "copying_alone_vs_executemany": seconds["executemany"] / copying_alone,
        "season_seconds": season,
        "season_again_seconds": again,
    }


def quickest_upserts(ways: Mapping[str, tuple[Engine, Write]]) -> dict[str, float]:
    """Seconds of the quickest of several alternating rounds of each way, all of which leave the same rows."""
    seconds: dict[str, float] = {}
    held: dict[str, list[Any]] = {}
    for _ in range(ROUNDS):
        for name, (engine, write) in ways.items():
            taken, held[name] = time_upserts(engine, write)
            seconds[name] = min(seconds.get(name, taken), taken)
    require(all(rows == held["copy"] for rows in held.values()), "all ways hold the same rows")
    return seconds


@contextmanager
def closed(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.dispose()


def prepare(engine: Engine) -> None:
    """What matches refer to: a tournament, its season, stage and teams."""
    link = TournamentLink(1, "Benchland", 1, "League", "/")
    writing.write_tournament(engine, KEY, link, [SeasonLink(SEASON_ID, "2024/2025", SEASON, "/", is_shown=True)], START)
    everybody = [row_of(number, home=2 * number + 1, away=2 * number + 2) for number in range(N_TEAMS // 2)]
    writing.write_season(engine, batch_of(everybody, START))


def row_of(match_id: int, *, home: int, away: int, goals: int = 1) -> FeedMatch:
    return FeedMatch(
        match_id=match_id + 1,
        stage_id=STAGE,
        status=6,
        elapsed="FT",
        kick_off_utc=START - dt.timedelta(hours=24 * (match_id % 300)),
        is_kick_off_time_known=True,
        home_team_id=home,
        away_team_id=away,
        home_team=f"Team {home}",
        away_team=f"Team {away}",
        home_score=goals,
        away_score=0,
    )


def batch_of(rows: Sequence[FeedMatch], at: dt.datetime) -> SeasonBatch:
    feed = MonthFeed(STAGE, "202505", at, tuple(rows), 0, {}, ())
    stage = StageCalendar(StageLink(STAGE, "", "", is_shown=True), ())
    return SeasonBatch(KEY, SEASON, SEASON_ID, (stage,), (ObservedMonth(feed, at),), (), at, at)


def rows_of(step: int) -> list[dict[str, Any]]:
    """Rows of ``matches`` as one step of an imagined history left them."""
    at = START + dt.timedelta(minutes=step)
    return [
        {
            "match_id": number,
            "tournament": KEY,
            "season": SEASON,
            "season_id": SEASON_ID,
            "stage_id": STAGE,
            "status": 6,
            "elapsed": "FT",
            "kick_off_utc": START,
            "is_kick_off_time_known": True,
            "home_team_id": number % N_TEAMS + 1,
            "away_team_id": (number + 1) % N_TEAMS + 1,
            "home_team": f"Team {number % N_TEAMS + 1}",
            "away_team": f"Team {(number + 1) % N_TEAMS + 1}",
            "home_score": step,
            "away_score": 0,
            "home_goals": step,
            "away_goals": 0,
            "missing_since": None,
            "feed_month": "202505",
            "site_time": at,
            "observed_at": at,
            "content_hash": f"{number:032x}",
        }
        for number in range(1, N_ROWS + 1)
    ]


def sides_of(step: int) -> list[dict[str, Any]]:
    """Rows of ``match_stats``, two for each match."""
    counts = {"shots": 10 + step, "shots_on_target": 4, "corners": 5, "fouls": 11, "yellow_cards": 2, "red_cards": 0}
    return [
        {"match_id": number, "is_home": is_home, "team_id": number % N_TEAMS + 1, **counts}
        for number in range(1, N_ROWS + 1)
        for is_home in (False, True)
    ]


def steps() -> list[tuple[tuple[Table, list[dict[str, Any]]], ...]]:
    """What is written one after the other: every row, and every row corrected."""
    return [((matches, rows_of(step)), (match_stats, sides_of(step))) for step in (1, 2)]


def by_copy(connection: Connection, table: Table, rows: Rows) -> None:
    copying.replace(connection, table, rows, newest_by=NEWEST_BY if table is matches else ())


def by_executemany(connection: Connection, table: Table, rows: Rows) -> None:
    connection.execute(upsert_of(table, list(rows[0])), rows)


def by_psycopg2(connection: Connection, table: Table, rows: Rows) -> None:
    # through SQLAlchemy it would become statements of many rows each
    names = list(rows[0])
    statement = upsert_of(table, names).compile(dialect=connection.dialect, column_keys=names)
    with connection.connection.cursor() as cursor:
        cursor.executemany(str(statement), rows)


def upsert_of(table: Table, names: list[str]) -> Any:
    """The same upsert as a statement for one row."""
    statement = upsert(table)
    keys = [column.name for column in table.primary_key]
    held, incoming = (
        tuple_(*(side[name] for name in NEWEST_BY if name in names)) for side in (table.c, statement.excluded)
    )
    return statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: statement.excluded[name] for name in names if name not in keys},
        where=held < incoming if table is matches else None,
    )


def time_upserts(engine: Engine, write: Write) -> tuple[float, list[Any]]:
    """Seconds to insert all rows and to correct all rows, and what the tables hold then."""
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE matches CASCADE"))
    taken = 0.0
    for step in steps():
        for table, rows in step:
            begun = time.perf_counter()
            with engine.begin() as connection:
                write(connection, table, rows)
            taken += time.perf_counter() - begun
            if table is matches:
                make_pages(engine)
    with engine.connect() as connection:
        return taken, [
            tuple(row)
            for table in (matches, match_stats)
            for row in connection.execute(select(table).order_by(*table.primary_key))
        ]


def time_copying_alone(engine: Engine) -> float:
    """Seconds to send the same rows by COPY into tables of the transaction's own, where they stay until it ends."""
    taken = 0.0
    for step in steps():
        for table, rows in step:
            columns = [Column(name, table.c[name].type) for name in rows[0]]
            own = Table(f"own_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")
            begun = time.perf_counter()
            with engine.begin() as connection:
                own.create(connection)
                copying.append(connection, own, rows)
            taken += time.perf_counter() - begun
    return taken


def make_pages(engine: Engine) -> None:
    """What statistics refer to."""
    of_matches = select(
        matches.c.match_id,
        literal(PRESENT),
        matches.c.site_time,
        matches.c.observed_at,
        matches.c.content_hash,
        literal(0),
    )
    names = ["match_id", "statistics", "site_time", "observed_at", "content_hash", "attempts"]
    with engine.begin() as connection:
        connection.execute(upsert(match_pages).from_select(names, of_matches).on_conflict_do_nothing())


def time_season(engine: Engine) -> tuple[float, float]:
    """Seconds to store a season of 380 finished matches with their statistics, and to see all of it once more."""
    pairs = [(home, away) for home in range(1, N_TEAMS + 1) for away in range(1, N_TEAMS + 1) if home != away]
    rows = [row_of(number, home=home, away=away) for number, (home, away) in enumerate(pairs)]
    pages = [page_of(row) for row in rows]
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE matches, observations CASCADE"))
    taken = []
    for _ in range(2):
        begun = time.perf_counter()
        writing.write_season(engine, batch_of(rows, START))
        writing.write_pages(engine, KEY, SEASON, pages)
        taken.append(time.perf_counter() - begun)
    with engine.connect() as connection:
        n_sides = len(connection.execute(select(match_stats.c.match_id)).all())
    require(n_sides == 2 * N_MATCHES, f"statistics of {n_sides} sides")
    return taken[0], taken[1]


def page_of(row: FeedMatch) -> PageObservation:
    sides = tuple(
        TeamStatistics(team_id, name, is_home, 12, 4, 5, 11, 2, 0)
        for team_id, name, is_home in (
            (row.home_team_id, row.home_team, True),
            (row.away_team_id, row.away_team, False),
        )
    )
    page = MatchPage(row.match_id, row.home_team_id, row.away_team_id, 6, "FT", 1, 0, 0, 0, True, sides)
    return PageObservation(row.match_id, PRESENT, page, (1, 0), START, START)


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="match-assets-bench-", ignore_cleanup_errors=True) as folder,
        ServerStack(Path(folder) / "state") as stack,
    ):
        figures = measure_writes(stack.settings_environment()["MATCH_ASSETS_POSTGRES_URL"])
    print(
        f"{3 * N_ROWS} rows inserted and corrected, rows/s: COPY {figures['copy_rows_per_second']:,.0f}, "
        f"executemany {figures['executemany_rows_per_second']:,.0f}, "
        f"that of psycopg2 {figures['psycopg2_rows_per_second']:,.0f}"
    )
    print(
        f"season of {N_MATCHES} matches with statistics {figures['season_seconds']:.2f} s, "
        f"once more {figures['season_again_seconds']:.2f} s"
    )
    report(figures)


if __name__ == "__main__":
    main()
