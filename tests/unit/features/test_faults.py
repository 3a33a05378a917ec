"""What goes wrong in the world (the rows FEA-02 to FEA-08 and FEA-11 of the list of faults), one by one."""

import datetime as dt
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from match_assets.errors import DuplicateFixtureError, SchemaMismatchError
from match_assets.features import (
    PairReader,
    TeamState,
    assemble_match_features,
    build_team_features,
    feature_version,
    fixture_team_features,
    match_feature_definitions,
    match_feature_names,
    match_features_schema,
    team_feature_definitions,
    team_feature_names,
    team_features_schema,
)
from match_assets.features.build import checked_team_features
from match_assets.features.frames import SIDE_COUNTS
from match_assets.features.registry import NEVER_NULL
from match_assets.gates import schemas
from match_assets.gates.verdict import judge
from tests.property.bits import assert_same_bits
from tests.property.leagues import PARAMS, SHIPPED, Match, a_frame, a_match, as_fixtures

ROOT = Path(__file__).parents[3]


def rows_of(matches: list[Match]) -> pl.DataFrame:
    return build_team_features(a_frame(matches), PARAMS).team_features


def row(matches: list[Match], match_id: int, team: int) -> Mapping[str, Any]:
    rows = rows_of(matches)
    return rows.filter((pl.col("match_id") == match_id) & (pl.col("team_id") == team)).row(0, named=True)


def a_season(year: int = 2023, teams: int = 6, tournament: str = "TST-League") -> list[Match]:
    """A double round robin by the circle method, a round a week, with all statistics, drawn."""
    drawn = np.random.default_rng(year)
    circle, matches = list(range(1, teams + 1)), []
    for week in range(2 * (teams - 1)):
        for home, away in zip(circle[: teams // 2], reversed(circle[teams // 2 :]), strict=True):
            pair = (home, away) if week % 2 else (away, home)
            day = dt.date(year, 8, 1) + dt.timedelta(weeks=week)
            counts = {f"{side}_{name}": int(drawn.integers(0, 12)) for side in ("home", "away") for name in SIDE_COUNTS}
            match = a_match(year * 1000 + len(matches), f"{day} 15:00", *pair, season=str(year))
            matches.append(match | counts | {"tournament": tournament})
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return matches


# -- FEA-02 ----------------------------------------------------------------------------------------------------------------


def test_matches_at_one_kick_off_see_neither_results_nor_table_of_each_other() -> None:
    # FEA-02
    earlier = [a_match(1, "2023-08-01 15:00", 1, 2, (1, 0)), a_match(2, "2023-08-01 15:00", 3, 4, (1, 0))]
    one, other = a_match(3, "2023-08-08 15:00", 1, 3, (9, 0)), a_match(4, "2023-08-08 15:00", 2, 4, (9, 0))
    alone = rows_of([*earlier, other]).filter(pl.col("match_id") == 4)
    beside = rows_of([*earlier, one, other]).filter(pl.col("match_id") == 4)
    assert_same_bits(alone, beside)


def test_a_date_without_a_time_is_the_whole_day_for_the_table_and_congestion_too() -> None:
    # FEA-02
    matches = [
        a_match(1, "2023-08-01 15:00", 1, 2, (1, 0)),
        a_match(2, "2023-08-08", 1, 3, (0, 5)),
        a_match(3, "2023-08-08 21:00", 2, 4, (3, 0)),
        a_match(4, "2023-08-09 00:00", 1, 2),
    ]
    that_day, next_day = row(matches, 3, 2), row(matches, 4, 2)
    assert that_day["table_position"] == 2.0, "team 3, which wins at some time of the day, is not yet above"
    # by then team 3 has 3 points and +5, team 2 3 points and +2, team 1 3 points and -4
    assert (next_day["table_position"], row(matches, 4, 1)["table_position"]) == (2.0, 3.0)
    assert row(matches, 4, 1)["matches_last_14_days"] == 2.0


def test_one_team_twice_at_one_time_is_refused() -> None:
    # FEA-02
    twice = [a_match(1, "2023-08-01 15:00", 1, 2), a_match(2, "2023-08-01 15:00", 3, 1)]
    with pytest.raises(DuplicateFixtureError, match=r"team 1 has two matches at one kick-off \(matches 1 and 2\)"):
        rows_of(twice)
    whole_day = [a_match(1, "2023-08-01", 1, 2), a_match(2, "2023-08-01", 3, 1)]
    with pytest.raises(DuplicateFixtureError, match="team 1"):
        rows_of(whole_day)


# -- FEA-03 ----------------------------------------------------------------------------------------------------------------


def test_order_chunks_and_threads_change_no_bit() -> None:
    # FEA-03
    history = a_frame(a_season(2022) + a_season(2023))
    mixed = history.sample(fraction=1.0, shuffle=True, seed=1).select(reversed(history.columns))
    chunked = pl.concat([mixed[place : place + 17] for place in range(0, mixed.height, 17)], rechunk=False)
    assert chunked.n_chunks() > 2
    expected = build_team_features(history, PARAMS)
    for frame in (history, mixed, chunked):
        for threads in (1, 8):
            made = build_team_features(frame, PARAMS, threads=threads)
            assert_same_bits(made.team_features, expected.team_features)
            assert_same_bits(made.state.to_frame(), expected.state.to_frame())


def test_a_home_that_cannot_be_written_to_is_no_failure_and_gives_the_same_bits(tmp_path: Path) -> None:
    # FEA-03: as a service runs in a container; the smallest kernel, compiled anew
    program = (
        "import numpy as np; from match_assets.features.assembly import ratios;"
        "rows = np.arange(12.0).reshape(3, 4); ratios(rows, np.array([0]), np.array([1]), 2); print(rows.tobytes().hex())"
    )
    read_only = tmp_path / "home"
    read_only.mkdir(mode=0o500)
    # root may write anywhere, so the folder is one that cannot exist: below a file
    (tmp_path / "file").write_text("")
    nowhere = {"HOME": str(read_only), "NUMBA_CACHE_DIR": str(tmp_path / "file" / "below")}
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        ).stdout
        for more in ({}, nowhere)
    ]
    assert printed[0] == printed[1] != ""


