"""Many writers of one partition, and runs that wake up after they were replaced. OBJ-04, DAG-03."""

import os
import signal
import threading
from collections.abc import Callable

import pytest

from match_assets.config import Settings
from match_assets.errors import FencedOffError, PointerConflictError
from match_assets.store import Pointer, Store
from match_assets.store.objects import Bucket, s3_client
from match_assets.store.pointers import Fence
from tests.integration.store.conftest import ASSET, PARTITION, Writer, accepted, frame, put


def at_once(works: list[Callable[[], object]]) -> None:
    """Runs all at the same moment; an error in one is an error here."""
    barrier, errors = threading.Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (told to the test)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def life_of(place: Settings, goal: int, conflicts: list[int]) -> Callable[[], None]:
    """A writer with a store of its own: writes, accepts, and judges again where it lost a race."""

    def live() -> None:
        store = Store(Bucket(s3_client(place), place.s3_bucket, patience_seconds=60.0))
        candidate = put(store, frame(goal), inputs={"raw": str(goal)})
        while True:
            try:
                store.accept(candidate)
            except PointerConflictError:
                conflicts.append(goal)
            else:
                return

    return live


def test_sixteen_writers_of_one_content_leave_one_object_and_one_version(
    place: Settings, store: Store, bucket: Bucket
) -> None:
    # OBJ-04
    conflicts: list[int] = []
    at_once([life_of(place, 7, conflicts) for _ in range(16)])
    assert len(bucket.keys("objects/")) == 1
    assert [version.sequence for version in store.history(ASSET, PARTITION)] == [1]
    assert store.read(ASSET, PARTITION).equals(frame(7))


def test_of_two_contents_for_one_partition_neither_is_lost(place: Settings, store: Store, bucket: Bucket) -> None:
    # OBJ-04: the loser sees that it lost and judges again; both stand in the history, in one order
    conflicts: list[int] = []
    at_once([life_of(place, goal, conflicts) for goal in (1, 2)])
    history = store.history(ASSET, PARTITION)
    assert {version.inputs["raw"] for version in history} == {"1", "2"}
    assert [version.sequence for version in history] == [1, 2]
    assert history[1].previous_sha256 == history[0].sha256
    assert len(bucket.keys("objects/")) == 2


def test_runs_that_begin_at_once_get_numbers_of_their_own(place: Settings) -> None:
    # DAG-03: same name, same instant; the numbers still differ
    fences: list[Fence] = []

    def begin() -> None:
        fences.append(Store(Bucket(s3_client(place), place.s3_bucket)).begin(ASSET, PARTITION, "same"))

    at_once([begin] * 8)
    assert sorted(fence.number for fence in fences) == list(range(1, 9))


# -- fences ----------------------------------------------------------------------------------------------------------------


def begun(store: Store, run: str) -> Fence:
    return store.begin(ASSET, PARTITION, run)


def fenced(store: Store, fence: Fence, goal: int) -> Pointer:
    return store.put_candidate(
        ASSET,
        PARTITION,
        frame(goal),
        sort_by=["match_id"],
        code_version="c",
        inputs={"raw": str(goal)},
        run_id=fence.candidacy.begun_by,
        fence=fence,
    )


def test_a_run_may_write_and_accept_until_a_newer_one_begins(store: Store) -> None:
    fence = begun(store, "first")
    assert store.accept(fenced(store, fence, 1)).fence == 1
    assert store.accept(fenced(store, fence, 2), fence=fence).sequence == 2
    assert store.read(ASSET, PARTITION).equals(frame(2))


def test_a_replaced_run_writes_no_candidate(store: Store) -> None:
    # DAG-03
    old = begun(store, "zombie")
    new = begun(store, "replacement")
    with pytest.raises(FencedOffError, match="run replacement began after run zombie") as caught:
        fenced(store, old, 1)
    assert caught.value.exit_code == 3
    assert store.candidate(ASSET, PARTITION) is None
    newer = store.accept(fenced(store, new, 2))
    with pytest.raises(FencedOffError):
        fenced(store, old, 1)
    assert store.pointer(ASSET, PARTITION) == newer


@pytest.mark.parametrize("is_given", [True, False], ids=["by its fence", "by the candidate's own number"])
def test_a_replaced_run_accepts_nothing(store: Store, is_given: bool) -> None:
    # DAG-03: its candidate was written in time, its verdict comes too late
    old = begun(store, "zombie")
    candidate = fenced(store, old, 1)
    newer = store.accept(fenced(store, begun(store, "replacement"), 2))
    with pytest.raises(FencedOffError):
        store.accept(candidate, fence=old if is_given else None)
    assert store.pointer(ASSET, PARTITION) == newer


@pytest.mark.parametrize("newest", [1, 3], ids=["what was accepted already", "something new"])
def test_a_run_replaced_between_its_last_look_and_its_write_is_still_fenced_off(
    place: Settings, store: Store, newest: int
) -> None:
    # DAG-03, the narrowest place: also where the newer run finds that nothing changed, and so has nothing to write
    accepted(store, frame(1), inputs={"raw": "1"}, code="c")
    overtaken = []

    class Stopped(Bucket):
        def put(self, key: str, content: bytes, *, if_match: str | None = None) -> str:
            if key.endswith("accepted.json") and not overtaken:
                overtaken.append(store.accept(fenced(store, begun(store, "replacement"), newest)))
            return super().put(key, content, if_match=if_match)

    zombie = Store(Stopped(s3_client(place), place.s3_bucket))
    candidate = fenced(zombie, begun(zombie, "zombie"), 2)
    with pytest.raises(FencedOffError):
        zombie.accept(candidate)
    assert store.pointer(ASSET, PARTITION) == overtaken[0]
    assert store.read(ASSET, PARTITION).equals(frame(newest))


def test_a_process_that_was_stopped_replaced_and_continued_is_fenced_off(store: Store, writer: Writer) -> None:
    # DAG-03 with a real process and real signals
    pid = int(first) if (first := writer.ask(f"zombie {PARTITION} 1")) != "begun" else int(writer.hear())
    if first != "begun":
        assert writer.hear() == "begun"
    os.kill(pid, signal.SIGSTOP)
    newer = store.accept(fenced(store, begun(store, "replacement"), 2))
    os.kill(pid, signal.SIGUSR1)
    os.kill(pid, signal.SIGCONT)
    assert (writer.hear(), writer.hear()) == ("FencedOffError", "ended 3")
    assert store.pointer(ASSET, PARTITION) == newer


def test_writers_without_a_fence_do_not_take_the_number_away(store: Store) -> None:
    begun(store, "first")
    put(store, frame(1))
    assert begun(store, "second").number == 2


def test_a_refusal_that_comes_late_leaves_the_newer_candidate_alone(store: Store) -> None:
    first = put(store, frame(1))
    second = put(store, frame(2), inputs={"raw": "s2"})
    store.refuse(first, ["too late"])
    assert store.candidate(ASSET, PARTITION) == second


def test_a_candidate_from_before_there_were_fences_is_read(store: Store, bucket: Bucket) -> None:
    from match_assets.store.pointers import encode_pointer

    candidate = put(store, frame(1))
    bucket.put("pointers/finished_matches/2024%7CESP-LaLiga/candidate.json", encode_pointer(candidate))
    assert store.candidate(ASSET, PARTITION) == candidate
    assert begun(store, "first").number == 1
    assert store.candidate(ASSET, PARTITION) == candidate
