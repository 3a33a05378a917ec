"""The supervisor's decisions, with a clock that the test turns."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from match_assets.local.layout import Layout, read_json
from match_assets.local.parts import Part
from match_assets.local.processes import ServerProcess
from match_assets.local.supervisor import PartStatus, State, Supervisor, read_state

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
FAIL = [sys.executable, "-c", "raise SystemExit(3)"]
WORK = [sys.executable, "-c", "pass"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    made.create()
    return made


class Stage:
    """A supervisor over small processes, and a clock."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.now = 1000.0
        self.rival: int | None = None
        self.reports: list[PartStatus] = []
        self.supervisor = Supervisor(layout, {})

    def play(self, *parts: Part) -> Supervisor:
        named = {part.name: part for part in parts}
        self.supervisor = Supervisor(self.layout, named, self.reports.append, lambda: self.rival)
        return self.supervisor

    def part(self, name: str, command: list[str], *, after: tuple[str, ...] = (), is_task: bool = False) -> Part:
        process = ServerProcess(
            name,
            command,
            ports=[],
            layout=self.layout,
            is_ready=lambda: not is_task,
            environment={},
            stop_seconds=5,
        )
        return Part(process, after=after, is_task=is_task)

    def tick(self, seconds: float = 0.1) -> None:
        self.now += seconds
        self.supervisor.tick(self.now)

    def state(self, name: str) -> State:
        return self.supervisor.watched[name].state

    def wait_for_death(self, name: str) -> None:
        process = self.supervisor.watched[name].part.process.process
        assert process is not None
        process.wait(10)


@pytest.fixture
def stage(layout: Layout) -> Iterator[Stage]:
    made = Stage(layout)
    yield made
    made.supervisor.stop_all()


def test_a_part_waits_for_those_it_needs(stage: Stage) -> None:
    stage.play(stage.part("user", SLEEP, after=("server",)), stage.part("server", SLEEP))
    stage.tick()
    assert (stage.state("server"), stage.state("user")) == (State.STARTING, State.WAITING)
    stage.tick()
    stage.tick()
    stage.tick()
    assert stage.supervisor.all_ready()


def test_a_killed_part_is_started_again(stage: Stage) -> None:
    supervisor = stage.play(stage.part("server", SLEEP))
    stage.tick()
    stage.tick()
    process = supervisor.watched["server"].part.process
    first = process.pid
    assert process.process is not None
    process.process.kill()
    stage.wait_for_death("server")
    stage.tick()
    assert stage.state("server") is State.RETRYING
    stage.tick(1.1)
    stage.tick()
    assert stage.state("server") is State.READY
    assert process.pid not in {None, first}


def test_waits_between_starts_double_up_to_half_a_minute(stage: Stage) -> None:
    supervisor = stage.play(stage.part("broken", FAIL))
    waits = []
    stage.tick()
    for _ in range(7):
        stage.wait_for_death("broken")
        stage.tick()
        watched = supervisor.watched["broken"]
        waits.append(round(watched.retry_at - stage.now, 3))
        stage.tick(waits[-1] - 0.01)
        assert watched.state is State.RETRYING, "too early"
        stage.tick(0.02)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert "exit code 3" in stage.reports[-1].message or stage.reports[-1].state == State.STARTING


def test_a_part_that_ran_well_for_a_minute_begins_at_one_second_again(stage: Stage) -> None:
    supervisor = stage.play(stage.part("server", SLEEP))
    watched = supervisor.watched["server"]
    stage.tick()
    stage.tick()
    watched.failures = 5
    assert watched.part.process.process is not None
    watched.part.process.process.kill()
    stage.wait_for_death("server")
    stage.tick(61)
    assert watched.retry_at - stage.now == pytest.approx(1.0)


def test_a_task_that_did_its_work_is_done_and_not_repeated(stage: Stage) -> None:
    stage.play(stage.part("task", WORK, is_task=True), stage.part("user", SLEEP, after=("task",)))
    stage.tick()
    stage.wait_for_death("task")
    stage.tick()
    assert stage.state("task") is State.DONE
    stage.tick(100)
    assert stage.state("task") is State.DONE
    assert stage.state("user") in {State.STARTING, State.READY}


def test_a_task_that_fails_holds_up_those_behind_it(stage: Stage) -> None:
    stage.play(stage.part("task", FAIL, is_task=True), stage.part("user", SLEEP, after=("task",)))
    stage.tick()
    stage.wait_for_death("task")
    stage.tick()
    assert (stage.state("task"), stage.state("user")) == (State.RETRYING, State.WAITING)


def test_our_daemon_steps_aside_for_dagster_dev_and_comes_back(stage: Stage) -> None:
    stage.play(stage.part("daemon", SLEEP))
    stage.tick()
    stage.tick()
    stage.rival = 4711
    stage.tick(4)
    assert stage.state("daemon") is State.ASIDE
    assert stage.supervisor.watched["daemon"].part.process.pid is None
    assert "4711" in stage.reports[-1].message
    stage.rival = None
    stage.tick(4)
    stage.tick()
    assert stage.state("daemon") is State.READY


def test_a_state_file_is_believed_only_while_its_writer_lives(stage: Stage) -> None:
    stage.play(stage.part("server", SLEEP))
    stage.tick()
    alive = read_state(stage.layout)
    assert (alive.phase, alive.parts[0].name, alive.parts[0].state) == ("running", "server", "starting")
    held = read_json(stage.layout.state_file)
    held["supervisor"]["created"] -= 5
    stage.layout.state_file.write_text(json.dumps(held))
    assert read_state(stage.layout).phase == "down"
