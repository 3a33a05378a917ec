"""One match day of one tournament with thirty seasons behind it, and one row as the service computes it."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import polars as pl
from drawn_leagues import FIRST_YEAR, MATCHES_A_TOURNAMENT, SEASONS, TEAMS, draw_leagues
from measuring import quickest, require
from rating_loops import prepared_ratings

from match_assets.config import FeatureParams
from match_assets.features import (
    TeamState,
    assemble_match_features,
    build_team_features,
    fixture_team_features,
    match_feature_names,
)
from match_assets.features.frames import FIXTURES
from match_assets.features.pairs import PairReader
from match_assets.store.encoding import decode, encode

LAST_SEASON = str(FIRST_YEAR + SEASONS - 1)
DAY = TEAMS // 2
PAIRS = 2000


def match_day(params: FeatureParams, rounds: int) -> dict[str, float]:
    """Milliseconds from stored results to stored rows, state and fixtures, as three stages of a partition do it.

    Thirty seasons of results are read and replayed, the last of them with a match day that is new; the rows of its season,
    the state after it and the rows of the next match day are made and encoded as they are stored.
    """
    matches = draw_leagues(MATCHES_A_TOURNAMENT)
    played, fixtures = matches[:-DAY], matches[-DAY:].select(FIXTURES.keys())
    stored = [encode(season) for _, season in played.group_by("season", maintain_order=True)]

    def day() -> None:
        history = pl.concat([decode(content) for content in stored])
        build = build_team_features(history, params, season=LAST_SEASON)
        encode(build.team_features)
        encode(build.state.to_frame())
        encode(assemble_match_features(fixture_team_features(build.state, fixtures, params), params))

    day()
    took = quickest({"day": day}, rounds=max(5, rounds))["day"] * 1000
    print(f"a match day with {SEASONS} seasons behind it, read, replayed and stored: {took:.0f} ms")
    return {"match_day_ms": took}


def service_row(params: FeatureParams) -> dict[str, float]:
    """Microseconds of a row of two teams from the state; median of many, after each was found equal to the batch's."""
    matches = draw_leagues(MATCHES_A_TOURNAMENT)
    played, asked = matches[:-DAY], matches[-DAY:]
    state = build_team_features(played, params).state
    reader = PairReader(TeamState.from_frame(state.to_frame(), params), params)
    names = match_feature_names(params)
    rows = assemble_match_features(fixture_team_features(state, asked.select(FIXTURES.keys()), params), params)
    # the first of the day is also a row of the batch that saw it played; the others know what came between
    batch = assemble_match_features(build_team_features(matches, params, season=LAST_SEASON).team_features, params)
    require(batch[-DAY].equals(rows[0], null_equal=True), "the row of a fixture and of the same match played")
    calls = [
        (home, away, int(season), int(kick_off.timestamp()) * 1_000_000)
        for home, away, season, kick_off in rows.select(
            "home_team_id", "away_team_id", "season", "kick_off_utc"
        ).iter_rows()
    ]
    for call, row in zip(calls, rows.select(names).to_numpy(), strict=True):
        require(np.array_equal(reader.row(*call), row, equal_nan=True), f"the service's row and the batch's of {call}")
    took = statistics.median(_seconds_of_each(reader.row, calls, PAIRS)) * 1e6
    print(f"a row of two teams from the state, {len(names)} columns: {took:.0f} us")
    return {"service_row_us": took}


def _seconds_of_each(work: Callable[..., object], calls: list[tuple[int, int, int, int]], times: int) -> list[float]:
    seconds = []
    for number in range(times):
        call = calls[number % len(calls)]
        begun = time.perf_counter()
        work(*call)
        seconds.append(time.perf_counter() - begun)
    return seconds


def rating_seconds(matches: pl.DataFrame, params: FeatureParams, rounds: int) -> float:
    """Seconds of all ratings alone over arrays that are ready, two tournaments at a time."""
    every, _, _ = prepared_ratings(matches, params)
    every()
    return quickest({"ratings": every}, rounds=2 * rounds)["ratings"]
