"""The second source: a file's season beside the site's, stored by the same rule and never over the site's word."""

import datetime as dt

import msgspec
import pytest
from sqlalchemy import select, text

from match_assets.errors import RejectedRowError
from match_assets.warehouse import planning, reading
from match_assets.warehouse.files import FileSeason, FileSeasonWrite, write_file_season, write_file_seasons
from match_assets.warehouse.gaps import known_gaps
from match_assets.warehouse.links import Disagreement
from match_assets.warehouse.observed import WriteCounts
from match_assets.warehouse.schema import matches, observations, team_names, teams, tournaments
from tests.integration.warehouse.telling import (
    KEY,
    NAMES,
    PARTITION,
    SEASON,
    Teller,
    file_season,
    filed,
    listed,
    utc,
)

FILED_AT = utc("2025-06-01T10:00")
ROWS = [filed(-1, "2025-02-01"), filed(-2, "2025-02-02", 13, -14, (0, 0))]


def write(teller: Teller, *rows: object, at: dt.datetime = FILED_AT, season: str = SEASON) -> FileSeasonWrite:
    return write_file_season(teller.engine, file_season(list(rows), at, season))  # type: ignore[arg-type]


def test_a_season_that_only_a_file_knows_is_exported_with_its_statistics(teller: Teller) -> None:
    written = write(teller, *ROWS)
    assert (written.counts.inserted, written.pages.inserted) == (2, 2)
    assert not written.wrote_nothing
    exported, statistics = reading.season_snapshot(teller.engine, KEY, SEASON)
    assert exported["match_id"].to_list() == [-2, -1]
    assert exported["home_goals"].to_list() == [0, 2]
    assert statistics["shots"].to_list() == [9, 9, 9, 9]


def test_nothing_of_a_file_is_ever_asked_of_the_site(teller: Teller) -> None:
    write(teller, *ROWS, filed(-5, "1994-02-01"))
    write(teller, filed(-9, "2030-02-01"), season="2030")
    assert planning.pages_wanted(teller.engine, KEY, SEASON) == []
    assert [link.season_id for link in planning.season_links(teller.engine, KEY, "2030")] == []
    assert reading.live_partitions(teller.engine) == [PARTITION], "the site's newest season, not a file's"


def test_a_file_read_again_writes_nothing_at_all(teller: Teller) -> None:
    write(teller, *ROWS)
    before = _row_versions(teller)
    again = write(teller, *ROWS)
    assert again.wrote_nothing
    assert again.counts == WriteCounts(unchanged=2)
    assert _row_versions(teller) == before


def _row_versions(teller: Teller) -> dict[str, list[str]]:
    """Where each row of each table lies and which transaction wrote it: moves with any write, even of equal values."""
    names = ("tournaments", "seasons", "stages", "teams", "team_names", "matches", "match_pages", "match_stats", "gaps")
    found = {}
    with teller.engine.connect() as connection:
        for name in (*names, "observations"):
            rows = connection.execute(text("SELECT ctid::text || xmin::text FROM " + name))
            found[name] = sorted(row[0] for row in rows)
    return found


def test_the_sites_match_takes_the_place_of_the_files(teller: Teller) -> None:
    write(teller, *ROWS)
    alone = reading.season_revision(teller.engine)
    teller.visit(listed(5001, "2025-02-01T15:00", score=(2, 1)))
    assert teller.stored(-1).superseded_by == 5001
    assert reading.season_snapshot(teller.engine, KEY, SEASON)[0]["match_id"].to_list() == [-2, 5001]
    assert reading.season_revision(teller.engine) != alone


def test_a_file_about_what_the_site_lists_changes_no_revision(teller: Teller) -> None:
    teller.visit(listed(5001, "2025-02-01T15:00", score=(2, 1)))
    before = reading.season_revision(teller.engine)
    written = write(teller, ROWS[0])
    assert written.superseded == {-1: 5001}
    assert written.disagreements == ()
    assert reading.season_revision(teller.engine) == before


def test_file_and_site_that_disagree_are_flagged_until_they_agree(teller: Teller) -> None:
    teller.visit(listed(5001, "2025-02-01T15:00", score=(3, 1)))
    written = write(teller, ROWS[0])
    assert written.disagreements == (Disagreement(-1, 5001, (2, 1), (3, 1)),)
    [gap] = known_gaps(teller.engine, KEY, SEASON)
    assert gap[:3] == (5001, "other source", "a file says 2-1, the site 3-1")
    teller.visit(listed(5001, "2025-02-01T15:00", score=(2, 1)))
    assert known_gaps(teller.engine, KEY, SEASON) == []


def test_the_sites_names_stand_whichever_came_first(teller: Teller) -> None:
    spelt = msgspec.structs.replace(ROWS[0], home_team="T. Eleven")
    write(teller, spelt, at=utc("2040-01-01"))
    teller.visit(listed(5001, "2025-02-01T15:00"))
    write(teller, spelt, at=utc("2041-01-01"))
    with teller.engine.connect() as connection:
        names = {row.team_id: row.name for row in connection.execute(select(teams))}
        shown = set(
            connection.execute(select(team_names.c.surface, team_names.c.name).where(team_names.c.team_id == 11))
        )
        url = connection.scalar(select(tournaments.c.url))
    assert names[11] == NAMES[11]
    assert shown == {("feed", NAMES[11]), ("file", "T. Eleven")}
    assert url == "/regions/77/tournaments/701/league"