# -- FEA-04 ----------------------------------------------------------------------------------------------------------------

COUNTS_NEVER_NULL = {"matches_played", "season_matches", "head_to_head_matches", "season_phase"}


@pytest.mark.parametrize("story", ["first ever", "promoted", "relegated and back at once", "back after ten years"])
def test_a_team_without_a_past_here_has_priors_counts_of_zero_and_null(story: str) -> None:
    # FEA-04
    first = 2013
    history = [m for year in range(first, 2023) for m in a_season(year, teams=4)]
    played_once = {
        "first ever": [],
        "promoted": [],
        "relegated and back at once": [a_match(1, "2021-07-01", 9, 1, (4, 0), season="2021")],
        "back after ten years": [a_match(1, "2013-07-01", 9, 1, (4, 0), season="2013")],
    }[story]
    history = [] if story == "first ever" else history
    asked = a_match(2, "2023-08-02 15:00", 9, 1, season="2023")
    found = row([*history, *played_once, asked], 2, 9)
    congestion = {f"matches_last_{days}_days" for days in PARAMS.congestion_days}
    for definition in team_feature_definitions(PARAMS):
        value = found[definition.name]
        if definition.null_when == NEVER_NULL:
            assert value is not None, definition.name
        elif definition.name in COUNTS_NEVER_NULL | congestion:
            assert value == 0.0, definition.name
        else:
            assert value is None, definition.name
    is_first = story == "first ever"
    assert found["elo"] == (PARAMS.elo.initial if is_first else PARAMS.elo.promoted)
    assert found["pi_home"] == (0.0 if is_first else PARAMS.pi.promoted)
    assert found["attack"] == (0.0 if is_first else PARAMS.attack_defence.promoted)


def test_a_team_that_stays_keeps_its_ratings_and_goes_part_of_the_way_back() -> None:
    # FEA-04
    opening = a_match(1, "2022-08-01 15:00", 1, 2, (2, 0), season="2022", home_shots_on_target=6)
    before = row([opening, a_match(2, "2022-08-08 15:00", 1, 2, season="2022")], 2, 1)
    after = row([opening, a_match(2, "2023-08-08 15:00", 1, 2, season="2023")], 2, 1)
    assert after["elo"] == pytest.approx(before["elo"] + 0.2 * (1500 - before["elo"]), rel=1e-12)
    for name in ("pi_home", "pi_away", "attack", "defence", "shots_on_target_attack"):
        assert after[name] == pytest.approx(0.9 * before[name], rel=1e-12), name
        assert before[name] != 0.0, name


