"""One match over many visits: corrected, gone and back, moved, under a new id. What stood before is always in the history."""

import datetime as dt

import msgspec

from match_assets.warehouse import reading, writing
from match_assets.warehouse.gaps import known_gaps
from match_assets.warehouse.schema import matches, months, observations
from tests.integration.warehouse.telling import KEY, PARTITION, SEASON, STAGE, Teller, batch, listed, month, page

PLAYED = listed(5001, "2025-02-01T15:00", score=(2, 1))
OTHER = listed(5002, "2025-02-02T15:00", 13, 14, (0, 0))


def gaps(teller: Teller) -> dict[tuple[int, str], str]:
    return {(gap.match_id, gap.kind): gap.reason for gap in known_gaps(teller.engine, KEY, SEASON)}


def exported(teller: Teller) -> list[int]:
    return reading.season_snapshot(teller.engine, KEY, SEASON)[0]["match_id"].to_list()


def test_a_score_corrected_days_later_stands_and_the_old_one_is_kept(teller: Teller) -> None:
    # ING-11
    teller.visit(PLAYED, OTHER)
    before = reading.season_revision(teller.engine)
    counts = teller.visit(listed(5001, "2025-02-01T15:00", score=(2, 2)), OTHER)
    assert (counts.changed, counts.unchanged) == (1, 1)
    assert teller.stored(5001).away_goals == 2
    assert teller.history(5001, "away_goals") == [1, 2]
    assert teller.history(5002, "away_goals") == [0], "an unchanged match writes no history"
    assert reading.season_revision(teller.engine)[PARTITION] != before[PARTITION]


def test_page_and_calendar_that_disagree_are_flagged_until_they_agree(teller: Teller) -> None:
    # ING-11
    teller.visit(listed(5001, "2025-02-01T15:00", score=(3, 1)))
    read_for(teller, (3, 1))
    assert gaps(teller) == {(5001, "disagreement"): "the match page says 2-1, the calendar 3-1"}
    teller.now += dt.timedelta(hours=1)
    read_for(teller, (2, 1))
    assert gaps(teller) == {}


def read_for(teller: Teller, feed_score: tuple[int, int]) -> None:
    """The page of a 2-1, read because the calendar shows ``feed_score``."""
    shown = msgspec.structs.replace(page(5001, teller.now), feed_score=feed_score)
    writing.write_pages(teller.engine, KEY, SEASON, [shown])


def test_a_match_that_vanishes_stays_with_a_mark_which_its_return_clears(teller: Teller) -> None:
    # ING-12
    teller.visit(PLAYED, OTHER)
    last_listed = teller.now
    teller.visit(OTHER, missing=(5001,))
    assert teller.stored(5001).missing_since == last_listed
    assert gaps(teller) == {(5001, "missing"): "no longer in the calendar"}
    assert exported(teller) == [5001, 5002], "a result is never lost"
    gone = reading.season_revision(teller.engine)
    teller.visit(PLAYED, OTHER)
    assert teller.stored(5001).missing_since is None
    assert gaps(teller) == {}
    assert teller.history(5001, "is_missing") == [False, True, False]
    assert reading.season_revision(teller.engine) != gone


def test_an_upcoming_match_that_vanishes_leaves_the_export(teller: Teller) -> None:
    # ING-12
    teller.visit(listed(5003, "2025-02-20"), OTHER)
    teller.visit(OTHER, missing=(5003,))
    assert exported(teller) == [5002]
    assert teller.count(matches) == 2


def test_a_moved_match_is_one_row_whose_dates_are_all_remembered(teller: Teller) -> None:
    # ING-13: another month, the summer after, earlier again, and to a day without a time
    dates = ["2025-02-20T15:00", "2025-04-02T18:45", "2025-07-09T15:00", "2025-02-12T15:00"]
    for day in dates:
        teller.visit(listed(5001, day), name=day[:7].replace("-", ""))
    teller.visit(listed(5001, "2025-03-30", is_kick_off_time_known=False), name="202503")
    assert teller.count(matches) == 1
    assert [text[:16] for text in teller.history(5001, "kick_off_utc")] == [*dates, "2025-03-30T00:00"]
    row = teller.stored(5001)
    assert (f"{row.kick_off_utc:%F}", row.is_kick_off_time_known, row.feed_month) == ("2025-03-30", False, "202503")


