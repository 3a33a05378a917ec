"""The accepted state as it was: by time, by a version's digest, or by number of version."""

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import polars as pl

from match_assets.errors import ConfigurationError, NotAcceptedError
from match_assets.store.pointers import Pointer
from match_assets.store.survey import survey

if TYPE_CHECKING:
    from match_assets.store.store import Store

Moment = dt.datetime | int | str
DIGEST = re.compile(r"[0-9a-f]{16,64}")


class Readable(Protocol):
    """What can be read of accepted data, now or as of a moment: ``Store`` and ``AsOf``."""

    def assets(self) -> list[str]:
        """Assets with an accepted version of any partition, sorted."""

    def partitions(self, asset: str) -> list[str]:
        """Partitions of ``asset`` with an accepted version, sorted."""

    def read(self, asset: str, partition: str) -> pl.DataFrame:
        """The accepted version."""


def parse_moment(text: str) -> Moment:
    """A moment as a person types it: an ISO date or time (UTC where no zone stands), a digest, or a version's number.

    Raises:
        ConfigurationError: it is none of them.
    """
    if DIGEST.fullmatch(text):
        return text
    if text.isdecimal() and len(text) < 8:
        return int(text)
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is no moment; write 2025-01-31, 2025-01-31T18:00, a SHA-256 (16 digits or more) or a version's number"
        ) from error
    return when if when.tzinfo else when.replace(tzinfo=dt.UTC)


def require_moment(moment: Moment) -> None:
    """Refuses what no version can be chosen by.

    Raises:
        ConfigurationError: a time without its zone, a number below one, or a text that is no digest.
    """
    if isinstance(moment, dt.datetime):
        if moment.tzinfo is None:
            raise ConfigurationError(f"{moment} has no time zone; versions are kept by UTC")
    elif isinstance(moment, int):
        if moment < 1:
            raise ConfigurationError(f"{moment} is no version; they are counted from 1")
    elif not DIGEST.fullmatch(moment):
        raise ConfigurationError(f"{moment!r} is no SHA-256; give 16 or more of its hexadecimal digits, in lower case")


def chosen(moment: Moment, backwards: Iterable[Pointer]) -> Pointer | None:
    """The version that counted at a moment, from a partition's versions, newest first; no more of them are read."""
    require_moment(moment)
    if isinstance(moment, dt.datetime):
        return next((version for version in backwards if version.moved_at <= moment), None)
    if isinstance(moment, int):
        return next((version for version in backwards if version.sequence <= moment), None)
    return next((version for version in backwards if version.sha256.startswith(moment)), None)


class AsOf:
    """The accepted state at a moment. What it gives does not change, whatever is accepted afterwards."""

    def __init__(self, store: "Store", moment: Moment) -> None:
        require_moment(moment)
        self._store = store
        self.moment = _when_accepted(store, moment) if isinstance(moment, str) else moment

    def pointer(self, asset: str, partition: str) -> Pointer | None:
        """The version accepted by then, or None."""
        return self._store.pointer(asset, partition, as_of=self.moment)

    def read(self, asset: str, partition: str) -> pl.DataFrame:
        """The frame accepted by then; errors as of ``Store.read``."""
        return self._store.read(asset, partition, as_of=self.moment)

    def partitions(self, asset: str) -> list[str]:
        """Partitions of ``asset`` with a version accepted by then, sorted."""
        return [partition for partition in self._store.partitions(asset) if self.pointer(asset, partition)]

    def assets(self) -> list[str]:
        """Assets of which any partition was accepted by then, sorted."""
        return [
            asset
            for asset in self._store.assets()
            if any(self.pointer(asset, partition) for partition in self._store.partitions(asset))
        ]


def _when_accepted(store: "Store", digest: str) -> dt.datetime:
    """When a version of this digest was accepted; the last time where it was more than once."""
    times = [
        found.pointer.moved_at
        for found in survey(store, kinds=("accepted", "history"))
        if found.pointer and found.pointer.sha256.startswith(digest)
    ]
    if not times:
        raise NotAcceptedError(f"no version of SHA-256 {digest} was ever accepted", sha256=digest)
    return max(times)
