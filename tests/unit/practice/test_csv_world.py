"""A world out of files: their odd dates, gaps and encodings, and errors that name file and line."""

import datetime as dt
from pathlib import Path

import pytest

from match_assets.errors import ConfigurationError, DataError
from match_assets.source.practice.csv_world import read_csv_world, team_id_of
from match_assets.source.practice.facts import Match, SideStats, World

HEADER = "Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,Referee,HS,AS,HST,AST,HF,AF,HC,AC,HY,AY,HR,AR"
FULL = "2024-08-16,Man United,Nott'm Forest,1,0,H,0,0,D,R Jones,14,10,5,0,12,10,7,0,2,3,0,1"
BARE = "2024-08-17,Leeds,Man United,3,0,H,,,,,,,,,,,,,,,,"
LATER = "2024-08-24,Nott'm Forest,Leeds,2,2,D,1,1,D,,9,8,4,4,9,9,4,4,1,1,0,0"


def write(folder: Path, *rows: str, name: str = "premier-league/season-2425.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(rows).encode(encoding))
    return folder


def matches(world: World) -> list[Match]:
    return [match for _, _, match in world.matches.values()]


def test_a_full_row_is_read_with_its_zeros(tmp_path: Path) -> None:
    world = read_csv_world(write(tmp_path, HEADER, FULL))
    match = matches(world)[0]
    assert (match.goals, match.half_time_goals, match.referee) == ((1, 0), (0, 0), "R Jones")
    assert match.home == SideStats(14, 5, 7, 12, 2, 0)
    assert match.away == SideStats(10, 0, 0, 10, 3, 1)
    assert world.teams[match.away_team_id].name == "Nott'm Forest"
    assert (match.kick_off_utc, match.is_kick_off_time_known) == (dt.datetime(2024, 8, 16, tzinfo=dt.UTC), False)


def test_a_row_with_a_score_alone_knows_nothing_else(tmp_path: Path) -> None:
    match = matches(read_csv_world(write(tmp_path, HEADER, BARE)))[0]
    assert (match.goals, match.half_time_goals) == ((3, 0), None)
    assert match.home.is_unknown
    assert match.away.is_unknown


def test_tournament_and_region_have_the_real_ids(tmp_path: Path) -> None:
    write(tmp_path, HEADER, FULL)
    write(tmp_path, HEADER, FULL, name="la-liga/season-2324.csv")
    world = read_csv_world(tmp_path)
    assert [(t.region_id, t.tournament_id) for t in world.tournaments] == [(252, 2), (206, 4)]
    assert [t.seasons[0].name for t in world.tournaments] == ["2024/2025", "2023/2024"]


def test_a_time_column_is_british_wall_time(tmp_path: Path) -> None:
    header, row = HEADER.replace("Date,", "Date,Time,"), FULL.replace("2024-08-16,", "16/08/2024,20:00,")
    match = matches(read_csv_world(write(tmp_path, header, row)))[0]
    assert (match.kick_off_utc, match.is_kick_off_time_known) == (dt.datetime(2024, 8, 16, 19, tzinfo=dt.UTC), True)


def test_ids_do_not_depend_on_what_else_is_shown(tmp_path: Path) -> None:
    write(tmp_path, HEADER, FULL, BARE)
    write(tmp_path, HEADER, LATER, name="premier-league/season-2324.csv")
    write(tmp_path, HEADER, FULL, name="serie-a/season-2425.csv")
    everything = read_csv_world(tmp_path)
    one = read_csv_world(tmp_path, leagues=["premier-league"], seasons=[2024])
    assert set(one.matches) < set(everything.matches)
    assert [everything.matches[i][2] for i in one.matches] == matches(one)
    assert team_id_of(252, "Leeds") in one.teams


def test_clubs_have_the_ids_that_the_shipped_aliases_give_so_that_site_and_file_agree(tmp_path: Path) -> None:
    assert (team_id_of(252, "Man United"), team_id_of(81, "M'Gladbach"), team_id_of(81, "M'gladbach")) == (32, 134, 134)
    # ids below zero are no site's
    assert min(team_id_of(252, "Coventry"), team_id_of(252, "Atlantis")) >= 1_000_000
    world = read_csv_world(write(tmp_path, HEADER, FULL, FULL.replace("Man United", "Man Utd")))
    assert [match.home_team_id for match in matches(world)] == [32, 32]


def test_a_file_that_is_not_utf8_is_read_as_windows_text(tmp_path: Path) -> None:
    row = FULL.replace("Nott'm Forest", "Nürnberg")
    world = read_csv_world(write(tmp_path, HEADER, row, name="bundesliga/season-9900.csv", encoding="cp1252"))
    assert "Nürnberg" in {team.name for team in world.teams.values()}
    assert world.tournaments[0].seasons[0].first_year == 1999


def test_empty_rows_and_surplus_cells_are_passed_over(tmp_path: Path) -> None:
    world = read_csv_world(write(tmp_path, HEADER, FULL + ",,,", ",,,,,,,,", ""))
    assert len(world.matches) == 1


def test_clock_begins_on_the_middle_match_day_of_the_newest_season(tmp_path: Path) -> None:
    write(tmp_path, HEADER, FULL, BARE, LATER)
    write(tmp_path, HEADER, "2023-12-01" + FULL[10:], name="premier-league/season-2324.csv")
    assert read_csv_world(tmp_path).start_clock_utc == dt.datetime(2024, 8, 17, 6, tzinfo=dt.UTC)


def test_no_true_probabilities_are_claimed_for_real_results(tmp_path: Path) -> None:
    world = read_csv_world(write(tmp_path, HEADER, FULL))
    with pytest.raises(DataError, match="drawn world"):
        world.true_probabilities(next(iter(world.matches)))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((HEADER, FULL, "16.8.24" + FULL[10:]), r"season-2425\.csv:3: not a date: '16\.8\.24'"),
        ((HEADER, FULL.replace(",14,10,", ",14,x,")), r"season-2425\.csv:2: .*'x'"),
        ((HEADER, FULL.replace(",14,10,", ",14,-1,")), r"season-2425\.csv:2: AS is '-1', not a count"),
        ((HEADER.replace("FTAG", "AG"), FULL), r"season-2425\.csv:1: lacks the columns \['FTAG'\]"),
        ((HEADER,), r"season-2425\.csv: no match in it"),
    ],
)
def test_an_unreadable_file_is_refused_with_its_line(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_csv_world(write(tmp_path, *rows))


def test_a_wrong_choice_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        read_csv_world(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="holds none of the league folders"):
        read_csv_world(tmp_path)
    write(tmp_path, HEADER, FULL)
    with pytest.raises(ConfigurationError, match=r"unknown leagues \['eredivisie'\]"):
        read_csv_world(tmp_path, leagues=["eredivisie"])
    with pytest.raises(ConfigurationError, match=r"lacks the league folders \['serie-a'\]"):
        read_csv_world(tmp_path, leagues=["serie-a"])
    with pytest.raises(ConfigurationError, match="no season of"):
        read_csv_world(tmp_path, seasons=[1950])
