"""The gates over what the warehouse holds: no result is lost, no match has two ids, and a link is neither."""

import datetime as dt

import msgspec

from match_assets.stages.base import StageContext
from match_assets.stages.ingestion import validate_calendar, validate_catalogue, validate_coverage
from match_assets.warehouse.files import write_file_season
from tests.integration.warehouse.gating import ROUNDS, raw, told
from tests.integration.warehouse.telling import KEY, PARTITION, Teller, file_season, filed, listed, utc


def test_a_lost_result_is_refused_by_both_gates_in_so_many_words(teller: Teller, context: StageContext) -> None:
    # ING-12
    told(teller, ROUNDS)
    assert raw(context).passed
    accepted = context.store.pointer("raw_matches", PARTITION)
    told(teller, ROUNDS[1:], missing=(5000,))
    said = "3 of 4 finished matches are listed; missing: 5000"
    for verdict in (validate_calendar(context, PARTITION), raw(context)):
        assert verdict.refused_by == ("no finished match is lost",)
        assert said in verdict.summary()
        assert "match-assets source withdraw" in verdict.failures[0].what_to_do
    assert context.store.pointer("raw_matches", PARTITION) == accepted, "the last good version stays"
    told(teller, ROUNDS)
    assert validate_calendar(context, PARTITION).passed
    assert raw(context).passed


def test_a_lost_fixture_is_shown_and_refuses_nothing(teller: Teller, context: StageContext) -> None:
    # ING-12
    fixture = listed(5009, "2025-02-25", 19, 20)
    told(teller, [*ROUNDS, fixture])
    told(teller, ROUNDS, missing=(5009,))
    verdict = validate_calendar(context, PARTITION)
    assert verdict.passed
    assert [failure.rule for failure in verdict.failures] == ["every match is still in the calendar"]
    assert raw(context).passed


def test_two_ids_of_one_match_are_refused_with_both_named(teller: Teller, context: StageContext) -> None:
    # ING-14; not at one kick-off, so that no other rule sees it
    told(teller, [*ROUNDS, listed(5009, "2025-02-03T20:00", score=(1, 0))])
    for verdict in (validate_calendar(context, PARTITION), raw(context)):
        assert verdict.refused_by == ("a match has one id",)
        assert "5000 and 5009 are Team 11 against Team 12" in verdict.summary()


def test_an_abandoned_match_and_its_replay_are_two(teller: Teller, context: StageContext) -> None:
    # ING-14, ING-10
    abandoned = msgspec.structs.replace(ROUNDS[0], status=5, elapsed="Abd")
    told(teller, [abandoned, *ROUNDS[1:], listed(5009, "2025-02-02T20:00", score=(1, 0))])
    assert validate_calendar(context, PARTITION).passed
    assert raw(context).passed


def test_a_match_under_a_new_id_passes_where_the_accepted_version_held_the_old_one(
    teller: Teller, context: StageContext
) -> None:
    # ING-14
    told(teller, ROUNDS)
    assert raw(context).passed
    told(teller, [*ROUNDS[1:], msgspec.structs.replace(ROUNDS[0], match_id=5009)], missing=(5000,))
    assert validate_calendar(context, PARTITION).passed
    assert raw(context).passed
    held = context.store.read("raw_matches", PARTITION)
    assert held["match_id"].to_list() == [5001, 5002, 5003, 5009]


def test_an_accepted_result_of_a_file_is_not_given_up_for_a_fixture(teller: Teller, context: StageContext) -> None:
    write_file_season(teller.engine, file_season([filed(-1, "2025-02-01")], utc("2025-06-01")))
    assert raw(context).passed
    teller.visit(listed(5000, "2025-02-01T15:00"))
    assert raw(context).refused_by == ("accepted results stay",)
    teller.now += dt.timedelta(days=1)
    told(teller, [listed(5000, "2025-02-01T15:00", score=(2, 1))])
    assert raw(context).passed


def test_a_seasons_score_in_a_file_is_a_warning_where_the_site_says_otherwise(
    teller: Teller, context: StageContext
) -> None:
    told(teller, ROUNDS)
    write_file_season(teller.engine, file_season([filed(-1, "2025-02-01", score=(4, 4))], utc("2025-06-01")))
    for verdict in (validate_calendar(context, PARTITION), raw(context)):
        assert verdict.passed
        assert [failure.rule for failure in verdict.failures] == ["site and files agree"]


def test_a_season_that_site_and_file_name_alike_stands_once(teller: Teller, context: StageContext) -> None:
    write_file_season(teller.engine, file_season([filed(-1, "2025-02-01")], utc("2025-06-01")))
    assert validate_catalogue(context, KEY).passed
    assert validate_coverage(context, PARTITION).passed
