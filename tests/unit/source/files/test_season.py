"""One row a match out of all files of a season, under an id that stays."""

import datetime as dt

import pytest

from match_assets.errors import DataError
from match_assets.source.files.reader import read_row
from match_assets.source.files.season import HeldId, Settled, Told, file_match, match_id, settled, told_by, wanted_ids
from match_assets.source.files.teams import Alias, RegionTeams, shipped_aliases
from match_assets.warehouse.observed import PRESENT
from tests.written_files import SCORE_ALONE, row

KEY, YEAR = "ENG-PremierLeague", "2024"
TEAMS = RegionTeams(252, shipped_aliases(), {})
OLD, NEW = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 6, 1, tzinfo=dt.UTC)


def told(
    *rows: dict[str, str], file: str = "E0.csv", clock: dt.datetime = NEW, teams: RegionTeams = TEAMS
) -> list[Told]:
    found, refused = told_by(file, clock, [read_row(line, each) for line, each in enumerate(rows, start=2)], teams)
    assert not refused
    return found


def settle(items: list[Told], held: list[HeldId] | None = None) -> Settled:
    return settled(KEY, YEAR, items, held or [])


def kinds(noted: object) -> list[tuple[str, int, str]]:
    return sorted((item.file, item.remark.line, item.remark.kind) for item in noted)  # type: ignore[attr-defined]


def test_a_row_is_a_match_of_the_warehouse() -> None:
    ((number, item),) = settle(told(row(score="2-1", HTHG="1", HTAG="0", HTR="H", Time="15:00"))).standing.items()
    match = file_match(number, item)
    assert (match.match_id, match.home_team_id, match.away_team_id, match.home_team) == (number, 13, 15, "Arsenal")
    assert (match.home_goals, match.away_goals, match.home_goals_half_time, match.away_goals_half_time) == (2, 1, 1, 0)
    assert (match.kick_off_utc, match.is_kick_off_time_known) == (dt.datetime(2024, 8, 17, 14, tzinfo=dt.UTC), True)
    assert [(side.team_id, side.is_home, side.shots) for side in match.teams] == [(13, True, 14), (15, False, 10)]
    assert match.statistics == PRESENT


def test_a_score_alone_has_no_statistics_and_says_so() -> None:
    ((number, item),) = settle(told(row(**SCORE_ALONE))).standing.items()
    match = file_match(number, item)
    assert (match.teams, match.home_goals_half_time) == ((), None)
    assert match.statistics == "the file has no statistics"


def test_ids_are_below_zero_and_fit_in_json() -> None:
    ids = {match_id(KEY, YEAR, "Arsenal", "Chelsea", ordinal) for ordinal in range(1, 1000)}
    assert len(ids) == 999
    assert all(-(2**51) <= number < 0 for number in ids)


def test_an_id_depends_on_season_names_and_number_alone() -> None:
    (number,) = settle(told(row())).standing
    for changed in (row("24/08/2024"), row(score="0-5"), row(home=" arsenal "), row(Time="12:30")):
        assert list(settle(told(changed)).standing) == [number]
    assert number not in settled(KEY, "2023", told(row()), []).standing
    assert number not in settled("ENG-Other", YEAR, told(row()), []).standing
    assert number not in settle(told(row(home="Chelsea", away="Arsenal"))).standing


def test_a_corrected_alias_keeps_the_id() -> None:
    corrected = RegionTeams(252, [*shipped_aliases(), Alias(252, "Arsenal", 99, "mine.csv")], {})
    (number,) = settle(told(row())).standing
    held = [HeldId(number, KEY, YEAR, OLD, (13, 15))]
    ((same, item),) = settle(told(row(), teams=corrected), held).standing.items()
    assert (same, item.home.team_id) == (number, 99)


def test_another_spelling_keeps_the_id_that_the_first_one_brought() -> None:
    (number,) = settle(told(row(home="Man United"))).standing
    held = [HeldId(number, KEY, YEAR, OLD, (32, 15))]
    assert list(settle(told(row(home="Manchester United")), held).standing) == [number]


def test_the_same_pairing_twice_is_two_matches_in_order_of_date() -> None:
    # ING-16: the pairing is nowhere a key
    both = settle(told(row("01/03/2025", score="0-0"), row("17/08/2024")))
    assert [item.row.goals for item in both.standing.values()] == [(2, 1), (0, 0)]
    assert list(both.standing) == [match_id(KEY, YEAR, "Arsenal", "Chelsea", ordinal) for ordinal in (1, 2)]
    assert kinds(both.flagged) == [("E0.csv", 2, "pairing again")]
    assert set(both.standing) == set(wanted_ids(KEY, YEAR, told(row("01/03/2025"), row("17/08/2024"))))


def test_equal_rows_count_once() -> None:
    found = settle(told(row(), row(home="ARSENAL"), row()))
    assert len(found.standing) == 1
    assert kinds(found.repeated) == [("E0.csv", 3, "duplicate"), ("E0.csv", 4, "duplicate")]


def test_of_contradicting_rows_of_one_day_none_counts() -> None:
    found = settle(told(row(score="2-1"), row(score="3-1"), row("24/08/2024", home="Everton")))
    assert [item.row.home for item in found.standing.values()] == ["Everton"]
    assert kinds(found.refused) == [("E0.csv", line, "contradicting duplicate") for line in (2, 3)]


def test_a_team_that_plays_twice_on_a_day_is_believed_in_neither() -> None:
    found = settle(told(row(), row(home="Chelsea", away="Fulham"), row(home="Everton", away="Leeds")))
    assert [item.row.home for item in found.standing.values()] == ["Everton"]
    assert kinds(found.refused) == [("E0.csv", line, "two matches on one day") for line in (2, 3)]


def test_the_newest_file_that_has_a_pairing_tells_it() -> None:
    older = told(row("10/08/2024", score="1-1"), row(home="Everton", away="Fulham"), file="old/E0.csv", clock=OLD)
    newer = told(row(), file="new/E0.csv")
    found = settle([*older, *newer])
    assert sorted((item.file, item.row.home) for item in found.standing.values()) == [
        ("new/E0.csv", "Arsenal"),
        ("old/E0.csv", "Everton"),
    ]
    assert kinds(found.repeated) == [("old/E0.csv", 2, "older copy")]


def test_a_name_that_no_alias_knows_is_refused_with_both_names() -> None:
    rows = [read_row(2, row(away="Atlantis")), read_row(3, row(home="Man Utd", away="Man United"))]
    found, refused = told_by("E0.csv", NEW, rows, TEAMS)
    assert found == []
    assert [item.remark.kind for item in refused] == ["unmatched name", "one team on both sides"]
    assert refused[0].remark.detail == "Arsenal - Atlantis: no alias knows 'Atlantis'"


def test_an_id_that_is_another_match_already_is_refused() -> None:
    (number,) = settle(told(row())).standing
    elsewhere = [HeldId(number, KEY, "1999", OLD, (1, 2))]
    with pytest.raises(DataError, match=rf"E0\.csv:2: .*match {number}, which is another match"):
        settle(told(row()), elsewhere)
