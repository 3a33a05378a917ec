"""Rows of files as records: where league and season come from, what is refused, what is flagged, what is left out."""

from pathlib import Path

import pytest

from match_assets.errors import DataError
from match_assets.source.files.reader import Counts, FileRow, RefusedRowError, SeasonRows, read_row, read_seasons
from tests.written_files import FULL, SCORE_ALONE, row, text

DIVISIONS = ("E0", "SP1")
WITHOUT_DIV = tuple(column for column in FULL if column != "Div")


def read(path: str, *rows: dict[str, str]) -> list[SeasonRows]:
    columns = tuple(FULL) if any("Div" in row for row in rows) else WITHOUT_DIV
    return read_seasons(Path(path), text(*rows, columns=columns).encode(), DIVISIONS)


def undivided(**changes: str) -> dict[str, str]:
    return {name: cell for name, cell in {**FULL, **changes}.items() if name != "Div"}


def kinds(found: FileRow) -> list[str]:
    return [flag.kind for flag in found.flags]


def refusal(**cells: str) -> str:
    with pytest.raises(RefusedRowError) as told:
        read_row(2, {**FULL, **cells})
    return told.value.kind


def test_a_full_row_is_read_with_its_zeros() -> None:
    found = read_row(2, FULL)
    assert (found.goals, found.half_time, found.flags) == ((2, 1), (1, 1), ())
    assert found.home_counts == Counts(14, 5, 7, 12, 2, 0)
    assert found.away_counts == Counts(10, 4, 3, 10, 3, 1)


@pytest.mark.parametrize(
    "path",
    ["premier-league/season-2425.csv", "Premier-League/anything.csv", "2425/E0.csv", "E0 (1).csv", "e0_2024.csv"],
)
def test_the_league_is_told_by_folder_or_file_name(path: str) -> None:
    (found,) = read(path, undivided())
    assert (found.division, found.season, len(found.rows)) == ("E0", 2024, 1)


def test_a_column_div_counts_before_names_and_may_tell_several_leagues() -> None:
    found = read("premier-league/all.csv", row(), row(Div="SP1"), row(Div=""), row(Div="T1"))
    assert [(part.division, part.n_rows) for part in found] == [("E0", 2), ("SP1", 1), ("T1", 1)]


def test_a_file_whose_league_nothing_tells_is_refused() -> None:
    with pytest.raises(DataError, match=r"no Div in line 2.*premier-league.*E0\.csv") as told:
        read("folder/results.csv", undivided())
    assert told.value.facts["line"] == 2


@pytest.mark.parametrize(
    ("dates", "season"),
    [
        (["17/08/2024", "25/05/2025"], 2024),
        (["19/07/1995", "26/05/1996"], 1995),
        # after a spring without football the season ended in August
        (["24/08/2019", "01/02/2020", "08/03/2020", "02/08/2020"], 2019),
        (["11/01/2025", "18/01/2025"], 2024),
    ],
)
def test_the_season_is_the_one_in_which_most_dates_lie(dates: list[str], season: int) -> None:
    teams = ["Chelsea", "Everton", "Fulham", "Leeds"]
    (found,) = read("E0.csv", *(row(date, away=away) for date, away in zip(dates, teams, strict=False)))
    assert (found.season, len(found.rows), found.refused) == (season, len(dates), ())


def test_the_season_of_a_file_name_counts_before_dates_and_rows_outside_it_are_refused() -> None:
    rows = [row(f"{day}/09/2023") for day in range(10, 30)]
    (found,) = read("premier-league/season-2324.csv", *rows, row("17/08/2026"))
    assert (found.season, len(found.rows)) == (2023, 20)
    assert [(remark.line, remark.kind) for remark in found.refused] == [(22, "outside the season")]
    assert "2026-08-17 is not within 2023/2024" in found.refused[0].detail


def test_a_file_of_several_seasons_is_refused_as_a_whole() -> None:
    (found,) = read("E0.csv", row("17/08/2022"), row("17/09/2022"), row("17/09/2023"))
    assert (found.rows, len(found.refused)) == ((), 3)
    assert "make one file of each" in found.refused[0].detail


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"HomeTeam": ""}, "no team"),
        ({"AwayTeam": ""}, "no team"),
        ({"Date": "31/02/2025"}, "no date"),
        ({"FTHG": ""}, "no result"),
        ({"FTHG": "", "FTAG": "", "FTR": ""}, "no result"),
        ({"FTAG": "P"}, "no result"),
        ({"FTHG": "31", "FTR": "H"}, "no result"),
        ({"FTR": "A"}, "result contradicts goals"),
        ({"FTR": "?"}, "result contradicts goals"),
        ({"HTHG": "3", "HTAG": "0", "HTR": "H"}, "half time beyond full time"),
        ({"HTAG": "2", "HTR": "A"}, "half time beyond full time"),
    ],
)
def test_a_row_that_cannot_be_a_result_is_refused_by_kind(cells: dict[str, str], kind: str) -> None:
    assert refusal(**cells) == kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"HST": "15"}, "shots on target above shots"),
        ({"HS": "1", "HST": "1"}, "goals above shots"),
        ({"HTR": "A"}, "half time left out"),
        ({"HTAG": ""}, "half time left out"),
        ({"HTHG": "x"}, "half time left out"),
        ({"HC": "-1"}, "count left out"),
        ({"Time": "8 pm"}, "time left out"),
    ],
)
def test_an_odd_row_is_kept_and_flagged(cells: dict[str, str], kind: str) -> None:
    found = read_row(2, {**FULL, **cells})
    assert kinds(found) == [kind]
    assert found.goals == (2, 1)


def test_what_a_flag_says_is_left_out_is_unknown() -> None:
    assert read_row(2, {**FULL, "HTR": "A"}).half_time is None
    assert read_row(2, {**FULL, "HC": "many"}).home_counts.corners is None
    assert not read_row(2, {**FULL, "Time": "8 pm"}).is_kick_off_time_known


def test_a_missing_result_column_or_half_time_is_nothing_odd() -> None:
    found = read_row(2, {name: cell for name, cell in FULL.items() if name not in {"FTR", "HTHG", "HTAG", "HTR"}})
    assert (found.half_time, found.flags) == (None, ())


def test_a_score_alone_is_flagged_where_its_season_tells_more() -> None:
    played = [row(f"{day}/09/2024") for day in (1, 8, 15)]
    (found,) = read("E0.csv", *played, row("22/09/2024", **SCORE_ALONE))
    assert [kinds(each) for each in found.rows] == [[], [], [], ["score alone"]]
    assert found.rows[3].has_score_alone


def test_a_season_of_scores_alone_has_nothing_odd() -> None:
    (found,) = read("E0.csv", row(**SCORE_ALONE), row("24/08/2024", **SCORE_ALONE))
    assert [kinds(each) for each in found.rows] == [[], []]


@pytest.mark.parametrize(
    ("division", "date", "is_left_out"),
    [
        ("E0", "18/08/2012", True),
        ("E0", "17/08/2013", False),
        ("SP1", "18/08/2012", False),
        ("D1", "12/08/2006", True),
        ("I1", "18/08/2018", True),
        ("I1", "22/08/2021", False),
    ],
)
def test_shots_on_target_of_another_definition_are_left_out_and_said(
    division: str, date: str, is_left_out: bool
) -> None:
    (found,) = read("some.csv", row(date, Div=division))
    (only,) = found.rows
    assert (only.home_counts.shots_on_target, only.home_counts.shots) == (None if is_left_out else 5, 14)
    assert kinds(only) == (["other definition"] if is_left_out else [])
