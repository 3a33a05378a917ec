"""A code location with the schedules and the sensors that ask no source: what the daemon's loops are given in tests."""

import dagster as dg

from match_assets.assets import feature_rows, ingestion, interim, raw
from match_assets.automation.requested import scrape_requested
from match_assets.automation.schedules import daily_visit, weekly_catalogue
from match_assets.automation.sensors import missing_or_late
from match_assets.jobs import bulk_job, catalogue_job, season_job
from match_assets.resources.platform import Platform

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([ingestion, raw, interim, feature_rows]),
    jobs=[bulk_job, season_job, catalogue_job],
    schedules=[daily_visit, weekly_catalogue],
    sensors=[scrape_requested, missing_or_late],
    resources={"platform": Platform()},
)
