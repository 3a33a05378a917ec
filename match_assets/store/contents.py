"""Objects named by the SHA-256 of their bytes: written once, verified when read, made young when used again."""

import datetime as dt
from collections import OrderedDict
from dataclasses import dataclass

from match_assets.errors import HashMismatchError, MissingObjectError, PointerConflictError, StoreError
from match_assets.store.encoding import sha256
from match_assets.store.objects import ABSENT, Bucket, Head, etag_of
from match_assets.store.pointers import Pointer

# no table of ours comes near it; an object of unknown size beyond it is not ours, and would only fill the memory
LARGEST_OBJECT_BYTES = 512 * 1024 * 1024
# an object used again is made young when it is older than this; the collector's grace period must be well above it
REFRESH_AFTER = dt.timedelta(hours=1)
NAMES_HELD = 50_000
TRIES = 5


def object_key(digest: str, suffix: str = "parquet") -> str:
    """Key of the object with this SHA-256."""
    return f"objects/{digest[:2]}/{digest}.{suffix}"


@dataclass(frozen=True)
class _Named:
    asset: str
    partition: str
    size_bytes: int


class Contents:
    """The objects of a bucket by digest."""

    def __init__(self, bucket: Bucket, *, refresh_after: dt.timedelta = REFRESH_AFTER) -> None:
        self._bucket = bucket
        self.refresh_after = refresh_after
        self._named: OrderedDict[str, _Named] = OrderedDict()
        self._distrusted: set[str] = set()

    def remember(self, pointer: Pointer) -> None:
        """Notes what a pointer says of its object, so that a reader with the digest alone knows its size and owner."""
        self._named[pointer.sha256] = _Named(pointer.asset, pointer.partition, pointer.size_bytes)
        self._named.move_to_end(pointer.sha256)
        if len(self._named) > NAMES_HELD:
            self._named.popitem(last=False)

    def distrust(self, digest: str) -> None:
        """Writes this object anew at the next ``put`` of its bytes, whatever the store says of the present one."""
        self._distrusted.add(digest)

    def put(self, content: bytes, suffix: str = "parquet") -> str:
        """Stores ``content`` under its SHA-256 and returns that.

        Where it lies already it is left, made young if it is old; where other bytes lie under its name they are replaced.
        """
        digest = sha256(content)
        key = object_key(digest, suffix)
        # nearly always it is new: the condition finds out as well as a look beforehand
        if digest not in self._distrusted and self._put_first(key, content):
            return digest
        for _ in range(TRIES):
            head = self._bucket.head(key)
            if head is None:
                if self._put_first(key, content):
                    return digest
            elif digest in self._distrusted or not self._is_intact(key, head, content):
                self._bucket.put(key, content)
                self._distrusted.discard(digest)
                return digest
            elif self._keep_young(key, head):
                return digest
        raise StoreError(
            f"{key} comes and goes while it is written; is another program deleting it? Run the same again", key=key
        )

    def _put_first(self, key: str, content: bytes) -> bool:
        try:
            self._bucket.put(key, content, if_match=ABSENT)
        except PointerConflictError:
            return False  # another writer of the same bytes was first: look at what it wrote
        return True

    def _is_intact(self, key: str, head: Head, content: bytes) -> bool:
        """Whether what lies there is ``content``: by size and MD5, or by reading it where the ETag is no MD5."""
        if head.size != len(content):
            return False
        if head.etag == etag_of(content):
            return True
        try:
            held = self._bucket.get(key, at_most=len(content))
        except HashMismatchError:
            return False
        return held is not None and held[0] == content

    def _keep_young(self, key: str, head: Head) -> bool:
        """False when the object went away meanwhile."""
        return head.age < self.refresh_after or self._bucket.touch(key, head.etag)

    def hold(self, pointer: Pointer) -> None:
        """Makes sure that a pointer's object is there, in its size and young, before something comes to rely on it.

        Raises:
            MissingObjectError: it is gone.
            HashMismatchError: it has another size.
        """
        self.remember(pointer)
        key = object_key(pointer.sha256)
        for _ in range(TRIES):
            head = self._bucket.head(key)
            if head is None:
                break
            if head.size != pointer.size_bytes:
                raise self._mismatch(pointer.sha256, key, f"{pointer.size_bytes} bytes", f"{head.size} bytes")
            if self._keep_young(key, head):
                return
        raise self._missing(pointer.sha256, key)

    def read(self, digest: str, suffix: str = "parquet") -> bytes:
        """The object with this SHA-256, verified.

        Raises:
            MissingObjectError: it is gone.
            HashMismatchError: other bytes lie there; too many of them are not even read.
        """
        key = object_key(digest, suffix)
        named = self._named.get(digest)
        try:
            found = self._bucket.get(key, at_most=named.size_bytes if named else LARGEST_OBJECT_BYTES)
        except HashMismatchError as error:
            found_bytes = error.facts.get("found", "unreadable")
            expected = f"{named.size_bytes} bytes" if named else f"at most {LARGEST_OBJECT_BYTES} bytes"
            raise self._mismatch(digest, key, expected, f"{found_bytes} bytes") from error
        if found is None:
            raise self._missing(digest, key)
        actual = sha256(found[0])
        if actual != digest:
            raise self._mismatch(digest, key, f"SHA-256 {digest}", f"{len(found[0])} bytes of SHA-256 {actual}")
        return found[0]

    def _whose(self, digest: str) -> str:
        named = self._named.get(digest)
        return f" of {named.asset} {named.partition}" if named else ""

    def _facts(self, digest: str, key: str) -> dict[str, str]:
        named = self._named.get(digest)
        owner = {"asset": named.asset, "partition": named.partition} if named else {}
        return {"key": key, "sha256": digest, **owner}

    def _missing(self, digest: str, key: str) -> MissingObjectError:
        return MissingObjectError(
            f"object {key}{self._whose(digest)} is gone; materialise the partition again, "
            "or run `match-assets store repair`",
            **self._facts(digest, key),
        )

    def _mismatch(self, digest: str, key: str, expected: str, found: str) -> HashMismatchError:
        self.distrust(digest)
        return HashMismatchError(
            f"object {key}{self._whose(digest)} holds other bytes: expected {expected}, found {found}; "
            "materialise the partition again, or run `match-assets store repair`",
            **self._facts(digest, key),
            expected=expected,
            found=found,
        )
