"""The snapshot in service: swapped whole, kept when its source fails, restored from verified local copies."""

import asyncio
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from match_assets.errors import MatchAssetsError, ModelError
from match_assets.store.encoding import decode, encode
from serving.feature_sets import FeatureSets, LocalCopies, read_feature_sets
from serving.keeper import SnapshotKeeper
from serving.metrics import SnapshotMetrics
from serving.predicting import unknown_match
from serving.problems import RefusedRequestError
from serving.snapshots import build_snapshot
from tests.serving_world import (
    PARAMS,
    MemoryRegistry,
    MemoryStore,
    a_champion,
    accept_league,
    fill,
    league,
    outcome_model,
)

FEATURES = "2024|PRA-First"


def sets_of(store: MemoryStore, folder: Path | None = None) -> FeatureSets:
    """What the service reads of a store."""
    copies = LocalCopies(folder) if folder else Forgetful()
    sets, faults = read_feature_sets(store, None, copies, PARAMS.features)
    assert not faults
    return sets


class Forgetful(LocalCopies):
    """Local copies that are not kept."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))

    def keep(self, digest: str, content: bytes) -> None:
        """Nothing."""

    def finish(self, sets: FeatureSets) -> None:
        """Nothing."""


class Bench:
    """A keeper with its sources, driven step by step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.registry = MemoryRegistry(folder / "registry")
        self.now = 0.0
        self.restart()

    def restart(self) -> None:
        """A new process over the same disk."""
        self.metrics = CollectorRegistry()
        self.keeper = SnapshotKeeper(
            self.store,
            self.registry,
            PARAMS,
            self.folder / "copies",
            SnapshotMetrics(self.metrics),
            clock=lambda: self.now,
        )

    def fill(self) -> None:
        fill(self.store)
        self.registry.promote("1", outcome_model())

    def refresh(self) -> None:
        async def both() -> None:
            await self.keeper.refresh_features()
            await self.keeper.refresh_model()

        asyncio.run(both())

    def home_chance(self) -> float:
        return self.keeper.snapshot().by_match[19].probabilities.home


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_before_anything_is_there_the_refusal_says_what_is_missing(bench: Bench) -> None:
    bench.refresh()
    with pytest.raises(
        RefusedRequestError, match=r"nothing has been accepted yet.*no champion is registered"
    ) as refused:
        bench.keeper.snapshot()
    assert refused.value.status == 503


