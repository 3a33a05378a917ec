"""A season told visit by visit, by the site and by a file, with clocks that only move on when they are asked to."""

import datetime as dt
from typing import Any

from sqlalchemy import Engine, func, select

from match_assets.source.records import (
    FeedMatch,
    MatchPage,
    MonthFeed,
    SeasonLink,
    StageLink,
    TeamStatistics,
    TournamentLink,
)
from match_assets.warehouse import writing
from match_assets.warehouse.files import FileMatch, FileSeason
from match_assets.warehouse.observed import PRESENT, PageObservation, WriteCounts
from match_assets.warehouse.schema import matches, observations
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar

KEY, SEASON = "TST-League", "2024"
PARTITION = f"{SEASON}|{KEY}"
SEASON_ID, STAGE = 9100, 31000
START = dt.datetime(2025, 2, 10, 12, tzinfo=dt.UTC)
NAMES = {team_id: f"Team {team_id}" for team_id in range(11, 40)}


def utc(text: str) -> dt.datetime:
    """An aware moment from ``2025-02-01`` or ``2025-02-01T15:00``."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def listed(
    match_id: int, day: str, home: int = 11, away: int = 12, score: tuple[int, int] | None = None, **changes: Any
) -> FeedMatch:
    """A row of the calendar; finished when a score is given."""
    row: dict[str, Any] = {
        "match_id": match_id,
        "stage_id": STAGE,
        "status": 1 if score is None else 6,
        "elapsed": "" if score is None else "FT",
        "kick_off_utc": utc(day),
        "is_kick_off_time_known": True,
        "home_team_id": home,
        "away_team_id": away,
        "home_team": NAMES.get(home, str(home)),
        "away_team": NAMES.get(away, str(away)),
        "home_score": score and score[0],
        "away_score": score and score[1],
    }
    return FeedMatch(**row | changes)


def month(rows: list[FeedMatch], at: dt.datetime, name: str = "202502", stage_id: int = STAGE) -> ObservedMonth:
    """A month's feed as read at one moment of both clocks."""
    feed = MonthFeed(
        stage_id=stage_id,
        month=name,
        site_time=at,
        matches=tuple(rows),
        shells=0,
        quarantined={},
        time_mismatches=(),
    )
    return ObservedMonth(feed, at)


def counted(team_id: int, *, is_home: bool, shots: int = 9) -> TeamStatistics:
    """One side's statistics."""
    return TeamStatistics(
        team_id=team_id,
        name=NAMES[team_id][:6],
        is_home=is_home,
        shots=shots,
        shots_on_target=3,
        corners=4,
        fouls=10,
        yellow_cards=1,
        red_cards=0,
    )


def page(
    match_id: int, at: dt.datetime, *, home: int = 11, away: int = 12, shots: int = 9, statistics: str = PRESENT
) -> PageObservation:
    """A match page as read at one moment of both clocks; 2-1."""
    found = MatchPage(
        match_id=match_id,
        home_team_id=home,
        away_team_id=away,
        status=6,
        elapsed="FT",
        home_score=2,
        away_score=1,
        home_score_half_time=1,
        away_score_half_time=0,
        has_match_centre=statistics == PRESENT,
        teams=(counted(home, is_home=True, shots=shots), counted(away, is_home=False, shots=shots)),
    )
    return PageObservation(
        match_id=match_id, statistics=statistics, page=found, feed_score=(2, 1), site_time=at, observed_at=at
    )


def filed(match_id: int, day: str, home: int = 11, away: int = 12, score: tuple[int, int] = (2, 1)) -> FileMatch:
    """A row of a file, with statistics."""
    return FileMatch(
        match_id=match_id,
        kick_off_utc=utc(day),
        is_kick_off_time_known=False,
        home_team_id=home,
        away_team_id=away,
        home_team=NAMES.get(home, f"Club {home}"),
        away_team=NAMES.get(away, f"Club {away}"),
        home_goals=score[0],
        away_goals=score[1],
        teams=(_filed_side(home, is_home=True), _filed_side(away, is_home=False)),
    )


def _filed_side(team_id: int, *, is_home: bool) -> TeamStatistics:
    return TeamStatistics(team_id, f"Club {team_id}", is_home, 9, 3, 4, 10, 1, 0)


def file_season(rows: list[FileMatch], at: dt.datetime, season: str = SEASON) -> FileSeason:
    """A file's season under ids below zero."""
    return FileSeason(
        tournament=KEY,
        region_id=77,
        tournament_id=701,
        season=season,
        season_id=-int(season),
        stage_id=-int(season),
        site_time=at,
        matches=tuple(rows),
    )


def batch(*months: ObservedMonth, missing: tuple[int, ...] = ()) -> SeasonBatch:
    """What a visit saw, as the scraper hands it over."""
    at = max(item.observed_at for item in months)
    stages = sorted({item.feed.stage_id for item in months})
    return SeasonBatch(
        tournament=KEY,
        season=SEASON,
        season_id=SEASON_ID,
        stages=tuple(StageCalendar(StageLink(stage_id, "", "", is_shown=True), ()) for stage_id in stages),
        months=months,
        missing=missing,
        site_time=at,
        observed_at=at,
    )


class Teller:
    """Tells a season to the warehouse; each visit is an hour after the one before, on both clocks."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = START
        link = TournamentLink(77, "Testland", 701, "League", "/regions/77/tournaments/701/league")
        seasons = [SeasonLink(SEASON_ID, "2024/2025", SEASON, "/season", is_shown=True)]
        writing.write_tournament(engine, KEY, link, seasons, START)

    def visit(self, *rows: FeedMatch, missing: tuple[int, ...] = (), name: str = "202502") -> WriteCounts:
        """One visit that found one month."""
        self.now += dt.timedelta(hours=1)
        return writing.write_season(self.engine, batch(month(list(rows), self.now, name), missing=missing))

    def read_page(self, match_id: int, **options: Any) -> WriteCounts:
        """A match page, read now."""
        return writing.write_pages(self.engine, KEY, SEASON, [page(match_id, self.now, **options)])

    def stored(self, match_id: int) -> Any:
        """The row of a match as it stands."""
        with self.engine.connect() as connection:
            return connection.execute(select(matches).where(matches.c.match_id == match_id)).one()

    def history(self, match_id: int, name: str) -> list[Any]:
        """What one part of a match's content has been, oldest first."""
        statement = (
            select(observations.c.content)
            .where(observations.c.match_id == match_id)
            .order_by(observations.c.observation_id)
        )
        with self.engine.connect() as connection:
            return [content[name] for content in connection.scalars(statement)]

    def count(self, table: Any) -> int:
        """Rows of a table."""
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0
