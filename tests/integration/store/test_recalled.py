"""Pointers looked at all at once: what moved is read, what stands still is not, and nothing is written from memory."""

import pytest

from match_assets.errors import FencedOffError, StoreError
from match_assets.store import Store
from match_assets.store.objects import Bucket
from tests.integration.store.conftest import ASSET, PARTITION, accepted, frame, put

OTHER = "2023|ESP-LaLiga"


class Counting(Bucket):
    """Notes what is read."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket._client, bucket.name)
        self.read: list[str] = []

    def get(self, key: str, *, at_most: int | None = None) -> tuple[bytes, str] | None:
        self.read.append(key)
        return super().get(key, at_most=at_most)


@pytest.fixture
def counting(bucket: Bucket) -> Counting:
    """The same bucket, counted."""
    return Counting(bucket)


def test_one_look_reads_only_the_pointers_that_moved(store: Store, counting: Counting) -> None:
    old, other = accepted(store, frame(1)), accepted(store, frame(2), partition=OTHER)
    reader = Store(counting)
    assert reader.pointers(ASSET) == {OTHER: other, PARTITION: old}
    assert len(counting.read) == 2
    new = accepted(store, frame(3))
    counting.read.clear()
    assert reader.pointers(ASSET) == {OTHER: other, PARTITION: new}
    assert [key.split("/")[2] for key in counting.read] == [PARTITION.replace("|", "%7C")]


def test_a_pointer_that_was_taken_away_is_not_recalled(store: Store, bucket: Bucket) -> None:
    accepted(store, frame(1))
    reader = Store(bucket)
    reader.recalled()
    key = f"pointers/{ASSET}/{PARTITION.replace('|', '%7C')}/accepted.json"
    head = bucket.head(key)
    assert head
    assert bucket.delete(key, head.etag)
    assert reader.recalled().pointer(ASSET, PARTITION) is None
    assert reader.pointers(ASSET) == {}


def test_a_view_shows_its_moment_and_what_its_own_store_writes_without_a_request(
    bucket: Bucket, counting: Counting
) -> None:
    own, stranger = Store(counting), Store(bucket)
    before = accepted(stranger, frame(1))
    view = own.recalled()
    accepted(stranger, frame(2))
    counting.read.clear()
    assert view.pointer(ASSET, PARTITION) == before
    assert view.candidate(ASSET, PARTITION) is not None
    assert view.candidate(ASSET, OTHER) is None
    made = accepted(own, frame(3), partition=OTHER)
    counting.read.clear()
    assert view.pointer(ASSET, OTHER) == made
    assert view.partitions(ASSET) == [OTHER, PARTITION]
    assert view.assets() == [ASSET]
    assert counting.read == []
    assert view.read(ASSET, OTHER).equals(frame(3))


def test_a_view_cannot_be_written_to(store: Store) -> None:
    candidate = put(store, frame(1))
    view = store.recalled()
    with pytest.raises(StoreError, match="written from memory"):
        view.begin(ASSET, PARTITION, "r")
    with pytest.raises(StoreError, match="written from memory"):
        view.accept(candidate)
    assert store.pointer(ASSET, PARTITION) is None


def test_what_was_absent_at_the_look_and_is_there_now_is_found_by_the_write(store: Store, bucket: Bucket) -> None:
    # DAG-03, OBJ-04: a memory of nothing saves a request, and the condition of the write keeps it honest
    stranger = Store(bucket)
    store.recalled()
    theirs = stranger.begin(ASSET, PARTITION, "stranger")
    ours = store.begin(ASSET, PARTITION, "ours")
    assert (theirs.number, ours.number) == (1, 2)
    with pytest.raises(FencedOffError):
        stranger.put_candidate(
            ASSET, PARTITION, frame(9), sort_by=["match_id"], code_version="c", inputs={}, run_id="s", fence=theirs
        )
    candidate = put(store, frame(1))
    first = accepted(stranger, frame(2))
    second = store.accept(candidate)
    assert stranger.history(ASSET, PARTITION) == [first, second]
    assert (second.sequence, second.previous_sha256) == (2, first.sha256)


def test_a_run_that_was_replaced_accepts_nothing_where_nothing_was_remembered(store: Store, bucket: Bucket) -> None:
    # DAG-03: the zombie remembers an empty place, in which its successor has accepted by now
    store.recalled()
    ours = store.begin(ASSET, PARTITION, "zombie")
    candidate = store.put_candidate(
        ASSET, PARTITION, frame(9), sort_by=["match_id"], code_version="c", inputs={}, run_id="zombie", fence=ours
    )
    successor = Store(bucket)
    theirs = successor.begin(ASSET, PARTITION, "successor")
    made = successor.put_candidate(
        ASSET, PARTITION, frame(1), sort_by=["match_id"], code_version="c", inputs={}, run_id="s", fence=theirs
    )
    newest = successor.accept(made)
    with pytest.raises(FencedOffError):
        store.accept(candidate)
    assert Store(bucket).history(ASSET, PARTITION) == [newest]
