"""The two partition families and the mappings between them.

*Data* is a season of a tournament: tournaments are dynamic (they come from configuration and the source), seasons are yearly
time windows named by the year in which they begin. *Model* is a monthly cut-off. The wall clock decides only which keys
exist, never what lies in them.
"""

import dagster as dg

from match_assets.config import params

TOURNAMENTS = dg.DynamicPartitionsDefinition(name="tournament")
# end_offset: a season named by its first year is there from 1 January of that year
SEASONS = dg.TimeWindowPartitionsDefinition(cron_schedule="0 0 1 1 *", start="1993", fmt="%Y", end_offset=1)
DATA = dg.MultiPartitionsDefinition({"season": SEASONS, "tournament": TOURNAMENTS})
CUTOFFS = dg.MonthlyPartitionsDefinition(start_date=params().split.first_cutoff.isoformat(), end_offset=1)

# Features of a season replay every season up to it. 40 years is "all" without the UI giving up on the edge.
HISTORY = dg.MultiPartitionMapping(
    {
        "season": dg.DimensionPartitionMapping(
            "season",
            dg.TimeWindowPartitionMapping(start_offset=-40, end_offset=0, allow_nonexistent_upstream_partitions=True),
        ),
        "tournament": dg.DimensionPartitionMapping("tournament", dg.IdentityPartitionMapping()),
    }
)
# A cut-off reads whatever was accepted of all tournaments and seasons, up to its date.
EVERYTHING = dg.AllPartitionMapping()
OF_TOURNAMENT = dg.MultiToSingleDimensionPartitionMapping("tournament")
