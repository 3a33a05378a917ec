"""What a pointer says about the version it points to, and the candidacy under which a run may propose one."""

import datetime as dt
from dataclasses import dataclass
from urllib.parse import quote, unquote

import msgspec


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of one asset's partition: what it holds and what it was made from.

    ``inputs`` maps each input's name to the digest that was read; together with ``code_version`` it decides whether the
    version is still current. ``sequence`` counts accepted versions from 1; a candidate has 0. ``refused_by`` names the
    rules that refused a candidate, empty while it awaits its verdict or has passed. ``fence`` is the number under which
    its run began, 0 for one that began without.
    """

    asset: str
    partition: str
    sha256: str
    size_bytes: int
    rows: int
    schema_fingerprint: str
    code_version: str
    writer: str
    inputs: dict[str, str]
    run_id: str
    moved_at: dt.datetime
    sequence: int = 0
    previous_sha256: str | None = None
    refused_by: tuple[str, ...] = ()
    fence: int = 0

    def same_version(self, other: "Pointer | None") -> bool:
        """Whether ``other`` holds the same bytes, made from the same inputs by the same code."""
        return other is not None and (self.sha256, self.inputs, self.code_version) == (
            other.sha256,
            other.inputs,
            other.code_version,
        )


class Candidacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may propose a partition's next version, and the newest proposal.

    Number and proposal lie in one object, so that one compare-and-set both writes a candidate and proves that no newer run
    has begun. ``mark`` makes every beginning unlike any other, two runs of one name in one instant included.
    """

    asset: str
    partition: str
    fence: int = 0
    begun_by: str = ""
    begun_at: dt.datetime | None = None
    mark: str = ""
    pointer: Pointer | None = None


@dataclass(frozen=True)
class Fence:
    """A run's right to write a partition until a newer run begins on it; what ``begin`` left there, and its ETag."""

    candidacy: Candidacy
    etag: str

    @property
    def number(self) -> int:
        """Counts the runs that began on the partition."""
        return self.candidacy.fence


def encode_pointer(pointer: Pointer | Candidacy) -> bytes:
    """Canonical JSON of a pointer or candidacy."""
    return msgspec.json.format(msgspec.json.encode(pointer, order="sorted"), indent=1)


def decode_pointer(content: bytes) -> Pointer:
    """The pointer in ``content``; msgspec's error if it is none."""
    return msgspec.json.decode(content, type=Pointer)


def decode_candidacy(content: bytes) -> Candidacy:
    """The candidacy in ``content``, which may be a bare pointer from before there were any; msgspec's error if neither."""
    try:
        return msgspec.json.decode(content, type=Candidacy)
    except msgspec.ValidationError:
        pointer = decode_pointer(content)
        return Candidacy(asset=pointer.asset, partition=pointer.partition, pointer=pointer)


def folder_of(asset: str, partition: str) -> str:
    """Key prefix of an asset's partition; the partition is percent-encoded, so any key is one path segment."""
    return f"{asset}/{quote(partition, safe='')}"


def partition_of(segment: str) -> str:
    """The partition key in a path segment made by ``folder_of``."""
    return unquote(segment)
