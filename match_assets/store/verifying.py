"""Is every version still there as it was accepted? And if not, made again from its inputs, is it the same?"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from match_assets.errors import HashMismatchError, MatchAssetsError, MissingObjectError
from match_assets.store.contents import object_key
from match_assets.store.encoding import decode, schema_fingerprint
from match_assets.store.pointers import Pointer
from match_assets.store.store import Store
from match_assets.store.survey import Kind, survey

Rebuild = Callable[[str, str], None]
Outcome = Literal["same", "other", "failed", "lost"]


@dataclass(frozen=True)
class Finding:
    """One version that is not what was accepted.

    ``problem`` is ``pointer``, ``gone``, ``bytes``, ``schema`` or ``rows``; ``message`` names expected and found.
    """

    kind: Kind
    asset: str
    partition: str
    sequence: int
    sha256: str
    problem: str
    message: str


@dataclass(frozen=True)
class VerifyReport:
    """What was looked at, and what was wrong with it."""

    versions: int
    objects: int
    size_bytes: int
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was wrong."""
        return not self.findings

    def summary(self) -> str:
        """One line."""
        looked = f"{self.versions} versions, {self.objects} objects, {self.size_bytes / 1e6:.1f} MB"
        if self.is_sound:
            return f"{looked}: all as accepted"
        counts = Counter(finding.problem for finding in self.findings)
        return f"{looked}: " + ", ".join(f"{count} × {problem}" for problem, count in sorted(counts.items()))


def verify(store: Store, asset: str | None = None, partition: str | None = None) -> VerifyReport:
    """Reads every accepted and historical version, of everything or of one asset or partition, each object once.

    Raises:
        DependencyUnavailableError: the store went away; what cannot be read is not called wrong.
    """
    versions, size_bytes = 0, 0
    judged: dict[str, tuple[str, str] | None] = {}
    findings = []
    for found in survey(store, asset, partition, kinds=("accepted", "history")):
        if found.pointer is None:
            message = str(found.error)
            findings.append(Finding(found.kind, found.asset, found.partition, 0, "", "pointer", message))
            continue
        pointer = found.pointer
        versions += 1
        if pointer.sha256 not in judged:
            judged[pointer.sha256] = _fault(store, pointer)
            size_bytes += pointer.size_bytes
        if fault := judged[pointer.sha256]:
            where = (found.kind, found.asset, found.partition, pointer.sequence, pointer.sha256)
            findings.append(Finding(*where, *fault))
    return VerifyReport(versions, len(judged), size_bytes, tuple(dict.fromkeys(findings)))


def _fault(store: Store, pointer: Pointer) -> tuple[str, str] | None:
    """What is wrong with a pointer's object, and the message; None where nothing is."""
    key = object_key(pointer.sha256)
    try:
        frame = decode(store.read_bytes(pointer.sha256))
    except MissingObjectError as error:
        return "gone", error.message
    except HashMismatchError as error:
        return "bytes", error.message
    except pl.exceptions.PolarsError as error:
        return "bytes", f"object {key} is no Parquet ({error})"
    fingerprint = schema_fingerprint(frame)
    if fingerprint != pointer.schema_fingerprint:
        return "schema", f"object {key}: expected schema {pointer.schema_fingerprint}, found {fingerprint}"
    if frame.height != pointer.rows:
        return "rows", f"object {key}: expected {pointer.rows} rows, found {frame.height}"
    return None


@dataclass(frozen=True)
class Repair:
    """What became of one damaged version.

    ``outcome``: ``same`` bytes are back; ``other`` bytes were made and accepted in its place; ``failed`` to rebuild;
    ``lost``, a version of the past that nothing can be made of any more.
    """

    asset: str
    partition: str
    sequence: int
    sha256: str
    outcome: Outcome
    message: str


def repair(
    store: Store, rebuild: Rebuild, asset: str | None = None, partition: str | None = None
) -> tuple[VerifyReport, list[Repair]]:
    """Makes every damaged accepted version again, inputs before what was made of them, and looks whether it is the same.

    A version of the past comes back only where the present one has its bytes.

    Args:
        store: the store.
        rebuild: materialises a partition and has its gate judge it.
        asset: only this asset.
        partition: only this partition of it.

    Returns:
        What was wrong, and what became of it.
    """
    report = verify(store, asset, partition)
    current = {(f.asset, f.partition): f for f in report.findings if f.kind == "accepted"}
    repairs = [_rebuilt(store, rebuild, current[place]) for place in _inputs_first(store, list(current))]
    past = [_of_the_past(store, finding) for finding in report.findings if finding.kind == "history"]
    return report, repairs + past


def _inputs_first(store: Store, places: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The damaged partitions in an order in which none comes before a damaged one that it was made from."""
    inputs: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for place in places:
        try:
            pointer = store.pointer(*place)
        except MatchAssetsError:
            pointer = None
        named = {(name.partition("@")[0], name.partition("@")[2]) for name in pointer.inputs} if pointer else set()
        inputs[place] = named & set(places)
    ordered: list[tuple[str, str]] = []
    while inputs:
        ready = [place for place, needed in inputs.items() if not needed - set(ordered)] or list(inputs)
        ordered += ready
        inputs = {place: needed for place, needed in inputs.items() if place not in ready}
    return ordered


def _rebuilt(store: Store, rebuild: Rebuild, finding: Finding) -> Repair:
    facts = (finding.asset, finding.partition, finding.sequence, finding.sha256)
    # a store that lost bytes on its own disk still gives the old ETag: it is not asked, the bytes are written
    store.contents.distrust(finding.sha256)
    try:
        rebuild(finding.asset, finding.partition)
        pointer = store.pointer(finding.asset, finding.partition)
        fault = _fault(store, pointer) if pointer else ("gone", "nothing was accepted")
    except MatchAssetsError as error:
        return Repair(*facts, "failed", error.message)
    if fault or pointer is None:
        return Repair(*facts, "failed", fault[1] if fault else "nothing was accepted")
    if finding.sha256 in {pointer.sha256, ""}:
        return Repair(*facts, "same", f"{pointer.rows} rows, the same SHA-256")
    return Repair(*facts, "other", f"{pointer.rows} rows of SHA-256 {pointer.sha256}: inputs or code have moved since")


def _of_the_past(store: Store, finding: Finding) -> Repair:
    facts = (finding.asset, finding.partition, finding.sequence, finding.sha256)
    try:
        store.read_bytes(finding.sha256)
    except MatchAssetsError:
        return Repair(*facts, "lost", "a version of the past; what it was made from has moved on")
    return Repair(*facts, "same", "its bytes came back with another version")