def test_unchanged_sources_are_not_read_again(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    before, reads = bench.keeper.snapshot(), bench.store.reads
    bench.refresh()
    assert bench.keeper.snapshot() is before
    assert (bench.store.reads, bench.registry.fetches) == (reads, 1)


def test_new_champion_is_swapped_in_with_all_its_predictions(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    old = bench.keeper.snapshot()
    bench.registry.promote("2", outcome_model(home_bias=1.0))
    bench.refresh()
    new = bench.keeper.snapshot()
    assert {each.model_version for each in new.fixtures} == {"2"}
    assert {each.model_version for each in old.fixtures} == {"1"}
    assert all(a.probabilities.home < b.probabilities.home for a, b in zip(old.fixtures, new.fixtures, strict=True))


def test_played_round_leaves_the_fixtures(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    played, fixtures = league()
    results = fixtures.head(3).with_columns(home_goals=pl.lit(1, pl.Int16), away_goals=pl.lit(0, pl.Int16))
    more = pl.concat([played, results], how="diagonal").with_columns(pl.col("is_walkover").fill_null(False))
    accept_league(bench.store, "PRA-First", more.select(played.columns), fixtures.tail(-3))
    bench.refresh()
    snapshot = bench.keeper.snapshot()
    assert sorted(snapshot.by_match) == list(range(22, 31))
    assert {19, 20, 21} <= snapshot.played


def test_store_and_registry_away_keep_the_last_good_and_show_its_age(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    before = bench.keeper.snapshot()
    bench.store.is_down = bench.registry.is_down = True
    bench.now = 60.0
    for refresh in (bench.keeper.refresh_features, bench.keeper.refresh_model):
        with pytest.raises(MatchAssetsError):
            asyncio.run(refresh())
    assert bench.keeper.snapshot() is before
    assert bench.keeper.age("features") == bench.keeper.age("model") == 60.0


def test_start_without_any_server_serves_the_local_copies(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    expected = bench.home_chance()
    bench.store.is_down = bench.registry.is_down = True
    bench.restart()
    asyncio.run(bench.keeper.restore())
    assert bench.home_chance() == expected
    assert bench.keeper.age("features") is None


def test_restored_copies_are_not_downloaded_again(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    reads, fetches = bench.store.reads, bench.registry.fetches
    bench.restart()
    asyncio.run(bench.keeper.restore())
    bench.refresh()
    assert (bench.store.reads, bench.registry.fetches) == (reads, fetches)


@pytest.mark.parametrize("damage", ["cut", "altered", "swapped", "gone", "manifest"])
def test_damaged_local_copy_is_not_served(bench: Bench, damage: str) -> None:
    bench.fill()
    bench.refresh()
    folder = bench.folder / "copies" / "features"
    victim = next(folder.glob("objects/*.parquet"))
    if damage == "gone":
        victim.unlink()
    elif damage == "swapped":
        for path in folder.glob("objects/*.parquet"):
            path.write_bytes(encode(decode(path.read_bytes()).reverse()))
    elif damage == "manifest":
        (folder / "features.json").write_bytes(b"\xff[")
    else:
        content = victim.read_bytes()
        victim.write_bytes(content[:-10] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    bench.restart()
    asyncio.run(bench.keeper.restore())
    assert bench.keeper.current is None
    bench.refresh()
    assert bench.keeper.current is not None


def test_local_copies_hold_only_what_is_in_service(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    bench.registry.promote("2", outcome_model(home_bias=1.0))
    played, fixtures = league()
    accept_league(bench.store, "PRA-First", played, fixtures.head(2))
    bench.refresh()
    kept = {path.stem for path in (bench.folder / "copies" / "features" / "objects").iterdir()}
    assert kept == {pointer.sha256 for pointer in bench.store.pointers.values()}
    assert len(list((bench.folder / "copies" / "model").glob("version-*"))) == 1


@pytest.mark.parametrize("fault", ["no files", "altered", "other features"])
def test_broken_champion_leaves_the_old_one_and_is_not_fetched_again_at_once(bench: Bench, fault: str) -> None:
    bench.fill()
    bench.refresh()
    before = bench.keeper.snapshot()
    bench.registry.promote("2", outcome_model(home_bias=1.0))
    files = bench.folder / "registry" / "2"
    if fault == "no files":
        (files / "booster.ubj").unlink()
    elif fault == "altered":
        (files / "model.json").write_bytes((files / "model.json").read_bytes().replace(b"0.2", b"0.3", 1))
    else:
        other = PARAMS.features.model_copy(update={"rest_days_cap": 30.0})
        outcome_model(params=PARAMS.model_copy(update={"features": other})).save(files)
    with pytest.raises(ModelError):
        bench.refresh()
    bench.refresh()
    assert bench.keeper.snapshot() is before
    assert bench.registry.fetches == 2
    assert bench.keeper.faults["model"]
    bench.now = 61.0
    outcome_model(home_bias=1.0).save(files)
    bench.refresh()
    assert bench.keeper.snapshot().champion.version == "2"
    assert not bench.keeper.faults


def test_unreadable_object_keeps_the_partition_held_before_and_takes_the_others(bench: Bench) -> None:
    bench.fill()
    fill(bench.store, "PRA-Second", 101)
    bench.refresh()
    before = bench.keeper.snapshot().sets.held["match_features", FEATURES]
    played, fixtures = league()
    accept_league(bench.store, "PRA-First", played, fixtures.head(2))
    del bench.store.objects[bench.store.pointers["match_features", FEATURES].sha256]
    second, coming = league("PRA-Second", 101)
    accept_league(bench.store, "PRA-Second", second, coming.head(1))
    bench.refresh()
    snapshot = bench.keeper.snapshot()
    assert snapshot.sets.held["match_features", FEATURES] == before
    assert len(snapshot.fixtures) == 12 + 1
    assert "match_features 2024|PRA-First" in bench.keeper.faults["features"]
    assert bench.metrics.get_sample_value("match_assets_refresh_failures_total", {"part": "features"}) == 1


def test_features_of_other_parameters_are_not_taken(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    before = bench.keeper.snapshot()
    other = PARAMS.model_copy(update={"features": PARAMS.features.model_copy(update={"rest_days_cap": 30.0})})
    fill(bench.store, params=other)
    bench.refresh()
    assert bench.keeper.snapshot().fixtures == before.fixtures
    assert "feature version" in bench.keeper.faults["features"]


def test_model_that_gives_no_probabilities_is_refused() -> None:
    store = MemoryStore()
    fill(store)
    sound = a_champion()
    broken = BrokenModel(sound.model.feature_names, sound.model.feature_version)
    with pytest.raises(ModelError, match="gives no probabilities"):
        build_snapshot(type(sound)("9", broken, {}), sets_of(store), PARAMS.features)


class BrokenModel:
    """Everything is unknown."""

    training: ClassVar[dict[str, object]] = {}

    def __init__(self, feature_names: tuple[str, ...], feature_version: str) -> None:
        self.feature_names = feature_names
        self.feature_version = feature_version

    def predict(self, matches: pl.DataFrame) -> NDArray[np.float64]:
        return np.full((matches.height, 3), np.nan)


def test_metrics_name_one_champion_and_the_age_of_each_part(bench: Bench) -> None:
    bench.fill()
    bench.refresh()
    bench.registry.promote("2", outcome_model(home_bias=1.0))
    bench.refresh()
    bench.now = 7.0
    series = [s for m in bench.metrics.collect() for s in m.samples if s.name == "match_assets_model_info"]
    assert [each.labels["model_version"] for each in series] == ["2"]
    assert bench.metrics.get_sample_value("match_assets_snapshot_age_seconds", {"part": "features"}) == 7.0
    assert bench.metrics.get_sample_value("match_assets_snapshot_fixtures") == 12


def test_fixture_that_leaves_the_lookup_without_a_result_is_withdrawn_until_it_is_back(tmp_path: Path) -> None:
    # ING-12, SRV-09
    bench = Bench(tmp_path)
    bench.fill()
    bench.refresh()
    played, fixtures = league()
    accept_league(bench.store, "PRA-First", played, fixtures.filter(pl.col("match_id") != 20))
    bench.refresh()
    refusals = {match_id: unknown_match(bench.keeper.snapshot(), match_id) for match_id in (20, 1, 999)}
    assert {match_id: refused.status for match_id, refused in refusals.items()} == {20: 404, 1: 409, 999: 404}
    assert "match 20 is withdrawn" in refusals[20].message
    assert "withdrawn" not in refusals[999].message
    bench.registry.promote("2", outcome_model(0.1))
    bench.refresh()
    assert bench.keeper.snapshot().withdrawn == {20}
    accept_league(bench.store, "PRA-First", played, fixtures)
    bench.refresh()
    assert bench.keeper.snapshot().withdrawn == frozenset()
    assert 20 in bench.keeper.snapshot().by_match


def test_fixture_that_was_played_is_not_withdrawn(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.fill()
    bench.refresh()
    played, fixtures = league()
    first = fixtures.filter(pl.col("match_id") == 19).with_columns(
        *(pl.lit(None).alias(name) for name in played.columns if name not in fixtures.columns)
    )
    result = (
        first.select(played.columns)
        .cast(dict(played.schema))
        .with_columns(  # type: ignore[arg-type]
            home_goals=pl.lit(1, pl.Int16), away_goals=pl.lit(0, pl.Int16), is_walkover=pl.lit(value=False)
        )
    )
    accept_league(bench.store, "PRA-First", played.vstack(result.cast(dict(played.schema))), fixtures[1:])  # type: ignore[arg-type]
    bench.refresh()
    assert bench.keeper.snapshot().withdrawn == frozenset()
    assert unknown_match(bench.keeper.snapshot(), 19).status == 409


def test_fixture_of_the_local_copies_that_is_gone_after_a_restart_is_withdrawn(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.fill()
    bench.refresh()
    played, fixtures = league()
    accept_league(bench.store, "PRA-First", played, fixtures.filter(pl.col("match_id") != 20))
    bench.restart()
    asyncio.run(bench.keeper.restore())
    assert 20 in bench.keeper.snapshot().by_match
    bench.refresh()
    assert bench.keeper.snapshot().withdrawn == {20}
