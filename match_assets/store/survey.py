"""Every pointer of a store, in the one order in which none can be missed while versions move."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from match_assets.errors import StoreError
from match_assets.store.pointers import Pointer, folder_of, partition_of

if TYPE_CHECKING:
    from match_assets.store.store import Store

Kind = Literal["candidate", "accepted", "history"]
# A version moves from candidate to accepted to history, and is written at its next place before it leaves the last one:
# who reads in this order meets it at least once.
KINDS: tuple[Kind, ...] = ("candidate", "accepted", "history")


@dataclass(frozen=True)
class Found:
    """A pointer as it lies in the store; ``error`` says why it cannot be believed."""

    kind: Kind
    key: str
    asset: str
    partition: str
    pointer: Pointer | None
    error: StoreError | None = None


def survey(
    store: "Store", asset: str | None = None, partition: str | None = None, kinds: Sequence[Kind] = KINDS
) -> Iterator[Found]:
    """Every pointer of the given kinds, a broken one with its error, a partition that only began without one."""
    for kind in KINDS:
        if kind in kinds:
            yield from _of_kind(store, kind, asset, partition)


def _of_kind(store: "Store", kind: Kind, asset: str | None, partition: str | None) -> Iterator[Found]:
    top = "history/" if kind == "history" else "pointers/"
    below = top if asset is None else f"{top}{folder_of(asset, partition or '')}"
    for key in store.bucket.keys(below):
        held_asset, segment, name = key.removeprefix(top).split("/")
        held = partition_of(segment)
        if (kind != "history" and name != f"{kind}.json") or (partition is not None and held != partition):
            continue
        try:
            pointer = store.pointer_at(kind, key, held_asset, held)
        except StoreError as error:
            yield Found(kind, key, held_asset, held, None, error)
        else:
            if pointer:
                yield Found(kind, key, held_asset, held, pointer)
