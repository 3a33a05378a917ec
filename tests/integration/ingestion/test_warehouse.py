"""The warehouse against a real PostgreSQL: migration, replay, snapshots, leases."""

import contextlib
import datetime as dt
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, func, select, text

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.source.parsers import parse_home_page, parse_match_page, parse_month_feed, parse_season_list
from match_assets.source.records import StageLink
from match_assets.warehouse import reading, writing
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.database import in_transaction, lease
from match_assets.warehouse.migrate import VERSION_TABLE, migrate, require_current
from match_assets.warehouse.observed import PRESENT, PageObservation, WriteCounts
from match_assets.warehouse.schema import METADATA, match_pages, observations
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar
from tests import pages
from tests.integration.ingestion.conftest import end_session_of_the_lease

KEY = "TST-League"
START = dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)


def store_catalogue(engine: Engine) -> None:
    link = parse_home_page(pages.home_page().encode(), "/")[0]
    writing.write_tournament(engine, KEY, link, parse_season_list(pages.season_page([]).encode(), "/"), START)


def store(engine: Engine, rows: Sequence[dict[str, Any]], *, minutes: int = 0, site_minutes: int = 0) -> WriteCounts:
    """One feed of February, read ``minutes`` after the start, at ``site_minutes`` of the source's clock."""
    created = (START + dt.timedelta(minutes=site_minutes)).isoformat().replace("+00:00", "Z")
    feed = parse_month_feed(pages.feed(rows, created_at=created).encode(), "x", stage_id=pages.STAGE, month="202502")
    observed_at = START + dt.timedelta(minutes=minutes)
    batch = SeasonBatch(
        tournament=KEY,
        season="2024",
        season_id=pages.SEASON,
        stages=(StageCalendar(StageLink(pages.STAGE, "", "", is_shown=True), ()),),
        months=(ObservedMonth(feed, observed_at),),
        missing=(),
        site_time=START,
        observed_at=observed_at,
    )
    return writing.write_season(engine, batch)


def page(match_id: int, *, minutes: int, centre: str | None = None, shots: int = 3) -> PageObservation:
    stats = {**pages.RECORDED, "shotsTotal": {"1": shots}}
    source = pages.match_page(match_id, 11, 12, (2, 1), stats=(stats, stats), centre=centre)
    return PageObservation(
        match_id=match_id,
        statistics=PRESENT if centre is None else "the match centre is null",
        page=parse_match_page(source.encode(), "x", match_id=match_id),
        feed_score=(2, 1),
        site_time=START,
        observed_at=START + dt.timedelta(minutes=minutes),
    )


@pytest.fixture
def stored(warehouse: Engine) -> Engine:
    """A warehouse that knows one finished match."""
    store_catalogue(warehouse)
    store(warehouse, [ROW])
    return warehouse


ROW = pages.feed_row(5001, "2025-02-01T15:00:00", 11, 12, (2, 1))


def test_migrations_make_exactly_the_declared_schema(warehouse: Engine) -> None:
    with warehouse.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []


def test_racing_migrations_end_in_one(postgres_url: str) -> None:
    revisions: list[str] = []
    racers = [threading.Thread(target=lambda: revisions.append(migrate(postgres_url))) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert len(revisions) == 3
    assert len(set(revisions)) == 1


def test_database_of_another_revision_is_refused(postgres_url: str, warehouse: Engine) -> None:
    with warehouse.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'tomorrow'"))
    with pytest.raises(ConfigurationError, match="update match-assets"):
        require_current(warehouse)
    with pytest.raises(ConfigurationError, match="update match-assets"):
        migrate(postgres_url)


def test_empty_database_names_the_command(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with pytest.raises(ConfigurationError, match="match-assets migrate"):
        require_current(engine)
    engine.dispose()


def test_server_that_is_away_is_named_without_its_password() -> None:
    engine = open_engine("postgresql+psycopg://someone:hunter2@127.0.0.1:9/x")
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9") as caught:
        reading.catalogue(engine)
    assert "hunter2" not in caught.value.message
    engine.dispose()


def test_replaying_a_batch_changes_nothing(stored: Engine) -> None:
    before = reading.season_revision(stored)
    assert store(stored, [ROW]) == WriteCounts(unchanged=1)
    assert reading.season_revision(stored) == before
    with stored.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(observations)) == 1


def test_older_observation_never_overwrites_even_after_a_mere_repetition(stored: Engine) -> None:
    store(stored, [ROW], minutes=30)
    late = store(stored, [ROW | {"homeScore": 9}], minutes=20)
    assert late == WriteCounts(stale=1)
    assert reading.season_snapshot(stored, KEY, "2024")[0]["home_goals"].item() == 2


def test_source_clock_outranks_ours(stored: Engine) -> None:
    store(stored, [ROW | {"homeScore": 4}], minutes=10, site_minutes=60)
    assert store(stored, [ROW], minutes=20, site_minutes=30).stale == 1


def test_same_key_twice_in_one_batch_has_one_winner_and_a_count(stored: Engine) -> None:
    rows = [ROW | {"homeScore": 3}, ROW | {"homeScore": 4}, ROW | {"homeScore": 3}]
    counts = store(stored, rows, minutes=5)
    winner = reading.season_snapshot(stored, KEY, "2024")[0]["home_goals"].item()
    others = sum(row["homeScore"] != winner for row in rows)
    assert counts == WriteCounts(changed=1, duplicates=2, contested=others)
    store(stored, rows[::-1], minutes=5)
    assert reading.season_snapshot(stored, KEY, "2024")[0]["home_goals"].item() == winner


def test_revision_moves_with_content_and_returns_with_it(stored: Engine) -> None:
    first = reading.season_revision(stored)
    store(stored, [ROW | {"homeScore": 3}], minutes=1)
    second = reading.season_revision(stored)
    store(stored, [ROW], minutes=2)
    assert first != second
    assert reading.season_revision(stored) == first
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=3)])
    assert reading.season_revision(stored) != first


