"""What runs after a change is what the change touches, no more and no fewer: by sensors and by conditions, nothing twice.

What is expected is written down here from the rules of the flow; nothing of it asks the code that decides.
The tests build on each other's state in the order written.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.declarative_automation.automation_condition_evaluator import (
    AutomationConditionEvaluator,
)

from match_assets.automation.conditions import CARRIES_SEASONS, LEFT_TO_CONDITIONS_SECONDS
from match_assets.automation.sensors import missing_or_late
from match_assets.config import PARAMS_FILE, parse_params
from match_assets.local.environment import DAGSTER_LOOKS
from match_assets.local.stack import ServerStack
from match_assets.source.records import Status
from match_assets.stages.chain import CUTOFF_STAGES, DATA_STAGES
from tests.integration.orchestration.small_rig import STAGES, Made, SmallRig, made_by, small_rig
from tests.integration.orchestration.test_automation import tick
from tests.small_leagues import LIVE, PARTITIONS, small_params

NORTH = [partition for partition in PARTITIONS if partition.endswith("North")]
[SOUTH] = [partition for partition in PARTITIONS if partition not in NORTH]
EXPORTS = {"raw_matches", "raw_match_stats"}
REPLAYING = {"team_match_features", "team_state"}
# a table of fixtures is made from the state, so it follows wherever the state moves
FROM_STATE = {*REPLAYING, "match_features"}


def each(stages: set[str], *partitions: str) -> set[tuple[str, str]]:
    return {(stage, partition) for stage in stages for partition in partitions}


def from_on(partition: str) -> list[str]:
    """A season and those that replay it."""
    return [season for season in NORTH if season >= partition] if partition in NORTH else [partition]


@pytest.fixture(scope="module")
def small(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallRig]:
    with small_rig(stack, tmp_path_factory.mktemp("exactly")) as held:
        yield held


@pytest.fixture(scope="module")
def filled(small: SmallRig) -> SmallRig:
    made = by_sensor(small)
    assert sorted(made) == sorted(each(set(STAGES), *PARTITIONS)), "each once"
    assert small.asked_for() == set(), "the first look at what is there sets the baseline"
    return small


def by_sensor(small: SmallRig, *, ticks: int = 5) -> Made:
    """Runs whatever the sensor asks for, tick by tick, until it asks for nothing."""
    made: Made = []
    for _ in range(ticks):
        answer = tick(small.rig, missing_or_late)
        if isinstance(answer, dg.SkipReason):
            assert answer.skip_message == "nothing is missing or late"
            return made
        made += made_by(small.rig.run("bulk", **answer.run_config))
    raise AssertionError(f"the sensor still asks after {ticks} ticks")


def correct(small: SmallRig, partition: str, goals: tuple[int, int] = (4, 3)) -> None:
    """Another score of the season's first match."""
    small.leagues.put(replace(small.leagues.of(partition, Status.FINISHED)[0], goals=goals))
    small.teller.tell(small.leagues, [partition])


@pytest.mark.parametrize("partition", [NORTH[1], SOUTH])
def test_a_corrected_score_runs_its_season_and_what_replays_it(filled: SmallRig, partition: str) -> None:
    before = filled.accepted()
    correct(filled, partition)
    made = by_sensor(filled)
    expected = each({*EXPORTS, "finished_matches", "upcoming_matches"}, partition)
    expected |= each(FROM_STATE, *from_on(partition))
    assert sorted(made) == sorted(expected), "each once"
    after = filled.accepted()
    moved = {key for key in after if after[key] != before[key]}
    # a score is no statistic and no fixture: exported again, and the same bytes
    changed = each({"raw_matches", "finished_matches"}, partition) | each(REPLAYING, *from_on(partition))
    fixtures = each({"match_features"}, LIVE) if LIVE in from_on(partition) else set()
    assert moved == changed | fixtures
    assert filled.asked_for() == set(), "a bulk run is followed up by the sensor alone"


def test_late_statistics_run_what_reads_statistics(filled: SmallRig) -> None:
    season = NORTH[1]
    match = filled.leagues.of(season, Status.FINISHED)[3]
    filled.leagues.put(replace(match, drawn=match.drawn + 1))
    filled.teller.tell(filled.leagues, [season])
    expected = each({*EXPORTS, "finished_matches"}, season) | each(FROM_STATE, *from_on(season))
    assert sorted(by_sensor(filled)) == sorted(expected)


def test_a_postponed_match_runs_fixtures_and_no_features(filled: SmallRig) -> None:
    match = filled.leagues.of(LIVE, Status.SCHEDULED)[-1]
    filled.leagues.put(replace(match, status=Status.POSTPONED))
    filled.teller.tell(filled.leagues, [LIVE])
    expected = each({*EXPORTS, "finished_matches", "upcoming_matches", "match_features"}, LIVE)
    assert sorted(by_sensor(filled)) == sorted(expected)


def test_a_visit_that_finds_nothing_new_runs_nothing(filled: SmallRig) -> None:
    # DAG-08
    filled.teller.tell(filled.leagues)
    before = filled.accepted()
    assert by_sensor(filled) == []
    assert made_by(filled.rig.bulk()) == []
    assert filled.accepted() == before


