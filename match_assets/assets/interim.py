"""Stage 4: preprocessing into results and fixtures (``preprocess`` in the old system)."""

import dagster as dg

from match_assets.assets.common import data_asset, run
from match_assets.automation.conditions import SAME_SEASON
from match_assets.resources.platform import Platform
from match_assets.stages.interim import FINISHED_MATCHES, UPCOMING_MATCHES


@data_asset(
    "4-preprocessing",
    "interim",
    FINISHED_MATCHES.reads,
    {"polars", "parquet"},
    condition=SAME_SEASON,
)
def finished_matches(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Results with the statistics of both sides. Finished is what the source says is finished, never what the clock says."""
    return run(FINISHED_MATCHES, context, platform)


@data_asset("4-preprocessing", "interim", UPCOMING_MATCHES.reads, {"polars", "parquet"}, condition=SAME_SEASON)
def upcoming_matches(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Fixtures that are known and not yet played, postponed ones included."""
    return run(UPCOMING_MATCHES, context, platform)
