"""What a cut-off sees of the accepted seasons: the rows that kicked off before it."""

import datetime as dt
from functools import lru_cache

import polars as pl

from match_assets.errors import PointerConflictError
from match_assets.features import checked_team_features
from match_assets.keys import parse_cutoff
from match_assets.stages.base import Inputs, StageContext
from match_assets.store import Store
from match_assets.store.encoding import canonical, encode, sha256

TEAM_FEATURES, RESULTS = "team_match_features", "finished_matches"
SOURCES = {
    TEAM_FEATURES: ("kick_off_utc", "match_id", "is_home"),
    RESULTS: ("kick_off_utc", "match_id"),
}
REACHED, NOT_REACHED = {"reached": "yes"}, {"reached": "no"}


def midnight(cutoff: str) -> dt.datetime:
    """The instant of a cut-off: 00:00 UTC of its day."""
    return dt.datetime.combine(parse_cutoff(cutoff), dt.time(), tzinfo=dt.UTC)


def data_reach(context: StageContext) -> dt.datetime | None:
    """Kick-off of the newest accepted result, over all tournaments; None where there is none."""
    newest = [
        context.store.read_object(pointer.sha256)["kick_off_utc"].max()
        for pointer in context.store.pointers(RESULTS).values()
    ]
    return max((instant for instant in newest if isinstance(instant, dt.datetime)), default=None)


def inputs_before(context: StageContext, cutoff: str) -> dict[str, str]:
    """Digests of the rows before the cut-off: a new match day after it changes none of them, so nothing runs again."""
    reach = data_reach(context)
    if reach is None or reach < midnight(cutoff):
        return dict(NOT_REACHED)
    found = {}
    for asset in SOURCES:
        for partition, pointer in context.store.pointers(asset).items():
            if digest := _digest_before(context.store, asset, pointer.sha256, cutoff):
                found[f"{asset}@{partition}"] = digest
    return {**REACHED, **found}


def is_reached(inputs: Inputs) -> bool:
    """Whether the data reached the cut-off when ``inputs`` were read."""
    return inputs["reached"] == REACHED["reached"]


def rows_before(context: StageContext, cutoff: str, asset: str, inputs: Inputs) -> pl.DataFrame:
    """The rows of all seasons of an asset before the cut-off, exactly those that ``inputs`` name.

    Raises:
        PointerConflictError: a season changed since ``inputs`` were read.
    """
    frames = []
    for name, digest in inputs.items():
        held, _, partition = name.partition("@")
        if held != asset:
            continue
        pointer = context.store.pointer(asset, partition)
        if pointer is None or _digest_before(context.store, asset, pointer.sha256, cutoff) != digest:
            raise PointerConflictError(
                f"{asset} {partition} changed since the rows before {cutoff} were read; materialise the split again",
                asset=asset,
                partition=partition,
            )
        frame = context.store.read_object(pointer.sha256)
        if asset == TEAM_FEATURES:
            frame = checked_team_features(frame, context.params.features, made_by=pointer.code_version)
        frames.append(frame.filter(pl.col("kick_off_utc") < midnight(cutoff)))
    return pl.concat(frames)


@lru_cache(maxsize=1024)
def _digest_before(store: Store, asset: str, digest: str, cutoff: str) -> str | None:
    """Digest of the rows of an object that kicked off before the cut-off; None where it has none."""
    frame = store.read_object(digest)
    before = frame.filter(pl.col("kick_off_utc") < midnight(cutoff))
    if before.is_empty():
        return None
    return digest if before.height == frame.height else sha256(encode(canonical(before, SOURCES[asset])))
