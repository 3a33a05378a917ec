"""What runs by itself, evaluated on a real Dagster instance: the sensors' requests and the runs that they lead to.

The tests build on each other's state in the order written.
"""

import datetime as dt
from typing import Any

import dagster as dg
import numpy as np
import pytest
from mlflow import MlflowClient
from sqlalchemy import text

from match_assets.automation.schedules import daily_visit
from match_assets.automation.sensors import MAX_ATTEMPTS, bulk_config, cutoff_reached, missing_or_late
from match_assets.resources.tracking import ensure_experiment
from match_assets.stages.chain import CUTOFF_STAGES, known_partitions
from match_assets.stages.model_frames import stored_model
from tests.integration.orchestration.conftest import SEASONS, Rig, materialised

CUTOFF = "2025-02-01"
MODEL_STAGES = {stage.name for stage in CUTOFF_STAGES}


def tick(rig: Rig, sensor: dg.SensorDefinition) -> Any:
    with dg.build_sensor_context(
        instance=rig.instance, resources={"platform": rig.platform}, definitions=rig.defs
    ) as context:
        return sensor(context)


@pytest.fixture(scope="module")
def filled(rig: Rig) -> Rig:
    request = tick(rig, missing_or_late)
    assert set(request.run_config["ops"]["carry_seasons"]["config"]["partitions"]) == set(SEASONS)
    assert rig.run("bulk", **request.run_config).success
    return rig


def test_nothing_is_asked_for_when_nothing_is_missing(filled: Rig) -> None:
    assert tick(filled, missing_or_late).skip_message == "nothing is missing or late"


def test_a_finished_match_without_its_page_is_asked_for_at_the_source_and_nothing_else(filled: Rig) -> None:
    season = "2023|PRA-Second"
    newest = (
        "(SELECT match_id FROM matches WHERE season = '2023' AND tournament = 'PRA-Second' "
        "ORDER BY kick_off_utc DESC, match_id LIMIT 1)"
    )
    filled.execute(f"DELETE FROM match_stats WHERE match_id = {newest}")
    filled.execute(f"DELETE FROM match_pages WHERE match_id = {newest}")
    request = tick(filled, missing_or_late)
    assert request.run_config == bulk_config([season], scrape=True)
    assert request.tags["backfill"] == "late"
    assert request.tags["reason"] == f"{season}: 1 × page never read"
    assert tick(filled, missing_or_late).run_key == request.run_key
    filled.scrape([season])
    assert tick(filled, missing_or_late).skip_message == "nothing is missing or late"


def visits(rig: Rig, days: float) -> dict[str, str]:
    """Seasons that the daily visit is for so many days after the last look at the source, with its reasons."""
    with rig.engine.connect() as connection:
        looked_at: dt.datetime = connection.execute(text("SELECT max(observed_at) FROM months")).scalar_one()
    at = looked_at + dt.timedelta(days=days)
    with dg.build_schedule_context(
        instance=rig.instance, resources={"platform": rig.platform}, scheduled_execution_time=at
    ) as context:
        return {request.partition_key: request.tags["reason"] for request in daily_visit(context)}


def test_the_daily_visit_is_for_seasons_with_something_due(filled: Rig) -> None:
    live = ["2024|PRA-First", "2024|PRA-Second"]
    assert visits(filled, 0) == dict.fromkeys(live, "daily visit: matches to come")
    # ten days without a visit: by the source's clock, carried on, results are to be looked at again
    later = visits(filled, 10)
    assert {season: "× page revisit" in later[season] for season in live} == dict.fromkeys(live, True)
    # of the old seasons only what is tried once more, a page that had no statistics
    old = {reason.split(" × ")[1] for season, reason in later.items() if season not in live}
    assert old <= {"page statistics missing"}


