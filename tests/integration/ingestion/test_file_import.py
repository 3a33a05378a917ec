"""``import-csv`` against a real PostgreSQL: stored once, corrected once, beside the site, killed anywhere, by any shell."""

import datetime as dt
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event, select, text

from match_assets.cli import main
from match_assets.config import Params, load_params
from match_assets.errors import ConfigurationError
from match_assets.killpoint import VARIABLE
from match_assets.source.files import importing
from match_assets.source.files.commands import parse_years
from match_assets.source.files.importing import import_folder
from match_assets.source.files.report import ImportReport, unmatched_csv
from match_assets.source.files.season import match_id
from match_assets.source.records import FeedMatch, MonthFeed, SeasonLink, StageLink, TournamentLink
from match_assets.warehouse import planning, reading, writing
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.gaps import known_gaps
from match_assets.warehouse.schema import match_pages, match_stats, matches, observations, team_names, teams
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar
from tests.written_files import SCORE_ALONE, row, write

KEY, SEASON = "ENG-PremierLeague", "2024"
ALL_TABLES = ("tournaments", "seasons", "stages", "teams", "team_names", "team_aliases", "matches", "match_pages")
HISTORY = ("match_stats", "observations", "gaps")
MODIFIED = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)
ROWS = (
    row("17/08/2024", "Arsenal", "Chelsea", "2-1"),
    row("17/08/2024", "Everton", "Fulham", "0-0", Time="15:00"),
    row("24/08/2024", "Chelsea", "Everton", "1-3", AS="1", AST="1"),
    row("24/08/2024", "Coventry", "Arsenal", "3-0", **SCORE_ALONE),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A season in one file."""
    modified(write(tmp_path / "files" / "2425" / "E0.csv", *ROWS))
    return tmp_path / "files"


def modified(path: Path, *, days: int = 0) -> Path:
    moment = (MODIFIED + dt.timedelta(days=days)).timestamp()
    os.utime(path, (moment, moment))
    return path


def run(engine: Engine, folder: Path, **options: Any) -> ImportReport:
    report = import_folder(engine, load_params(), folder, **options)
    told = report.n_stored + report.n_refused + report.n_repeated + report.n_passed_over
    assert report.n_rows == told, "a row is not accounted for"
    return report


def dump(engine: Engine) -> dict[str, list[str]]:
    """Everything that is stored, clocks and history included."""
    with engine.connect() as connection:
        return {
            table: sorted(str(tuple(found)) for found in connection.execute(text(f"SELECT * FROM {table}")))
            for table in (*ALL_TABLES, *HISTORY)
        }


def contents(engine: Engine) -> list[tuple[Any, ...]]:
    """What the history holds, without our own clock."""
    columns = [observations.c[name] for name in ("match_id", "surface", "site_time", "content_hash")]
    with engine.connect() as connection:
        return sorted(tuple(found) for found in connection.execute(select(*columns)))


def held(engine: Engine) -> dict[tuple[str, str], dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.execute(select(matches)).mappings()
        return {(found["home_team"], found["away_team"]): dict(found) for found in rows}


def names(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(select(team_names.c.name)))


def store_site(
    engine: Engine, rows: Sequence[tuple[int, tuple[int, str], tuple[int, str], str, tuple[int, int]]]
) -> None:
    """The site's calendar of August 2024 with these results."""
    link = TournamentLink(252, "England", 2, "Premier League", "/regions/252/tournaments/2")
    season = SeasonLink(10316, "2024/2025", SEASON, "/seasons/10316", is_shown=True)
    writing.write_tournament(engine, KEY, link, [season], MODIFIED)
    listed = tuple(
        FeedMatch(
            match_id=number,
            stage_id=77,
            status=6,
            elapsed="FT",
            kick_off_utc=dt.datetime.fromisoformat(f"{day}T14:00:00Z"),
            is_kick_off_time_known=True,
            home_team_id=home[0],
            away_team_id=away[0],
            home_team=home[1],
            away_team=away[1],
            home_score=score[0],
            away_score=score[1],
        )
        for number, home, away, day, score in rows
    )
    batch = SeasonBatch(
        tournament=KEY,
        season=SEASON,
        season_id=10316,
        stages=(StageCalendar(StageLink(77, "", "", is_shown=True), ()),),
        months=(ObservedMonth(MonthFeed(77, "202408", MODIFIED, listed, 0, {}, ()), MODIFIED),),
        missing=(),
        site_time=MODIFIED,
        observed_at=MODIFIED,
    )
    writing.write_season(engine, batch)


def test_a_season_is_stored_with_results_half_times_statistics_and_history(warehouse: Engine, folder: Path) -> None:
    report = run(warehouse, folder)
    assert (report.n_rows, report.n_stored, report.n_flagged, report.is_whole) == (4, 4, 2, True)
    assert report.kinds("flagged") == {"goals above shots": 1, "score alone": 1}
    season, stats = reading.season_snapshot(warehouse, KEY, SEASON)
    assert sorted(season.select("home_team", "home_goals", "away_goals", "home_goals_half_time").rows()) == [
        ("Arsenal", 2, 1, 0),
        ("Chelsea", 1, 3, 0),
        ("Coventry", 3, 0, None),
        ("Everton", 0, 0, 0),
    ]
    assert (season["match_id"] < 0).all()
    assert stats.height == 6
    assert [surface for _, surface, _, _ in contents(warehouse)] == ["file"] * 8
    everton = held(warehouse)["Everton", "Fulham"]
    assert (everton["kick_off_utc"], everton["is_kick_off_time_known"]) == (
        dt.datetime(2024, 8, 17, 14, tzinfo=dt.UTC),
        True,
    )


def test_nothing_of_a_file_is_ever_asked_of_the_site(warehouse: Engine, folder: Path) -> None:
    run(warehouse, folder)
    assert planning.pages_wanted(warehouse, KEY, SEASON) == []
    with warehouse.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM frontier WHERE due_at IS NOT NULL")).scalar_one() == 0


def test_the_second_import_writes_nothing(warehouse: Engine, folder: Path) -> None:
    run(warehouse, folder)
    before = dump(warehouse)
    again = run(warehouse, folder)
    assert (again.n_stored, again.n_written) == (4, 0)
    assert all(season.is_unchanged for season in again.seasons)
    assert dump(warehouse) == before


def test_a_corrected_file_changes_one_match_and_keeps_the_old_value(warehouse: Engine, folder: Path) -> None:
    # ING-11
    run(warehouse, folder)
    before = held(warehouse)
    modified(
        write(folder / "2425" / "E0.csv", *ROWS[:1], row("18/08/2024", "Everton", "Fulham", "1-0"), *ROWS[2:]), days=1
    )
    report = run(warehouse, folder)
    after = held(warehouse)
    assert [season.changed for season in report.seasons] == [1]
    found = after["Everton", "Fulham"]
    assert found["match_id"] == before["Everton", "Fulham"]["match_id"]
    assert (found["home_goals"], found["kick_off_utc"].day) == (1, 18)
    with warehouse.connect() as connection:
        kept = connection.scalars(
            select(observations.c.content["home_goals"].as_integer())
            .where(observations.c.match_id == found["match_id"], observations.c.content["status"].is_not(None))
            .order_by(observations.c.site_time)
        )
        assert list(kept) == [0, 1]


def test_an_older_file_never_takes_the_newer_ones_word_back(warehouse: Engine, folder: Path, tmp_path: Path) -> None:
    run(warehouse, folder)
    before = dump(warehouse)
    modified(write(tmp_path / "old" / "E0.csv", row("17/08/2024", "Arsenal", "Chelsea", "9-9")), days=-1)
    report = run(warehouse, tmp_path / "old")
    assert [(season.stale, season.missing) for season in report.seasons] == [(1, ())]
    assert dump(warehouse) == before


def test_two_files_of_one_season_are_one_season(warehouse: Engine, folder: Path) -> None:
    other = row("31/08/2024", "Fulham", "Leeds", "1-1")
    modified(write(folder / "half" / "E0.csv", other, row("17/08/2024", "Arsenal", "Chelsea", "0-5")), days=-5)
    report = run(warehouse, folder)
    assert (report.n_rows, report.n_stored, report.kinds("repeated")) == (6, 5, {"older copy": 1})
    assert held(warehouse)["Arsenal", "Chelsea"]["home_goals"] == 2
    assert run(warehouse, folder).n_written == 0


def test_an_unmatched_name_is_a_report_and_a_person_makes_it_a_club(
    warehouse: Engine, folder: Path, tmp_path: Path
) -> None:
    write(folder / "2425" / "E0.csv", *ROWS, row("31/08/2024", "Evertn", "Atlantis", "1-1"))
    report = run(warehouse, folder)
    assert (report.n_stored, report.n_refused, report.kinds("refused")) == (4, 1, {"unmatched name": 1})
    assert [(item.name, item.n_rows, item.seasons) for item in report.unmatched] == [
        ("Atlantis", 1, ("2024",)),
        ("Evertn", 1, ("2024",)),
    ]
    assert report.unmatched[1].nearest[0] == "Everton (31)"
    assert not names(warehouse) & {"Atlantis", "Evertn"}

    to_fill_in = tmp_path / "unmatched.csv"
    to_fill_in.write_text(unmatched_csv(report.unmatched), encoding="utf-8")
    assert run(warehouse, folder, alias_file=to_fill_in).n_refused == 1
    filled_in = to_fill_in.read_text().replace("252,Atlantis,,", "252,Atlantis,new,").replace("Evertn,,", "Evertn,31,")
    to_fill_in.write_text(filled_in, encoding="utf-8")
    report = run(warehouse, folder, alias_file=to_fill_in)
    assert (report.is_whole, [season.inserted for season in report.seasons]) == (True, [1])
    found = held(warehouse)["Evertn", "Atlantis"]
    assert found["home_team_id"] == 31
    assert found["away_team_id"] < 0
    # what a person said once is known from then on
    assert run(warehouse, folder).n_written == 0


def test_a_corrected_alias_moves_a_match_to_the_right_club_under_the_same_id(
    warehouse: Engine, folder: Path, tmp_path: Path
) -> None:
    run(warehouse, folder)
    before = held(warehouse)["Coventry", "Arsenal"]
    own, was = tmp_path / "mine.csv", before["home_team_id"]
    # the file's own clock stands still: each time the newer alias counts, whatever the contents hash to
    for right in (225, 224, 223, 222, 221, 220):
        own.write_text(f"region_id,name,team_id\n252,Coventry,{right}\n", encoding="utf-8")
        report = run(warehouse, folder, alias_file=own)
        assert report.corrected_aliases == (f"Coventry of region 252: team {right}, was {was}",)
        after, was = held(warehouse)["Coventry", "Arsenal"], right
        assert (after["match_id"], after["home_team_id"]) == (before["match_id"], right)
    assert len(held(warehouse)) == 4
    assert run(warehouse, folder).n_written == 0
    # the file's own clock is older than the alias; a newer file still counts
    modified(write(folder / "2425" / "E0.csv", *ROWS[:3], row("24/08/2024", "Coventry", "Arsenal", "4-0")), days=1)
    run(warehouse, folder)
    assert held(warehouse)["Coventry", "Arsenal"]["home_goals"] == 4


def test_the_site_counts_before_the_file_and_a_contradiction_is_named(warehouse: Engine, folder: Path) -> None:
    # ING-14
    run(warehouse, folder)
    store_site(
        warehouse,
        [
            (5001, (13, "Arsenal"), (15, "Chelsea"), "2024-08-17", (2, 1)),
            (5002, (31, "Everton"), (170, "Fulham"), "2024-08-18", (0, 1)),
        ],
    )
    report = run(warehouse, folder)
    (season,) = report.seasons
    assert season.n_superseded == 2
    assert [(item.site_match_id, item.file_score, item.site_score) for item in season.disagreements] == [
        (5002, (0, 0), (0, 1))
    ]
    assert [(gap.match_id, gap.kind) for gap in known_gaps(warehouse, KEY, SEASON)] == [(5002, "other source")]
    exported, _ = reading.season_snapshot(warehouse, KEY, SEASON)
    assert sorted(exported["match_id"].sign().to_list()) == [-1, -1, 1, 1]


def test_a_club_of_ours_becomes_the_sites_once_the_site_shows_it(warehouse: Engine, folder: Path) -> None:
    run(warehouse, folder)
    assert held(warehouse)["Coventry", "Arsenal"]["home_team_id"] < 0
    store_site(warehouse, [(5003, (220, "Coventry City"), (13, "Arsenal"), "2024-08-24", (3, 0))])
    (season,) = run(warehouse, folder).seasons
    assert (season.changed, season.n_superseded) == (1, 1)
    ours = [found for found in held(warehouse).values() if found["match_id"] < 0 and found["home_team"] == "Coventry"]
    assert [(found["home_team_id"], found["superseded_by"]) for found in ours] == [(220, 5003)]


def test_what_cannot_be_read_is_named_and_the_rest_is_stored(warehouse: Engine, folder: Path) -> None:
    (folder / "2324").mkdir()
    (folder / "2324" / "E0.csv").write_text("Date,HomeTeam,AwayTeam,FTHG\n12/08/2023,Arsenal,Leeds,1\n\n")
    (folder / "notes.csv").write_text("what,when\nlunch,noon\n")
    (folder / "._E0.csv").write_bytes(b"\x00\x05\x16\x07")
    write(folder / "T1.csv", row(Div="T1"))
    report = run(warehouse, folder)
    assert [(file.file, file.n_rows, file.is_refused) for file in report.files] == [
        ("2324/E0.csv", 1, True),
        ("T1.csv", 1, False),
        ("notes.csv", 1, False),
    ]
    assert "2324/E0.csv:1: lacks the columns ['FTAG']" in report.files[0].reason
    assert (report.n_stored, report.n_refused, report.n_passed_over) == (4, 1, 2)


def test_only_what_was_asked_for_is_stored(warehouse: Engine, tmp_path: Path) -> None:
    for year, name in ((2022, "season-2223.csv"), (2023, "season-2324.csv"), (2024, "season-2425.csv")):
        write(tmp_path / "premier-league" / name, row(f"17/09/{year}", Div=""))
        write(tmp_path / "la-liga" / name, row(f"17/09/{year}", "Getafe", "Eibar", Div=""))
    report = run(warehouse, tmp_path, tournaments=["ESP-LaLiga"], seasons=[2023, 2024])
    assert [season.partition_key for season in report.seasons] == ["2023|ESP-LaLiga", "2024|ESP-LaLiga"]
    assert (report.n_rows, report.n_stored, report.n_passed_over) == (6, 2, 4)


def test_a_wrong_choice_is_refused_before_anything_is_stored(warehouse: Engine, folder: Path, tmp_path: Path) -> None:
    params = load_params()
    with pytest.raises(ConfigurationError, match="no such folder"):
        import_folder(warehouse, params, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match=r"no \.csv file"):
        import_folder(warehouse, params, tmp_path / "empty")
    with pytest.raises(ConfigurationError, match=r"PRA-First have no .division"):
        import_folder(warehouse, params, folder, tournaments=["PRA-First"])
    with pytest.raises(ConfigurationError, match=r"no tournament of params\.yaml has a .division"):
        import_folder(warehouse, params.only("PRA-First"), folder)
    assert held(warehouse) == {}


def test_two_tournaments_of_one_division_are_refused(warehouse: Engine, folder: Path) -> None:
    params = load_params()
    twin = {"Other": params.tournaments[KEY].model_copy(update={"tournament_id": 3_000_000})}
    both = params.model_copy(update={"tournaments": {KEY: params.tournaments[KEY], **twin}})
    with pytest.raises(ConfigurationError, match="tournament_id 3000000 is above"):
        import_folder(warehouse, both, folder)
    twin = {"Other": params.tournaments[KEY].model_copy(update={"tournament_id": 3})}
    both = params.model_copy(update={"tournaments": {KEY: params.tournaments[KEY], **twin}})
    with pytest.raises(ConfigurationError, match="have the same division E0"):
        import_folder(warehouse, both, folder)


def test_killed_anywhere_the_next_import_ends_where_an_undisturbed_one_does(warehouse: Engine, tmp_path: Path) -> None:
    # ING-21 for files: two tournaments, so two transactions
    for year, name in ((2023, "season-2324.csv"), (2024, "season-2425.csv")):
        english = row(f"17/09/{year}", Div=""), row(f"18/09/{year}", "Leeds", "Fulham", Div="")
        modified(write(tmp_path / "premier-league" / name, *english))
        modified(write(tmp_path / "la-liga" / name, row(f"17/09/{year}", "Getafe", "Eibar", Div="")))
    url = warehouse.url.render_as_string(hide_password=False)
    run(warehouse, tmp_path)
    undisturbed = contents(warehouse)
    for n in range(1, 100):
        empty(warehouse)
        code = import_in_a_child(url, load_params(), tmp_path, kill_at=n)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        run(warehouse, tmp_path)
        assert contents(warehouse) == undisturbed
    assert n > 8, "fewer places to die than two transactions have steps"
    assert contents(warehouse) == undisturbed


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join((*ALL_TABLES, *HISTORY))} CASCADE"))


