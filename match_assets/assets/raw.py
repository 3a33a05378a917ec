"""Stage 2: PostgreSQL to content-addressed Parquet (``raw_export`` in the old system)."""

import dagster as dg

from match_assets.assets.common import data_asset, run
from match_assets.resources.platform import Platform
from match_assets.stages.raw import RAW_MATCH_STATS, RAW_MATCHES


@data_asset("2-raw-export", "raw", RAW_MATCHES.reads, {"postgres", "parquet", "s3"})
def raw_matches(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Matches of a season as the warehouse holds them, whatever their status. The SHA-256 of the file is its data version."""
    return run(RAW_MATCHES, context, platform)


@data_asset("2-raw-export", "raw", RAW_MATCH_STATS.reads, {"postgres", "parquet", "s3"})
def raw_match_stats(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Statistics of both sides as the warehouse holds them; null is unknown, zero is zero."""
    return run(RAW_MATCH_STATS, context, platform)
