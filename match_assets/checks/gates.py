"""One blocking, partitioned check per stage: it judges exactly its partition's candidate and accepts or refuses it."""

import dagster as dg

from match_assets.events import check_result, judge_asset, plain_key
from match_assets.partitions import CUTOFFS, DATA, TOURNAMENTS
from match_assets.resources.platform import Platform
from match_assets.stages import ingestion
from match_assets.stages.base import Stage
from match_assets.stages.chain import CUTOFF_STAGES, DATA_STAGES

DESCRIPTIONS = {
    "validate_raw": "Schema, keys, ranges; no finished match lost, doubled or unread; statistics of both of the match's own "
    "sides. Warns of match days without a match, fewer matches than the calendar lists, late results, odd names and counts.",
    "validate_finished": "Every raw result is there once with its own values and statistics, possible as football. Warns of "
    "missing or lost statistics, of goals or shots on target above shots.",
    "validate_upcoming": "Every raw fixture is there once with its own values. Warns of one overdue by the results' own order.",
    "validate_features": "A row per side of each result, finite, in range of its unit, known where it must be; nothing after "
    "kick-off read (shown by taking it away). Warns of a season unlike those before it.",
    "validate_state": "One row per team that ever played, which survives storage bit for bit.",
    "validate_parity": "Each row equals, bit for bit, what is made of the stored state in one batch, and what the service reads "
    "from it for that fixture alone.",
    "validate_split": "Fit, calibration and hold-out rows do not overlap in time, keep their embargo, end at the cut-off. "
    "Each is a played match with its own score and features; none is left out.",
    "validate_scores": "Scores are finite, complete, on the split's own matches; trials are those of the search. Warns of a "
    "baseline behind class frequencies, a group that harms, a search cut short.",
    "validate_model": "It can be read, reads today's features, was fitted as its inputs say; its probabilities form a "
    "simplex, its calibration error is within the limit. Warns where class frequencies are as good.",
    "validate_registration": "The registry gives back the model that was trained; what it records of it is true.",
    "validate_decision": "It is about the registered version, and its numbers bear it. A pass moves the alias, unless another "
    "version was promoted since.",
}


def gate_check(stage: Stage) -> dg.AssetChecksDefinition:
    """The stage's gate as an asset check."""

    @dg.asset_check(
        asset=stage.name,
        name=stage.check,
        blocking=True,
        partitions_def=DATA if stage.family == "data" else CUTOFFS,
        description=DESCRIPTIONS[stage.check],
    )
    def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        return judge_asset(stage, platform.context(context.run.run_id, context.log.info), plain_key(context))

    return check


@dg.asset_check(asset=ingestion.CATALOGUE, name=ingestion.CATALOGUE_CHECK, blocking=True, partitions_def=TOURNAMENTS)
def validate_catalog(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Seasons are known and stand once."""
    work = platform.context(context.run.run_id, context.log.info)
    return check_result(
        work, ingestion.CATALOGUE, plain_key(context), ingestion.validate_catalogue(work, plain_key(context))
    )


@dg.asset_check(asset=ingestion.MATCHES, name=ingestion.MATCHES_CHECK, blocking=True, partitions_def=DATA)
def validate_calendar(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Every status is known, every match has two teams and a score where it has a result, and none was lost."""
    work = platform.context(context.run.run_id, context.log.info)
    return check_result(
        work, ingestion.MATCHES, plain_key(context), ingestion.validate_calendar(work, plain_key(context))
    )


@dg.asset_check(asset=ingestion.STATISTICS, name=ingestion.STATISTICS_CHECK, blocking=True, partitions_def=DATA)
def validate_coverage(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """The page of every finished match was read; missing statistics are counted and shown."""
    work = platform.context(context.run.run_id, context.log.info)
    return check_result(
        work, ingestion.STATISTICS, plain_key(context), ingestion.validate_coverage(work, plain_key(context))
    )


GATES = [gate_check(stage) for stage in (*DATA_STAGES, *CUTOFF_STAGES)]
ALL_CHECKS = [validate_catalog, validate_calendar, validate_coverage, *GATES]
