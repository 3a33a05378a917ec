"""The MLflow model registry behind our own seam: register with a signature, find the champion, move its alias."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError, ModelError
from match_assets.modelling.model import OutcomeModel
from match_assets.resources.tracking import ensure_experiment
from match_assets.stages.base import ModelVersion
from match_assets.stages.model_frames import load_files

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL_NAME = "match-outcome"
CHAMPION = "champion"
FILES = "outcome_model"
PYFUNC_SCRIPT = Path(__file__).with_name("pyfunc_model.py")
PINNED = ("xgboost-cpu", "numpy", "polars", "match-assets")


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    """Failures of the registry's client as errors of ours; what is not there is no outage."""
    from botocore.exceptions import BotoCoreError, ClientError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise ModelError(
                f"the model registry did not {what}: {error.message}; materialise registered_model of its cut-off again"
            ) from error
        raise DependencyUnavailableError(f"the model registry did not {what}: {error.message}") from error
    except (SQLAlchemyError, BotoCoreError, ClientError) as error:  # MLflow lets through what its own clients raise
        told = str(error).splitlines()[0]
        raise DependencyUnavailableError(
            f"the model registry did not {what} ({type(error).__name__}: {told}); start it with `make up`"
        ) from error


def signature_of(model: OutcomeModel) -> "ModelSignature":
    """Feature columns in (double, may be missing), probabilities of home, draw and away out (double)."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = Schema([ColSpec(DataType.double, name, required=False) for name in model.feature_names])
    return ModelSignature(inputs, Schema([ColSpec(DataType.double, name) for name in ("home", "draw", "away")]))


class MlflowRegistry:
    """Versions of ``match-outcome``; the alias ``champion`` names the one that is served."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _client(self) -> "MlflowClient":
        import mlflow

        mlflow.set_tracking_uri(self._settings.mlflow_url)
        return mlflow.MlflowClient(tracking_uri=self._settings.mlflow_url)

    def register(
        self, files: Mapping[str, bytes], *, cutoff: str, model_sha256: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Registers model files with a signature and reads it back.

        The same bytes are never registered twice, unless the version that holds them can no longer be read.

        Raises:
            ModelError: the registry gives back another signature than was registered.
            DependencyUnavailableError: MLflow does not answer.
        """
        import mlflow

        with _mapped("register the model"):
            client = self._client()
            held = client.search_model_versions(f"name = '{MODEL_NAME}' and tags.model_sha256 = '{model_sha256}'")
            for found in sorted(held, key=lambda each: int(each.version), reverse=True):
                version = _version_of(found.version, found.tags)
                if self._is_intact(version):
                    return version
            # the requirements are written out below; whatever uv.lock lies in the current folder is none of the model's
            os.environ["MLFLOW_UV_AUTO_DETECT"] = "false"
            with tempfile.TemporaryDirectory() as parent:
                # MLflow keeps a folder under its own name
                folder = Path(parent) / FILES
                model = _unpack(files, folder)
                signature = signature_of(model)
                with mlflow.start_run(
                    experiment_id=ensure_experiment(self._settings),
                    run_name=f"registered_model {cutoff}",
                    nested=mlflow.active_run() is not None,
                ):
                    info = mlflow.pyfunc.log_model(
                        name=MODEL_NAME,
                        python_model=str(PYFUNC_SCRIPT),
                        artifacts={FILES: str(folder)},
                        signature=signature,
                        # written out: MLflow's own guess names xgboost beside xgboost-cpu and takes seconds
                        pip_requirements=[f"{name}=={installed(name)}" for name in PINNED],
                    )
            if mlflow.models.get_model_info(info.model_uri).signature != signature:
                raise ModelError(
                    f"cut-off {cutoff}: MLflow kept another signature than was registered; nothing was registered"
                )
            _ensure_named(client)
            # tags go in with the version, so that no version without its digest is ever visible
            created = client.create_model_version(
                MODEL_NAME,
                source=info.model_uri,
                run_id=info.run_id,
                tags={**tags, "cutoff": cutoff, "model_sha256": model_sha256},
                model_id=info.model_id,
            )
            return _version_of(created.version, {**tags, "cutoff": cutoff, "model_sha256": model_sha256})

    def champion(self) -> ModelVersion | None:
        """The version with the alias ``champion``, or None where no version has it.

        Raises:
            DependencyUnavailableError: MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        with _mapped("name the champion"):
            try:
                found = self._client().get_model_version_by_alias(MODEL_NAME, CHAMPION)
            except MlflowException as error:
                if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return None
                raise
            return _version_of(found.version, found.tags)

    def files_of(self, version: ModelVersion) -> dict[str, bytes]:
        """The model files of a version, as they were registered.

        Raises:
            ModelError: the version or its files are gone.
            DependencyUnavailableError: MLflow or its artefact store does not answer.
        """
        import mlflow

        with _mapped(f"hand out version {version.version}"), tempfile.TemporaryDirectory() as folder:
            self._client()
            mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version.version}", dst_path=folder)
            found = {
                path.name: path.read_bytes() for path in sorted(Path(folder).rglob(f"{FILES}/*")) if path.is_file()
            }
        if not found:
            raise ModelError(
                f"version {version.version} of {MODEL_NAME} holds no {FILES}; materialise registered_model of its cut-off "
                "again"
            )
        return found

    def _is_intact(self, version: ModelVersion) -> bool:
        """Whether a version still gives back the model that it was registered for."""
        try:
            return load_files(self.files_of(version)).sha256 == version.model_sha256
        except ModelError:
            return False

    def promote(self, version: str) -> None:
        """Moves the alias ``champion`` to the version of this number.

        Raises:
            ModelError: there is no such version.
            DependencyUnavailableError: MLflow does not answer.
        """
        with _mapped("move the alias"):
            self._client().set_registered_model_alias(MODEL_NAME, CHAMPION, version)


def _version_of(version: str | int, tags: Mapping[str, str]) -> ModelVersion:
    return ModelVersion(version=str(version), cutoff=tags.get("cutoff", ""), model_sha256=tags.get("model_sha256", ""))


def _ensure_named(client: "MlflowClient") -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(MODEL_NAME, description="Probabilities of home win, draw and away win.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _unpack(files: Mapping[str, bytes], folder: Path) -> OutcomeModel:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return OutcomeModel.load(folder)
