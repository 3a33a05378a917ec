"""Objects that are not what their name promises: never used, named, and put right. OBJ-02, OBJ-03, OBJ-05."""

import hashlib
import random
from collections.abc import Callable

import polars as pl
import pytest

from match_assets.config import Settings
from match_assets.errors import (
    DependencyUnavailableError,
    HashMismatchError,
    MissingObjectError,
    PointerConflictError,
)
from match_assets.store import Store
from match_assets.store.encoding import encode
from match_assets.store.objects import ABSENT, Bucket, s3_client
from tests.byte_proxy import TO_CLIENT, TO_SERVER, ByteProxy, Fault
from tests.integration.store.conftest import ASSET, PARTITION, Writer, accepted, frame, put


def flip_one_bit(content: bytes) -> bytes:
    return content[:100] + bytes([content[100] ^ 0b100]) + content[101:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one bit flipped": flip_one_bit,
    "truncated": lambda content: content[: len(content) // 2],
    "zero bytes": lambda _content: b"",
    "zeros of the same size": lambda content: bytes(len(content)),
    "an HTML error page": lambda _content: b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "a valid table of other content": lambda _content: encode(frame(9, 9, 9)),
    "a hundred times the size": lambda content: content * 100,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_bytes_are_named_never_used_and_repaired_by_writing_the_same_again(
    store: Store, bucket: Bucket, damage: Callable[[bytes], bytes]
) -> None:
    # OBJ-03
    pointer = accepted(store, frame(1, 2, 3))
    key = Store.object_key(pointer.sha256)
    good = bucket.get(key)
    assert good is not None
    bucket.put(key, damage(good[0]))
    with pytest.raises(HashMismatchError) as caught:
        Store(bucket).read(ASSET, PARTITION)
    assert key in caught.value.message
    assert f"{ASSET} {PARTITION}" in caught.value.message
    assert "store repair" in caught.value.message
    assert caught.value.facts["expected"] in caught.value.message
    assert caught.value.facts["found"] in caught.value.message
    with pytest.raises(HashMismatchError):
        Store(bucket).read_object(pointer.sha256)  # with the digest alone, as a stage has it
    put(Store(bucket), frame(1, 2, 3))
    assert bucket.get(key) == good
    assert Store(bucket).read(ASSET, PARTITION).equals(frame(1, 2, 3))


def test_an_object_far_too_large_is_refused_before_its_bytes_are_read(
    store: Store, bucket: Bucket, through_proxy: Bucket, proxy: ByteProxy
) -> None:
    # OBJ-03: by the announced length; what passed is the answer's head and what the sockets had buffered
    pointer = accepted(store, frame(1, 2, 3))
    bucket.put(Store.object_key(pointer.sha256), bytes(32_000_000))
    proxy.do(Fault(way=TO_CLIENT))
    with pytest.raises(HashMismatchError, match=f"expected {pointer.size_bytes} bytes, found 32000000 bytes"):
        Store(through_proxy).read(ASSET, PARTITION)
    assert proxy.n_passed < 16_000_000


def test_an_object_whose_etag_is_no_md5_is_compared_by_its_bytes(place: Settings, store: Store, bucket: Bucket) -> None:
    # OBJ-03: uploaded in parts, an object has an ETag of another kind
    content, client = encode(frame(1, 2, 3)), s3_client(place)
    key = Store.object_key(hashlib.sha256(content).hexdigest())

    def upload_in_parts(body: bytes) -> str:
        place_ = {"Bucket": place.s3_bucket, "Key": key}
        upload = client.create_multipart_upload(**place_)["UploadId"]
        part = client.upload_part(**place_, UploadId=upload, PartNumber=1, Body=body)["ETag"]
        parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
        client.complete_multipart_upload(**place_, UploadId=upload, MultipartUpload=parts)
        head = bucket.head(key)
        assert head is not None
        return head.etag

    intact = upload_in_parts(content)
    assert "-" in intact
    store.put_object(content)
    head = bucket.head(key)
    assert head is not None
    assert head.etag == intact, "what is right was written again"
    upload_in_parts(flip_one_bit(content))
    store.put_object(content)
    found = bucket.get(key)
    assert found is not None
    assert found[0] == content


def test_what_the_server_calls_intact_is_still_written_again_once_it_was_read_wrong(
    store: Store, bucket: Bucket
) -> None:
    # OBJ-03: bytes lost on the server's own disk leave the ETag as it was
    pointer = accepted(store, frame(1))
    before = bucket.head(Store.object_key(pointer.sha256))
    store.contents.distrust(pointer.sha256)
    puts = []

    class Counting(Bucket):
        def put(self, key: str, content: bytes, *, if_match: str | None = None) -> str:
            etag = super().put(key, content, if_match=if_match)
            puts.append(key)
            return etag

    store.contents._bucket = Counting(bucket._client, bucket.name)
    store.put_object(encode(frame(1)))
    store.put_object(encode(frame(1)))
    assert before is not None
    assert puts == [Store.object_key(pointer.sha256)]


def test_a_deleted_object_is_named_with_its_partition_and_made_again_with_the_same_hash(
    store: Store, bucket: Bucket
) -> None:
    # OBJ-05
    pointer = accepted(store, frame(1, 2))
    key = Store.object_key(pointer.sha256)
    head = bucket.head(key)
    assert head is not None
    assert bucket.delete(key, head.etag)
    with pytest.raises(MissingObjectError) as caught:
        Store(bucket).read(ASSET, PARTITION)
    assert f"{ASSET} {PARTITION}" in caught.value.message
    assert "materialise the partition again" in caught.value.message
    assert accepted(Store(bucket), frame(1, 2)).sha256 == pointer.sha256
    assert Store(bucket).read(ASSET, PARTITION).equals(frame(1, 2))


def test_a_candidate_without_its_object_is_not_accepted(store: Store, bucket: Bucket) -> None:
    # OBJ-05, OBJ-07
    candidate = put(store, frame(1))
    key = Store.object_key(candidate.sha256)
    head = bucket.head(key)
    assert head is not None
    bucket.delete(key, head.etag)
    with pytest.raises(MissingObjectError):
        store.accept(candidate)
    assert store.pointer(ASSET, PARTITION) is None


def test_a_reader_that_loses_its_object_reads_the_version_that_took_its_place(store: Store, bucket: Bucket) -> None:
    # OBJ-07: between pointer and object the version is replaced and its object collected
    old = accepted(store, frame(1))
    key = Store.object_key(old.sha256)

    class Overtaken(Bucket):
        def get(self, key_: str, *, at_most: int | None = None) -> tuple[bytes, str] | None:
            found = super().get(key_, at_most=at_most)
            if key_.endswith("accepted.json") and (head := bucket.head(key)):
                accepted(store, frame(2), inputs={"raw": "s2"})
                bucket.delete(key, head.etag)
            return found

    reader = Store(Overtaken(bucket._client, bucket.name))
    assert reader.read(ASSET, PARTITION).equals(frame(2))


# -- OBJ-02 ----------------------------------------------------------------------------------------------------------------

BODY = random.Random(5).randbytes(150_000)


@pytest.mark.parametrize("passed", [1, 300, 2_000, 75_000, 149_999])
def test_an_upload_cut_at_any_byte_leaves_nothing_to_read_and_is_sent_again(
    through_proxy: Bucket, bucket: Bucket, proxy: ByteProxy, passed: int
) -> None:
    # OBJ-02
    assert through_proxy.head("objects/x") is None
    through_proxy.patience_seconds = 0.0
    proxy.do(Fault(way=TO_SERVER, cut_after=passed, is_reset=passed % 2 == 1))
    with pytest.raises(DependencyUnavailableError, match="does not answer"):
        through_proxy.put("objects/x", BODY, if_match=ABSENT)
    assert bucket.head("objects/x") is None
    through_proxy.patience_seconds = 20.0
    proxy.do(Fault(way=TO_SERVER, cut_after=passed, times=1))
    through_proxy.put("objects/x", BODY, if_match=ABSENT)
    found = bucket.get("objects/x")
    assert found is not None
    assert found[0] == BODY


def test_a_conditional_write_whose_answer_is_lost_is_known_as_ones_own(
    through_proxy: Bucket, bucket: Bucket, proxy: ByteProxy
) -> None:
    # OBJ-02: carried out, unanswered, sent again: the second answer says that somebody was there before
    assert through_proxy.head("pointers/x") is None
    proxy.do(Fault(way=TO_CLIENT, cut_at=b"HTTP/1.1 200", times=1))
    through_proxy.put("pointers/x", b"ours", if_match=ABSENT)
    assert proxy.n_cuts == 1
    found = bucket.get("pointers/x")
    assert found is not None
    assert found[0] == b"ours"
    proxy.do(Fault(way=TO_SERVER, cut_after=10, times=1))
    with pytest.raises(PointerConflictError):
        through_proxy.put("pointers/x", b"theirs", if_match=ABSENT)


def test_a_download_cut_in_the_middle_is_read_again(through_proxy: Bucket, bucket: Bucket, proxy: ByteProxy) -> None:
    # OBJ-02, the other way round
    bucket.put("objects/x", BODY)
    proxy.do(Fault(way=TO_CLIENT, cut_after=90_000, times=1))
    found = through_proxy.get("objects/x")
    assert found is not None
    assert found[0] == BODY
    assert proxy.n_cuts == 1


def test_a_writer_killed_anywhere_leaves_the_old_version_or_the_new_one_and_a_second_run_ends_as_the_twin(
    store: Store, writer: Writer
) -> None:
    # OBJ-02: at every kill point on the way from object to pointer
    def life(partition: str, n: int) -> str:
        accepted(store, frame(1), partition=partition)
        return writer.ask(f"write {n} {partition} 2")

    def dump(partition: str) -> list[tuple[int, str, dict[str, str]]]:
        return [(version.sequence, version.sha256, version.inputs) for version in store.history(ASSET, partition)]

    assert life("twin", 0) == "ended 0"
    n = 1
    while (outcome := life(f"killed-{n}", n)) == "killed":
        now = Store(store.bucket).read(ASSET, f"killed-{n}")
        assert now.equals(frame(1)) or now.equals(frame(2))
        assert dump(f"killed-{n}") in (dump("twin")[:1], dump("twin"))
        assert writer.ask(f"write 0 killed-{n} 2") == "ended 0"
        assert dump(f"killed-{n}") == dump("twin")
        n += 1
    assert outcome == "ended 0"
    assert n > 4, "the kill points were not passed"


def test_a_frame_read_once_is_kept_when_the_store_goes_bad(store: Store, bucket: Bucket) -> None:
    # OBJ-05: who holds something goes on with it
    pointer = accepted(store, frame(1))
    held: pl.DataFrame = store.read(ASSET, PARTITION)
    bucket.put(Store.object_key(pointer.sha256), b"broken")
    assert store.read(ASSET, PARTITION).equals(held)
