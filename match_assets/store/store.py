"""Candidates, verdicts and accepted versions: the life of a partition (``docs/architecture.md``).

An asset writes a *candidate*; its gate judges that candidate and, on a pass, ``accept`` moves the *accepted* pointer by
compare-and-set. Everything downstream reads accepted versions only.
"""

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from match_assets.config import Settings
from match_assets.errors import HashMismatchError, NotAcceptedError, PointerConflictError, StoreError
from match_assets.store.encoding import canonical, decode, encode, schema_fingerprint, sha256
from match_assets.store.objects import ABSENT, Bucket, s3_client
from match_assets.store.pointers import Pointer, decode_pointer, encode_pointer, folder_of, partition_of

WRITER = f"polars {pl.__version__}"
FRAMES_HELD = 128


def _utc_now() -> dt.datetime:
    # an edge: when a pointer moved is bookkeeping, and no result depends on it
    return dt.datetime.now(dt.UTC)  # noqa: TID251


@dataclass(frozen=True)
class _Found:
    pointer: Pointer
    etag: str


class Store:
    """Content-addressed Parquet with a candidate and an accepted pointer per asset and partition."""

    def __init__(self, bucket: Bucket, *, now: Callable[[], dt.datetime] = _utc_now) -> None:
        self._bucket = bucket
        self._now = now
        self._frames: OrderedDict[str, pl.DataFrame] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: Settings, *, prefix: str = "") -> "Store":
        """The store in the configured bucket."""
        return cls(Bucket(s3_client(settings), settings.s3_bucket, prefix))

    # -- objects ---------------------------------------------------------------------------------------------------

    @staticmethod
    def object_key(digest: str, suffix: str = "parquet") -> str:
        """Key of the object with this SHA-256."""
        return f"objects/{digest[:2]}/{digest}.{suffix}"

    def put_object(self, content: bytes, *, suffix: str = "parquet") -> str:
        """Stores ``content`` under its SHA-256 and returns that; writing it again is a success without effect."""
        digest = sha256(content)
        key = self.object_key(digest, suffix)
        held = self._bucket.size(key)
        if held == len(content):
            return digest
        if held is not None:
            # the name promises other bytes than lie there: put the right ones back
            self._bucket.put(key, content)
            return digest
        try:
            self._bucket.put(key, content, if_match=ABSENT)
        except PointerConflictError:
            if self._bucket.size(key) != len(content):
                raise
        return digest

    def read_bytes(self, digest: str, *, suffix: str = "parquet") -> bytes:
        """The object with this SHA-256, verified.

        Raises:
            StoreError: it is gone.
            HashMismatchError: other bytes lie there.
        """
        key = self.object_key(digest, suffix)
        found = self._bucket.get(key)
        if found is None:
            raise StoreError(
                f"object {key} is gone; materialise the partition that points to it again", key=key, sha256=digest
            )
        actual = sha256(found[0])
        if actual != digest:
            raise HashMismatchError(
                f"object {key} holds other bytes (SHA-256 {actual}); materialise the partition again to repair it",
                key=key,
                expected=digest,
                found=actual,
            )
        return found[0]

    def read_object(self, digest: str) -> pl.DataFrame:
        """The frame with this SHA-256, verified on the first read and kept in memory."""
        if digest not in self._frames:
            self._frames[digest] = decode(self.read_bytes(digest))
            while len(self._frames) > FRAMES_HELD:
                self._frames.popitem(last=False)
        self._frames.move_to_end(digest)
        return self._frames[digest]

    # -- pointers --------------------------------------------------------------------------------------------------

    def _find(self, asset: str, partition: str, kind: str) -> _Found | None:
        key = f"pointers/{folder_of(asset, partition)}/{kind}.json"
        found = self._bucket.get(key)
        if found is None:
            return None
        try:
            pointer = decode_pointer(found[0])
        except msgspec.MsgspecError as error:
            raise StoreError(f"{key} is not a pointer ({error}); materialise the partition again", key=key) from error
        if (pointer.asset, pointer.partition) != (asset, partition):
            raise StoreError(f"{key} speaks of {pointer.asset} {pointer.partition}: someone copied it there", key=key)
        return _Found(pointer, found[1])

    def pointer(self, asset: str, partition: str) -> Pointer | None:
        """The accepted version, or None."""
        found = self._find(asset, partition, "accepted")
        return found.pointer if found else None

    def candidate(self, asset: str, partition: str) -> Pointer | None:
        """The newest version written, whatever its verdict, or None."""
        found = self._find(asset, partition, "candidate")
        return found.pointer if found else None

    def put_candidate(
        self,
        asset: str,
        partition: str,
        frame: pl.DataFrame,
        *,
        sort_by: Sequence[str],
        code_version: str,
        inputs: Mapping[str, str],
        run_id: str,
    ) -> Pointer:
        """Writes ``frame`` as the candidate of a partition; the accepted version is not touched.

        Raises:
            SchemaMismatchError: ``sort_by`` is missing or does not order the rows totally.
        """
        tidy = canonical(frame, sort_by)
        content = encode(tidy)
        pointer = Pointer(
            asset=asset,
            partition=partition,
            sha256=self.put_object(content),
            size_bytes=len(content),
            rows=tidy.height,
            schema_fingerprint=schema_fingerprint(tidy),
            code_version=code_version,
            writer=WRITER,
            inputs=dict(inputs),
            run_id=run_id,
            moved_at=self._now(),
        )
        self._bucket.put(f"pointers/{folder_of(asset, partition)}/candidate.json", encode_pointer(pointer))
        return pointer

    def refuse(self, candidate: Pointer, rules: Sequence[str]) -> None:
        """Notes on the candidate which rules refused it; the accepted version stays."""
        refused = msgspec.structs.replace(candidate, refused_by=tuple(rules))
        key = f"pointers/{folder_of(candidate.asset, candidate.partition)}/candidate.json"
        self._bucket.put(key, encode_pointer(refused))

    def accept(self, candidate: Pointer) -> Pointer:
        """Moves the accepted pointer to a candidate that passed its gate.

        Accepting the accepted version again changes nothing. The version that is replaced stays in the history.

        Raises:
            PointerConflictError: another writer accepted something meanwhile; judge again.
        """
        folder = folder_of(candidate.asset, candidate.partition)
        current = self._find(candidate.asset, candidate.partition, "accepted")
        if current and current.pointer.same_version(candidate):
            self._clear_refusal(candidate)
            return current.pointer
        if current:
            self._bucket.put(f"history/{folder}/{current.pointer.sequence:08d}.json", encode_pointer(current.pointer))
        accepted = msgspec.structs.replace(
            candidate,
            sequence=(current.pointer.sequence if current else 0) + 1,
            previous_sha256=current.pointer.sha256 if current else None,
            moved_at=self._now(),
            refused_by=(),
        )
        condition = current.etag if current else ABSENT
        self._bucket.put(f"pointers/{folder}/accepted.json", encode_pointer(accepted), if_match=condition)
        self._clear_refusal(candidate)
        return accepted

    def _clear_refusal(self, candidate: Pointer) -> None:
        if candidate.refused_by:
            key = f"pointers/{folder_of(candidate.asset, candidate.partition)}/candidate.json"
            self._bucket.put(key, encode_pointer(msgspec.structs.replace(candidate, refused_by=())))

    def history(self, asset: str, partition: str) -> list[Pointer]:
        """All accepted versions, oldest first, the current one last."""
        keys = self._bucket.keys(f"history/{folder_of(asset, partition)}/")
        held = [found[0] for key in keys if (found := self._bucket.get(key))]
        current = self.pointer(asset, partition)
        return [decode_pointer(content) for content in held] + ([current] if current else [])

    # -- reading ---------------------------------------------------------------------------------------------------

    def assets(self) -> list[str]:
        """Assets that have an accepted version of any partition, sorted."""
        keys = self._bucket.keys("pointers/")
        return sorted({key.split("/")[1] for key in keys if key.endswith("/accepted.json")})

    def partitions(self, asset: str) -> list[str]:
        """Partitions of ``asset`` that have an accepted version, sorted."""
        keys = self._bucket.keys(f"pointers/{asset}/")
        return sorted(partition_of(key.split("/")[2]) for key in keys if key.endswith("/accepted.json"))

    def read(self, asset: str, partition: str) -> pl.DataFrame:
        """The accepted version of a partition.

        Raises:
            NotAcceptedError: nothing was accepted yet.
            HashMismatchError: the object does not hold what was accepted.
        """
        pointer = self.pointer(asset, partition)
        if pointer is None:
            raise NotAcceptedError(
                f"{asset} {partition} has no accepted version; materialise it with its checks",
                asset=asset,
                partition=partition,
            )
        return self.read_object(pointer.sha256)