def test_the_daily_visit_reads_a_season_that_was_just_announced(filled: Rig) -> None:
    # ING-17
    filled.execute(
        "INSERT INTO seasons SELECT 424242, tournament, '2025', '2025/2026', url, observed_at FROM seasons "
        "WHERE tournament = 'PRA-First' LIMIT 1"
    )
    try:
        reasons = visits(filled, 0)
    finally:
        filled.execute("DELETE FROM seasons WHERE season_id = 424242")
    assert reasons["2025|PRA-First"] == "daily visit: nothing of it was read yet"
    assert list(reasons) == ["2024|PRA-First", "2025|PRA-First", "2024|PRA-Second"]


def test_a_file_s_season_is_built_and_never_asked_for(filled: Rig) -> None:
    filled.execute(
        "INSERT INTO seasons SELECT -7, tournament, '1999', '1999/2000', url, observed_at FROM seasons "
        "WHERE tournament = 'PRA-First' LIMIT 1"
    )
    try:
        assert known_partitions(filled.context())[0] == "1999|PRA-First"
        assert "1999|PRA-First" not in visits(filled, 0)
        request = tick(filled, missing_or_late)
        assert request.run_config == bulk_config(["1999|PRA-First"], scrape=False)
    finally:
        filled.execute("DELETE FROM seasons WHERE season_id = -7")


def test_a_reached_cutoff_is_asked_for_once_and_gives_a_champion(filled: Rig) -> None:
    request = tick(filled, cutoff_reached)
    assert request.partition_key == CUTOFF
    assert tick(filled, cutoff_reached).run_key == request.run_key
    result = filled.run("model", partition=CUTOFF)
    assert result.success
    assert materialised(result) == {(stage, CUTOFF) for stage in MODEL_STAGES}
    champion = filled.context().registry.champion()
    assert champion is not None
    assert (champion.version, champion.cutoff) == ("1", CUTOFF)
    assert tick(filled, cutoff_reached).skip_message == f"the model of cut-off {CUTOFF} is current"


def test_predictions_come_near_the_true_probabilities_of_the_world(filled: Rig) -> None:
    context = filled.context()
    model = stored_model(context.store.read("calibrated_model", CUTOFF))
    errors = {"model": [], "frequencies": []}
    for season in ("2024|PRA-First", "2024|PRA-Second"):
        rows = context.store.read("match_features", season)
        truth = np.array([filled.site.world.true_probabilities(match_id) for match_id in rows["match_id"]])
        errors["model"].append(np.abs(model.predict(rows) - truth))
        errors["frequencies"].append(np.abs(np.array([0.45, 0.25, 0.30]) - truth))
    mean = {name: float(np.concatenate(parts).mean()) for name, parts in errors.items()}
    # some nine hundred results teach a good part of what there is to know, not all of it
    assert mean["model"] < 0.65 * mean["frequencies"]


def test_the_same_model_again_is_no_second_version(filled: Rig) -> None:
    fitted = [stage.name for stage in CUTOFF_STAGES if stage.name not in {"ablation_study", "tuned_parameters"}]
    result = filled.run("model", partition=CUTOFF, select=fitted)
    assert result.success
    decision = filled.context().store.read("promotion_decision", CUTOFF).row(0, named=True)
    assert decision["incumbent_version"] == "1"
    assert decision["version"] == "1"


def test_an_older_cutoff_never_takes_the_place_of_a_newer_champion(filled: Rig) -> None:
    # nothing that decides reads the ablation, whose fits take the longest
    needed = sorted(MODEL_STAGES - {"ablation_study"})
    assert filled.run("model", partition="2025-01-01", select=needed).success
    decision = filled.context().store.read("promotion_decision", "2025-01-01").row(0, named=True)
    assert decision["promote"] is False
    assert "newer than the challenger's 2025-01-01" in decision["reason"]
    champion = filled.context().registry.champion()
    assert champion is not None
    assert champion.version == "1"


def test_a_model_run_that_fails_is_a_failed_run_in_mlflow(filled: Rig) -> None:
    result = filled.run("model", partition="2024-06-01", select=["baseline_models"])
    assert not result.success
    client = MlflowClient(tracking_uri=filled.settings.mlflow_url)
    found = client.search_runs([ensure_experiment(filled.settings)], f"tags.dagster_run_id = '{result.run_id}'")
    assert [run.info.status for run in found] == ["FAILED"]