def test_a_cached_old_month_never_brings_the_old_date_back(teller: Teller) -> None:
    # ING-13: the old feed arrives last, with its own, older clock
    teller.visit(listed(5001, "2025-02-20T15:00"))
    cached = batch(month([listed(5001, "2025-02-20T15:00")], teller.now))
    teller.visit(listed(5001, "2025-04-02T18:45"), name="202504")
    late = writing.write_season(teller.engine, cached)
    assert (late.stale, late.changed) == (1, 0)
    assert f"{teller.stored(5001).kick_off_utc:%F}" == "2025-04-02"


def test_a_match_that_moved_plans_both_months_anew(teller: Teller) -> None:
    # ING-13: the month it left has nothing open any more
    teller.visit(PLAYED, listed(5003, "2025-02-20T15:00"))
    assert due_months(teller)["202502"] <= teller.now, "a month with an open match is due at every visit"
    teller.visit(listed(5003, "2025-04-02T18:45"), name="202504")
    assert due_months(teller)["202502"] == dt.datetime(2025, 3, 3, 15, tzinfo=dt.UTC), "30 days after its last match"


def due_months(teller: Teller) -> dict[str, dt.datetime]:
    with teller.engine.connect() as connection:
        return {row.month: row.due_at for row in connection.execute(months.select())}


def test_a_match_under_a_new_id_is_one_result_with_its_history_kept(teller: Teller) -> None:
    # ING-14
    teller.visit(PLAYED, OTHER)
    before = reading.season_revision(teller.engine)
    teller.visit(listed(5009, "2025-02-01T15:00", score=(2, 1)), OTHER, missing=(5001,))
    assert teller.stored(5001).superseded_by == 5009
    assert exported(teller) == [5002, 5009]
    assert gaps(teller) == {}
    assert teller.history(5001, "is_missing") == [False, True]
    assert reading.lost_results(teller.engine, KEY, SEASON).match_ids == ()
    assert reading.season_revision(teller.engine) != before


def test_the_old_id_counts_again_when_it_is_listed_again(teller: Teller) -> None:
    # ING-14
    teller.visit(PLAYED)
    teller.visit(listed(5009, "2025-02-01T15:00", score=(2, 1)), missing=(5001,))
    linked = reading.season_revision(teller.engine)
    teller.visit(PLAYED, missing=(5009,))
    assert teller.stored(5001).superseded_by is None
    assert teller.stored(5009).superseded_by == 5001
    assert exported(teller) == [5001]
    assert reading.season_revision(teller.engine) != linked


def test_a_postponed_match_that_comes_back_under_another_id_and_day_is_superseded(teller: Teller) -> None:
    # ING-14
    teller.visit(listed(5001, "2025-02-20", status=2, elapsed="Post"))
    teller.visit(OTHER, missing=(5001,))
    teller.visit(OTHER, listed(5009, "2025-04-20"))
    assert teller.stored(5001).superseded_by == 5009


def test_the_fourth_meeting_of_a_season_is_not_the_first_one_under_a_new_id(teller: Teller) -> None:
    # ING-14, ING-16: a result that vanishes is lost, whatever fixture of the pairing is announced later
    teller.visit(PLAYED, OTHER)
    teller.visit(OTHER, missing=(5001,))
    teller.visit(OTHER, listed(5009, "2025-04-20"))
    assert teller.stored(5001).superseded_by is None
    assert reading.lost_results(teller.engine, KEY, SEASON).match_ids == (5001,)


def test_equal_rows_of_overlapping_months_collapse_and_others_are_settled_by_time(teller: Teller) -> None:
    # ING-14
    later = teller.now + dt.timedelta(minutes=1)
    rows = [PLAYED, PLAYED]
    twice = batch(month(rows, teller.now, "202501"), month([PLAYED], later, "202502"))
    counts = writing.write_season(teller.engine, twice)
    assert (counts.inserted, counts.duplicates, counts.contested) == (1, 2, 0)
    corrected = listed(5001, "2025-02-01T15:00", score=(3, 1))
    old, new = (teller.now + dt.timedelta(hours=hours) for hours in (2, 3))
    counts = writing.write_season(teller.engine, batch(month([corrected], new), month([PLAYED], old, "202501")))
    assert (counts.changed, counts.duplicates) == (1, 1)
    assert teller.stored(5001).home_goals == 3
    assert teller.count(observations) == 2


def test_a_superseded_match_is_neither_late_nor_asked_for(teller: Teller) -> None:
    # ING-14
    teller.visit(listed(5001, "2025-02-05T15:00"))
    teller.visit(listed(5009, "2025-02-05T15:00", stage_id=STAGE), missing=(5001,))
    assert [late.match_id for late in reading.late_matches(teller.engine, late_after_hours=3)] == [5009]
