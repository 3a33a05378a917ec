"""The daemon away for days, killed in the middle of a tick, put on a clock that is changed; a sensor that raises. DAG-04.

The daemon's own loops over our schedules and sensors, in a process of its own each time, on a clock that the test moves. Runs
are queued and, since nobody takes them from the queue, stay so. The tests build on each other's state in the order written.
"""

import datetime as dt
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._utils.log import get_dagster_logger

from match_assets.automation.requested import REQUEST, scrape_requested
from match_assets.automation.schedules import daily_visit, weekly_catalogue
from match_assets.automation.sensors import missing_or_late
from match_assets.local.stack import ServerStack
from match_assets.partitions import TOURNAMENTS
from match_assets.stages.chain import seasons_to_visit
from match_assets.warehouse import requests
from tests.integration.orchestration import only_clockwork
from tests.integration.orchestration.small_rig import SmallRig, small_rig
from tests.small_leagues import TOURNAMENTS as LEAGUES

QUEUED = "run_coordinator: {module: dagster.core.run_coordinator, class: QueuedRunCoordinator}"
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
# a Friday; the clock is put back on the Sunday after it
FRIDAY = dt.datetime(2026, 10, 23, 12, tzinfo=dt.UTC)
Places = dict[str, dict[str, signal.Signals]]


class Daemon:
    """The daemon's loops over schedules and sensors; each start is a process of its own, which may be killed at a place in it."""

    def __init__(self, small: SmallRig, patch: pytest.MonkeyPatch) -> None:
        self.rig = small.rig
        self.now = FRIDAY
        patch.setattr("dagster._time._mockable_get_current_timestamp", lambda: self.now.timestamp())  # noqa: PLW0108  (now moves)
        patch.setattr("dagster._time._mockable_get_current_datetime", lambda: self.now)

    def run(self, *looks: dt.datetime, sensors: bool = False, places: Places | None = None) -> int:
        """Starts the daemon, which looks at these times and ends; how it ended, as ``waitpid`` says it."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self._run(looks, sensors, places or {})
                code = 0
            except BaseException:
                traceback.print_exc()  # nobody else will: the process ends here
                raise
            finally:
                os._exit(code)
        self.now = looks[-1]
        return os.waitpid(child, 0)[1]

    def _run(self, looks: tuple[dt.datetime, ...], sensors: bool, places: Places) -> None:
        # connections belong to the parent: the child opens its own
        self.rig.engine.dispose(close=False)
        self.rig.platform.close()
        module = LoadableTargetOrigin(module_name=only_clockwork.__name__, attribute="defs")
        target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(module))
        with (
            dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance,
            WorkspaceProcessContext(instance, target) as workspace,
        ):
            for self.now in looks:
                if sensors:
                    list(
                        execute_sensor_iteration(workspace, get_dagster_logger(), None, None, debug_crash_flags=places)
                    )  # type: ignore[arg-type]
                else:
                    list(launch_scheduled_runs(workspace, get_dagster_logger(), self.now, {}, debug_crash_flags=places))  # type: ignore[arg-type]

    def ticks(self, of: dg.ScheduleDefinition | dg.SensorDefinition) -> list[InstigatorTick]:
        """Every tick so far, the oldest first."""
        states = [each for each in self.rig.instance.all_instigator_state() if each.instigator_name == of.name]
        return [
            tick
            for state in states
            for tick in reversed(self.rig.instance.get_ticks(state.instigator_origin_id, state.selector_id))
        ]

    def when(self, schedule: dg.ScheduleDefinition) -> list[dt.datetime]:
        """The moments of all ticks of a schedule."""
        return [dt.datetime.fromtimestamp(tick.timestamp, dt.UTC) for tick in self.ticks(schedule)]

    def keys(self) -> Counter[str]:
        """Run keys of all runs, with how many runs bear each."""
        return Counter(run.tags["dagster/run_key"] for run in self.rig.instance.get_runs())

    def daily(self, day: dt.datetime) -> Counter[str]:
        """Run keys of the daily visit of that day: one for each season with something due."""
        seasons = seasons_to_visit(self.rig.context(), day.replace(hour=5, minute=15))
        assert seasons
        return Counter(f"daily:{day:%Y-%m-%d}:{season}" for season in seasons)


@pytest.fixture(scope="module")
def daemon(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The small leagues, known and not built, and a daemon that looked once."""
    with (
        small_rig(stack, tmp_path_factory.mktemp("missed"), instance=QUEUED) as small,
        pytest.MonkeyPatch.context() as patch,
    ):
        small.rig.instance.add_dynamic_partitions(str(TOURNAMENTS.name), list(LEAGUES))
        held = Daemon(small, patch)
        assert held.run(FRIDAY) == 0
        assert held.keys() == Counter()
        yield held


def test_three_days_of_missed_ticks_are_one_visit_and_one_look_for_seasons(daemon: Daemon) -> None:
    # DAG-04: away from Friday to Monday afternoon, over three daily ticks and a weekly one
    monday = FRIDAY + 3 * DAY + 2 * HOUR
    assert daemon.run(monday, monday + MINUTE, monday + 2 * MINUTE) == 0
    assert daemon.when(daily_visit) == [monday.replace(hour=5, minute=15)]
    assert daemon.when(weekly_catalogue) == [monday.replace(hour=4, minute=45)]
    weekly = Counter(f"weekly:{monday:%Y-%m-%d}:{league}" for league in LEAGUES)
    caught_up = daemon.daily(monday) + weekly
    assert daemon.keys() == caught_up
    # started again, it has nothing to catch up with; the next day is a day like any other
    assert daemon.run(monday + HOUR) == 0
    assert daemon.keys() == caught_up
    tuesday = monday + DAY
    assert daemon.run(tuesday) == 0
    assert daemon.keys() == caught_up + daemon.daily(tuesday)
    assert len(daemon.ticks(weekly_catalogue)) == 1