def test_a_corrected_file_changes_the_match_and_an_older_one_changes_nothing(teller: Teller) -> None:
    write(teller, *ROWS)
    corrected = msgspec.structs.replace(ROWS[0], away_goals=2)
    newer = write(teller, corrected, ROWS[1], at=utc("2025-07-01"))
    assert (newer.counts.changed, newer.counts.unchanged) == (1, 1)
    assert teller.stored(-1).away_goals == 2
    older = write(teller, ROWS[0], at=FILED_AT)
    assert (older.counts.stale, older.missing) == (1, ())
    assert teller.stored(-1).away_goals == 2


def test_a_row_that_a_newer_file_spells_otherwise_is_one_match(teller: Teller) -> None:
    write(teller, *ROWS)
    renamed = msgspec.structs.replace(ROWS[0], match_id=-7)
    newer = write(teller, renamed, ROWS[1], at=utc("2025-07-01"))
    assert newer.missing == (-1,)
    assert teller.stored(-1).superseded_by == -7
    assert reading.season_snapshot(teller.engine, KEY, SEASON)[0]["match_id"].to_list() == [-7, -2]


def test_a_result_that_a_newer_file_lacks_is_lost_and_not_deleted(teller: Teller) -> None:
    write(teller, *ROWS)
    write(teller, ROWS[0], at=utc("2025-07-01"))
    assert teller.count(matches) == 2
    assert str(reading.lost_results(teller.engine, KEY, SEASON)) == ("1 of 2 finished matches are listed; missing: -2")


def test_a_row_against_the_schema_stores_nothing_of_its_season(teller: Teller) -> None:
    broken = msgspec.structs.replace(ROWS[0], away_team_id=11)
    with pytest.raises(RejectedRowError, match="two_teams"):
        write(teller, ROWS[1], broken)
    assert teller.count(matches) == 0
    assert teller.count(teams) == 0


def _told_seasons(step: int) -> list[FileSeason]:
    """Three seasons of a file; a later step corrects one match, loses one, adds one and moves one clock back."""
    at = FILED_AT + dt.timedelta(days=step)
    seasons = []
    for number, year in enumerate((2022, 2023, 2024)):
        first = 10 * number + 1
        rows = [
            filed(-first, f"{year + 1}-02-01", score=(2 + step, 1)),
            filed(-first - 1, f"{year + 1}-02-02", 13, 14 if number else -14, (0, number)),
            filed(-first - 2 - step, f"{year + 1}-02-03", 15, 16),
        ]
        seasons.append(file_season(rows, at if number else FILED_AT - dt.timedelta(days=step), str(year)))
    return seasons


def _stored(teller: Teller) -> dict[str, list[str]]:
    """All that is stored, in an order of its own."""
    found = {}
    with teller.engine.connect() as connection:
        for name in ("tournaments", "seasons", "stages", "teams", "matches", "match_pages", "match_stats", "gaps"):
            found[name] = sorted(str(tuple(row)) for row in connection.execute(text("SELECT * FROM " + name)))
        history = select(*(column for column in observations.c if column.name != "observation_id"))
        found["observations"] = sorted(str(tuple(row)) for row in connection.execute(history))
        found["team_names"] = sorted(map(str, connection.execute(select(team_names.c.team_id, team_names.c.name))))
    return found


def test_several_seasons_at_once_end_as_one_after_the_other(teller: Teller) -> None:
    # the site lists one of the file's matches, with another result
    teller.visit(listed(5001, "2025-02-01T15:00", score=(3, 3)))
    told = []
    for write_all in (
        lambda seasons: [write_file_season(teller.engine, season) for season in seasons],
        lambda seasons: write_file_seasons(teller.engine, seasons),
    ):
        with teller.engine.begin() as connection:
            connection.execute(text("DELETE FROM observations WHERE match_id < 0"))
            connection.execute(text("DELETE FROM match_stats"))
            connection.execute(text("DELETE FROM match_pages"))
            connection.execute(text("DELETE FROM gaps"))
            connection.execute(text("DELETE FROM matches WHERE match_id < 0"))
        steps = [write_all(_told_seasons(step)) for step in (0, 1, 1, 0)]
        told.append((steps, _stored(teller)))
    (one_by_one, stored), (together, stored_together) = told
    assert together == one_by_one
    assert stored_together == stored
    assert [written.counts.inserted for written in together[0]] == [3, 3, 3]
    assert [written.missing for written in together[1]] == [(), (-13,), (-23,)]
    assert [len(written.disagreements) for written in together[1]] == [0, 0, 1]


def test_a_row_against_the_schema_stores_nothing_of_all_seasons_at_once(teller: Teller) -> None:
    broken = msgspec.structs.replace(ROWS[0], match_id=-90, away_team_id=11)
    seasons = [*_told_seasons(0), file_season([broken], FILED_AT, "2021")]
    with pytest.raises(RejectedRowError, match="two_teams"):
        write_file_seasons(teller.engine, seasons)
    assert teller.count(matches) == 0
    assert write_file_seasons(teller.engine, []) == []