def test_a_cutoff_that_the_data_do_not_reach_gives_no_model_and_no_failure(filled: Rig) -> None:
    # DAG-15
    result = filled.run("model", partition="2026-01-01")
    assert result.success
    store = filled.context().store
    assert {stage: store.read(stage, "2026-01-01").height for stage in MODEL_STAGES} == dict.fromkeys(MODEL_STAGES, 0)
    reasons = {
        str(event.materialization.metadata["reason"].value)
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    }
    assert "the data do not reach this cut-off yet" in reasons
    champion = filled.context().registry.champion()
    assert champion is not None
    assert champion.cutoff == CUTOFF


def test_new_results_ask_for_exactly_their_seasons_and_no_new_model(filled: Rig) -> None:
    for _ in range(3):
        filled.site.advance()
    before = filled.revisions()
    # the old seasons too: of some matches the statistics are tried once more now that days have passed
    filled.scrape(SEASONS)
    touched = [key for key, revision in filled.revisions().items() if before[key] != revision]
    assert touched
    request = tick(filled, missing_or_late)
    assert request.run_config == bulk_config(sorted(touched, key=lambda key: key.split("|")[1]), scrape=False)
    assert request.tags["backfill"] == "stale"
    result = filled.run("bulk", **request.run_config)
    assert {season for _, season in materialised(result)} == set(touched)
    assert tick(filled, cutoff_reached).skip_message == f"the model of cut-off {CUTOFF} is current"


def test_a_corrected_old_result_reaches_later_seasons_and_the_model(filled: Rig) -> None:
    row = filled.context().store.read("finished_matches", "2022|PRA-First").row(0, named=True)
    filled.site.correct(row["match_id"], (row["home_goals"] + 3, row["away_goals"]))
    filled.scrape_every_month("2022|PRA-First")
    request = tick(filled, missing_or_late)
    assert request.run_config == bulk_config(["2022|PRA-First"], scrape=False)
    first = materialised(filled.run("bulk", **request.run_config))
    assert ("team_match_features", "2022|PRA-First") in first
    later = tick(filled, missing_or_late)
    assert later.run_config == bulk_config(["2023|PRA-First", "2024|PRA-First"], scrape=False)
    second = materialised(filled.run("bulk", **later.run_config))
    assert {season for stage, season in second if stage == "team_state"} == {"2023|PRA-First", "2024|PRA-First"}
    assert {stage for stage, _ in second} <= {"team_match_features", "team_state", "match_features"}
    assert tick(filled, missing_or_late).skip_message == "nothing is missing or late"
    assert "temporal_split: inputs changed" in tick(filled, cutoff_reached).tags["reason"]


def test_a_late_result_is_asked_for_at_the_source(filled: Rig) -> None:
    match_id = int(filled.context().store.read("upcoming_matches", "2024|PRA-First")["match_id"][-1])
    filled.execute("UPDATE matches SET kick_off_utc = '2025-01-05 15:00+00' WHERE match_id = :id", id=match_id)
    request = tick(filled, missing_or_late)
    assert request.tags["backfill"] == "late"
    assert request.run_config["ops"]["carry_seasons"]["config"]["scrape"] is True
    assert "2024|PRA-First" in request.run_config["ops"]["carry_seasons"]["config"]["partitions"]


def test_a_cause_that_keeps_failing_is_given_to_a_person(filled: Rig) -> None:
    request = tick(filled, missing_or_late)
    for attempt in range(MAX_ATTEMPTS):
        assert filled.fail_run("bulk", request.tags)
        if attempt < MAX_ATTEMPTS - 1:
            assert "the next try is due in" in tick(filled, missing_or_late).skip_message
    assert f"failed {MAX_ATTEMPTS} times for the same cause" in tick(filled, missing_or_late).skip_message