@pytest.mark.parametrize("place", ["TICK_CREATED", "RUN_CREATED", "RUN_LAUNCHED"])
def test_a_daemon_killed_in_a_scheduled_tick_makes_one_run_for_each_season(daemon: Daemon, place: str) -> None:
    # DAG-04
    before, day = daemon.keys(), daemon.now + DAY
    ended = daemon.run(day, places={daily_visit.name: {place: signal.SIGKILL}})
    assert os.WTERMSIG(ended) == signal.SIGKILL
    assert daemon.run(day + MINUTE, day + 2 * MINUTE) == 0
    assert daemon.keys() - before == daemon.daily(day)
    runs = daemon.rig.instance.get_runs(dg.RunsFilter(tags={"dagster/schedule_name": daily_visit.name}))
    assert {run.status for run in runs} == {dg.DagsterRunStatus.QUEUED}, "none was made and not launched"


@pytest.mark.parametrize("changed", [dt.datetime(2027, 3, 28, tzinfo=dt.UTC), dt.datetime(2027, 10, 31, tzinfo=dt.UTC)])
def test_a_day_on_which_the_clock_is_changed_has_one_tick(
    daemon: Daemon, changed: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DAG-04: schedules go by UTC, whatever zone the machine is in
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    try:
        # what was missed since the last look is one tick; then around each moment that some clock calls a quarter past five
        assert daemon.run(changed - 12 * HOUR) == 0
        before = len(daemon.ticks(daily_visit))
        assert daemon.run(*(changed + hours * HOUR for hours in (-1, 1, 2, 4, 5, 6, 7, 26))) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert daemon.when(daily_visit)[before:] == [changed.replace(hour=5, minute=15)]
    assert {key: n for key, n in daemon.keys().items() if n > 1} == {}


def test_a_sensor_that_raises_says_so_and_its_next_tick_works(daemon: Daemon) -> None:
    # DAG-04: three looks at a table that is not there; the sensor beside it goes on
    request = requests.submit(daemon.rig.engine, "North", "2020", "again", max_open=50)
    assert request
    for run in daemon.rig.instance.get_runs():
        daemon.rig.instance.report_run_canceled(run)
    before, now = daemon.keys(), daemon.now
    daemon.rig.execute("ALTER TABLE scrape_requests RENAME TO elsewhere")
    try:
        assert daemon.run(*(now + n * MINUTE for n in (1, 2, 3)), sensors=True) == 0
    finally:
        daemon.rig.execute("ALTER TABLE elsewhere RENAME TO scrape_requests")
    failed = daemon.ticks(scrape_requested)
    assert [tick.status for tick in failed] == [TickStatus.FAILURE] * 3
    assert failed[0].error
    assert "scrape_requests" in str(failed[0].error.to_string())
    [(stale, n)] = (daemon.keys() - before).items()
    assert n == 1
    assert stale.startswith("backfill:"), "what is stale was asked for meanwhile, once"
    assert TickStatus.FAILURE not in {tick.status for tick in daemon.ticks(missing_or_late)}
    assert daemon.run(*(now + n * MINUTE for n in (4, 5, 6)), sensors=True) == 0
    assert daemon.keys() - before == Counter({stale: 1, f"scrape:{request.request_id}": 1})
    assert [tick.status for tick in daemon.ticks(scrape_requested)[3:]] == [
        TickStatus.SUCCESS,
        *[TickStatus.SKIPPED] * 2,
    ]
    [run] = daemon.rig.instance.get_runs(dg.RunsFilter(tags={REQUEST: request.request_id}))
    assert run.status is dg.DagsterRunStatus.QUEUED


@pytest.mark.parametrize("place", ["RUN_IDS_RESERVED", "RUN_CREATED"])
def test_a_daemon_killed_while_it_asks_for_what_is_stale_makes_one_run(daemon: Daemon, place: str) -> None:
    # DAG-04: the cause names the run, and days away are one look
    instance = daemon.rig.instance
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
        instance.report_run_canceled(run)
    # a season that is announced is another cause
    season = {"RUN_IDS_RESERVED": 2030, "RUN_CREATED": 2031}[place]
    daemon.rig.execute(
        "INSERT INTO seasons SELECT :id, tournament, :season, :season, url, observed_at FROM seasons "
        "WHERE tournament = 'South' LIMIT 1",
        id=season,
        season=str(season),
    )
    before, back = daemon.keys(), daemon.now + 3 * DAY
    ended = daemon.run(back, sensors=True, places={missing_or_late.name: {place: signal.SIGKILL}})
    assert os.WTERMSIG(ended) == signal.SIGKILL
    n_ticks = len(daemon.ticks(missing_or_late))
    assert daemon.run(back + MINUTE, back + 2 * MINUTE, sensors=True) == 0
    [(key, n)] = (daemon.keys() - before).items()
    assert n == 1
    [run] = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": key}))
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert f"{season}|South" in run.run_config["ops"]["carry_seasons"]["config"]["partitions"]
    assert len(daemon.ticks(missing_or_late)) <= n_ticks + 2
