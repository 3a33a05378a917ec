"""Replays of a tournament's accepted results, each continued from the season before where this process has just made it.

A fill goes through a tournament season by season, and each season is a replay of all before it: from the start each time,
that is quadratic. Continuing from the state after the season before gives the same bits (``features.advance``), and the
digests of the results name that state, so nothing that was replayed can be taken for anything else. A process that does
one season alone replays from the start.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import polars as pl

from match_assets.config import FeatureParams
from match_assets.errors import DataError
from match_assets.features import FeatureBuild, advance, build_team_features, feature_version

HELD = 8


class Replay(NamedTuple):
    """Rows of the last season, the state after it, and every match that it took in."""

    build: FeatureBuild
    match_ids: pl.Series


# by feature version and the digests of the seasons that were replayed, oldest first
_held: OrderedDict[tuple[str, tuple[str, ...]], Replay] = OrderedDict()


def replayed(
    read: Callable[[str], pl.DataFrame], digests: Sequence[str], params: FeatureParams, season: str
) -> FeatureBuild:
    """Rows of the last season and the state after it, as ``build_team_features`` gives them for all the results.

    Args:
        read: the results with a digest.
        digests: of the results of each season, oldest first, the last being ``season``'s.
        params: windows and ratings.
        season: whose rows to keep.
    """
    version, names = feature_version(params), tuple(digests)
    replay = _held.pop((version, names), None)
    if replay is None:
        before = _held.get((version, names[:-1])) if len(names) > 1 else None
        replay = _continued(before, read(names[-1]), params) if before else None
    if replay is None:
        history = pl.concat([read(digest) for digest in names])
        replay = Replay(build_team_features(history, params, season=season), history["match_id"])
    _held[version, names] = replay
    while len(_held) > HELD:
        _held.popitem(last=False)
    return replay.build


def _continued(before: Replay, results: pl.DataFrame, params: FeatureParams) -> Replay | None:
    """The replay that goes on with one more season; None where only one from the start can tell what is right."""
    if results["match_id"].is_in(before.match_ids.implode()).any():
        return None
    try:
        build = advance(before.build.state, results, params)
    except DataError:
        return None
    return Replay(build, pl.concat([before.match_ids, results["match_id"]]))