def import_in_a_child(url: str, params: Params, folder: Path, *, kill_at: int) -> int:
    """Exit code of an import in a fork of this process, negative for a signal."""
    child = os.fork()
    if child == 0:
        os.environ[VARIABLE] = str(kill_at)
        code = 1
        try:
            # the parent's connections are not the child's to use
            import_folder(open_engine(url), params, folder)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_scraping_role_may_import(warehouse: Engine, folder: Path) -> None:
    # SEC-04: what the role lacks (DDL, changing history) the import does not need
    engine = open_engine(warehouse.url.render_as_string(hide_password=False))

    @event.listens_for(engine, "connect")
    def become_role(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE match_assets_scrape")
        connection.commit()

    try:
        assert run(engine, folder).n_written == 4
        assert run(engine, folder).n_written == 0
    finally:
        engine.dispose()


@pytest.fixture
def shell(warehouse: Engine, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line, with the warehouse of this test."""
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", "absent")
    wanted = {"POSTGRES_URL": postgres_url, "S3_BUCKET": "x", "REDIS_URL": "redis://x", "MLFLOW_URL": "x"}
    for name, value in {**wanted, "SOURCE_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(f"MATCH_ASSETS_{name}", value)
    return CliRunner()


def test_the_command_tells_what_became_of_every_row(shell: CliRunner, folder: Path, tmp_path: Path) -> None:
    told = shell.invoke(main, ["import-csv", str(folder), "--report", str(tmp_path / "report.json")])
    assert told.exit_code == 0, told.output
    assert "2024|ENG-PremierLeague: 4 rows, 4 new, 0 changed, 0 unchanged" in told.output
    assert "4 rows of 1 files: 4 stored (2 of them flagged), 0 told twice, 0 refused, 0 not asked for" in told.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(item["line"], item["kind"]) for item in report["seasons"][0]["flagged"]] == [
        (4, "goals above shots"),
        (5, "score alone"),
    ]


def test_the_command_ends_with_3_when_rows_were_refused_and_writes_the_names(
    shell: CliRunner, folder: Path, tmp_path: Path
) -> None:
    write(folder / "2425" / "E0.csv", *ROWS, row("31/08/2024", "Everton", "Atlantis", "1-1"))
    to_fill_in = tmp_path / "unmatched.csv"
    arguments = ["import-csv", str(folder), "--unmatched", str(to_fill_in)]
    told = shell.invoke(main, arguments)
    assert told.exit_code == 3
    assert "Error: 1 rows were refused, all others are stored" in told.stderr
    assert "unmatched name: 'Atlantis' of region 252 in 1 rows" in told.output
    lines = to_fill_in.read_text().splitlines()
    assert lines[0].startswith("region_id,name,team_id,")
    assert lines[1].startswith("252,Atlantis,,ENG-PremierLeague,2024,1")
    # what a person may have filled in is not written over
    assert shell.invoke(main, arguments).exit_code == 2


def test_seasons_are_named_as_a_shell_names_ranges() -> None:
    assert parse_years("2015..2017") == (2015, 2016, 2017)
    assert parse_years("2003, 2001..2002") == (2001, 2002, 2003)
    assert parse_years(None) == ()
    for wrong in ("2017..2015", "15..17", "2015-2017", "2015..", "x"):
        with pytest.raises(ConfigurationError, match=r"--seasons .*2015\.\.2024"):
            parse_years(wrong)


def write_three_seasons(folder: Path) -> None:
    """Two rows in each; one of the middle season ends 9-0."""
    for year, name, score in ((2022, "2223", "1-0"), (2023, "2324", "9-0"), (2024, "2425", "2-0")):
        told = row(f"17/09/{year}", score=score, Div=""), row(f"18/09/{year}", "Leeds", "Fulham", Div="")
        modified(write(folder / "premier-league" / f"season-{name}.csv", *told))


def test_a_season_that_the_database_refuses_is_refused_alone(warehouse: Engine, tmp_path: Path) -> None:
    write_three_seasons(tmp_path)
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE matches ADD CONSTRAINT no_nine CHECK (home_goals <> 9)"))
    report = run(warehouse, tmp_path)
    assert [season.n_stored for season in report.seasons] == [2, 0, 2]
    assert (report.n_refused, report.kinds("refused"), report.is_whole) == (2, {"season refused": 2}, False)
    assert "no_nine" in report.seasons[1].refused[0].detail
    with warehouse.connect() as connection:
        assert set(connection.scalars(select(matches.c.season))) == {"2022", "2024"}
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE matches DROP CONSTRAINT no_nine"))
    assert [season.inserted for season in run(warehouse, tmp_path).seasons] == [0, 2, 0]


def test_a_season_whose_match_comes_to_anothers_id_is_refused_alone(warehouse: Engine, tmp_path: Path) -> None:
    write_three_seasons(tmp_path / "files")
    taken = match_id(KEY, "2023", "Arsenal", "Chelsea", 1)
    modified(write(tmp_path / "elsewhere" / "premier-league" / "season-0001.csv", row("17/09/2000", Div="")))
    run(warehouse, tmp_path / "elsewhere")
    with warehouse.begin() as connection:
        # the history alone refers to no row: everything else of that match would
        connection.execute(text("DELETE FROM match_stats"))
        connection.execute(text("DELETE FROM match_pages"))
        connection.execute(text("UPDATE matches SET match_id = :taken"), {"taken": taken})
    report = run(warehouse, tmp_path / "files")
    assert [season.n_stored for season in report.seasons] == [2, 0, 2]
    assert report.kinds("refused") == {"season refused": 2}
    assert f"match {taken}, which is another match already" in report.seasons[1].refused[0].detail


def test_seasons_written_together_end_as_those_written_alone(
    warehouse: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_three_seasons(tmp_path)
    together = run(warehouse, tmp_path)
    at_once = contents(warehouse)
    empty(warehouse)
    monkeypatch.setattr(importing, "BATCH_ROWS", 1)
    assert run(warehouse, tmp_path).seasons == together.seasons
    assert contents(warehouse) == at_once


def test_no_club_and_no_statistics_come_from_nowhere(warehouse: Engine, folder: Path) -> None:
    run(warehouse, folder)
    with warehouse.connect() as connection:
        n_teams = len(connection.execute(select(teams)).all())
        with_statistics = {found.match_id for found in connection.execute(select(match_stats))}
        present = connection.execute(select(match_pages.c.match_id).where(match_pages.c.statistics == "present"))
        assert n_teams == 5
        assert {found.match_id for found in present} == with_statistics
