"""ING-18: a name comes out of PostgreSQL and Parquet as the page showed it."""

import datetime as dt

from sqlalchemy import Engine, select

from match_assets.source.parsers import parse_home_page, parse_month_feed, parse_season_list
from match_assets.source.records import StageLink
from match_assets.store.encoding import decode, encode
from match_assets.warehouse import reading, writing
from match_assets.warehouse.schema import team_names
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar
from tests import pages

KEY = "TST-League"
START = dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)


def store(engine: Engine, names: dict[int, str], *, minutes: int) -> None:
    """A calendar in which each club plays the next one."""
    ids = list(names)
    rows = [
        pages.feed_row(5000 + n, "2025-02-01T15:00:00", 11, 12)
        | {"homeTeamId": home, "awayTeamId": away, "homeTeamName": names[home], "awayTeamName": names[away]}
        for n, (home, away) in enumerate(zip(ids, ids[1:] + ids[:1], strict=True), 1)
    ]
    feed = parse_month_feed(pages.feed(rows).encode(), "x", stage_id=pages.STAGE, month="202502")
    moment = START + dt.timedelta(minutes=minutes)
    batch = SeasonBatch(
        tournament=KEY,
        season="2024",
        season_id=pages.SEASON,
        stages=(StageCalendar(StageLink(pages.STAGE, "", "", is_shown=True), ()),),
        months=(ObservedMonth(feed, moment),),
        missing=(),
        site_time=START,
        observed_at=moment,
    )
    writing.write_season(engine, batch)


def test_names_come_back_as_they_were_shown_and_one_club_keeps_all_of_its_own(warehouse: Engine) -> None:
    link = parse_home_page(pages.home_page().encode(), "/")[0]
    writing.write_tournament(warehouse, KEY, link, parse_season_list(pages.season_page([]).encode(), "/"), START)
    names = dict(enumerate([*pages.NAMES, "United", "United"], 101))
    store(warehouse, names, minutes=0)
    frame = reading.season_snapshot(warehouse, KEY, "2024")[0]
    assert decode(encode(frame)).equals(frame)
    assert dict(frame.select("home_team_id", "home_team").iter_rows()) == names

    store(warehouse, names | {101: "Renamed"}, minutes=1)
    with warehouse.connect() as connection:
        held = connection.scalars(select(team_names.c.name).where(team_names.c.team_id == 101)).all()
    assert set(held) == {names[101], "Renamed"}
