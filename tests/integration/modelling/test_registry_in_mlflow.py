"""The real MLflow registry under registration and promotion, and what a person or a broken copy may do to it."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient

from match_assets.errors import DependencyUnavailableError, ModelError
from match_assets.local.servers import create_databases
from match_assets.local.stack import ServerStack
from match_assets.modelling.model import BOOSTER_FILE, OutcomeModel
from match_assets.resources.registry import CHAMPION, MODEL_NAME, MlflowRegistry
from match_assets.stages.base import ModelVersion, Stage, StageContext, judge_candidate, materialise
from match_assets.stages.chain import CUTOFF_STAGES
from match_assets.stages.model_frames import load_files, model_files
from match_assets.stages.registry import PROMOTION_DECISION, REGISTERED_MODEL
from match_assets.store import Store
from match_assets.store.objects import Bucket, s3_client
from tests.integration.modelling.conftest import CUTOFF, League
from tests.serving_world import outcome_model

# the registry's libraries warn of their own affairs
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def work(league: League, stack: ServerStack) -> Iterator[StageContext]:
    """The league's models in a place of their own, over a registry of its own, which MLflow finds in the environment."""
    settings = league.context.settings
    create_databases(stack.ports["postgres"], stack.secrets["postgres"], ("registry_of_models",))
    own = settings.model_copy(update={"mlflow_url": settings.mlflow_url.rpartition("/")[0] + "/registry_of_models"})
    store = Store(Bucket(s3_client(settings), settings.s3_bucket, f"registry-{uuid.uuid4()}/"))
    for stage in CUTOFF_STAGES[:-2]:
        made = league.context.store.pointer(stage.name, CUTOFF)
        assert made
        facts: dict[str, Any] = {"code_version": made.code_version, "inputs": made.inputs, "run_id": made.run_id}
        store.accept(store.put_candidate(stage.name, CUTOFF, league.rows(stage), sort_by=stage.sort_by, **facts))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.settings_environment().items():
            patch.setenv(name, value)
        yield replace(league.context, settings=own, store=store, registry=MlflowRegistry(own))


@pytest.fixture
def client(work: StageContext) -> MlflowClient:
    """What a person has in hand."""
    return MlflowClient(tracking_uri=work.settings.mlflow_url)


def made(stage: Stage, work: StageContext) -> dict[str, Any]:
    """The row of a stage, made, judged and accepted."""
    materialise(stage, work, CUTOFF)
    pointer, verdict = judge_candidate(stage, work, CUTOFF)
    assert verdict.passed, verdict.summary()
    return work.store.read_object(pointer.sha256).row(0, named=True)


def champion(work: StageContext) -> str | None:
    """Number of the version with the alias."""
    found = work.registry.champion()
    return found.version if found else None


def artefacts(work: StageContext, client: MlflowClient, version: str) -> dict[str, Any]:
    """Objects of a version by their path in it."""
    source = client.get_model_version(MODEL_NAME, version).source
    folder = f"mlflow/models/{source.rpartition('/')[2]}/artifacts/"
    bucket = Bucket(s3_client(work.settings), work.settings.s3_bucket)
    return {entry.key.removeprefix(folder): (bucket, entry) for entry in bucket.entries(folder)}


def cut(work: StageContext, client: MlflowClient, version: str) -> None:
    """Cuts the trees of a version short, as a copy that broke off does."""
    [(bucket, entry)] = [found for path, found in artefacts(work, client, version).items() if BOOSTER_FILE in path]
    bucket.put(entry.key, bucket.get(entry.key)[0][:-100], if_match=entry.etag)


def by_hand(work: StageContext, client: MlflowClient, model: OutcomeModel) -> ModelVersion:
    """Another model, registered and given the alias by a person."""
    version = work.registry.register(model_files(model), cutoff="2023-02-01", model_sha256=model.sha256, tags={})
    client.set_registered_model_alias(MODEL_NAME, CHAMPION, version.version)
    return version


@pytest.fixture
def version(work: StageContext) -> str:
    """The cut-off's model, registered and champion, whatever a test before did to it."""
    number: str = made(REGISTERED_MODEL, work)["version"]
    work.registry.promote(number)
    return number


