"""Stages 5 and 6: features by replay of a tournament's history, and fixtures ready for lookup."""

import dagster as dg

from match_assets.assets.common import data_asset, run
from match_assets.automation.conditions import REPLAYED, SAME_SEASON
from match_assets.partitions import HISTORY
from match_assets.resources.platform import Platform
from match_assets.stages.base import Stage
from match_assets.stages.feature_rows import MATCH_FEATURES, TEAM_MATCH_FEATURES, TEAM_STATE


def _so_far(stage: Stage) -> list[dg.AssetDep]:
    return [dg.AssetDep(name, partition_mapping=HISTORY) for name in stage.reads]


@data_asset("5-features", "features", _so_far(TEAM_MATCH_FEATURES), {"polars", "parquet"}, condition=REPLAYED)
def team_match_features(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Rolling form and tournament-scoped ratings, one row per team and match, known strictly before kick-off."""
    return run(TEAM_MATCH_FEATURES, context, platform)


@data_asset("5-features", "features", _so_far(TEAM_STATE), {"polars", "parquet"}, condition=REPLAYED)
def team_state(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Ratings and rolling buffers of every team after the newest match: what the service predicts from."""
    return run(TEAM_STATE, context, platform)


@data_asset(
    "6-match-features",
    "inference",
    MATCH_FEATURES.reads,
    {"polars", "parquet"},
    condition=SAME_SEASON,
)
def match_features(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Model features of every known fixture, ready for lookup: the very rows that the service would compute itself."""
    return run(MATCH_FEATURES, context, platform)
