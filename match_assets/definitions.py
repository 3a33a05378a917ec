"""The code location, as a table of contents: what there is, where it stands, and nothing else."""

import dagster as dg

from match_assets.assets import feature_rows, ingestion, interim, modelling, raw, registry
from match_assets.automation.conditions import carry_on
from match_assets.automation.requested import scrape_requested
from match_assets.automation.schedules import daily_visit, weekly_catalogue
from match_assets.automation.sensors import cutoff_reached, missing_or_late, new_match_days
from match_assets.checks.gates import ALL_CHECKS
from match_assets.jobs import bulk_job, catalogue_job, model_job, season_job
from match_assets.resources.experiment import configured_experiment
from match_assets.resources.platform import Platform

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([ingestion, raw, interim, feature_rows, modelling, registry]),
    asset_checks=ALL_CHECKS,
    jobs=[season_job, model_job, bulk_job, catalogue_job],
    schedules=[daily_visit, weekly_catalogue],
    sensors=[carry_on, new_match_days, missing_or_late, cutoff_reached, scrape_requested],
    resources={"platform": Platform(), "mlflow": configured_experiment()},
    # a process per step would pay the start-up of Python and polars twenty times for steps of milliseconds
    executor=dg.in_process_executor,
)
