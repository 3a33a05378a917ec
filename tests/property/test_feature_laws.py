"""Laws of the whole feature registry, on drawn leagues with postponed matches, walkovers and unknown times."""

import datetime as dt
import io
import math

import numpy as np
import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from match_assets.errors import DataError
from match_assets.features import (
    TeamState,
    advance,
    assemble_match_features,
    build_team_features,
    fixture_team_features,
    match_feature_definitions,
    match_feature_names,
    match_features_schema,
    team_feature_definitions,
    team_feature_names,
    team_features_schema,
)
from match_assets.features.frames import NULLABLE, RESULTS, checked_matches, match_arrays
from match_assets.features.layout import GOALS, MISSING, N_COUNTS, Floats, Ints, MatchArrays
from match_assets.features.rows import places
from match_assets.features.rows import team_rows as kernel_rows
from tests.depth import examples
from tests.oracle_features import oracle_match_rows, oracle_team_rows
from tests.property.bits import assert_same_bits
from tests.property.leagues import (
    PARAMS,
    Match,
    a_frame,
    a_match,
    as_fixtures,
    effect_time,
    leagues,
    read_time,
    results,
)

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]
law = settings(max_examples=examples(20), deadline=None, suppress_health_check=SLOW_IS_FINE)
# one replay or two of each league, not a dozen frames
cheap_law = settings(law, max_examples=examples(50))
WEEK = dt.timedelta(days=7)
ROUNDING = 1e-12


def team_rows(matches: list[Match]) -> pl.DataFrame:
    return build_team_features(a_frame(matches), PARAMS).team_features


def unaware_of(changed: Match, matches: list[Match]) -> pl.Expr:
    """Rows of matches kicked off at or before the end of one: what happens in it may not reach them."""
    ids = [match["match_id"] for match in matches if read_time(match) <= effect_time(changed)]
    return pl.col("match_id").is_in(ids)


def flipped(match: Match) -> Match:
    """The match with the score turned round, and of each statistic unknown what was known and known what was not."""
    turned = match | {"home_goals": match["away_goals"], "away_goals": match["home_goals"]}
    return turned | {name: 7 if match[name] is None else None for name in NULLABLE}


# -- nothing from the future ----------------------------------------------------------------------------------------------


# FEA-01: each match of each league in three ways, thousands in a run, by what the border makes of the frame
@cheap_law
@given(league=leagues(), data=st.data())
def test_no_result_reaches_a_row_kicked_off_at_or_before_it(league: list[Match], data: st.DataObject) -> None:
    matches, teams, seasons = checked_matches(a_frame(league), RESULTS, what="drawn"), *teams_and_seasons(league)
    arrays = match_arrays(matches, teams, seasons, with_results=True)
    before = rows_of(arrays, teams.size)
    # the times of the league, not of the border, which might be wrong itself
    by_id = {match["match_id"]: match for match in league}
    in_order = [by_id[match_id] for match_id in matches["match_id"]]
    drawn = data.draw(st.lists(st.integers(0, 30) | st.just(MISSING), min_size=12, max_size=12))
    other = np.array(drawn, np.int32).reshape(2, N_COUNTS)
    other[:, GOALS] = np.abs(other[:, GOALS] % 7)
    for number in range(matches.height):
        end = effect_time(in_order[number])
        unaware = np.repeat([read_time(match) <= end for match in in_order], 2)
        turned = arrays.counts[number, ::-1].copy()
        unknown = turned[:, 1:] == MISSING
        turned[:, 1:] = np.where(unknown, 7, MISSING)
        for after in (turned, other):
            counts = arrays.counts.copy()
            counts[number] = after
            again = rows_of(arrays._replace(counts=counts), teams.size)
            assert np.array_equal(again[:, unaware].view(np.int64), before[:, unaware].view(np.int64))
        is_walkover = arrays.is_walkover.copy()
        is_walkover[number] = not is_walkover[number]
        again = rows_of(arrays._replace(is_walkover=is_walkover), teams.size)
        assert np.array_equal(again[:, unaware].view(np.int64), before[:, unaware].view(np.int64))