def test_hostile_text_is_stored_as_it_is(stored: Engine) -> None:
    name = "'); DROP TABLE matches;-- %s {0} $1 \\ \" \n İß\u00a0" + "x" * 300
    store(stored, [ROW | {"homeTeamName": name}], minutes=1)
    assert reading.season_snapshot(stored, KEY, "2024")[0]["home_team"].item() == name


def test_page_without_match_centre_keeps_the_statistics_it_had(stored: Engine) -> None:
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=1)])
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=2, centre="null")])
    assert reading.season_snapshot(stored, KEY, "2024")[1]["shots"].to_list() == [3, 3]


def test_replayed_page_counts_one_attempt(stored: Engine) -> None:
    batch = [page(5001, minutes=1, centre="null")]
    for _ in range(3):
        writing.write_pages(stored, KEY, "2024", batch)
    with stored.connect() as connection:
        assert connection.scalar(select(match_pages.c.attempts)) == 1
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=2, centre="null")])
    with stored.connect() as connection:
        assert connection.scalar(select(match_pages.c.attempts)) == 2


def test_older_page_never_replaces_newer_statistics(stored: Engine) -> None:
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=9, shots=9)])
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=5, shots=5)])
    assert reading.season_snapshot(stored, KEY, "2024")[1]["shots"].to_list() == [9, 9]


def test_snapshot_shows_one_committed_state_while_a_writer_works(stored: Engine) -> None:
    writing.write_pages(stored, KEY, "2024", [page(5001, minutes=0, shots=0)])
    stop = threading.Event()

    def write() -> None:
        for number in range(1, 1000):
            if stop.is_set():
                return

            def both(connection: Any, number: int = number) -> None:
                connection.execute(text("UPDATE matches SET home_goals = :n, away_goals = :n"), {"n": number})
                connection.execute(text("UPDATE match_stats SET shots = :n"), {"n": number})

            in_transaction(stored, both)

    in_transaction(stored, lambda connection: connection.execute(text("UPDATE matches SET home_goals = 0")))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            matches, stats = reading.season_snapshot(stored, KEY, "2024")
            assert set(stats["shots"]) == set(matches["home_goals"])
    finally:
        stop.set()
        writer.join(30)


def test_lease_is_exclusive_and_lapses_with_its_holder(warehouse: Engine, postgres_url: str) -> None:
    other = open_engine(postgres_url)
    with lease(warehouse, "season") as first:
        with lease(other, "season") as second:
            assert (bool(first), bool(second)) == (True, False)
        with lease(other, "another season") as third:
            assert third
    with lease(other, "season") as again:
        assert again
    holder = other.connect()
    holder.execute(text("SELECT pg_advisory_lock(1)"))
    holder.invalidate()
    other.dispose()


def test_a_lease_lost_with_its_connection_is_taken_again_where_nobody_else_has_it(
    warehouse: Engine, postgres_url: str
) -> None:
    other = open_engine(postgres_url)
    with lease(warehouse, "season") as held:
        held.renew()
        end_session_of_the_lease(other)
        for _ in range(2):
            held.renew()
        with lease(other, "season") as second:
            assert not second
    with lease(other, "season") as again:
        assert again, "taken twice, it would have to be given back twice"
    other.dispose()


def test_a_lease_lost_to_another_process_says_so_and_is_not_given_back(warehouse: Engine, postgres_url: str) -> None:
    other, third = open_engine(postgres_url), open_engine(postgres_url)
    with contextlib.ExitStack() as stack:
        with lease(warehouse, "season") as held:
            end_session_of_the_lease(other)
            assert stack.enter_context(lease(other, "season"))
            for _ in range(2):
                with pytest.raises(
                    DependencyUnavailableError, match=r"season: the connection .* another process has begun"
                ):
                    held.renew()
            assert not held
        with lease(third, "season") as still:
            assert not still, "the other has it"
    other.dispose()
    third.dispose()


def test_conflicting_transaction_runs_again_as_a_whole(stored: Engine) -> None:
    attempts: list[int] = []

    def work(connection: Any) -> int:
        attempts.append(1)
        if len(attempts) < 3:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'victim' USING ERRCODE = '40P01'; END $$"))
        return len(attempts)

    assert in_transaction(stored, work) == 3


def test_live_partitions_are_the_newest_season_and_any_with_matches_to_come(stored: Engine) -> None:
    assert reading.live_partitions(stored) == [f"2024|{KEY}"]
    link = parse_home_page(pages.home_page().encode(), "/")[0]
    newer = parse_season_list(
        pages.season_page([], seasons={9200: "2025/2026", pages.SEASON: "2024/2025"}).encode(), "/"
    )
    writing.write_tournament(stored, KEY, link, newer, START)
    assert reading.live_partitions(stored) == [f"2025|{KEY}"]
    store(stored, [ROW, pages.feed_row(5002, "2025-02-20T15:00:00", 13, 14)], minutes=1)
    assert reading.live_partitions(stored) == [f"2024|{KEY}", f"2025|{KEY}"]
