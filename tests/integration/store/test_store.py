"""Candidates, verdicts and accepted versions on a real S3 server."""

import threading

import polars as pl
import pytest

from match_assets.config import Settings
from match_assets.errors import (
    ConfigurationError,
    DependencyUnavailableError,
    HashMismatchError,
    NotAcceptedError,
    PointerConflictError,
    StoreError,
)
from match_assets.store import Pointer, Store
from match_assets.store.objects import Bucket, s3_client
from match_assets.store.sql import run_sql
from tests.integration.store.conftest import PARTITION, frame
from tests.integration.store.conftest import put as put_candidate


def put(
    store: Store, rows: pl.DataFrame, *, partition: str = PARTITION, source: str = "s1", code: str = "c1"
) -> Pointer:
    return put_candidate(store, rows, partition=partition, inputs={"raw": source}, code=code)


def test_a_candidate_is_not_readable_before_it_is_accepted(store: Store) -> None:
    put(store, frame(1, 2))
    with pytest.raises(NotAcceptedError, match="finished_matches 2024\\|ESP-LaLiga"):
        store.read("finished_matches", PARTITION)


def test_an_accepted_candidate_is_what_is_read(store: Store) -> None:
    store.accept(put(store, frame(1, 2)))
    assert store.read("finished_matches", PARTITION).equals(frame(1, 2))
    assert store.partitions("finished_matches") == [PARTITION]


def test_a_refused_candidate_leaves_the_accepted_version(store: Store) -> None:
    store.accept(put(store, frame(1)))
    bad = put(store, frame(99))
    store.refuse(bad, ["goals in range"])
    assert store.read("finished_matches", PARTITION).equals(frame(1))
    held = store.candidate("finished_matches", PARTITION)
    assert held is not None
    assert held.refused_by == ("goals in range",)


def test_accepting_the_same_version_again_changes_nothing(store: Store) -> None:
    first = store.accept(put(store, frame(1)))
    assert store.accept(put(store, frame(1))) == first
    assert len(store.history("finished_matches", PARTITION)) == 1


def test_the_history_keeps_every_accepted_version_in_order(store: Store) -> None:
    digests = [store.accept(put(store, frame(goals), source=str(goals))).sha256 for goals in (1, 2, 3)]
    history = store.history("finished_matches", PARTITION)
    assert [pointer.sha256 for pointer in history] == digests
    assert [pointer.sequence for pointer in history] == [1, 2, 3]
    assert [pointer.previous_sha256 for pointer in history] == [None, *digests[:2]]


def test_same_content_of_two_partitions_is_one_object(store: Store, place: Settings) -> None:
    put(store, frame(1))
    put(store, frame(1), partition="2023|ESP-LaLiga")
    assert len(Bucket(s3_client(place), place.s3_bucket).keys("objects/")) == 1


def test_flipped_bytes_are_never_handed_out(store: Store, place: Settings) -> None:
    pointer = store.accept(put(store, frame(1, 2, 3)))
    bucket = Bucket(s3_client(place), place.s3_bucket)
    found = bucket.get(Store.object_key(pointer.sha256))
    assert found is not None
    bucket.put(Store.object_key(pointer.sha256), found[0][:-9] + b"x" + found[0][-8:])
    with pytest.raises(HashMismatchError, match=pointer.sha256):
        store.read("finished_matches", PARTITION)


def test_a_vanished_object_is_named_with_the_remedy(store: Store, place: Settings) -> None:
    pointer = store.accept(put(store, frame(1)))
    s3_client(place).delete_object(Bucket=place.s3_bucket, Key=Store.object_key(pointer.sha256))
    with pytest.raises(StoreError, match="is gone; materialise the partition"):
        store.read("finished_matches", PARTITION)


def test_a_pointer_copied_to_another_partition_is_refused(store: Store, place: Settings) -> None:
    store.accept(put(store, frame(1)))
    bucket = Bucket(s3_client(place), place.s3_bucket)
    found = bucket.get("pointers/finished_matches/2024%7CESP-LaLiga/accepted.json")
    assert found is not None
    bucket.put("pointers/finished_matches/2024%7CENG-PremierLeague/accepted.json", found[0])
    with pytest.raises(StoreError, match="speaks of finished_matches 2024\\|ESP-LaLiga"):
        store.pointer("finished_matches", "2024|ENG-PremierLeague")


def test_of_two_writers_that_accept_at_once_one_sees_the_conflict(store: Store, place: Settings) -> None:
    candidates = [put(store, frame(goals), source=str(goals)) for goals in (1, 2)]
    gate, outcomes = threading.Barrier(2), []

    def accept(candidate: Pointer) -> None:
        mine = Store(Bucket(s3_client(place), place.s3_bucket))
        gate.wait()
        try:
            outcomes.append(mine.accept(candidate).sha256)
        except PointerConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=accept, args=(candidate,)) for candidate in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = store.history("finished_matches", PARTITION)
    # both may have come one after the other; then both stand in the history, and never is one overwritten unseen
    assert {pointer.sha256 for pointer in accepted} == {digest for digest in outcomes if digest != "conflict"}
    assert len(accepted) + outcomes.count("conflict") == 2


def test_a_wrong_key_is_told_from_a_server_that_is_away(place: Settings) -> None:
    wrong = Store.from_settings(place.model_copy(update={"s3_secret_key": "wrong"}))
    with pytest.raises(ConfigurationError, match="MATCH_ASSETS_S3_SECRET_KEY"):
        wrong.pointer("finished_matches", PARTITION)
    settings = place.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    away = Store.from_settings(settings, patience_seconds=0.0)
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9"):
        away.pointer("finished_matches", PARTITION)


def test_sql_sees_all_partitions_of_an_asset_as_one_table(store: Store) -> None:
    store.accept(put(store, frame(1, 2)))
    store.accept(put(store, frame(5), partition="2023|ESP-LaLiga"))
    assert run_sql(store, "select sum(goals) as goals from finished_matches")["goals"].to_list() == [8]


def test_sql_names_the_tables_when_a_query_is_wrong(store: Store) -> None:
    store.accept(put(store, frame(1)))
    with pytest.raises(ConfigurationError, match="Tables: finished_matches"):
        run_sql(store, "select * from results")


def test_sql_reads_no_file_of_the_machine(store: Store) -> None:
    store.accept(put(store, frame(1)))
    with pytest.raises(ConfigurationError, match=r"disabled|not allowed|Permission"):
        run_sql(store, "select * from read_csv('/etc/passwd')")
