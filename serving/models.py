"""The champion: found by its alias in the MLflow registry, kept on the local disk, loaded as data."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError, MatchAssetsError, ModelError
from match_assets.modelling.model import MODEL_FILE, OutcomeModel
from serving.feature_sets import write_atomically
from serving.snapshots import Champion, Predictor

if TYPE_CHECKING:
    from mlflow import MlflowClient

REGISTERED_MODEL = "match-outcome"
ALIAS = "champion"
# a table that MLflow's migrations make last for the registry; while it is absent there is no registry to ask
ALIAS_TABLE = "registered_model_aliases"


@dataclass(frozen=True)
class ChampionVersion:
    """Which version bears the alias, without its files."""

    version: str
    tags: Mapping[str, str]


class ModelSource(Protocol):
    """The model registry, as far as the service uses it."""

    def champion(self) -> ChampionVersion | None:
        """The version that bears the alias; a quick question."""

    def fetch(self, version: str, folder: Path) -> None:
        """Puts the files of ``OutcomeModel.save`` into ``folder``."""


class MlflowModelSource:
    """The registry at ``settings.mlflow_url``; nothing is connected or imported before the first question."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.mlflow_url
        self._settings = settings
        self._held: MlflowClient | None = None

    def champion(self) -> ChampionVersion | None:
        """The version that bears the alias ``champion``, or None while there is none.

        Raises:
            DependencyUnavailableError: the registry does not answer.
        """
        with _mapped("the model registry"):
            client = self._client()
            if client is None:
                return None
            found = _by_alias(client)
            return ChampionVersion(str(found.version), dict(found.tags)) if found else None

    def fetch(self, version: str, folder: Path) -> None:
        """Downloads the model files of a version.

        Raises:
            DependencyUnavailableError: registry or artefact store do not answer.
            ModelError: the version holds no model files.
        """
        from mlflow.artifacts import download_artifacts

        with _mapped("the artefact store"), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            client = self._client()
            if client is None:
                raise ModelError(f"{REGISTERED_MODEL} {version} is no longer registered; promote a version")
            uri = client.get_model_version_download_uri(REGISTERED_MODEL, version)
            got = Path(download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=self._url))
            document = next(iter(sorted(got.rglob(MODEL_FILE))), None)
            if document is None:
                raise ModelError(
                    f"{REGISTERED_MODEL} {version} has no {MODEL_FILE}; register it again", version=version
                )
            shutil.copytree(document.parent, folder, dirs_exist_ok=True)

    def _client(self) -> "MlflowClient | None":
        if self._held is None and _has_registry(self._url):
            _lend_keys(self._settings)
            from mlflow import MlflowClient

            self._held = MlflowClient(tracking_uri=self._url, registry_uri=self._url)
        return self._held


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    """Any failure of the registry's client becomes ``DependencyUnavailableError``; our own errors pass."""
    try:
        yield
    except MatchAssetsError:
        raise
    except Exception as error:
        # MLflow lets through whatever SQLAlchemy, boto3, requests or its own layers raise: there is no common base
        raise DependencyUnavailableError(
            f"{what} does not answer ({type(error).__name__}); start it with `make up`"
        ) from error


def _by_alias(client: "MlflowClient") -> Any | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(REGISTERED_MODEL, ALIAS)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _has_registry(url: str) -> bool:
    """Whether a database registry has its tables; MLflow's client would make them, in a race with the pipeline."""
    if url.startswith(("http://", "https://")):
        return True
    from sqlalchemy import create_engine, inspect

    engine = create_engine(url, connect_args={"connect_timeout": 3} if url.startswith("postgresql") else {})
    try:
        return inspect(engine).has_table(ALIAS_TABLE)
    finally:
        engine.dispose()


def _lend_keys(settings: Settings) -> None:
    """MLflow's artefact client reads the object store's address and keys from the environment only."""
    lent = {
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
        "AWS_DEFAULT_REGION": settings.s3_region,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for name, value in lent.items():
        if value is not None:
            os.environ.setdefault(name, value)


@dataclass(frozen=True)
class Fetched:
    """A version as downloaded and loaded, not yet in service."""

    champion: Champion
    folder: Path


class LocalChampion:
    """The last champion's files on the local disk, for a start without the registry."""

    def __init__(self, folder: Path, load: Callable[[Path], Predictor] = OutcomeModel.load) -> None:
        self._folder = folder
        self._note = folder / "champion.json"
        self._load = load

    def fetch(self, source: ModelSource, found: ChampionVersion) -> Fetched:
        """Downloads a version beside the one in service and loads it; ``keep`` or ``drop`` must follow.

        Raises:
            ModelError: its files are missing, damaged or of a form that this code does not read.
            DependencyUnavailableError: the registry does not answer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"version-{found.version}-", dir=self._folder))
        try:
            source.fetch(found.version, fresh)
            return Fetched(self._champion(found, fresh), fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise

    def keep(self, fetched: Fetched) -> None:
        """Makes a version that went into service the one that ``load`` gives, and drops all others."""
        champion, folder = fetched.champion, fetched.folder
        note = _Note(version=champion.version, tags=dict(champion.tags), folder=folder.name)
        write_atomically(self._note, msgspec.json.encode(note))
        for other in self._folder.glob("version-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)

    def drop(self, fetched: Fetched) -> None:
        """Removes the files of a version that could not go into service."""
        shutil.rmtree(fetched.folder, ignore_errors=True)

    def load(self) -> Champion | None:
        """The champion kept last, or None where there is none that can be read."""
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=_Note)
            return self._champion(ChampionVersion(note.version, note.tags), self._folder / note.folder)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ModelError):
            return None

    def _champion(self, found: ChampionVersion, files: Path) -> Champion:
        model = self._load(files)
        return Champion(found.version, model, dict(found.tags))


class _Note(msgspec.Struct, frozen=True):
    version: str
    tags: dict[str, str]
    folder: str