def teams_and_seasons(league: list[Match]) -> tuple[Ints, tuple[int, ...]]:
    teams = {match[f"{side}_team_id"] for match in league for side in ("home", "away")}
    return np.array(sorted(teams), np.int64), tuple(sorted({int(match["season"]) for match in league}))


def rows_of(arrays: MatchArrays, n_teams: int) -> Floats:
    blank = TeamState.blank(PARAMS).copy_with(dict.fromkeys(range(n_teams), ""), (), PARAMS)
    return kernel_rows(arrays, blank.arrays, places(PARAMS))


@law
@given(league=leagues(), data=st.data())
def test_changing_a_match_changes_no_row_kicked_off_at_or_before_it(league: list[Match], data: st.DataObject) -> None:
    # FEA-01, through the public function
    assume(league)
    changed = data.draw(st.sampled_from(league))
    unaware = unaware_of(changed, league)
    before = team_rows(league).filter(unaware)
    assert changed["match_id"] in before["match_id"]
    for after in (flipped(changed), changed | data.draw(results())):
        again = team_rows([after if match is changed else match for match in league])
        assert_same_bits(again.filter(unaware), before)
    rest = [match for match in league if match is not changed]
    # the first match of a season may be what makes it a season; that is the calendar, not a result
    if {match["season"] for match in rest} == {match["season"] for match in league}:
        assert_same_bits(team_rows(rest).filter(unaware), before.filter(pl.col("match_id") != changed["match_id"]))


@law
@given(league=leagues(), data=st.data())
def test_a_row_is_the_same_when_everything_after_it_is_still_to_come(league: list[Match], data: st.DataObject) -> None:
    # FEA-01: the history up to one match, alone
    assume(league)
    match = data.draw(st.sampled_from(league))
    past = [other for other in league if effect_time(other) < read_time(match) or other is match]
    assume({m["season"] for m in past} == {m["season"] for m in league if m["season"] <= match["season"]})
    own = pl.col("match_id") == match["match_id"]
    assert_same_bits(team_rows(past).filter(own), team_rows(league).filter(own))


# FEA-03
@law
@given(league=leagues(), data=st.data())
def test_row_order_and_chunks_of_the_input_do_not_matter(league: list[Match], data: st.DataObject) -> None:
    frame = a_frame(league)
    shuffled = a_frame(data.draw(st.permutations(league)))
    half = shuffled.height // 2
    chunked = pl.concat([shuffled[:half], shuffled[half:]], rechunk=False).select(reversed(frame.columns))
    straight, mixed = build_team_features(frame, PARAMS), build_team_features(chunked, PARAMS)
    assert_same_bits(straight.team_features, mixed.team_features)
    assert_same_bits(straight.state.to_frame(), mixed.state.to_frame())
    wide = assemble_match_features(straight.team_features, PARAMS)
    backwards = straight.team_features.reverse()
    assert_same_bits(wide, assemble_match_features(backwards, PARAMS))


# -- state ----------------------------------------------------------------------------------------------------------------


# FEA-09
@law
@given(league=leagues(), data=st.data(), as_stored=st.booleans())
def test_continuing_from_any_split_equals_the_full_replay(
    league: list[Match], data: st.DataObject, as_stored: bool
) -> None:
    full = build_team_features(a_frame(league), PARAMS)
    for cut in data.draw(st.lists(st.integers(0, len(league)), min_size=1, max_size=4, unique=True)):
        first, rest = league[:cut], league[cut:]
        before = build_team_features(a_frame(first), PARAMS)
        state = stored(before.state) if as_stored else before.state
        is_clean = all(effect_time(early) < read_time(late) for early in first for late in rest)
        try:
            after = advance(state, a_frame(rest), PARAMS)
        except DataError:
            # the day of the split lies on both sides of it: only a replay of the whole has the right rows
            assert not is_clean
            continue
        assert_same_bits(pl.concat([before.team_features, after.team_features]), full.team_features)
        assert_same_bits(after.state.to_frame(), full.state.to_frame())


