"""What a version was made from, what that was made from, and so on down to the warehouse."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from match_assets.errors import StoreError
from match_assets.store.pointers import Pointer
from match_assets.store.store import Store


@dataclass(frozen=True)
class Lineage:
    """One version and those it was made from.

    Where an input is no version of an asset (the warehouse's revision, a setting) only ``name`` and ``digest`` are known.
    ``note`` says what does not follow from the hashes alone.
    """

    name: str
    digest: str
    pointer: Pointer | None = None
    inputs: tuple["Lineage", ...] = ()
    note: str = ""

    @property
    def code_version(self) -> str | None:
        """Digest of the code and parameters that made it."""
        return self.pointer.code_version if self.pointer else None

    @property
    def run_id(self) -> str | None:
        """The run that made it."""
        return self.pointer.run_id if self.pointer else None

    @property
    def moved_at(self) -> dt.datetime | None:
        """When it was accepted."""
        return self.pointer.moved_at if self.pointer else None

    def walk(self) -> Iterator["Lineage"]:
        """This node and all below it, each once."""
        seen: set[tuple[str, str]] = set()
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if (node.name, node.digest) not in seen:
                seen.add((node.name, node.digest))
                yield node
                waiting.extend(reversed(node.inputs))


def lineage(store: Store, pointer: Pointer) -> Lineage:
    """The tree of what ``pointer`` was made from, each version the one whose digest was read; shared parts are shared.

    Raises:
        StoreError: a pointer on the way cannot be read.
    """
    return _Tracer(store).of(pointer)


class _Tracer:
    """One walk; every partition's history is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._histories: dict[tuple[str, str], list[Pointer]] = {}
        self._nodes: dict[tuple[str, str, str, int], Lineage] = {}

    def of(self, pointer: Pointer) -> Lineage:
        key = (pointer.asset, pointer.partition, pointer.sha256, pointer.sequence)
        if key not in self._nodes:
            inputs = tuple(self._input(name, digest, pointer) for name, digest in sorted(pointer.inputs.items()))
            self._nodes[key] = Lineage(f"{pointer.asset}@{pointer.partition}", pointer.sha256, pointer, inputs)
        return self._nodes[key]

    def _input(self, name: str, digest: str, consumer: Pointer) -> Lineage:
        asset, at, partition = name.partition("@")
        if not at:
            return Lineage(name, digest)
        known = [version for version in self._history(asset, partition) if version.moved_at <= consumer.moved_at]
        exact = [version for version in known if version.sha256 == digest]
        if exact:
            return self.of(exact[-1])
        if not known:
            return Lineage(name, digest, note="no such version was accepted before")
        # a model reads the rows before its cut-off: the digest is theirs, and the version the one of that time
        found = self.of(known[-1])
        note = f"part of the version {found.digest[:12]} then accepted"
        return Lineage(name, digest, found.pointer, found.inputs, note)

    def _history(self, asset: str, partition: str) -> list[Pointer]:
        if (asset, partition) not in self._histories:
            self._histories[asset, partition] = self._store.history(asset, partition)
        return self._histories[asset, partition]


def find_match(store: Store, match_id: int) -> Pointer:
    """The version that holds a match: its row of features where it is to come, else its result.

    Raises:
        StoreError: no accepted version holds it.
    """
    import polars as pl

    for asset in ("match_features", "finished_matches"):
        # the newest seasons first: that is where people ask
        for partition in reversed(store.partitions(asset)):
            pointer = store.pointer(asset, partition)
            if pointer is None:
                continue
            frame = store.read_object(pointer.sha256)
            if not frame.filter(pl.col("match_id") == match_id).is_empty():
                return pointer
    raise StoreError(
        f"no accepted version of match_features or finished_matches holds match {match_id}", match_id=match_id
    )
