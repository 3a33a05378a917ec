"""Laws of the whole feature registry, on drawn leagues."""

import io

import numpy as np
import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from match_assets.features import (
    TeamState,
    advance,
    assemble_match_features,
    build_team_features,
    fixture_team_features,
    match_features_schema,
    team_feature_names,
    team_features_schema,
)
from tests.property.bits import assert_same_bits
from tests.property.leagues import PARAMS, Match, a_frame, as_fixtures, effect_time, leagues, read_time, results
from tests.property.oracle import oracle_rows

law = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def team_rows(matches: list[Match]) -> pl.DataFrame:
    return build_team_features(a_frame(matches), PARAMS).team_features


@law
@given(league=leagues(), data=st.data())
def test_changing_a_match_changes_no_row_kicked_off_at_or_before_it(league: list[Match], data: st.DataObject) -> None:
    assume(league)
    changed = data.draw(st.sampled_from(league))
    after = [match | data.draw(results()) if match is changed else match for match in league]
    unaware = [match["match_id"] for match in league if read_time(match) <= effect_time(changed)]
    assert changed["match_id"] in unaware
    is_unaware = pl.col("match_id").is_in(unaware)
    assert_same_bits(team_rows(league).filter(is_unaware), team_rows(after).filter(is_unaware))


@law
@given(league=leagues(), data=st.data())
def test_removing_a_match_changes_no_row_kicked_off_at_or_before_it(league: list[Match], data: st.DataObject) -> None:
    assume(league)
    removed = data.draw(st.sampled_from(league))
    rest = [match for match in league if match is not removed]
    # the first match of a season may be what makes it a season; that is the calendar, not a result
    assume({match["season"] for match in rest} == {match["season"] for match in league})
    unaware = pl.col("match_id").is_in([m["match_id"] for m in rest if read_time(m) <= effect_time(removed)])
    assert_same_bits(team_rows(league).filter(unaware), team_rows(rest).filter(unaware))


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


@law
@given(league=leagues(), data=st.data(), as_stored=st.booleans())
def test_continuing_from_a_state_equals_the_full_replay(
    league: list[Match], data: st.DataObject, as_stored: bool
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(league)), max_size=3)))
    state, rows = TeamState.blank(PARAMS), []
    for begin, end in zip([0, *cuts], [*cuts, len(league)], strict=True):
        build = advance(state, a_frame(league[begin:end]), PARAMS)
        rows.append(build.team_features)
        state = stored(build.state) if as_stored else build.state
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
    # windows and venues are not stored: they are counted again, and must be what the running sums were
    assert np.array_equal(again.arrays.windows, state.arrays.windows)
    assert np.array_equal(again.arrays.venues, state.arrays.venues)
    assert (again.tournament, again.season, again.team_names) == (state.tournament, state.season, state.team_names)


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


@law
@given(league=leagues())
def test_the_kernel_agrees_with_the_slow_oracle(league: list[Match]) -> None:
    rows = team_rows(league)
    expected = oracle_rows(league, PARAMS)
    assert rows.height == len(expected)
    names = team_feature_names(PARAMS)
    for row in rows.iter_rows(named=True):
        by_hand = expected[row["match_id"], row["is_home"]]
        assert sorted(by_hand) == sorted(names)
        for name in names:
            assert agree(row[name], by_hand[name]), (name, row["match_id"], row[name], by_hand[name])


def agree(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= 1e-9 * max(1.0, abs(expected))


@law
@given(league=leagues(), data=st.data())
def test_a_correction_changes_the_rows_that_the_oracle_says_and_no_others(
    league: list[Match], data: st.DataObject
) -> None:
    assume(league)
    wrong = data.draw(st.sampled_from(league))
    corrected = [match | data.draw(results()) if match is wrong else match for match in league]
    names = team_feature_names(PARAMS)
    before, after = team_rows(league), team_rows(corrected)
    oracle_before, oracle_after = oracle_rows(league, PARAMS), oracle_rows(corrected, PARAMS)
    for old, new in zip(before.iter_rows(named=True), after.iter_rows(named=True), strict=True):
        key = (old["match_id"], old["is_home"])
        moved = {name for name in names if not agree(old[name], new[name])}
        assert moved == {name for name in names if not agree(oracle_before[key][name], oracle_after[key][name])}


@law
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