@law
@given(league=leagues(), data=st.data())
def test_continuing_in_many_steps_equals_the_full_replay(league: list[Match], data: st.DataObject) -> None:
    # FEA-09: a day at a time, or several
    days = sorted({match["kick_off_utc"].date() for match in league})
    state, rows = TeamState.blank(PARAMS), [team_rows([])]
    while days:
        n = data.draw(st.integers(1, 4))
        taken, days = days[:n], days[n:]
        build = advance(state, a_frame([m for m in league if m["kick_off_utc"].date() in taken]), PARAMS)
        rows.append(build.team_features)
        state = stored(build.state)
    full = build_team_features(a_frame(league), PARAMS)
    assert_same_bits(pl.concat(rows), full.team_features)
    assert_same_bits(state.to_frame(), full.state.to_frame())


def stored(state: TeamState) -> TeamState:
    """The state after a journey through Parquet."""
    buffer = io.BytesIO()
    state.to_frame().write_parquet(buffer)
    buffer.seek(0)
    return TeamState.from_frame(pl.read_parquet(buffer), PARAMS)


@law
@given(league=leagues())
def test_a_stored_state_is_the_state(league: list[Match]) -> None:
    state = build_team_features(a_frame(league), PARAMS).state
    again = stored(state)
    assert_same_bits(again.to_frame(), state.to_frame())
    assert (again.tournament, again.season, again.team_names) == (state.tournament, state.season, state.team_names)


# -- the service -----------------------------------------------------------------------------------------------------------


# FEA-08
@law
@given(league=leagues(), data=st.data())
def test_the_services_row_is_the_row_of_the_batch(league: list[Match], data: st.DataObject) -> None:
    assume(league)
    asked = data.draw(st.sampled_from(league))
    before = [match for match in league if effect_time(match) < read_time(asked)]
    # a season whose first match is on the same day, and so not known yet, must not stand before that of the fixture
    seasons = {m["season"] for m in league if m["season"] < asked["season"]}
    assume(seasons <= {m["season"] for m in before})
    state = stored(build_team_features(a_frame(before), PARAMS).state)
    untouched = state.to_frame()
    served = fixture_team_features(state, as_fixtures([asked]), PARAMS, allow_unknown=True)
    batch = team_rows(league).filter(pl.col("match_id") == asked["match_id"])
    assert_same_bits(served, batch)
    assert_same_bits(assemble_match_features(served, PARAMS), assemble_match_features(batch, PARAMS))
    assert_same_bits(state.to_frame(), untouched)


@law
@given(league=leagues())
def test_a_fixtures_row_does_not_depend_on_the_fixtures_beside_it(league: list[Match]) -> None:
    assume(len(league) > 1)
    half = len(league) // 2
    state = build_team_features(a_frame(league[:half]), PARAMS).state
    coming = [match for match in league[half:] if match["season"] == league[half]["season"]]
    together = fixture_team_features(state, as_fixtures(coming), PARAMS, allow_unknown=True)
    alone = [fixture_team_features(state, as_fixtures([m]), PARAMS, allow_unknown=True) for m in coming]
    assert_same_bits(together, pl.concat(alone))


# -- the oracle ------------------------------------------------------------------------------------------------------------


@cheap_law
@given(league=leagues())
def test_the_kernels_agree_with_the_slow_oracle(league: list[Match]) -> None:
    rows = team_rows(league)
    expected = oracle_team_rows(league, PARAMS)
    assert rows.height == len(expected)
    for row in rows.iter_rows(named=True):
        require_agreement(row, expected[row["match_id"], row["is_home"]], team_feature_names(PARAMS))


