"""The real store and the real model registry behind the service."""

import tempfile
from pathlib import Path

import pytest
from litestar.testing import TestClient

from match_assets.config import Settings
from match_assets.errors import DependencyUnavailableError
from match_assets.features.build import build_team_features
from match_assets.modelling.model import OutcomeModel
from match_assets.resources.registry import MlflowRegistry
from match_assets.store import Store
from serving.app import create_app
from serving.models import MlflowModelSource
from tests.integration.serving.test_redis import wait_for
from tests.serving_world import PARAMS, SEASON, fixture_rows, league, outcome_model, quick_params, unreachable_settings

PARTITION = f"{SEASON}|PRA-First"


def accept_league(store: Store) -> None:
    """Results, state and fixtures of the drawn league, through candidate and acceptance."""
    played, fixtures = league()
    state = build_team_features(played, PARAMS.features).state
    rows = fixture_rows(fixtures, state, PARAMS.features)
    inputs: dict[str, str] = {}
    for asset, frame, sort_by in (
        ("finished_matches", played, ["kick_off_utc", "match_id"]),
        ("team_state", state.to_frame(), ["team_id"]),
        ("match_features", rows, ["kick_off_utc", "match_id"]),
    ):
        candidate = store.put_candidate(
            asset, PARTITION, frame, sort_by=sort_by, code_version="1", inputs=inputs, run_id="test"
        )
        inputs = {f"{asset}@{PARTITION}": store.accept(candidate).sha256}


def register(settings: Settings, model: OutcomeModel) -> str:
    """Registers a model and makes it champion, as the pipeline does."""
    with tempfile.TemporaryDirectory() as folder:
        files = {path.name: path.read_bytes() for path in model.save(Path(folder))}
    registry = MlflowRegistry(settings)
    version = registry.register(files, cutoff="2025-01-01", model_sha256=model.sha256, tags={})
    registry.promote(version.version)
    return version.version


# the registry's first start migrates its database, and its libraries warn of their own affairs
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(180)
def test_service_serves_what_pipeline_code_stored_and_registered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }.items():
        monkeypatch.setenv(name, value or "")
    monkeypatch.chdir(settings.state_dir.parent)  # artefacts of a bare database registry lie in the current folder
    assert MlflowModelSource(settings).champion() is None
    accept_league(Store.from_settings(settings))
    model = outcome_model()
    version = register(settings, model)
    _, fixtures = league()
    with TestClient(create_app(settings, quick_params())) as client:
        wait_for(client, "ready", seconds=60)
        told = client.get("/model").json()
        assert (told["model_version"], told["cutoff"]) == (version, "2025-01-01")
        assert told["tags"]["model_sha256"] == model.sha256
        assert client.get("/fixtures").json()["total"] == fixtures.height
        expected = client.get("/predict/19").json()
    away = unreachable_settings(settings.state_dir)
    with TestClient(create_app(away, quick_params())) as client:
        wait_for(client, "degraded", seconds=60)
        assert client.get("/predict/19").json() == expected


def test_registry_that_is_away_is_named_and_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(DependencyUnavailableError, match="the model registry does not answer"):
        MlflowModelSource(unreachable_settings(tmp_path)).champion()
