"""The MLflow run that a Dagster run holds open: dagster-mlflow's resource, closed whatever happens.

``MlFlow`` opens the run, tags it with the Dagster run and finds it again in another process. It takes
MLflow's own closing at exit away and expects a hook on the last step of a job; a run started from an asset's page has no such
job, so the run is closed here when the resource is torn down.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from match_assets.config import load_settings
from match_assets.resources.tracking import EXPERIMENT, ensure_experiment

if TYPE_CHECKING:
    from dagster_mlflow.resources import MlFlow


@dg.resource(config_schema={"experiment_name": str, "mlflow_tracking_uri": str})
def experiment_run(context: dg.InitResourceContext) -> "Iterator[MlFlow]":
    """An open MLflow run with the whole of MLflow's interface; ``fail_experiment_run`` marks it failed."""
    # two seconds at import, which only the runs of the model pay
    from dagster_mlflow.resources import MlFlow

    run = MlFlow(context)  # type: ignore[no-untyped-call]
    try:
        yield run
    finally:
        run.end_run()  # type: ignore[attr-defined]  # the class takes MLflow's functions on at run time


@dg.failure_hook(required_resource_keys={"mlflow"})
def fail_experiment_run(context: dg.HookContext) -> None:
    """Marks the MLflow run of a failed step as failed."""
    context.resources.mlflow.end_run(status="FAILED")


def configured_experiment() -> dg.ResourceDefinition:
    """``experiment_run`` for the configured MLflow; addresses are read when a run starts, not when the graph loads."""

    @dg.configured(experiment_run, config_schema={})
    def at_configured_address(_config: object) -> dict[str, str]:
        settings = load_settings()
        ensure_experiment(settings)
        return {"experiment_name": EXPERIMENT, "mlflow_tracking_uri": settings.mlflow_url}

    return at_configured_address
