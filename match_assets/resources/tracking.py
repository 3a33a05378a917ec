"""Experiments in MLflow: one run per stage and cut-off, never the same result twice."""

from collections.abc import Mapping

from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError

EXPERIMENT = "match-outcome"


def ensure_experiment(settings: Settings) -> str:
    """Id of the project's experiment, whose artefacts lie in the bucket; MLflow fixes that place when it is made.

    Raises:
        DependencyUnavailableError: MLflow's backend does not answer.
    """
    # heavy at import: only the processes that log pay for it
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(settings.mlflow_url)
    client = mlflow.MlflowClient()
    try:
        held = client.get_experiment_by_name(EXPERIMENT)
        if held is not None:
            return str(held.experiment_id)
        return str(client.create_experiment(EXPERIMENT, artifact_location=f"s3://{settings.s3_bucket}/mlflow"))
    except MlflowException as error:
        held = client.get_experiment_by_name(EXPERIMENT)
        if held is not None:  # another process made it meanwhile
            return str(held.experiment_id)
        raise DependencyUnavailableError(f"MLflow does not make the experiment {EXPERIMENT}: {error}") from error


class MlflowTracker:
    """Logs stages as MLflow runs, nested under the run that the Dagster run holds open, if one is."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings = settings
        self._run_id = run_id

    def log(
        self, stage: str, cutoff: str, *, parameters: Mapping[str, object], metrics: Mapping[str, float], output: str
    ) -> str | None:
        """Logs one run and returns its id, or the id of the run that already logged this output.

        Raises:
            DependencyUnavailableError: MLflow's backend does not answer.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        experiment_id = ensure_experiment(self._settings)
        try:
            wanted = f"tags.stage = '{stage}' and tags.cutoff = '{cutoff}' and tags.output_sha256 = '{output}'"
            held = mlflow.MlflowClient().search_runs([experiment_id], wanted, max_results=1)
            if held and held[0].info.status == "FINISHED":
                return str(held[0].info.run_id)
            with mlflow.start_run(
                experiment_id=experiment_id, run_name=f"{stage} {cutoff}", nested=mlflow.active_run() is not None
            ) as run:
                mlflow.set_tags(
                    {"stage": stage, "cutoff": cutoff, "output_sha256": output, "dagster_run": self._run_id}
                )
                mlflow.log_params({name: str(value)[:500] for name, value in parameters.items()})
                mlflow.log_metrics({_metric_name(name): float(value) for name, value in metrics.items()})
            return str(run.info.run_id)
        except MlflowException as error:
            raise DependencyUnavailableError(
                f"MLflow does not take the run of {stage} {cutoff}: {error}; run the asset again"
            ) from error


def _metric_name(name: str) -> str:
    """MLflow allows letters, digits, ``_ - . / :`` and spaces in a metric's name."""
    return "".join(c if c.isalnum() or c in "_-./: " else "_" for c in name)
