"""Pages depend on seed and clock alone, and time only ever adds to what is known."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from match_assets.source.practice.facts import World
from match_assets.source.practice.feed import month_feed
from match_assets.source.practice.pages import home_page, match_page, season_page
from match_assets.source.practice.routes import Router
from match_assets.source.practice.timeline import FINISHED, POSTPONED, Moment, view_match
from match_assets.source.practice.world import draw_world

START = dt.datetime(2024, 7, 10, tzinfo=dt.UTC)
CLOCKS = st.integers(0, 330 * 24 * 4).map(lambda quarters: START + dt.timedelta(minutes=15 * quarters))


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(11, first_season=2024, seasons=1)


def every_page(world: World, clock: dt.datetime) -> dict[str, bytes]:
    moment = Moment(clock)
    pages = {"/": home_page(world)}
    for tournament in world.tournaments:
        season = tournament.seasons[0]
        pages[tournament.name] = season_page(world, tournament, season, moment)
        for month in ("202411", "202502"):
            feed = month_feed(world, season.stage_id, month, moment)
            pages[f"{tournament.name} {month}"] = msgspec.json.encode(feed)
        for match in season.matches[::30]:
            pages[str(match.match_id)] = match_page(world, match.match_id, moment)
    return pages


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), clock=CLOCKS)
def test_same_seed_and_clock_give_the_same_bytes(seed: int, clock: dt.datetime) -> None:
    first = every_page(draw_world(seed, first_season=2024, seasons=1), clock)
    assert every_page(draw_world(seed, first_season=2024, seasons=1), clock) == first


@settings(max_examples=15, deadline=None)
@given(clocks=st.lists(CLOCKS, min_size=2, max_size=4))
def test_the_way_to_a_clock_leaves_no_trace(world: World, clocks: list[dt.datetime]) -> None:
    """A router that has shown other moments before answers like one that has not."""
    router, match_id = Router(world), next(iter(world.matches))
    paths = ("/Regions/900/Tournaments/9001", f"/Matches/{match_id}/Live")
    for clock in clocks:
        moment = Moment(clock)
        for path in paths:
            assert router.answer(path, "", moment) == Router(world).answer(path, "", Moment(clock))


@settings(max_examples=40, deadline=None)
@given(first=CLOCKS, second=CLOCKS)
def test_a_finished_match_stays_finished_and_a_score_changes_only_by_its_correction(
    world: World, first: dt.datetime, second: dt.datetime
) -> None:
    earlier, later = sorted((first, second))
    for _, _, match in world.matches.values():
        before, after = view_match(match, Moment(earlier)), view_match(match, Moment(later))
        assert (before.goals is None) == (before.status != FINISHED)
        if before.status == FINISHED:
            assert after.status == FINISHED
            assert after.goals == before.goals or match.correction is not None
        if before.status == POSTPONED:
            assert after.kick_off_utc >= before.kick_off_utc


@settings(max_examples=25, deadline=None)
@given(clock=CLOCKS)
def test_month_feeds_hold_every_match_once(world: World, clock: dt.datetime) -> None:
    months = [f"2024{month:02d}" for month in range(7, 13)] + [f"2025{month:02d}" for month in range(1, 7)]
    for tournament in world.tournaments:
        season = tournament.seasons[0]
        moment = Moment(clock)
        rows = [
            row["id"]
            for month in months
            for listed in month_feed(world, season.stage_id, month, moment)["tournaments"]
            for row in listed["matches"]
        ]
        assert sorted(rows) == [match.match_id for match in season.matches]