def test_a_team_in_two_tournaments_is_two_teams() -> None:
    # FEA-04
    league, cup = a_season(2023), a_season(2023, teams=4, tournament="TST-Cup")
    with pytest.raises(Exception, match="one tournament at a time"):
        rows_of([*league, *cup])
    assert row(cup, cup[0]["match_id"], cup[0]["home_team_id"])["matches_played"] == 0.0


# -- FEA-05 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_matches", [0, 3])
@pytest.mark.parametrize("is_goalless", [True, False])
def test_small_empty_and_goalless_seasons_give_valid_frames(n_matches: int, is_goalless: bool) -> None:
    # FEA-05
    goalless = {"home_goals": 0, "away_goals": 0} if is_goalless else {}
    matches = [match | goalless for match in a_season()[:n_matches]]
    rows = rows_of(matches)
    assert rows.schema == team_features_schema(PARAMS)
    assert assemble_match_features(rows, PARAMS).schema == match_features_schema(PARAMS)
    names = team_feature_names(PARAMS)
    never = frozenset(d.name for d in team_feature_definitions(PARAMS) if d.null_when.startswith("never"))
    verdict = judge(rows, schemas.team_match_features("TST-League", "2023", names, never))
    assert verdict.passed
    assert not verdict.failures


# -- FEA-06 ----------------------------------------------------------------------------------------------------------------

ODD = {
    "on target above shots": {"home_shots": 3, "home_shots_on_target": 9},
    "goals above shots": {"home_goals": 5, "home_shots": 1, "home_shots_on_target": 0},
    "no shot at all": {"home_shots": 0, "away_shots": 0, "home_shots_on_target": 0, "away_shots_on_target": 0},
    "largest that fits": {f"{side}_{name}": 32_767 for side in ("home", "away") for name in SIDE_COUNTS},
    "negative": {f"{side}_{name}": -32_768 for side in ("home", "away") for name in SIDE_COUNTS},
    "nothing known": {f"{side}_{name}": None for side in ("home", "away") for name in SIDE_COUNTS[1:]},
    "walkover without statistics": {
        "is_walkover": True,
        **{f"{side}_{name}": None for side in ("home", "away") for name in SIDE_COUNTS[1:]},
    },
}


@pytest.mark.parametrize("what", ODD)
def test_no_nan_and_no_infinity_leave_whatever_the_counts(what: str) -> None:
    # FEA-06: what the raw gate only tells must not spoil a column; what it refuses must not either
    matches = [match | ODD[what] if place % 2 else match for place, match in enumerate(a_season())]
    rows = rows_of(matches)
    for frame in (rows, assemble_match_features(rows, PARAMS)):
        floats = frame.select(cs.float())
        assert floats.select(pl.all().is_finite().all()).row(0) == (True,) * floats.width


def test_a_count_that_is_no_number_of_a_count_is_refused_by_its_type() -> None:
    # FEA-06: NaN and 10^9 have no place in a column of small integers
    for value in (float("nan"), 1e9):
        frame = a_frame(a_season()).with_columns(home_shots=pl.lit(value))
        with pytest.raises(SchemaMismatchError, match="column home_shots is Float64, expected Int16"):
            build_team_features(frame, PARAMS)


# -- FEA-07 ----------------------------------------------------------------------------------------------------------------


def test_a_postponed_match_counts_at_its_new_date_and_not_before() -> None:
    # FEA-07
    first, second = a_match(1, "2023-08-01 15:00", 1, 2, (1, 0)), a_match(3, "2023-08-15 15:00", 1, 4, (0, 0))
    postponed = a_match(2, "2023-09-05 19:00", 1, 3, (5, 5), home_shots=20, away_shots=1)
    last = a_match(4, "2023-09-12 15:00", 1, 2)
    matches = [first, second, postponed, last]
    between = row(matches, 2, 1)
    assert (between["goals_for_5"], between["season_matches"], between["rest_days"]) == (0.5, 2.0, 21.0)
    after = row(matches, 4, 1)
    # the newest two are the goalless draw and the postponed match, in that order
    assert (after["goals_for_2"], after["goals_for_5"], after["unbeaten_streak"]) == (2.5, 2.0, 3.0)
    assert (after["shots_for_5"], after["rest_days"]) == (20.0, pytest.approx(6 + 20 / 24))


