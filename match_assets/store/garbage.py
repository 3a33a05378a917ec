"""The collector: removes objects that no pointer names, when they have been so for long enough."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from match_assets.errors import ConfigurationError, HashMismatchError, PointerConflictError, StoreError
from match_assets.killpoint import killpoint
from match_assets.store.contents import object_key
from match_assets.store.objects import ABSENT, Entry
from match_assets.store.store import Store
from match_assets.store.survey import survey

GRACE = dt.timedelta(days=7)
# a gate's report is named by the event log alone, so it is kept by age
REPORTS_KEPT = dt.timedelta(days=365)
BATCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Collection:
    """What was collected, or would be.

    ``spared`` were to go and were not: they were used again, or gone, between being listed and being removed.
    """

    is_dry_run: bool
    kept: int
    removed: tuple[str, ...]
    removed_bytes: int
    spared: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line."""
        verb = "would be removed" if self.is_dry_run else "removed"
        return f"{len(self.removed)} objects ({self.removed_bytes / 1e6:.1f} MB) {verb}, {self.kept} kept"


def collect_garbage(
    store: Store, grace: dt.timedelta = GRACE, *, dry_run: bool = False, reports_kept: dt.timedelta = REPORTS_KEPT
) -> Collection:
    """Removes objects that no candidate, accepted version or history names and that nobody wrote or used within ``grace``.

    Safe beside writers: one that uses an old object again makes it young *before* a pointer names it, and age is looked at
    once more, by the store's own clock, right before each removal. A writer that comes in the milliseconds between look and
    removal is found afterwards, when the pointers are read again, and its object is put back. Killed halfway, the next run
    removes the rest.

    Args:
        store: the store.
        grace: age below which nothing goes; more than any run takes between its object and its pointer.
        dry_run: only say what would go.
        reports_kept: the same for the reports of gates, which no pointer names.

    Raises:
        ConfigurationError: the grace period is too short to be safe beside writers.
        StoreError: a pointer cannot be read, so that nobody knows what it names; nothing is removed.
    """
    least = 2 * store.contents.refresh_after
    if min(grace, reports_kept) < least:
        raise ConfigurationError(f"a grace period of {grace} is too short beside running writers; give {least} or more")
    # objects first, then pointers: what is written meanwhile is not in the list
    entries = store.bucket.entries("objects/")
    reachable = _reachable(store)
    now = store.bucket.clock()

    def may_go(entry: Entry) -> bool:
        is_table = entry.key.endswith(".parquet")
        return entry.key not in reachable and now - entry.modified >= (grace if is_table else reports_kept)

    doomed = [entry for entry in entries if may_go(entry)]
    gone = doomed if dry_run else [entry for batch in _batches(doomed) for entry in _removed(store, batch)]
    return Collection(
        is_dry_run=dry_run,
        kept=len(entries) - len(gone),
        removed=tuple(entry.key for entry in gone),
        removed_bytes=sum(entry.size for entry in gone),
        spared=tuple(entry.key for entry in doomed if entry not in gone),
    )


def _reachable(store: Store) -> set[str]:
    keys = set()
    for found in survey(store):
        if found.pointer is None:
            raise StoreError(
                f"nothing is collected while a pointer cannot be read: {found.error}", key=found.key
            ) from found.error
        keys.add(object_key(found.pointer.sha256))
    return keys


def _batches(entries: list[Entry]) -> Iterator[list[Entry]]:
    """The entries in batches that fit into memory."""
    batch: list[Entry] = []
    for entry in entries:
        if batch and sum(held.size for held in batch) + entry.size > BATCH_BYTES:
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def _removed(store: Store, batch: list[Entry]) -> list[Entry]:
    """Removes objects, puts back those that a pointer names by now, and returns the others."""
    taken = [(entry, content) for entry in batch if (content := _take(store, entry)) is not None]
    reachable = _reachable(store) if taken else set()
    for entry, content in taken:
        if entry.key in reachable:
            _put_back(store, entry, content)
    return [entry for entry, _ in taken if entry.key not in reachable]


def _take(store: Store, entry: Entry) -> bytes | None:
    """Removes an object unless somebody wrote or used it since it was listed; its bytes, or None where it stays."""
    killpoint("gc.before_check")
    try:
        found = store.bucket.get(entry.key, at_most=entry.size)
    except HashMismatchError:
        return None  # somebody wrote another thing there
    head = store.bucket.head(entry.key)
    if found is None or head is None or head.modified > entry.modified:
        return None
    is_gone = store.bucket.delete(entry.key, head.etag)
    killpoint("gc.after_removal")
    return found[0] if is_gone else None


def _put_back(store: Store, entry: Entry, content: bytes) -> None:
    try:
        store.bucket.put(entry.key, content, if_match=ABSENT)
    except PointerConflictError:
        return  # its writer saw that it was gone and was faster
