"""What the source's pages say, as frozen records: nothing is inferred here that a page does not show.

Times ending in ``_utc`` are aware; a score that the page does not show is ``None``, never zero.
"""

import datetime as dt
from enum import IntEnum

import msgspec

EXTENDED = frozenset({"AET", "PEN"})
# How a finished match was ever seen to end. The shown score of any other ending may hold more than ninety minutes.
ENDINGS = EXTENDED | {"FT"}


class Status(IntEnum):
    """Match status codes of the calendar feed, as counted in real records.

    3 and 4 were never captured; the site shows minutes for a match in play and both are read as that.
    """

    SHELL = 0
    SCHEDULED = 1
    POSTPONED = 2
    IN_PLAY = 3
    HALF_TIME = 4
    ABANDONED = 5
    FINISHED = 6
    CANCELLED = 7
    UNKNOWN_RESULT = 8


KNOWN_STATUSES = frozenset(int(status) for status in Status)
SETTLED_STATUSES = frozenset({Status.ABANDONED, Status.FINISHED, Status.CANCELLED, Status.UNKNOWN_RESULT})


class TournamentLink(msgspec.Struct, frozen=True):
    """A tournament as the home page lists it."""

    region_id: int
    region_name: str
    tournament_id: int
    name: str
    url: str


class SeasonLink(msgspec.Struct, frozen=True):
    """A season as a tournament page lists it; ``key`` is the year in which it begins."""

    season_id: int
    name: str
    key: str
    url: str
    is_shown: bool


class StageLink(msgspec.Struct, frozen=True):
    """One stage of a season; a season without a stage list has exactly one."""

    stage_id: int
    name: str
    url: str
    is_shown: bool


class SeasonPage(msgspec.Struct, frozen=True):
    """A season's page: its stages, and the days of the shown stage on which the calendar has matches."""

    stage_id: int
    stages: tuple[StageLink, ...]
    days: tuple[dt.date, ...]

    @property
    def months(self) -> tuple[str, ...]:
        """Months with matches as the feed's ``YYYYMM``, ascending."""
        return tuple(sorted({f"{day:%Y%m}" for day in self.days}))


class FeedMatch(msgspec.Struct, frozen=True):
    """One row of the calendar feed; ``home_score`` and ``away_score`` are what is shown, whatever the status."""

    match_id: int
    stage_id: int
    status: int
    elapsed: str
    kick_off_utc: dt.datetime
    is_kick_off_time_known: bool
    home_team_id: int
    away_team_id: int
    home_team: str
    away_team: str
    home_score: int | None
    away_score: int | None

    @property
    def is_result(self) -> bool:
        """True for a result after ninety minutes; extra time and penalties are part of the shown score otherwise."""
        return self.status == Status.FINISHED and self.elapsed not in EXTENDED and self.home_score is not None


class MonthFeed(msgspec.Struct, frozen=True):
    """A stage's calendar of one month, ``site_time`` being the source's own clock.

    ``shells`` counts records without a match in them (status 0), ``quarantined`` maps match id to a status this reader
    has never seen, or to 6 with an ending never seen. ``time_mismatches`` are matches whose local and UTC kick-off
    disagree, ``new_keys`` names keys that no captured feed has (``matches.x``).
    """

    stage_id: int
    month: str
    site_time: dt.datetime | None
    matches: tuple[FeedMatch, ...]
    shells: int
    quarantined: dict[int, int]
    time_mismatches: tuple[int, ...]
    new_keys: tuple[str, ...] = ()


class TeamStatistics(msgspec.Struct, frozen=True):
    """One team's counts in a match; ``None`` where the page does not tell."""

    team_id: int
    name: str
    is_home: bool
    shots: int | None
    shots_on_target: int | None
    corners: int | None
    fouls: int | None
    yellow_cards: int | None
    red_cards: int | None

    @property
    def is_empty(self) -> bool:
        """True when not even the shots are told."""
        return self.shots is None and self.shots_on_target is None and self.corners is None and self.fouls is None


class MatchPage(msgspec.Struct, frozen=True):
    """A match page: header, half-time and both teams' statistics (none when the match centre is null).

    ``new_keys`` names keys that no captured page has (``matchCentreData.x``, ``home.x``, ``home.stats.x``).
    """

    match_id: int
    home_team_id: int
    away_team_id: int
    status: int
    elapsed: str
    home_score: int | None
    away_score: int | None
    home_score_half_time: int | None
    away_score_half_time: int | None
    has_match_centre: bool
    teams: tuple[TeamStatistics, ...]
    new_keys: tuple[str, ...] = ()