@cheap_law
@given(league=leagues())
def test_rows_of_a_match_agree_with_the_slow_oracle(league: list[Match]) -> None:
    names = match_feature_names(PARAMS)
    expected = oracle_match_rows(league, names, PARAMS)
    wide = assemble_match_features(team_rows(league), PARAMS)
    assert wide["match_id"].sort().to_list() == sorted(expected)
    for row in wide.iter_rows(named=True):
        require_agreement(row, expected[row["match_id"]], names)


def require_agreement(row: dict[str, float | None], by_hand: dict[str, float | None], names: list[str]) -> None:
    for name in names:
        assert agree(row[name], by_hand[name]), (name, row["match_id"], row[name], by_hand[name])


def agree(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


# FEA-10
@cheap_law
@given(league=leagues(), data=st.data())
def test_a_correction_changes_the_cells_that_the_oracle_says_and_no_others(
    league: list[Match], data: st.DataObject
) -> None:
    assume(league)
    wrong = data.draw(st.sampled_from(league))
    corrected = [match | data.draw(results()) if match is wrong else match for match in league]
    names = team_feature_names(PARAMS)
    before, after = team_rows(league), team_rows(corrected)
    oracle_before, oracle_after = oracle_team_rows(league, PARAMS), oracle_team_rows(corrected, PARAMS)
    for old, new in zip(before.iter_rows(named=True), after.iter_rows(named=True), strict=True):
        by_hand = (rows[old["match_id"], old["is_home"]] for rows in (oracle_before, oracle_after))
        was, became = ({name: row[name] for name in names} for row in by_hand)
        moved = {name for name in names if not agree(old[name], new[name])}
        assert moved == {name for name in names if not agree(was[name], became[name])}
        # a row of which the oracle reads nothing else keeps every bit
        if was == became:
            assert [old[name] for name in names] == [new[name] for name in names]


# -- what leaves -----------------------------------------------------------------------------------------------------------


# FEA-06
@cheap_law
@given(
    league=leagues(),
    extreme=st.lists(st.tuples(st.sampled_from([0, 32767, -32768]), st.sampled_from([0, 32767, None])), min_size=1),
)
def test_no_nan_or_infinity_leaves_however_absurd_the_scores(
    league: list[Match], extreme: list[tuple[int, int | None]]
) -> None:
    for number, match in enumerate(league):
        goals, shots = extreme[number % len(extreme)]
        match |= {"home_goals": goals, "home_shots_on_target": shots, "away_shots": shots}
    rows = team_rows(league)
    wide = assemble_match_features(rows, PARAMS)
    assert rows.schema == team_features_schema(PARAMS)
    assert wide.schema == match_features_schema(PARAMS)
    assert wide.height == len(league)
    for frame in (rows, wide):
        floats = frame.select(pl.selectors.float())
        assert floats.select(pl.all().is_finite().all()).row(0) == (True,) * floats.width


@law
@given(league=leagues(), wins=st.integers(0, 40))
def test_every_value_lies_within_what_the_registry_says(league: list[Match], wins: int) -> None:
    # two teams that play nobody else: a long row of equal results, of which a weighted mean must not be more
    day = dt.datetime(2024, 1, 1, 15, tzinfo=dt.UTC)
    row = [
        a_match(5000 + number, "2023-08-01 15:00", 7, 8, (1, 0), season="2023") | {"kick_off_utc": day + number * WEEK}
        for number in range(wins)
    ]
    rows = team_rows(league + row)
    wide = assemble_match_features(rows, PARAMS)
    for frame, definitions in ((rows, team_feature_definitions(PARAMS)), (wide, match_feature_definitions(PARAMS))):
        for definition in definitions:
            least, most = definition.within
            found = frame[definition.name].drop_nulls()
            # a few units in the last place are rounding, as the gate has it
            assert found.is_between(least - ROUNDING, most + ROUNDING).all(), definition.name
            if definition.null_when.startswith("never"):
                assert not frame[definition.name].null_count(), definition.name
