"""The bulk job, the assets and their gates on a real Dagster instance: what is refused goes nowhere, however it is started.

The tests build on each other's state in the order written.
"""

import msgspec
import polars as pl
import pytest

from match_assets.features import assemble_match_features, build_team_features, match_feature_names
from match_assets.source.reports import CatalogueReport
from match_assets.stages.chain import DATA_STAGES, stale_data
from match_assets.warehouse.withdrawals import withdraw
from tests.integration.orchestration.conftest import SEASONS, Rig, materialised, verdicts

STAGES = [stage.name for stage in DATA_STAGES]
BROKEN = "2022|PRA-First"
LATER = {"2023|PRA-First", "2024|PRA-First"}


@pytest.fixture(scope="module")
def filled(rig: Rig) -> Rig:
    """All eight seasons through all data stages."""
    result = rig.bulk()
    assert result.success
    everything = {(stage, season) for stage in STAGES for season in SEASONS}
    assert materialised(result) == everything
    assert verdicts(result) == dict.fromkeys(everything, True)
    return rig


def test_a_bulk_run_leaves_every_season_materialised_in_the_webserver(filled: Rig) -> None:
    for stage in STAGES:
        assert filled.instance.get_materialized_partitions(_key(stage)) == set(SEASONS)


def test_the_data_version_is_the_hash_of_the_accepted_object(filled: Rig) -> None:
    store = filled.context().store
    for season in SEASONS:
        pointer = store.pointer("finished_matches", season)
        assert pointer is not None
        record = filled.instance.fetch_materializations(_records("finished_matches", season), limit=1).records[0]
        tags = record.asset_materialization.tags
        assert tags["dagster/data_version"] == pointer.sha256


def test_an_unchanged_bulk_run_does_nothing(filled: Rig) -> None:
    result = filled.bulk()
    assert result.success
    assert materialised(result) == set()
    assert stale_data(filled.context()) == []


@pytest.fixture(scope="module")
def refused(filled: Rig) -> tuple[Rig, object, dict[str, str]]:
    """A season with an impossible score in the warehouse, and its run through the assets."""
    before = {stage: _accepted(filled, stage, BROKEN) for stage in STAGES}
    filled.execute(
        "UPDATE matches SET home_goals = 77, content_hash = 'broken' WHERE match_id = "
        "(SELECT min(match_id) FROM matches WHERE season = '2022' AND tournament = 'PRA-First' AND status = 6)"
    )
    result = filled.run("season", partition=BROKEN, select=STAGES)
    return filled, result, before


def test_a_refused_season_stops_its_own_run(refused: tuple[Rig, object, dict[str, str]]) -> None:
    _, result, _ = refused
    assert not result.success  # type: ignore[attr-defined]
    assert verdicts(result)[("raw_matches", BROKEN)] is False
    made = {asset for asset, _ in materialised(result)}
    assert "raw_matches" in made
    assert made.isdisjoint({"finished_matches", "upcoming_matches", "team_match_features", "match_features"})


def test_the_last_accepted_version_stays_readable(refused: tuple[Rig, object, dict[str, str]]) -> None:
    rig, _, before = refused
    assert {stage: _accepted(rig, stage, BROKEN) for stage in STAGES if stage != "raw_match_stats"} == {
        stage: digest for stage, digest in before.items() if stage != "raw_match_stats"
    }
    assert rig.context().store.read("raw_matches", BROKEN)["home_goals"].max() != 77


def test_the_failing_row_is_in_the_check_of_that_partition(refused: tuple[Rig, object, dict[str, str]]) -> None:
    _, result, _ = refused
    [evaluation] = [
        event.event_specific_data
        for event in result.all_events  # type: ignore[attr-defined]
        if event.event_type_value == "ASSET_CHECK_EVALUATION" and not event.event_specific_data.passed
    ]
    assert evaluation.partition == BROKEN
    assert evaluation.blocking
    [record] = evaluation.metadata["failing rows"].records
    assert record.data["rule"] == "home_goals: in_range(0, 30)"
    assert "home_goals=77" in record.data["row"]


def test_downstream_started_alone_reads_the_accepted_version_only(refused: tuple[Rig, object, dict[str, str]]) -> None:
    rig, _, before = refused
    result = rig.run("season", partition=BROKEN, select=["upcoming_matches"])
    assert result.success
    assert _accepted(rig, "upcoming_matches", BROKEN) == before["upcoming_matches"]


