"""Once at each start of the stack, before Dagster's daemon: schemas are current, and runs that died with the last stack say so.

python -m match_assets.local.prepare
"""

import json
from importlib.metadata import version

import click
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from match_assets.config import Settings, load_settings
from match_assets.local.layout import Layout, read_json, write_private
from match_assets.warehouse.migrate import migrate

LOST = "The stack stopped while this run was under way; nothing of it is running any more. Retried if retries are left."


def main() -> None:
    """Bring the three databases up to date and end lost runs."""
    settings = load_settings()
    layout = Layout(settings.state_dir.absolute())
    schemas_file = layout.root / "schemas.json"
    known = read_json(schemas_file)
    click.echo(f"warehouse at revision {migrate(settings.postgres_url)}")
    with DagsterInstance.get() as instance:
        if known.get("dagster") not in {None, version("dagster")}:
            instance.upgrade(print_fn=click.echo)
        for run in end_lost_runs(instance):
            click.echo(f"run {run.run_id} of {run.job_name} was {run.status.value} and is ended")
    if known.get("mlflow") != version("mlflow") or not has_mlflow_schema(settings):
        prepare_mlflow(settings)
        click.echo(f"MLflow schema of {version('mlflow')}")
    write_private(schemas_file, json.dumps({name: version(name) for name in ("dagster", "mlflow")}))


def end_lost_runs(instance: DagsterInstance) -> list[DagsterRun]:
    """Report runs as ended whose processes cannot live: the databases were down, and Dagster's launcher checks no health.

    Queued runs stay: the daemon takes them up.
    """
    under_way = [
        DagsterRunStatus.NOT_STARTED,
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
    ]
    lost = list(instance.get_runs(RunsFilter(statuses=under_way)))
    for run in lost:
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message=LOST)
        else:
            instance.report_run_failed(run, message=LOST)
    return lost


def has_mlflow_schema(settings: Settings) -> bool:
    """Whether MLflow's tables are there."""
    import psycopg

    with psycopg.connect(settings.mlflow_url.replace("+psycopg", ""), connect_timeout=5) as connection:
        row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    return row == (True,)


def prepare_mlflow(settings: Settings) -> None:
    """Create MLflow's tables, or bring them to the installed version, before several processes would try to at once."""
    from mlflow.db import upgrade

    upgrade.main([settings.mlflow_url], standalone_mode=False)


if __name__ == "__main__":
    main()
