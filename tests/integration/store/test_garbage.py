"""The collector beside readers and writers. OBJ-07."""

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable

import pytest

from match_assets.config import Settings
from match_assets.errors import ConfigurationError, MissingObjectError, StoreError
from match_assets.store import Store
from match_assets.store.contents import object_key
from match_assets.store.encoding import encode, sha256
from match_assets.store.garbage import collect_garbage
from match_assets.store.objects import Bucket, Head, s3_client
from match_assets.store.verifying import verify
from tests.integration.store.conftest import ASSET, PARTITION, Writer, accepted, frame, put
from tests.integration.store.writer import AgedBucket

GRACE = dt.timedelta(days=7)


@pytest.fixture
def aged(place: Settings) -> Store:
    """The same bucket a month from now, so that everything in it is old."""
    return Store(AgedBucket(s3_client(place), place.s3_bucket), refresh_after=dt.timedelta(0))


def key_of(*goals: int) -> str:
    return object_key(sha256(encode(frame(*goals))))


def test_what_a_candidate_an_accepted_version_or_the_history_names_stays_and_the_rest_goes(
    store: Store, aged: Store
) -> None:
    # OBJ-07
    for goal in (1, 2):
        accepted(store, frame(goal), inputs={"raw": str(goal)})
    put(store, frame(3))
    put(store, frame(4), partition="other")
    for goal in (8, 9):
        store.put_object(encode(frame(goal)))
    report = store.put_object(b"<html>a verdict</html>", suffix="html")
    assert collect_garbage(store, GRACE).removed == (), "nothing is old enough"
    would = collect_garbage(aged, GRACE, dry_run=True)
    assert set(would.removed) == {key_of(8), key_of(9)}
    assert would.kept == 5
    done = collect_garbage(aged, GRACE)
    assert (done.removed, done.removed_bytes, done.kept) == (would.removed, would.removed_bytes, would.kept)
    assert set(store.bucket.keys("objects/")) == {key_of(n) for n in (1, 2, 3, 4)} | {object_key(report, "html")}
    assert collect_garbage(aged, GRACE).removed == ()
    assert collect_garbage(aged, GRACE, reports_kept=GRACE).removed == (object_key(report, "html"),)
    assert verify(store).is_sound


def test_an_old_object_that_a_writer_uses_again_meanwhile_is_spared(place: Settings, store: Store) -> None:
    # OBJ-07: after the list was made and right before the removal, and no pointer names it yet
    store.put_object(encode(frame(5)))
    time.sleep(1.1)  # the server's clock counts whole seconds
    late = Store(store.bucket, refresh_after=dt.timedelta(0))

    class Beside(AgedBucket):
        def head(self, key: str) -> Head | None:
            if key == key_of(5):
                late.put_object(encode(frame(5)))
            return super().head(key)

    collector = Store(Beside(s3_client(place), place.s3_bucket), refresh_after=dt.timedelta(0))
    done = collect_garbage(collector, GRACE)
    assert (done.removed, done.spared) == ((), (key_of(5),))
    assert store.bucket.keys("objects/") == [key_of(5)]


def test_an_object_that_comes_into_use_between_look_and_removal_is_put_back(place: Settings, store: Store) -> None:
    # OBJ-07: the whole life of a version within those milliseconds
    store.put_object(encode(frame(5)))
    late = Store(store.bucket, refresh_after=dt.timedelta(0))

    class Beside(AgedBucket):
        def delete(self, key: str, etag: str) -> bool:
            accepted(late, frame(5))
            return super().delete(key, etag)

    collector = Store(Beside(s3_client(place), place.s3_bucket), refresh_after=dt.timedelta(0))
    done = collect_garbage(collector, GRACE)
    assert (done.removed, done.spared) == ((), (key_of(5),))
    assert Store(store.bucket).read(ASSET, PARTITION).equals(frame(5))


def write_over_and_over(store: Store, is_over: threading.Event) -> None:
    """Sixty contents come and go in one partition without a history, so that most of the time only one is named."""
    n = 0
    while not is_over.is_set():
        n += 1
        store.put_object(encode(frame(1000 + n)))  # what a killed writer leaves
        with contextlib.suppress(
            MissingObjectError
        ):  # lost before anything relied on it: the next round writes it again
            accepted(store, frame(n % 60), inputs={"raw": str(n % 60)})
        for key in store.bucket.keys("history/"):
            if head := store.bucket.head(key):
                store.bucket.delete(key, head.etag)


def test_beside_writers_that_use_old_hashes_again_and_readers_nothing_is_lost(place: Settings) -> None:
    # OBJ-07: a short grace on real time
    def opened() -> Store:
        return Store(Bucket(s3_client(place), place.s3_bucket), refresh_after=dt.timedelta(0))

    errors: list[BaseException] = []
    is_over = threading.Event()
    accepted(opened(), frame(0), inputs={"raw": "0"})

    def read() -> None:
        while not is_over.is_set():
            opened().read(ASSET, PARTITION)

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (told to the test)
            errors.append(error)

    works = (lambda: write_over_and_over(opened(), is_over), read)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    removed = 0
    for _ in range(8):
        time.sleep(0.8)
        removed += len(collect_garbage(opened(), dt.timedelta(seconds=2)).removed)
    is_over.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert removed > 0
    assert verify(opened()).is_sound


def test_a_collector_killed_anywhere_is_finished_by_the_next(store: Store, writer: Writer) -> None:
    # OBJ-07
    accepted(store, frame(1))
    orphans = [store.put_object(encode(frame(goal))) for goal in (5, 6, 7)]
    for n in (1, 2, 3, 5):
        assert writer.ask(f"collect {n}") == "killed"
        assert verify(store).is_sound
        for goal in (5, 6, 7):
            store.put_object(encode(frame(goal)))
    assert writer.ask("collect 4") == "killed"
    assert len(store.bucket.keys("objects/")) < 1 + len(orphans)
    assert writer.ask("collect 0") == "ended 0"
    assert store.bucket.keys("objects/") == [key_of(1)]
    assert writer.ask("collect 0") == "ended 0"
    assert verify(store).is_sound


def test_two_collectors_at_once_do_no_harm(store: Store, aged: Store) -> None:
    accepted(store, frame(1))
    for goal in range(10, 20):
        store.put_object(encode(frame(goal)))
    both = [threading.Thread(target=collect_garbage, args=(aged, GRACE)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert store.bucket.keys("objects/") == [key_of(1)]


def test_a_grace_period_shorter_than_a_write_may_take_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="too short beside running writers"):
        collect_garbage(store, dt.timedelta(minutes=5))


def test_nothing_goes_while_a_pointer_cannot_be_read(store: Store, aged: Store) -> None:
    accepted(store, frame(1))
    store.put_object(encode(frame(5)))
    store.bucket.put("pointers/finished_matches/broken/accepted.json", b"{}")
    with pytest.raises(StoreError, match="nothing is collected while"):
        collect_garbage(aged, GRACE)
    assert len(store.bucket.keys("objects/")) == 2
