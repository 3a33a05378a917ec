"""The site's memory: what it keeps over a restart, and what it refuses."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from match_assets.errors import ConfigurationError
from match_assets.source.practice.facts import World
from match_assets.source.practice.faults import FaultRule
from match_assets.source.practice.state import SiteState
from match_assets.source.practice.world import draw_world

LATER = dt.datetime(2025, 3, 1, 6, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(3, seasons=1)


@pytest.fixture
def state(tmp_path: Path, world: World) -> Iterator[SiteState]:
    state = SiteState(tmp_path, world)
    yield state
    state.close()


def test_a_new_state_begins_at_the_worlds_clock(state: SiteState, world: World) -> None:
    assert state.moment.clock_utc == world.start_clock_utc
    assert state.faults == []
    assert state.access_log() == []


def test_everything_is_there_again_after_a_restart(tmp_path: Path, world: World) -> None:
    first = SiteState(tmp_path, world)
    first.set_clock(LATER)
    first.correct(17, (4, 2))
    first.withhold(18, is_withheld=True)
    first.annul(19, is_annulled=True)
    first.add_fault(FaultRule(path_regex="a", kind="too_many", times=3, retry_after=9))
    first.take_fault("/a")
    first.log("GET", "/a", 429, fault="too_many", size=17, user_agent="reader")
    before = (first.moment, first.faults, first.access_log())
    first.close()
    again = SiteState(tmp_path, world)
    assert (again.moment, again.faults, again.access_log()) == before
    assert again.moment.corrections[17].at_utc == LATER
    assert again.moment.annulled == {19}
    assert again.faults[0]["times_left"] == 2
    again.close()


def test_a_state_of_another_world_is_refused_and_left_as_it_was(tmp_path: Path, world: World) -> None:
    SiteState(tmp_path, world).close()
    with pytest.raises(ConfigurationError, match="belongs to another world"):
        SiteState(tmp_path, draw_world(4, seasons=1))
    SiteState(tmp_path, world).close()


@pytest.mark.usefixtures("state")
def test_a_folder_in_use_is_refused(tmp_path: Path, world: World) -> None:
    with pytest.raises(ConfigurationError, match="another practice site"):
        SiteState(tmp_path, world)


def test_faults_are_played_in_order_and_run_out(state: SiteState) -> None:
    state.add_fault(FaultRule(path_regex="^/a", kind="empty", times=1))
    state.add_fault(FaultRule(path_regex=".", kind="block", times=2))
    taken = [state.take_fault(path) for path in ("/a", "/a", "/b", "/a")]
    assert [rule.kind if rule else None for rule in taken] == ["empty", "block", "block", None]
    assert state.faults == []


def test_a_fault_without_number_lasts_until_it_is_cleared(state: SiteState) -> None:
    state.add_fault(FaultRule(path_regex=".", kind="block"))
    assert all(state.take_fault("/") for _ in range(5))
    assert state.clear_faults() == 1
    assert state.take_fault("/") is None


def test_a_withheld_result_can_be_let_out(state: SiteState) -> None:
    state.withhold(18, is_withheld=True)
    assert state.moment.withheld == {18}
    state.withhold(18, is_withheld=False)
    assert state.moment.withheld == frozenset()


def test_access_log_is_read_from_a_place_on_and_can_be_cleared(state: SiteState) -> None:
    for number in range(3):
        state.log("GET", f"/{number}", 200, fault=None, size=5, user_agent="reader")
    first = state.access_log()[0]["id"]
    assert [row["path"] for row in state.access_log(after_id=first)] == ["/1", "/2"]
    assert state.request_count() == 3
    state.clear_access_log()
    assert state.access_log() == []
