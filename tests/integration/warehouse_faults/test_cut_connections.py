"""PG-02: connections that end at the worst moment. Whoever runs the same work again ends where an undisturbed run does."""

import datetime as dt
import random
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, text

from match_assets.errors import DependencyUnavailableError
from match_assets.warehouse import writing
from match_assets.warehouse.database import in_transaction, lease
from tests.byte_proxy import TO_CLIENT, TO_SERVER, ByteProxy, Fault
from tests.integration.warehouse_faults.own_postgres import (
    KEY,
    SEEN,
    OwnPostgres,
    dump,
    match_pages,
    season,
    write_catalogue,
)

N_CUTS = 16
LATER = SEEN + dt.timedelta(days=1)


def write_all(engine: Engine) -> None:
    """Two visits to a season and to its match pages; the second finds other statistics and other scores."""
    write_catalogue(engine)
    writing.write_season(engine, season())
    writing.write_pages(engine, KEY, "2024", match_pages())
    writing.write_season(engine, season(goals=2, seen=LATER))
    writing.write_pages(engine, KEY, "2024", match_pages(shots=4, seen=LATER))


def again_until_done(work: Callable[[], object], *, tries: int = 5) -> int:
    """Run ``work`` as a person does who reads "run again"; how often it failed."""
    for n_failed in range(tries):
        try:
            work()
        except DependencyUnavailableError:
            continue
        return n_failed
    raise AssertionError(f"failed {tries} times")


def test_a_connection_cut_before_the_server_hears_commit_stores_nothing(
    spoilt: Engine, warehouse: Engine, proxy: ByteProxy, twin: Engine
) -> None:
    write_catalogue(spoilt)
    before = dump(warehouse)
    proxy.do(Fault(cut_at=b"COMMIT", way=TO_SERVER, times=1))
    with pytest.raises(DependencyUnavailableError, match=rf"127\.0\.0\.1:{proxy.port} cannot be used"):
        writing.write_season(spoilt, season())
    assert proxy.n_cuts == 1
    assert dump(warehouse) == before
    write_all(spoilt)
    write_all(twin)
    assert dump(warehouse) == dump(twin)


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_commit_whose_answer_is_lost_is_settled_by_the_next_run(
    spoilt: Engine, warehouse: Engine, proxy: ByteProxy, twin: Engine, is_reset: bool
) -> None:
    """Nobody can know whether it was stored: the error must be raised, and the same batch again change nothing."""
    write_catalogue(spoilt)
    writing.write_season(spoilt, season())
    proxy.do(Fault(cut_at=b"COMMIT\0", way=TO_CLIENT, is_reset=is_reset, times=1))
    with pytest.raises(DependencyUnavailableError):
        writing.write_pages(spoilt, KEY, "2024", match_pages())
    assert proxy.n_cuts == 1
    stored = dump(warehouse)
    assert len(stored["match_stats"]) == 12, "the server committed"
    writing.write_pages(spoilt, KEY, "2024", match_pages())
    assert dump(warehouse) == stored
    write_all(spoilt)
    write_all(twin)
    assert dump(warehouse) == dump(twin)


def test_a_cut_just_after_the_commit_was_acknowledged_is_no_failure(
    spoilt: Engine, warehouse: Engine, proxy: ByteProxy
) -> None:
    write_catalogue(spoilt)
    proxy.do(Fault(cut_at=b"COMMIT\0", way=TO_CLIENT, is_last_word_passed=True, times=1))
    again_until_done(lambda: writing.write_season(spoilt, season()))
    # the pool's next connection is found dead when it is taken and replaced without a word
    assert writing.write_season(spoilt, season()).inserted == 0
    assert len(dump(warehouse)["matches"]) == 6


def test_a_server_killed_in_a_transaction_keeps_nothing_of_it(
    server: OwnPostgres, warehouse: Engine, twin: Engine
) -> None:
    write_catalogue(warehouse)
    writing.write_season(warehouse, season())
    before = dump(warehouse)

    def die(connection: Connection) -> None:
        connection.execute(text("UPDATE matches SET home_goals = 9, away_goals = 9"))
        connection.execute(text("DELETE FROM observations"))
        server.kill()
        connection.execute(text("SELECT 1"))

    with pytest.raises(DependencyUnavailableError, match=f":{server.port} cannot be used"):
        in_transaction(warehouse, die)
    server.restart()
    assert dump(warehouse) == before
    write_all(warehouse)
    write_all(twin)
    assert dump(warehouse) == dump(twin)


def test_cut_anywhere_and_run_again_ends_as_the_undisturbed_twin(
    spoilt: Engine, warehouse: Engine, proxy: ByteProxy, twin: Engine
) -> None:
    """Bytes are counted in both directions over log-in, transactions and commits; the seed tells where it was cut."""
    write_all(twin)
    for _ in range(2):  # an engine's very first connection asks what server it meets; what is measured is the second
        in_transaction(warehouse, _forget)
        spoilt.dispose()
        proxy.pass_on()
        write_all(spoilt)
        n_bytes = proxy.n_passed
    assert dump(warehouse) == dump(twin)

    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    n_failed = 0
    for cut in sorted(draw.sample(range(1, int(0.99 * n_bytes)), k=N_CUTS)):
        in_transaction(warehouse, _forget)
        spoilt.dispose()
        proxy.do(Fault(cut_after=cut, is_reset=draw.random() < 0.5, times=1))
        n_failed += again_until_done(lambda: write_all(spoilt))
        assert proxy.n_cuts == 1, f"seed {seed}: nothing was cut at byte {cut}"
        assert dump(warehouse) == dump(twin), f"seed {seed}: cut at byte {cut} of {n_bytes}"
    assert n_failed > N_CUTS / 2


def test_a_holder_whose_connection_is_lost_gives_its_lease_up(
    spoilt: Engine, warehouse: Engine, proxy: ByteProxy
) -> None:
    with lease(spoilt, "season") as held:
        assert held
        with lease(warehouse, "season") as held_by_another:
            assert not held_by_another
        proxy.do(Fault(cut_after=0, times=1))  # whatever passes next: its own good-bye
    # no error: what was done under the lease is done
    assert proxy.n_cuts == 1
    # PostgreSQL ends the session once it sees that the other end is gone
    deadline = time.monotonic() + 30
    while not _is_free(warehouse):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_free(engine: Engine) -> bool:
    with lease(engine, "season") as held:
        return bool(held)


def _forget(connection: Connection) -> None:
    """The warehouse as it was before the first visit."""
    connection.execute(
        text(
            "TRUNCATE match_stats, match_pages, withdrawals, matches, observations, months, stages, team_names, teams,"
            " gaps, fetches"
        )
    )