def test_the_bulk_job_lists_the_refused_season_and_carries_the_others(
    refused: tuple[Rig, object, dict[str, str]],
) -> None:
    rig, _, _ = refused
    rig.execute("UPDATE matches SET elapsed = 'FT ', content_hash = 'touched' WHERE season = '2021' AND status = 6")
    result = rig.bulk()
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "1 of 8 seasons stopped" in str(failure.event_specific_data.error_display_string)
    assert BROKEN in str(failure.event_specific_data.error_display_string)
    made = materialised(result)
    assert {season for _, season in made} >= {"2021|PRA-First", "2021|PRA-Second"}
    assert BROKEN not in {season for _, season in made}


def test_a_refused_candidate_is_not_asked_for_again_and_again(refused: tuple[Rig, object, dict[str, str]]) -> None:
    rig, _, _ = refused
    assert "raw_matches" not in {item.stage for item in stale_data(rig.context()) if item.partition == BROKEN}


def test_good_input_clears_the_gate_and_reaches_the_seasons_that_replay_it(
    refused: tuple[Rig, object, dict[str, str]],
) -> None:
    rig, _, before = refused
    rig.execute("UPDATE matches SET home_goals = 5, content_hash = 'mended' WHERE home_goals = 77 AND season = '2022'")
    result = rig.bulk()
    assert result.success
    assert _accepted(rig, "finished_matches", BROKEN) != before["finished_matches"]
    made = materialised(result)
    replayed = {season for asset, season in made if asset == "team_match_features"}
    assert replayed == {BROKEN, *LATER}
    assert {season for asset, season in made if asset == "finished_matches"} == {BROKEN}


def test_a_half_updated_pair_of_matches_and_statistics_is_never_joined(filled: Rig) -> None:
    season = "2023|PRA-Second"
    filled.execute(
        "UPDATE matches SET home_goals = home_goals + 1, content_hash = 'moved' WHERE match_id = "
        "(SELECT min(match_id) FROM matches WHERE season = '2023' AND tournament = 'PRA-Second' AND status = 6)"
    )
    assert filled.run("season", partition=season, select=["raw_matches"]).success
    result = filled.run("season", partition=season, select=["finished_matches"])
    assert not result.success
    assert "different states of the warehouse" in str(_failure(result))
    assert filled.bulk([season]).success


def test_a_result_whose_page_was_never_read_waits_for_it(filled: Rig) -> None:
    season = "2024|PRA-First"
    before = _accepted(filled, "finished_matches", season)
    for _ in range(3):
        filled.site.advance()
    filled.scrape([season])
    newest = (
        "(SELECT match_id FROM matches WHERE season = '2024' AND tournament = 'PRA-First' AND status = 6 "
        "ORDER BY kick_off_utc DESC, match_id LIMIT 1)"
    )
    filled.execute(f"DELETE FROM match_stats WHERE match_id = {newest}")
    filled.execute(f"DELETE FROM match_pages WHERE match_id = {newest}")
    result = filled.bulk([season])
    assert not result.success
    assert "the page of every finished match was read: 1 (error)" in _failure(result)
    assert _accepted(filled, "finished_matches", season) == before
    assert {item.stage for item in stale_data(filled.context()) if item.partition == season} == set()
    filled.scrape([season])
    assert filled.bulk([season]).success
    assert _accepted(filled, "finished_matches", season) != before
    assert filled.context().store.read("finished_matches", season)["is_walkover"].sum() == 0


