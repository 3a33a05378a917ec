"""Replays that go on from the season before give the bits of a replay from the start, and refuse what that refuses."""

from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings

from match_assets.errors import DuplicateFixtureError
from match_assets.features import build_team_features
from match_assets.stages import replays
from match_assets.stages.replays import replayed
from tests.depth import examples
from tests.property.bits import assert_same_bits
from tests.property.leagues import PARAMS, Match, a_frame, a_match, leagues


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """No replay of another test."""
    replays._held.clear()
    yield
    replays._held.clear()


def by_season(league: list[Match]) -> dict[str, pl.DataFrame]:
    """Results by digest, oldest season first; a season's year stands for its digest."""
    return {year: a_frame([m for m in league if m["season"] == year]) for year in sorted({m["season"] for m in league})}


def require_as_from_the_start(frames: dict[str, pl.DataFrame], names: list[str]) -> None:
    found = replayed(frames.__getitem__, names, PARAMS, names[-1])
    expected = build_team_features(pl.concat([frames[name] for name in names]), PARAMS, season=names[-1])
    assert_same_bits(found.team_features, expected.team_features)
    assert_same_bits(found.state.to_frame(), expected.state.to_frame())


@settings(max_examples=examples(25), deadline=None)
@given(league=leagues())
def test_season_by_season_gives_the_bits_of_the_whole(league: list[Match]) -> None:
    replays._held.clear()
    frames = by_season(league)
    names = list(frames)
    for n in range(1, len(names) + 1):
        require_as_from_the_start(frames, names[:n])
        require_as_from_the_start(frames, names[:n])


def test_a_fill_reads_each_season_once_where_it_goes_on_from_the_one_before() -> None:
    frames = by_season([a_match(n, f"{2020 + n}-03-01 15:00", 1, 2, season=str(2020 + n)) for n in range(6)])
    read: list[str] = []

    def reading(name: str) -> pl.DataFrame:
        read.append(name)
        return frames[name]

    for n in range(1, 7):
        replayed(reading, list(frames)[:n], PARAMS, list(frames)[n - 1])
    assert read == list(frames)


def test_a_season_that_reaches_back_into_the_one_before_is_replayed_from_the_start() -> None:
    # the last match of the old season was postponed beyond the first of the new one
    frames = by_season(
        [
            a_match(1, "2020-03-01 15:00", 1, 2, (2, 1), season="2020"),
            a_match(2, "2021-04-01 15:00", 2, 1, (0, 3), season="2020"),
            a_match(3, "2021-03-01 15:00", 1, 3, (1, 1), season="2021"),
            a_match(4, "2021-05-01 15:00", 3, 2, (1, 0), season="2021"),
        ]
    )
    require_as_from_the_start(frames, ["2020"])
    require_as_from_the_start(frames, ["2020", "2021"])


def test_a_match_that_stands_in_two_seasons_is_refused_as_by_a_replay_from_the_start() -> None:
    match = a_match(7, "2020-03-01 15:00", 1, 2, season="2020")
    moved = a_match(7, "2021-03-01 15:00", 1, 2, season="2021")
    frames = by_season([match, moved])
    replayed(frames.__getitem__, ["2020"], PARAMS, "2020")
    with pytest.raises(DuplicateFixtureError):
        replayed(frames.__getitem__, ["2020", "2021"], PARAMS, "2021")


def test_a_corrected_season_is_not_taken_for_what_it_was() -> None:
    first = a_match(1, "2020-03-01 15:00", 1, 2, (1, 0), season="2020")
    second = a_match(2, "2021-03-01 15:00", 2, 1, (1, 0), season="2021")
    frames = by_season([first, second])
    require_as_from_the_start(frames, ["2020"])
    require_as_from_the_start(frames, ["2020", "2021"])
    frames["2020 corrected"] = a_frame([first | {"home_goals": 5}])
    found = replayed(frames.__getitem__, ["2020 corrected", "2021"], PARAMS, "2021")
    expected = build_team_features(pl.concat([frames["2020 corrected"], frames["2021"]]), PARAMS, season="2021")
    assert_same_bits(found.team_features, expected.team_features)