def test_cancelled_and_abandoned_matches_are_no_results_and_count_nowhere() -> None:
    # FEA-07: they never reach finished_matches; their absence is what this shows
    matches = a_season()
    cancelled = matches[4]
    rest = [match for match in matches if match is not cancelled]
    last = matches[-1]["match_id"]
    team = matches[-1]["home_team_id"]
    with_it, without = row(matches, last, cancelled["home_team_id"] if team is None else team), row(rest, last, team)
    is_involved = team in (cancelled["home_team_id"], cancelled["away_team_id"])
    assert with_it["season_matches"] - without["season_matches"] == float(is_involved)


# -- FEA-08 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [PARAMS, SHIPPED], ids=["short windows", "shipped"])
def test_the_services_row_is_the_batch_row_for_every_match_of_the_next_round(params: Any) -> None:
    # FEA-08: bit for bit, order and types included
    matches = a_season(2022) + a_season(2023)
    played, coming = matches[:-3], matches[-3:]
    state = build_team_features(a_frame(played), params).state
    batch = assemble_match_features(build_team_features(a_frame(matches), params).team_features, params)[-3:]
    served = assemble_match_features(fixture_team_features(state, as_fixtures(coming), params), params)
    assert_same_bits(served, batch)
    reader = PairReader(state, params)
    for match in batch.iter_rows(named=True):
        microseconds = int(match["kick_off_utc"].timestamp()) * 1_000_000
        one = reader.row(match["home_team_id"], match["away_team_id"], 2023, microseconds)
        expected = batch.filter(pl.col("match_id") == match["match_id"]).select(match_feature_names(params))
        found = pl.DataFrame(
            [pl.Series(d.name, one[place : place + 1], nan_to_null=True) for place, d in
             enumerate(match_feature_definitions(params))]
        )  # fmt: skip
        assert_same_bits(found, expected)


def test_the_row_of_a_team_before_its_first_match_of_a_new_season_is_the_batch_row() -> None:
    # FEA-08: a season that the state does not know yet
    matches = a_season(2022) + a_season(2023)
    state = build_team_features(a_frame(matches[:30]), PARAMS).state
    match = matches[30]
    batch = assemble_match_features(rows_of(matches[:31]), PARAMS).filter(pl.col("match_id") == match["match_id"])
    time = int(match["kick_off_utc"].timestamp()) * 1_000_000
    found = PairReader(state, PARAMS).row(match["home_team_id"], match["away_team_id"], 2023, time)
    expected = batch.select(match_feature_names(PARAMS)).fill_null(np.nan).to_numpy()[0]
    assert found.tobytes() == expected.tobytes() or np.array_equal(found, expected, equal_nan=True)


# -- FEA-11 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("elo"), "column elo is missing"),
        (lambda f: f.rename({"recent_points": "points_recent"}), "column recent_points is missing"),
        (lambda f: f.with_columns(pl.col("win_streak").cast(pl.Int32)), "column win_streak is Int32, expected Int64"),
    ],
)
def test_a_stored_state_of_an_older_version_is_refused_naming_column_and_both_versions(
    change: Any, message: str
) -> None:
    # FEA-11
    frame = build_team_features(a_frame(a_season()), PARAMS).state.to_frame()
    buffer = io.BytesIO()
    change(frame.with_columns(feature_version=pl.lit("0123456789abcdef"))).write_parquet(buffer)
    buffer.seek(0)
    with pytest.raises(SchemaMismatchError) as refused:
        TeamState.from_frame(pl.read_parquet(buffer), PARAMS)
    for told in (message, "0123456789abcdef", feature_version(PARAMS)):
        assert told in refused.value.message


def test_stored_features_of_an_older_version_are_refused_by_column() -> None:
    # FEA-11
    rows = rows_of(a_season())
    older = rows.drop("corners_against_5")
    with pytest.raises(SchemaMismatchError, match="column corners_against_5 is missing") as refused:
        checked_team_features(older, PARAMS, made_by="0123456789abcdef")
    assert "0123456789abcdef" in refused.value.message
    assert feature_version(PARAMS) in refused.value.message
    with pytest.raises(SchemaMismatchError, match=f"this process reads feature version {feature_version(PARAMS)}"):
        assemble_match_features(older, PARAMS)
    with pytest.raises(SchemaMismatchError, match="column points_5 is Int64, expected Float64"):
        assemble_match_features(rows.with_columns(pl.col("points_5").cast(pl.Int64)), PARAMS)
