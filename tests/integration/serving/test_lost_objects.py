"""Objects that accepted pointers name are deleted under a running service: it goes on, says what it misses, and recovers. OBJ-05.

Real store and stages; only the model registry is in memory.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from litestar.testing import TestClient

from match_assets.config import Settings
from match_assets.errors import MissingObjectError
from match_assets.source.records import Status
from match_assets.stages.base import judge_candidate, materialise
from match_assets.stages.chain import stage_named
from match_assets.store import Store
from match_assets.store.verifying import repair, verify
from match_assets.warehouse.migrate import migrate
from serving.app import create_app
from serving.feature_sets import ASSETS
from tests.integration.orchestration.plain_calls import Plain, carry
from tests.integration.orchestration.run_workers import wait_for as wait_until
from tests.integration.serving.test_redis import wait_for
from tests.serving_world import MemoryRegistry, outcome_model, quick_params
from tests.small_leagues import LIVE, PARTITIONS, Leagues, Teller, small_params

LATER = "2021|South"


class Bench:
    """The small leagues carried by the pipeline's stages, a champion for them, and the service over both."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        migrate(settings.postgres_url)
        self.settings = settings
        self.plain = Plain(settings, small_params(), "")
        self.leagues = Leagues.drawn()
        self.teller = Teller(self.plain.engine)
        self.teller.start()
        self.teller.tell(self.leagues)
        self.registry = MemoryRegistry(folder / "registry")
        self.registry.promote("1", outcome_model(params=small_params()))
        self.fixture = self.leagues.of(LIVE, Status.SCHEDULED)[0].match_id

    def carry(self, *partitions: str) -> None:
        """What is stale of these seasons, by a process that has read nothing before."""
        for partition in partitions:
            assert carry(self.plain.context(store=self.fresh()), partition)

    def fresh(self) -> Store:
        """The store as another process sees it."""
        return Store(self.plain.bucket)

    def service(self, disk: str = "state") -> TestClient:  # type: ignore[type-arg]
        """The service on this disk, where its verified local copies lie."""
        settings = self.settings.model_copy(update={"state_dir": self.settings.state_dir.parent / disk})
        return TestClient(create_app(settings, quick_params(small_params()), models=self.registry))

    def digest(self, asset: str, partition: str = LIVE) -> str:
        """SHA-256 of the accepted version."""
        pointer = self.fresh().pointer(asset, partition)
        assert pointer
        return pointer.sha256

    def delete(self, *assets: str) -> None:
        """DELETE of the objects that these assets' accepted pointers of the live season name."""
        for asset in assets:
            key = Store.object_key(self.digest(asset))
            head = self.plain.bucket.head(key)
            assert head
            assert self.plain.bucket.delete(key, head.etag)
        for asset in assets:
            assert self.plain.bucket.head(Store.object_key(self.digest(asset))) is None

    def repair(self) -> dict[str, str]:
        """What `store repair` makes of it: the outcome by asset."""
        store = self.fresh()

        def rebuild(asset: str, partition: str) -> None:
            work, stage = self.plain.context("repair", store), stage_named(asset)
            materialise(stage, work, partition)
            assert judge_candidate(stage, work, partition)[1].passed

        _, repairs = repair(store, rebuild)
        assert {made.partition for made in repairs} <= {LIVE}
        return {made.asset: made.outcome for made in repairs}


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    held = Bench(settings, tmp_path)
    held.carry(*(partition for partition in PARTITIONS if partition != LATER))
    yield held
    held.plain.close()


def gone(bench: Bench, asset: str) -> str:
    """What the service says of a part whose object was deleted."""
    key = Store.object_key(bench.digest(asset))
    return f"{asset} {LIVE}: object {key}"


def test_the_service_goes_on_with_the_objects_it_holds_and_starts_again_from_its_copies(bench: Bench) -> None:
    # OBJ-05
    before = {asset: bench.digest(asset) for asset in ASSETS}
    with bench.service() as client:
        wait_for(client, "ready")
        expected = client.get(f"/predict/{bench.fixture}").json()
        assert expected["features_sha256"] == before["match_features"]
        bench.delete(*ASSETS)
        # another league is taken into service, so the store was looked through since
        bench.carry(LATER)
        pair = {"tournament": "South", "kick_off": "2022-02-01T15:00:00Z", "home_team_id": 20, "away_team_id": 21}
        wait_until(lambda: client.post("/predict", json=pair).status_code == 200, "the other league")
        assert client.get(f"/predict/{bench.fixture}").json() == expected
        assert client.get("/health/ready").json()["status"] != "unready"
    with bench.service() as client:
        # from the verified copies on its own disk
        wait_for(client, "ready")
        assert client.get(f"/predict/{bench.fixture}").json() == expected
    with bench.service("another disk") as client:
        # nothing of that season is held here: what is missing is named, and what to do about it
        wait_for(client, "degraded")
        faults = "; ".join(client.get("/health/ready").json()["faults"])
        for asset in ASSETS:
            assert gone(bench, asset) in faults
        assert "is gone; materialise the partition again, or run `match-assets store repair`" in faults
        assert client.get(f"/predict/{bench.fixture}").status_code == 404
        assert client.post("/predict", json=pair).status_code == 200, "the other league is served"
        assert bench.repair() == dict.fromkeys(ASSETS, "same")
        assert {asset: bench.digest(asset) for asset in ASSETS} == before
        wait_for(client, "ready")
        assert client.get(f"/predict/{bench.fixture}").json() == expected


def test_a_new_version_whose_object_is_lost_is_named_and_the_one_held_before_goes_on(bench: Bench) -> None:
    # OBJ-05
    with bench.service() as client:
        wait_for(client, "ready")
        old = client.get(f"/predict/{bench.fixture}").json()
    [match, *_] = bench.leagues.of(LIVE, Status.FINISHED)
    bench.leagues.put(replace(match, goals=((match.goals or (0, 0))[0] + 2, 0)))
    bench.teller.tell(bench.leagues, [LIVE])
    bench.carry(LIVE)
    newer = bench.digest("match_features")
    assert newer != old["features_sha256"]
    bench.delete("match_features")
    with bench.service() as client:
        wait_for(client, "degraded")
        # the first look at the store is over: what it could not take is named
        [fault] = client.get("/health/ready").json()["faults"]
        assert fault.startswith(f"features: {gone(bench, 'match_features')}")
        assert "materialise the partition again" in fault
        assert client.get(f"/predict/{bench.fixture}").json() == old
        assert 'match_assets_refresh_failures_total{part="features"}' in client.get("/metrics").text
        assert bench.repair() == {"match_features": "same"}
        assert bench.digest("match_features") == newer
        wait_for(client, "ready")
        assert client.get(f"/predict/{bench.fixture}").json()["features_sha256"] == newer


def test_a_stage_that_reads_a_lost_object_names_its_partition_and_the_remedy(bench: Bench) -> None:
    # OBJ-05
    before = bench.digest("match_features")
    bench.delete("team_state")
    work = bench.plain.context("reader", bench.fresh())
    with pytest.raises(MissingObjectError) as caught:
        materialise(stage_named("match_features"), work, LIVE)
    assert f"team_state {LIVE}" in caught.value.message
    assert "materialise the partition again, or run `match-assets store repair`" in caught.value.message
    assert bench.digest("match_features") == before, "nothing was accepted"
    assert bench.repair() == {"team_state": "same"}
    materialise(stage_named("match_features"), bench.plain.context("again", bench.fresh()), LIVE)
    assert verify(bench.fresh()).is_sound