def test_a_bulk_run_tells_what_it_saw_of_the_catalogue_once(filled: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("match_assets.jobs.runs.scrape_catalogue", lambda *_: filled.scrape_catalogue())
    monkeypatch.setattr("match_assets.jobs.runs.scrape_seasons", lambda *_, **__: [])
    seen = {("tournament_catalog", tournament) for tournament in ("PRA-First", "PRA-Second")}
    assert filled.bulk().success
    result = filled.bulk(scrape=True)
    assert result.success
    assert materialised(result) == seen
    assert verdicts(result) == dict.fromkeys(seen, True)
    record = filled.instance.fetch_materializations(_records("tournament_catalog", "PRA-First"), limit=1).records[0]
    assert record.asset_materialization.metadata["keys"].value == "2021, 2022, 2023, 2024"
    assert materialised(filled.bulk(scrape=True)) == set(), "nothing changed"


def test_a_refused_catalogue_stops_the_seasons_of_its_tournament_alone(
    filled: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited: list[str] = []

    def visit(_settings: object, _engine: object, _params: object, partitions: list[str], **_: object) -> list[object]:
        visited.extend(partitions)
        return []

    def look(*_: object) -> CatalogueReport:
        report = filled.scrape_catalogue()
        first = (*report.seasons["PRA-First"], "1990")
        filled.execute(
            "INSERT INTO seasons SELECT 777, tournament, '1990', name, url, observed_at FROM seasons "
            "WHERE tournament = 'PRA-First' AND season = '2021' ON CONFLICT DO NOTHING"
        )
        return msgspec.structs.replace(report, seasons=report.seasons | {"PRA-First": first})

    monkeypatch.setattr("match_assets.jobs.runs.scrape_catalogue", look)
    monkeypatch.setattr("match_assets.jobs.runs.scrape_seasons", visit)
    result, again = filled.bulk(scrape=True), filled.bulk(scrape=True)
    filled.execute("DELETE FROM seasons WHERE season_id = 777")
    assert not result.success
    assert "each season stands once: 2 (error)" in _failure(again), "and not only when it is news"
    assert "each season stands once: 2 (error)" in _failure(result)
    assert verdicts(result) == {("tournament_catalog", "PRA-First"): False}
    assert visited == 2 * [f"{season}|PRA-Second" for season in range(2021, 2025)]


def test_an_annulled_result_refuses_its_season_until_a_person_withdraws_it(filled: Rig) -> None:
    # ING-12, on the way through the whole chain
    season = "2024|PRA-First"
    assert filled.bulk().success
    store = filled.context().store
    match_id = store.read("finished_matches", season)["match_id"][3]
    before = _accepted(filled, "finished_matches", season)
    filled.site.annul(match_id)
    filled.scrape_every_month(season)
    result = filled.bulk([season])
    assert not result.success
    assert "no finished match is lost: 1 (error)" in _failure(result)
    assert _accepted(filled, "finished_matches", season) == before
    assert withdraw(filled.engine, match_id, "annulled by the league") == ("PRA-First", "2024")
    assert {item.stage for item in stale_data(filled.context()) if item.partition == season} >= {"raw_matches"}
    assert filled.bulk([season]).success
    for stage in ("raw_matches", "raw_match_stats", "finished_matches", "team_match_features"):
        held = filled.context().store.read(stage, season)
        assert match_id not in held["match_id"], stage
        assert held.height


def test_the_row_of_a_fixture_is_the_one_that_the_batch_would_write_once_it_is_played(filled: Rig) -> None:
    context = filled.context()
    params, store = context.params.features, context.store
    seasons = [season for season in SEASONS if season.endswith("PRA-First")]
    history = pl.concat([store.read("finished_matches", season) for season in seasons])
    fixture = store.read("upcoming_matches", "2024|PRA-First").filter(pl.col("status_name") == "scheduled")[-1:]
    goals = {f"{side}_goals": pl.lit(0, pl.Int16) for side in ("home", "away")}
    played = fixture.drop("status_name").with_columns(**goals, is_walkover=pl.lit(value=False))
    batch = build_team_features(pl.concat([history, played], how="diagonal"), params, season="2024").team_features
    expected = assemble_match_features(batch.filter(pl.col("match_id") == fixture["match_id"][0]), params)
    found = store.read("match_features", "2024|PRA-First").filter(pl.col("match_id") == fixture["match_id"][0])
    names = match_feature_names(params)
    assert found.height == 1
    assert found.select(names).equals(expected.select(names), null_equal=True)


def _failure(result: object) -> str:
    [failure] = [event for event in result.all_events if event.is_step_failure]  # type: ignore[attr-defined]
    return str(failure.event_specific_data.error_display_string)


def _accepted(rig: Rig, stage: str, season: str) -> str:
    pointer = rig.context().store.pointer(stage, season)
    assert pointer is not None
    return pointer.sha256


def _key(asset: str) -> object:
    import dagster as dg

    return dg.AssetKey(asset)


def _records(asset: str, partition: str) -> object:
    import dagster as dg

    return dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
