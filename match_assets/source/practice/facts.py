"""What a practice world is made of: tournaments, seasons, teams, and matches with all that will ever happen to them.

A world is complete from the start, results of coming seasons included. What the site shows of it at a moment of its own
clock is the business of ``timeline.py``.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from match_assets.errors import DataError

Probabilities = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Team:
    """A club: ``name`` as the calendar feed writes it, ``short_name`` as the match centre does."""

    team_id: int
    name: str
    short_name: str


@dataclass(frozen=True, slots=True)
class SideStats:
    """Counts of one side in one match; ``None`` where the source of the world does not know them."""

    shots: int | None = None
    shots_on_target: int | None = None
    corners: int | None = None
    fouls: int | None = None
    yellow_cards: int | None = None
    red_cards: int | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether not one count is known."""
        counts = (self.shots, self.shots_on_target, self.corners, self.fouls, self.yellow_cards, self.red_cards)
        return all(count is None for count in counts)


@dataclass(frozen=True, slots=True)
class Postponement:
    """A match taken off its first date: when that was announced, and when the new date was."""

    first_kick_off_utc: dt.datetime
    announced_at_utc: dt.datetime
    rescheduled_at_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """A score first published wrongly, and when the site puts it right."""

    published_goals: tuple[int, int]
    corrected_at_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class Match:
    """One match from its announcement to its final record.

    ``goals`` is ``None`` where the world never learns a result. A match without ``half_time_goals`` and without any
    count (a walkover, or a season of which only scores are known) has no match centre.
    """

    match_id: int
    home_team_id: int
    away_team_id: int
    kick_off_utc: dt.datetime
    is_kick_off_time_known: bool
    goals: tuple[int, int] | None
    half_time_goals: tuple[int, int] | None
    home: SideStats
    away: SideStats
    is_walkover: bool = False
    referee: str = ""
    postponement: Postponement | None = None
    correction: Correction | None = None


@dataclass(frozen=True, slots=True)
class Season:
    """One season of a tournament, played in one stage; the site lists it from ``released_at_utc`` on."""

    season_id: int
    stage_id: int
    first_year: int
    released_at_utc: dt.datetime
    matches: tuple[Match, ...]

    @property
    def key(self) -> str:
        """The season as partition key: the year it begins in."""
        return str(self.first_year)

    @property
    def name(self) -> str:
        """The season as the site writes it: ``2024/2025``."""
        return f"{self.first_year}/{self.first_year + 1}"


@dataclass(frozen=True, slots=True)
class Tournament:
    """A competition of one region, with its seasons from the oldest to the newest."""

    region_id: int
    region_name: str
    region_code: str
    tournament_id: int
    name: str
    sort_order: int
    seasons: tuple[Season, ...]


@dataclass(frozen=True)
class World:
    """Everything a practice site shows.

    Args:
        identity: one line that names the world; a site's state belongs to one identity.
        origin: what the pages' meta tag says about where the facts come from.
        seed: of all details that the facts leave open (minutes, players, passes).
        has_details: whether such details may be invented; a world of real results leaves them out instead.
        start_clock_utc: where the site's clock stands at its first start.
        probabilities: true chances (home, draw, away) by match id; empty in a world of real results.
    """

    identity: str
    origin: str
    seed: int
    has_details: bool
    start_clock_utc: dt.datetime
    tournaments: tuple[Tournament, ...]
    teams: Mapping[int, Team]
    probabilities: Mapping[int, Probabilities] = field(default_factory=dict)

    @cached_property
    def stages(self) -> dict[int, tuple[Tournament, Season]]:
        """Tournament and season by stage id."""
        return {season.stage_id: (t, season) for t in self.tournaments for season in t.seasons}

    @cached_property
    def matches(self) -> dict[int, tuple[Tournament, Season, Match]]:
        """Tournament, season and match by match id."""
        return {m.match_id: (t, s, m) for t in self.tournaments for s in t.seasons for m in s.matches}

    def true_probabilities(self, match_id: int) -> Probabilities:
        """The chances (home, draw, away) from which a match was drawn.

        Raises:
            DataError: no such match, a walkover (nothing was drawn), or a world of real results.
        """
        if match_id not in self.probabilities:
            raise DataError(
                f"match {match_id}: no true probabilities; only played matches of a drawn world have them",
                match_id=match_id,
            )
        return self.probabilities[match_id]
