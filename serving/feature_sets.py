"""Which stored objects the service needs, read from the store or, while that is away, from verified local copies."""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import polars as pl

from match_assets.config import FeatureParams
from match_assets.errors import HashMismatchError, MatchAssetsError, SchemaMismatchError, StoreError
from match_assets.features.registry import feature_version
from match_assets.keys import DataKey
from match_assets.store.encoding import decode, sha256

FIXTURES, STATE, RESULTS = "match_features", "team_state", "finished_matches"
ASSETS = (FIXTURES, STATE, RESULTS)
# Fixtures lie in the newest season, or in the one before it while the next is only announced; older ones are over.
NEWEST_SEASONS = 2

ObjectKey = tuple[str, str]


class AcceptedVersion(Protocol):
    """What the service reads of an accepted pointer."""

    @property
    def sha256(self) -> str:
        """Name and digest of the object."""

    @property
    def rows(self) -> int:
        """Height of the frame."""

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what it was made from."""

    @property
    def moved_at(self) -> dt.datetime:
        """When it was accepted."""


class FeatureSource(Protocol):
    """The store, as far as the service uses it (``match_assets.store.Store`` is one)."""

    def partitions(self, asset: str) -> list[str]:
        """Partitions of ``asset`` with an accepted version."""

    def pointer(self, asset: str, partition: str) -> AcceptedVersion | None:
        """The accepted version."""

    def read_bytes(self, digest: str) -> bytes:
        """The object of this SHA-256, verified."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of one object in service."""

    asset: str
    partition: str
    sha256: str
    rows: int
    accepted_at: dt.datetime
    inputs: dict[str, str]


@dataclass(frozen=True, eq=False)
class FeatureSets:
    """Everything read for one snapshot: identities and frames by asset and partition."""

    held: Mapping[ObjectKey, Held]
    frames: Mapping[str, pl.DataFrame]

    def frame(self, asset: str, partition: str) -> pl.DataFrame | None:
        """The frame of an asset's partition, or None where nothing was accepted."""
        held = self.held.get((asset, partition))
        return self.frames[held.sha256] if held else None

    def partitions(self, asset: str) -> list[str]:
        """Partitions held of ``asset``, sorted."""
        return sorted(partition for held_asset, partition in self.held if held_asset == asset)

    def same_objects(self, other: "FeatureSets | None") -> bool:
        """Whether ``other`` holds exactly the same objects."""
        return other is not None and self.held == other.held


class LocalCopies:
    """The last good objects on the local disk, each verified against its SHA-256 when it is read back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = folder / "features.json"

    def keep(self, digest: str, content: bytes) -> None:
        """Writes an object unless it is there."""
        path = self._path(digest)
        if not path.exists():
            write_atomically(path, content)

    def finish(self, sets: FeatureSets) -> None:
        """Makes ``sets`` what ``load`` gives, and drops objects that nothing names any more."""
        write_atomically(self._manifest, msgspec.json.encode(list(sets.held.values())))
        named = {self._path(held.sha256) for held in sets.held.values()}
        for path in self._manifest.parent.glob("objects/*.parquet"):
            if path not in named:
                path.unlink(missing_ok=True)

    def load(self) -> FeatureSets | None:
        """The last good objects, or None where there are none or one of them is no longer what it was."""
        try:
            listed = msgspec.json.decode(self._manifest.read_bytes(), type=list[Held])
            frames = {held.sha256: decode(self._read(held.sha256)) for held in listed}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, HashMismatchError, pl.exceptions.PolarsError):
            return None
        return FeatureSets({(held.asset, held.partition): held for held in listed}, frames)

    def _read(self, digest: str) -> bytes:
        content = self._path(digest).read_bytes()
        if sha256(content) != digest:
            raise HashMismatchError(f"local copy of {digest} holds other bytes; it is read again from the store")
        return content

    def _path(self, digest: str) -> Path:
        return self._folder / "objects" / f"{digest}.parquet"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a reader, or a start after a crash, sees the old content or the new and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    half.write_bytes(content)
    half.replace(path)


def read_feature_sets(
    source: FeatureSource, before: FeatureSets | None, copies: LocalCopies, params: FeatureParams
) -> tuple[FeatureSets, list[str]]:
    """The newest accepted objects; a part that cannot be used keeps the version held before.

    Args:
        source: the store.
        before: what is in service; unchanged objects are taken from it without reading them again.
        copies: where new objects are kept for a start without the store.
        params: the parameters of this process; objects of another feature version are not taken.

    Returns:
        The objects, and one message per part that could not be taken.

    Raises:
        DependencyUnavailableError: the store does not answer.
    """
    held: dict[ObjectKey, Held] = {}
    frames: dict[str, pl.DataFrame] = {}
    faults: list[str] = []
    for asset, partition in _wanted(source):
        try:
            found = _read(source, asset, partition, before, copies, params)
        except (StoreError, SchemaMismatchError, pl.exceptions.PolarsError) as error:
            reason = error.message if isinstance(error, MatchAssetsError) else f"not readable as Parquet ({error})"
            faults.append(f"{asset} {partition}: {reason}")
            found = _of(before, asset, partition)
        if found:
            identity, frame = found
            held[asset, partition], frames[identity.sha256] = identity, frame
    sets = FeatureSets(held, frames)
    if not sets.same_objects(before):
        copies.finish(sets)
    return sets, faults


def _wanted(source: FeatureSource) -> list[ObjectKey]:
    wanted = []
    for asset in ASSETS:
        newest: dict[str, list[str]] = {}
        for partition in source.partitions(asset):
            key = DataKey.parse(partition)
            newest.setdefault(key.tournament, []).append(key.season)
        for tournament, seasons in sorted(newest.items()):
            wanted += [(asset, f"{season}|{tournament}") for season in sorted(seasons)[-NEWEST_SEASONS:]]
    return wanted


def _of(before: FeatureSets | None, asset: str, partition: str) -> tuple[Held, pl.DataFrame] | None:
    held = before.held.get((asset, partition)) if before else None
    return (held, before.frames[held.sha256]) if held and before else None


def _read(
    source: FeatureSource,
    asset: str,
    partition: str,
    before: FeatureSets | None,
    copies: LocalCopies,
    params: FeatureParams,
) -> tuple[Held, pl.DataFrame] | None:
    pointer = source.pointer(asset, partition)
    if pointer is None:
        return None
    identity = Held(
        asset=asset,
        partition=partition,
        sha256=pointer.sha256,
        rows=pointer.rows,
        accepted_at=pointer.moved_at,
        inputs=dict(pointer.inputs),
    )
    if before and pointer.sha256 in before.frames:
        return identity, before.frames[pointer.sha256]
    content = source.read_bytes(pointer.sha256)
    frame = decode(content)
    _refuse_other_version(source, asset, identity, frame, params)
    copies.keep(pointer.sha256, content)
    return identity, frame


def _refuse_other_version(
    source: FeatureSource, asset: str, identity: Held, frame: pl.DataFrame, params: FeatureParams
) -> None:
    """Refuses a state, or fixtures made from a state, of other parameters or another kernel than this process has."""
    if asset == FIXTURES:
        digest = identity.inputs.get(f"{STATE}@{identity.partition}")
        if digest is None:
            return
        frame = decode(source.read_bytes(digest))
    elif asset != STATE:
        return
    made_by = set(frame["feature_version"])
    expected = feature_version(params)
    if made_by - {expected}:
        raise SchemaMismatchError(
            f"made by feature version {', '.join(sorted(made_by))}, this service computes {expected}; "
            "materialise it again, or restart the service with the parameters that made it",
            expected=expected,
            found=sorted(made_by),
        )
