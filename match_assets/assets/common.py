"""What every asset's decorator has in common."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from match_assets.config import params
from match_assets.events import column_metadata, materialise_asset, plain_key
from match_assets.partitions import CUTOFFS, DATA
from match_assets.resources.experiment import fail_experiment_run
from match_assets.resources.platform import Platform
from match_assets.stages.base import Stage

OWNERS = ["team:data-platform"]
ONE_BY_ONE = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


def data_asset(
    stage: str,
    group: str,
    deps: Sequence[dg.AssetDep | str],
    kinds: set[str],
    *,
    pool: str | None = None,
    condition: dg.AutomationCondition[Any] | None = None,
) -> Callable[[Any], dg.AssetsDefinition]:
    """Decorator of an asset partitioned by season and tournament; ``stage`` is its place in the twelve-stage flow.

    Without a ``condition`` the asset is asked for by jobs and sensors alone (see ``automation.conditions``).
    """

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        decorator = dg.asset(
            group_name=group,
            partitions_def=DATA,
            deps=deps,
            kinds=kinds,
            owners=OWNERS,
            tags={"stage": stage},
            metadata=column_metadata(function.__name__, params()),
            backfill_policy=ONE_BY_ONE,
            pool=pool,
            automation_condition=condition,
        )
        return decorator(function)

    return decorate


def cutoff_asset(
    stage: str, group: str, deps: Sequence[dg.AssetDep | str], kinds: set[str]
) -> Callable[[Any], dg.AssetsDefinition]:
    """Decorator of an asset partitioned by monthly cut-off, with the MLflow run of its Dagster run open."""
    return dg.asset(
        group_name=group,
        partitions_def=CUTOFFS,
        deps=deps,
        kinds=kinds,
        owners=OWNERS,
        tags={"stage": stage},
        backfill_policy=ONE_BY_ONE,
        required_resource_keys={"mlflow", "platform"},
        hooks={fail_experiment_run},
    )


def run(stage: Stage, context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Runs the stage for the asset's own partition."""
    return materialise_asset(stage, platform.context(context.run.run_id, context.log.info), plain_key(context))


def run_for_cutoff(stage: Stage, context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Runs the stage for the asset's cut-off; its MLflow runs hang below the one that this Dagster run holds open."""
    context.resources.mlflow.set_tag("cutoff", context.partition_key)
    return run(stage, context, context.resources.platform)
