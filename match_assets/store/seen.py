"""Pointers as bytes: asked of the bucket each time, or recalled as they were last seen when many are looked at."""

from concurrent.futures import ThreadPoolExecutor

from match_assets.errors import PointerConflictError, StoreError
from match_assets.store.objects import Bucket

POINTERS, ACCEPTED, CANDIDATE = "pointers/", "/accepted.json", "/candidate.json"
# the largest pointers are those of a split, which name every season of every tournament: some 50 kB
LARGEST_POINTER_BYTES = 16 * 1024 * 1024
READERS = 8
# key to bytes and ETag
Seen = dict[str, tuple[bytes, str]]


class Asked:
    """What lies under pointers' keys now; every answer, and every write of our own, is remembered with its ETag."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.memory: Seen = {}
        self._has_seen_all = False

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and ETag, or None where nothing is."""
        found = self._bucket.get(key, at_most=LARGEST_POINTER_BYTES)
        if found is None:
            self.memory.pop(key, None)
        elif key.startswith(POINTERS):
            self.memory[key] = found
        return found

    def put(self, key: str, content: bytes, condition: str) -> str:
        """Writes where the condition holds and returns the ETag.

        Raises:
            PointerConflictError: it does not hold.
        """
        try:
            etag = self._bucket.put(key, content, if_match=condition)
        except PointerConflictError:
            self.get(key)  # what is remembered is wrong
            raise
        self.memory[key] = content, etag
        return etag

    def is_new(self, key: str) -> bool:
        """Whether nothing lay here when all were looked at, nor since, as far as we saw.

        Good for a write on the condition that nothing is there, which finds out whether that still holds.
        """
        return self._has_seen_all and key not in self.memory

    def keys(self, below: str, *, ending: str) -> list[str]:
        """Keys of pointers, sorted."""
        return [key for key in self._bucket.keys(below) if key.endswith(ending)]

    def look(self, below: str = POINTERS, *, ending: str = "") -> list[str]:
        """Keys of pointers, sorted; those that moved since they were last seen are read, several at a time.

        One listing tells which did, so that many pointers that stand still cost one request together.
        """
        listed = {entry.key: entry.etag for entry in self._bucket.entries(below) if entry.key.endswith(ending)}
        moved = [key for key, etag in listed.items() if self.memory.get(key, (b"", ""))[1] != etag]
        if moved:
            with ThreadPoolExecutor(READERS) as readers:
                list(readers.map(self.get, moved))
        for key in list(self.memory):
            if key.startswith(below) and key.endswith(ending) and key not in listed:
                del self.memory[key]
        self._has_seen_all |= (below, ending) == (POINTERS, "")
        return list(listed)


class Recalled(Asked):
    """The same from memory alone: what was last seen or written through ``asked``. It cannot be written to."""

    def __init__(self, asked: Asked) -> None:
        self.memory = asked.memory
        self._has_seen_all = True

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and ETag as last seen, or None where nothing was."""
        return self.memory.get(key)

    def put(self, key: str, content: bytes, condition: str) -> str:  # noqa: ARG002
        """Refuses: a decision to write needs what is there now.

        Raises:
            StoreError: always.
        """
        raise StoreError(f"{key} cannot be written from memory; write through the store itself", key=key)

    def look(self, below: str = POINTERS, *, ending: str = "") -> list[str]:
        """Keys that were seen, sorted; nothing is read."""
        return self.keys(below, ending=ending)

    def keys(self, below: str, *, ending: str) -> list[str]:
        """Keys that were seen, sorted."""
        return sorted(key for key in list(self.memory) if key.startswith(below) and key.endswith(ending))