def test_what_was_registered_is_read_back_and_promoted_with_nothing_but_the_model(
    work: StageContext, client: MlflowClient
) -> None:
    assert champion(work) is None
    row = made(REGISTERED_MODEL, work)
    decision = made(PROMOTION_DECISION, work)
    assert (decision["promote"], decision["incumbent_version"], champion(work)) == (True, None, row["version"])
    held = load_files(work.registry.files_of(ModelVersion(row["version"], CUTOFF, "")))
    assert held.sha256 == row["model_sha256"]
    assert {path.rpartition("/")[2] for path in artefacts(work, client, row["version"])} == {
        "MLmodel",
        "booster.ubj",
        "conda.yaml",
        "model.json",
        "pyfunc_model.py",
        "python_env.yaml",
        "requirements.txt",
    }


def test_the_same_model_is_not_registered_twice(work: StageContext, version: str) -> None:
    assert made(REGISTERED_MODEL, work)["version"] == version


def test_an_alias_moved_by_hand_is_compared_with_and_named(
    work: StageContext, client: MlflowClient, version: str
) -> None:
    # MOD-12
    other = by_hand(work, client, outcome_model(home_bias=2.0))
    decision = made(PROMOTION_DECISION, work)
    assert (decision["promote"], decision["incumbent_version"]) == (True, other.version)
    assert f"is better than the champion's {decision['champion']}" in decision["reason"]
    assert champion(work) == version


def test_an_alias_that_was_removed_by_hand_leaves_no_champion_until_the_next_decision(
    work: StageContext, client: MlflowClient, version: str
) -> None:
    # MOD-12
    client.delete_registered_model_alias(MODEL_NAME, CHAMPION)
    assert champion(work) is None
    decision = made(PROMOTION_DECISION, work)
    assert (decision["promote"], decision["incumbent_version"], champion(work)) == (True, None, version)


def test_a_version_that_was_deleted_by_hand_is_named_and_registered_anew(
    work: StageContext, client: MlflowClient, version: str
) -> None:
    # MOD-12
    client.delete_model_version(MODEL_NAME, version)
    assert champion(work) is None
    with pytest.raises(ModelError, match=f"version={version}.* not found; materialise registered_model"):
        materialise(PROMOTION_DECISION, work, CUTOFF)
    again = made(REGISTERED_MODEL, work)["version"]
    assert int(again) > int(version)
    decision = made(PROMOTION_DECISION, work)
    assert (decision["promote"], decision["version"], champion(work)) == (True, again, again)


def test_a_version_whose_files_were_cut_is_refused_and_registered_anew(
    work: StageContext, client: MlflowClient, version: str
) -> None:
    # MOD-13
    cut(work, client, version)
    _, verdict = judge_candidate(REGISTERED_MODEL, work, CUTOFF)
    assert verdict.refused_by == ("the registry holds the model that was trained",)
    assert "booster.ubj of the model was altered or cut" in verdict.summary()
    again = made(REGISTERED_MODEL, work)["version"]
    assert int(again) > int(version)
    # the broken one is champion still: it can answer nobody, and gives way
    decision = made(PROMOTION_DECISION, work)
    assert (decision["promote"], decision["incumbent_version"], champion(work)) == (True, version, again)
    assert f"the champion, version {version}, cannot be read" in decision["reason"]


def test_a_version_whose_files_are_gone_is_refused_and_registered_anew(
    work: StageContext, client: MlflowClient, version: str
) -> None:
    # MOD-13
    for bucket, entry in artefacts(work, client, version).values():
        bucket.delete(entry.key, entry.etag)
    _, verdict = judge_candidate(REGISTERED_MODEL, work, CUTOFF)
    assert verdict.refused_by == ("the registry holds the model that was trained",)
    assert "materialise registered_model of its cut-off again" in verdict.summary()
    assert int(made(REGISTERED_MODEL, work)["version"]) > int(version)


def test_a_version_that_never_was_gets_no_alias(work: StageContext, version: str) -> None:
    with pytest.raises(ModelError, match="did not move the alias"):
        work.registry.promote("777")
    assert champion(work) == version


def test_an_artefact_store_that_is_away_is_an_outage_and_no_verdict(
    work: StageContext, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(DependencyUnavailableError, match=f"did not hand out version {version}"):
        work.registry.files_of(ModelVersion(version, CUTOFF, ""))
