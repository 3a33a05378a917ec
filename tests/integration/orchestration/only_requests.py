"""A code location with one sensor and its job: the daemon's loop over it takes a fraction of a second."""

import dagster as dg

from match_assets.automation.requested import scrape_requested
from match_assets.jobs import bulk_job
from match_assets.resources.platform import Platform

defs = dg.Definitions(jobs=[bulk_job], sensors=[scrape_requested], resources={"platform": Platform()})
