"""Candidates, verdicts and accepted versions: the life of a partition (``docs/architecture.md``).

An asset writes a *candidate*; its gate judges that candidate and, on a pass, ``accept`` moves the *accepted* pointer by
compare-and-set. Everything downstream reads accepted versions only.
"""

import datetime as dt
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import polars as pl

from match_assets.config import Settings
from match_assets.errors import (
    FencedOffError,
    HashMismatchError,
    MissingObjectError,
    NotAcceptedError,
    PointerConflictError,
    StoreError,
)
from match_assets.killpoint import killpoint
from match_assets.store.contents import REFRESH_AFTER, Contents, object_key
from match_assets.store.encoding import canonical, decode, encode, schema_fingerprint
from match_assets.store.frames import Frames
from match_assets.store.moments import AsOf, Moment, chosen
from match_assets.store.objects import ABSENT, QUICK_SECONDS, Bucket, s3_client
from match_assets.store.pointers import (
    Candidacy,
    Fence,
    Pointer,
    decode_candidacy,
    decode_pointer,
    encode_pointer,
    folder_of,
    partition_of,
)
from match_assets.store.seen import ACCEPTED, CANDIDATE, POINTERS, Asked, Recalled, Seen

WRITER = f"polars {pl.__version__}"
RACES_LOST_AT_MOST = 50
READ_TRIES = 3
INSTANT = dt.timedelta(microseconds=1)


def _utc_now() -> dt.datetime:
    # an edge: when a pointer moved is bookkeeping, and no result depends on it
    return dt.datetime.now(dt.UTC)  # noqa: TID251