def test_a_comment_in_the_parameters_changes_no_stage_and_a_window_those_that_read_it() -> None:
    # DAG-10
    text = PARAMS_FILE.read_text()
    shipped = parse_params(text)
    commented = parse_params(
        "# a remark\n" + text.replace("windows: [5, 10, 20]", "windows: [5, 10, 20] # another,", 1)
    )
    wider = parse_params(text.replace("windows: [5, 10, 20]", "windows: [5, 10]"))
    tuned = parse_params(text.replace("trials: 8", "trials: 9"))

    def stale(changed: Any) -> set[str]:
        stages = (*DATA_STAGES, *CUTOFF_STAGES)
        return {stage.name for stage in stages if stage.code_version(changed) != stage.code_version(shipped)}

    assert stale(commented) == set()
    # the split and all after it follow by their inputs' hashes; the linear models know features by name
    assert stale(wider) & set(STAGES) == FROM_STATE
    assert stale(tuned) & set(STAGES) == set()
    assert "tuned_parameters" in stale(tuned)
    assert "temporal_split" not in stale(tuned)


def test_a_changed_window_runs_features_of_every_season_and_no_export(
    filled: SmallRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DAG-10
    before = filled.accepted()
    with monkeypatch.context() as patch:
        patch.setattr("match_assets.resources.platform.params", lambda: small_params(windows=(2, 4)))
        assert sorted(by_sensor(filled)) == sorted(each(FROM_STATE, *PARTITIONS))
        assert filled.asked_for() == set()
    by_sensor(filled)
    assert filled.accepted() == before, "the old window again, the old bytes again"
    assert filled.asked_for() == set()


# -- conditions ------------------------------------------------------------------------------------------------------------


def test_conditions_carry_a_run_outside_the_bulk_job_to_later_seasons_and_the_sensor_waits(filled: SmallRig) -> None:
    season, later = NORTH[0], NORTH[1:]
    correct(filled, season, (0, 2))
    # as a daily visit does: a run of the whole season
    made = made_by(filled.rig.run("season", partition=season, select=STAGES))
    assert set(made) == each(set(STAGES), season)
    assert tick(filled.rig, missing_or_late).skip_message.startswith("left to the conditions: team_match_features@")
    asked = filled.asked_for()
    assert asked == each(REPLAYING, *later)
    for partition in reversed(later):
        made += filled.by_hand(partition, sorted(REPLAYING))
    assert tick(filled.rig, missing_or_late).skip_message.startswith("left to the conditions: match_features@")
    assert filled.asked_for() == each({"match_features"}, *later)
    for partition in later:
        made += filled.by_hand(partition, ["match_features"])
    assert filled.asked_for() == set()
    assert by_sensor(filled) == []
    assert sorted(made) == sorted(each(set(STAGES), season) | each(FROM_STATE, *later)), "each once"


def test_conditions_ask_for_nothing_after_an_unchanged_run(filled: SmallRig) -> None:
    # DAG-08
    assert filled.by_hand(NORTH[1], ["raw_matches", "finished_matches"]) == [
        ("raw_matches", NORTH[1]),
        ("finished_matches", NORTH[1]),
    ]
    assert filled.asked_for() == set()


def test_conditions_ask_for_nothing_behind_a_refused_gate_and_for_exactly_that_after_repair(filled: SmallRig) -> None:
    # DAG-06
    season = SOUTH
    match = filled.leagues.of(season, Status.FINISHED)[0]
    filled.leagues.put(replace(match, goals=(77, 0)))
    filled.teller.tell(filled.leagues, [season])
    assert ("finished_matches", season) not in filled.by_hand(season, ["raw_matches", "raw_match_stats"])
    assert filled.asked_for() == set()
    filled.leagues.put(replace(match, goals=(2, 2)))
    filled.teller.tell(filled.leagues, [season])
    filled.by_hand(season, ["raw_matches", "raw_match_stats"])
    made = filled.follow_conditions()
    assert set(made) == each({"finished_matches", "upcoming_matches", *FROM_STATE}, season)
    assert len(made) == len(set(made))
    assert by_sensor(filled) == []


def test_what_conditions_leave_undone_the_sensor_takes_after_a_while(
    filled: SmallRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(filled, NORTH[1], (1, 3))
    filled.rig.run("season", partition=NORTH[1], select=STAGES)
    with dg.build_sensor_context(
        instance=filled.rig.instance, resources={"platform": filled.rig.platform}, definitions=filled.rig.defs
    ) as context:
        left: Any = missing_or_late(context)
        assert left.skip_message.startswith("left to the conditions")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + LEFT_TO_CONDITIONS_SECONDS + 1)
        request: Any = missing_or_late(context)
    monkeypatch.undo()
    assert request.run_config["ops"]["carry_seasons"]["config"]["partitions"] == [LIVE]
    made = made_by(filled.rig.run("bulk", **request.run_config))
    assert set(made) == each(FROM_STATE, LIVE)
    assert by_sensor(filled) == []


def test_conditions_that_look_while_a_bulk_run_writes_leave_what_it_carries_alone(
    filled: SmallRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert filled.asked_for() == set()
    begin = AutomationConditionEvaluator.__init__

    def begin_before_it(self: AutomationConditionEvaluator, **options: Any) -> None:
        begin(self, **options)
        monkeypatch.setattr(AutomationConditionEvaluator, "__init__", begin)
        correct(filled, NORTH[0], (5, 5))
        assert set(made_by(filled.rig.bulk([NORTH[0]]))) >= each(REPLAYING, NORTH[0])

    assert DAGSTER_LOOKS.items() <= os.environ.items(), "the stack's own setting"
    monkeypatch.setattr(AutomationConditionEvaluator, "__init__", begin_before_it)
    assert filled.asked_for() == set()
    assert filled.asked_for() == set()
    made = by_sensor(filled)
    assert sorted(made) == sorted(each(FROM_STATE, *NORTH[1:])), "each once"


def test_runs_that_carry_whole_seasons_are_those_that_conditions_leave_alone(filled: SmallRig) -> None:
    tagged = {job.name for job in filled.rig.defs.get_repository_def().get_all_jobs() if CARRIES_SEASONS in job.tags}
    assert tagged == {"bulk"}