class Store:
    """Content-addressed Parquet with a candidate and an accepted pointer per asset and partition."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        now: Callable[[], dt.datetime] = _utc_now,
        refresh_after: dt.timedelta = REFRESH_AFTER,
    ) -> None:
        self.bucket = bucket
        self.contents = Contents(bucket, refresh_after=refresh_after)
        self._now = now
        self._frames = Frames()
        self._seen = Asked(bucket)

    @classmethod
    def from_settings(cls, settings: Settings, *, prefix: str = "", patience_seconds: float = QUICK_SECONDS) -> "Store":
        """The store in the configured bucket.

        Args:
            settings: where the bucket is.
            prefix: put before every key.
            patience_seconds: how long to repeat a request while the store is away. A run gives
                ``settings.s3_patience_seconds``, longer than a restart; who has something to go on with gives little.
        """
        client = s3_client(settings, patience_seconds=patience_seconds)
        return cls(Bucket(client, settings.s3_bucket, prefix, patience_seconds=patience_seconds))

    # -- objects ---------------------------------------------------------------------------------------------------

    @staticmethod
    def object_key(digest: str, suffix: str = "parquet") -> str:
        """Key of the object with this SHA-256."""
        return object_key(digest, suffix)

    def put_object(self, content: bytes, *, suffix: str = "parquet") -> str:
        """Stores ``content`` under its SHA-256 and returns that; see ``Contents.put``."""
        return self.contents.put(content, suffix)

    def read_bytes(self, digest: str, *, suffix: str = "parquet") -> bytes:
        """The object with this SHA-256, verified.

        Raises:
            MissingObjectError: it is gone.
            HashMismatchError: other bytes lie there.
        """
        return self.contents.read(digest, suffix)

    def read_object(self, digest: str) -> pl.DataFrame:
        """The frame with this SHA-256, verified on the first read and kept in memory."""
        return self._frames.get(digest, lambda wanted: decode(self.read_bytes(wanted)))

    # -- pointers --------------------------------------------------------------------------------------------------

    def recalled(self) -> "Store":
        """This store with its pointers read once, for looking at many partitions; it cannot be written to.

        It shows what others had written when it was made, and what this store itself writes or reads afterwards.
        """
        self._seen.look()
        view = Store(self.bucket, now=self._now)
        view.contents, view._frames, view._seen = self.contents, self._frames, Recalled(self._seen)
        return view

    def seen(self) -> Seen:
        """What this store saw of pointers, for another process's ``take_over``."""
        return dict(self._seen.memory)

    def take_over(self, seen: Seen) -> None:
        """Begins with what another store saw; ``recalled`` then reads only what moved since."""
        self._seen.memory.update(seen)

    def _accepted(self, asset: str, partition: str) -> tuple[Pointer, str] | None:
        key = _accepted_key(asset, partition)
        found = self._seen.get(key)
        return (self.parse(key, found[0], asset, partition), found[1]) if found else None

    def parse(self, key: str, content: bytes, asset: str, partition: str) -> Pointer:
        """The pointer in ``content``, found under ``key``.

        Raises:
            StoreError: it is none, or speaks of another asset or partition than its key.
        """
        try:
            pointer = decode_pointer(content)
        except msgspec.MsgspecError as error:
            raise StoreError(f"{key} is not a pointer ({error}); materialise the partition again", key=key) from error
        _require_identity(key, pointer, asset, partition)
        self.contents.remember(pointer)
        return pointer

    def _candidacy(self, asset: str, partition: str) -> tuple[Candidacy, str]:
        """The candidacy of a partition and the condition under which it may be replaced."""
        key = _candidate_key(asset, partition)
        found = self._seen.get(key)
        if found is None:
            return Candidacy(asset=asset, partition=partition), ABSENT
        try:
            held = decode_candidacy(found[0])
        except msgspec.MsgspecError as error:
            raise StoreError(f"{key} is not a candidate ({error}); delete it and materialise again", key=key) from error
        _require_identity(key, held, asset, partition)
        if held.pointer:
            _require_identity(key, held.pointer, asset, partition)
            self.contents.remember(held.pointer)
        return held, found[1]

    def pointer_at(self, kind: str, key: str, asset: str, partition: str) -> Pointer | None:
        """The pointer under a key of the survey, or None where it went away or its partition only began.

        Raises:
            StoreError: what lies there is no pointer, or speaks of another asset or partition.
        """
        if kind == "candidate":
            return self._candidacy(asset, partition)[0].pointer
        found = self._seen.get(key)
        return self.parse(key, found[0], asset, partition) if found else None

    def pointer(self, asset: str, partition: str, *, as_of: Moment | None = None) -> Pointer | None:
        """The accepted version, now or as of a moment (see ``as_of``), or None."""
        if as_of is not None:
            return chosen(as_of, self.backwards(asset, partition))
        found = self._accepted(asset, partition)
        return found[0] if found else None

    def candidate(self, asset: str, partition: str) -> Pointer | None:
        """The newest version written, whatever its verdict, or None."""
        return self._candidacy(asset, partition)[0].pointer

    # -- writing ---------------------------------------------------------------------------------------------------

    def begin(self, asset: str, partition: str, run_id: str) -> Fence:
        """Begins a run's work on a partition and fences off every run that began on it before.

        A run that was stopped, declared dead and replaced may wake up; what it then writes is refused.
        """
        begun = self._now()

        def next_number(held: Candidacy) -> Candidacy:
            return msgspec.structs.replace(
                held, fence=held.fence + 1, begun_by=run_id, begun_at=begun, mark=secrets.token_hex(8)
            )

        is_new = self._seen.is_new(_candidate_key(asset, partition))
        known = Fence(Candidacy(asset=asset, partition=partition), ABSENT) if is_new else None
        return Fence(*self._change(asset, partition, next_number, known=known))

    def _change(
        self,
        asset: str,
        partition: str,
        change: Callable[[Candidacy], Candidacy | None],
        known: Fence | None = None,
    ) -> tuple[Candidacy, str]:
        """Replaces a candidacy by what ``change`` makes of it, until no other writer comes between; None leaves it.

        What is ``known`` to lie there is tried first, which saves a request where nobody came between.
        """
        for lost in range(RACES_LOST_AT_MOST):
            held, condition = (known.candidacy, known.etag) if known else self._candidacy(asset, partition)
            known = None
            wanted = change(held)
            if wanted is None:
                return held, condition
            try:
                return wanted, self._put_candidacy(wanted, condition)
            except PointerConflictError:
                time.sleep(random.uniform(0.0, 0.01 * (lost + 1)))  # noqa: S311  (spreads retries, guards nothing)
        raise PointerConflictError(
            f"{asset} {partition}: {RACES_LOST_AT_MOST} other writers came first; run it again",
            asset=asset,
            partition=partition,
        )

    def _put_candidacy(self, candidacy: Candidacy, condition: str) -> str:
        key = _candidate_key(candidacy.asset, candidacy.partition)
        return self._seen.put(key, encode_pointer(candidacy), condition)

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
        fence: Fence | None = None,
    ) -> Pointer:
        """Writes ``frame`` as the candidate of a partition; the accepted version is not touched.

        Args:
            asset: the asset.
            partition: its partition.
            frame: the rows, in any order.
            sort_by: columns that order the rows totally.
            code_version: digest of the code and parameters behind the rows.
            inputs: digest by name of everything the rows were made from.
            run_id: the run, for the record.
            fence: what ``begin`` gave this run; without it the newest write is the candidate.

        Raises:
            SchemaMismatchError: ``sort_by`` is missing or does not order the rows totally.
            FencedOffError: a newer run has begun on the partition.
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
            fence=fence.number if fence else 0,
        )
        self.contents.remember(pointer)
        killpoint("store.object_written")

        def proposed(held: Candidacy) -> Candidacy:
            if fence and held.fence != fence.number:
                raise _fenced_off(held, run_id)
            return msgspec.structs.replace(held, pointer=pointer)

        self._change(asset, partition, proposed, known=fence)
        killpoint("store.candidate_written")
        return pointer

    def refuse(self, candidate: Pointer, rules: Sequence[str]) -> None:
        """Notes on the candidate which rules refused it; the accepted version stays, and so does a newer candidate."""
        self._mark(candidate, tuple(rules))

    def _mark(self, candidate: Pointer, rules: tuple[str, ...]) -> None:
        def marked(held: Candidacy) -> Candidacy | None:
            if held.pointer is None or not _same_proposal(held.pointer, candidate) or held.pointer.refused_by == rules:
                return None
            return msgspec.structs.replace(held, pointer=msgspec.structs.replace(held.pointer, refused_by=rules))

        self._change(candidate.asset, candidate.partition, marked)

    def accept(self, candidate: Pointer, *, fence: Fence | None = None) -> Pointer:
        """Moves the accepted pointer to a candidate that passed its gate.

        Accepting the accepted version again changes nothing. The version that is replaced stays in the history.

        Args:
            candidate: what the gate judged.
            fence: what ``begin`` gave; without it the number that the candidate itself bears counts.

        Raises:
            PointerConflictError: another writer accepted something meanwhile; judge again.
            FencedOffError: a newer run has begun on the partition since the candidate's.
            MissingObjectError: the candidate's object is gone.
        """
        number = fence.number if fence else candidate.fence
        place = candidate.asset, candidate.partition
        is_new = self._seen.is_new(_accepted_key(*place))
        try:
            accepted = self._move_if_newest(candidate, number, None if is_new else self._accepted(*place))
        except PointerConflictError:
            if not is_new:
                raise
            # what was remembered as absent has come meanwhile
            accepted = self._move_if_newest(candidate, number, self._accepted(*place))
        if candidate.refused_by:
            self._mark(candidate, ())
        return accepted

    def _move_if_newest(self, candidate: Pointer, number: int, found: tuple[Pointer, str] | None) -> Pointer:
        # after the accepted pointer was read: a newer run that begins later than this either finds our version or breaks
        # the condition of our write
        self._require_newest(candidate, number)
        self.contents.hold(candidate)
        try:
            return self._move(candidate, number, found)
        except PointerConflictError:
            self._require_newest(candidate, number)
            raise

    def _move(self, candidate: Pointer, number: int, found: tuple[Pointer, str] | None) -> Pointer:
        """The one place where an accepted pointer is written."""
        place = candidate.asset, candidate.partition
        current, condition = found or (None, ABSENT)
        if current and current.same_version(candidate):
            if number <= current.fence:
                return current
            # nothing new, but whoever read the pointer before this run must find that it was judged again
            accepted = msgspec.structs.replace(current, fence=number)
        else:
            now = self._now()
            accepted = msgspec.structs.replace(
                candidate,
                sequence=(current.sequence if current else 0) + 1,
                previous_sha256=current.sha256 if current else None,
                # a partition's versions never go back in time, whichever machine's clock they were accepted by
                moved_at=max(now, current.moved_at + INSTANT) if current else now,
                refused_by=(),
                fence=number,
            )
            if current:
                killpoint("store.before_history")
                self.bucket.put(f"history/{folder_of(*place)}/{current.sequence:08d}.json", encode_pointer(current))
        killpoint("store.before_accepted")
        self._seen.put(_accepted_key(*place), encode_pointer(accepted), condition)
        killpoint("store.accepted")
        return accepted

    def _require_newest(self, candidate: Pointer, number: int) -> None:
        if number:
            held, _ = self._candidacy(candidate.asset, candidate.partition)
            if held.fence != number:
                raise _fenced_off(held, candidate.run_id)

    # -- reading ---------------------------------------------------------------------------------------------------

    def backwards(self, asset: str, partition: str) -> Iterator[Pointer]:
        """Accepted versions from the current one back, each read when it is asked for."""
        found = self._accepted(asset, partition)
        if found is None:
            return
        current = found[0]
        yield current
        for key in reversed(self.bucket.keys(f"history/{folder_of(asset, partition)}/")):
            held = self._seen.get(key)
            version = self.parse(key, held[0], asset, partition) if held else None
            # a writer killed between history and pointer leaves the current version in both
            if version and version.sequence < current.sequence:
                yield version

    def history(self, asset: str, partition: str) -> list[Pointer]:
        """All accepted versions, oldest first, the current one last."""
        return list(self.backwards(asset, partition))[::-1]

    def as_of(self, moment: Moment) -> AsOf:
        """The accepted state as it was at a moment, for reading alone.

        Args:
            moment: a time with its zone; or a SHA-256 (16 of its digits will do), meaning the time at which that version
                was accepted; or a number n, meaning the n-th version of each partition.

        Raises:
            ConfigurationError: the moment is a time without a zone, a number below one or no digest.
            NotAcceptedError: no version of that digest was ever accepted.
        """
        return AsOf(self, moment)

    def assets(self) -> list[str]:
        """Assets that have an accepted version of any partition, sorted."""
        return sorted({key.split("/")[1] for key in self._seen.keys(POINTERS, ending=ACCEPTED)})

    def partitions(self, asset: str) -> list[str]:
        """Partitions of ``asset`` that have an accepted version, sorted."""
        keys = self._seen.keys(f"{POINTERS}{asset}/", ending=ACCEPTED)
        return sorted(partition_of(key.split("/")[2]) for key in keys)

    def pointers(self, asset: str) -> dict[str, Pointer]:
        """The accepted version of every partition of ``asset`` that has one, in the order of ``partitions``."""
        found = {}
        for key in self._seen.look(f"{POINTERS}{asset}/", ending=ACCEPTED):
            partition = partition_of(key.split("/")[2])
            if held := self._seen.memory.get(key):
                found[partition] = self.parse(key, held[0], asset, partition)
        return dict(sorted(found.items()))

    def read(self, asset: str, partition: str, *, as_of: Moment | None = None) -> pl.DataFrame:
        """The accepted version of a partition, now or as of a moment (see ``as_of``).

        Raises:
            NotAcceptedError: nothing was accepted yet, or by then.
            MissingObjectError: the object is gone, and no newer version takes its place.
            HashMismatchError: the object does not hold what was accepted.
        """
        pointer = self.pointer(asset, partition, as_of=as_of)
        for _ in range(READ_TRIES):
            if pointer is None:
                break
            try:
                return self.read_object(pointer.sha256)
            except (MissingObjectError, HashMismatchError):
                # between pointer and object a newer version may have come, and the collector may have taken the old one
                newer = self.pointer(asset, partition, as_of=as_of)
                if newer is None or newer.sha256 == pointer.sha256:
                    raise
                pointer = newer
        if pointer is None:
            then = "" if as_of is None else f" as of {as_of}"
            raise NotAcceptedError(
                f"{asset} {partition} has no accepted version{then}; materialise it with its checks",
                asset=asset,
                partition=partition,
            )
        raise PointerConflictError(f"{asset} {partition} moves faster than it can be read; read it again")


def _accepted_key(asset: str, partition: str) -> str:
    return f"{POINTERS}{folder_of(asset, partition)}{ACCEPTED}"


def _candidate_key(asset: str, partition: str) -> str:
    return f"{POINTERS}{folder_of(asset, partition)}{CANDIDATE}"


def _require_identity(key: str, held: Pointer | Candidacy, asset: str, partition: str) -> None:
    if (held.asset, held.partition) != (asset, partition):
        raise StoreError(
            f"{key} speaks of {held.asset} {held.partition}: someone copied it there; "
            f"delete it and materialise {asset} {partition} again",
            key=key,
            expected=f"{asset} {partition}",
            found=f"{held.asset} {held.partition}",
        )


def _same_proposal(held: Pointer, candidate: Pointer) -> bool:
    """Whether both are the candidate that one run wrote, whatever was noted on it since."""
    return msgspec.structs.replace(held, refused_by=()) == msgspec.structs.replace(candidate, refused_by=())


def _fenced_off(held: Candidacy, run_id: str) -> FencedOffError:
    return FencedOffError(
        f"{held.asset} {held.partition}: run {held.begun_by or 'unknown'} began after run {run_id}, so its result stands "
        "and this one is not written; run the partition again if it must be newer",
        asset=held.asset,
        partition=held.partition,
        newest_run=held.begun_by,
        run=run_id,
    )
