"""Leagues of four clubs, small enough to be rebuilt a hundred times: what is true of them, and telling it to a warehouse.

Seasons follow the calendar year. ``North`` has three of them, the last under way; ``South`` has one.
"""

import datetime as dt
import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine, text

from match_assets.config import Params, SplitParams, TournamentParams, load_params
from match_assets.keys import DataKey
from match_assets.source.records import (
    FeedMatch,
    MatchPage,
    MonthFeed,
    SeasonLink,
    StageLink,
    Status,
    TeamStatistics,
    TournamentLink,
)
from match_assets.warehouse import writing
from match_assets.warehouse.observed import PRESENT, PageObservation
from match_assets.warehouse.schema import METADATA
from match_assets.warehouse.writing import ObservedMonth, SeasonBatch, StageCalendar

TOURNAMENTS = {"North": 1, "South": 2}
PARTITIONS = ("2020|North", "2021|North", "2021|South", "2022|North")
LIVE = "2022|North"
# divides the season under way after its second round, and is reached with its third
CUTOFF = "2022-04-01"
ROUND_MONTHS = (2, 3, 5, 7, 9, 11)
START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Match:
    """What is true of a match; ``drawn`` decides its statistics, and its page may not have been read yet."""

    match_id: int
    partition: str
    round: int
    kick_off: dt.datetime
    home: int
    away: int
    status: Status = Status.SCHEDULED
    goals: tuple[int, int] | None = None
    drawn: int = 0
    has_page: bool = True

    def played(self, goals: tuple[int, int], *, has_page: bool = True) -> "Match":
        """The same match with a result."""
        return replace(self, status=Status.FINISHED, goals=goals, has_page=has_page)


@dataclass
class Leagues:
    """All matches by id, as they are by now."""

    matches: dict[int, Match] = field(default_factory=dict)

    @classmethod
    def drawn(cls, seed: int = 1) -> "Leagues":
        """Two years over and two rounds of the third played."""
        draw = random.Random(seed)
        leagues = cls()
        for partition in PARTITIONS:
            for match in _fixtures(partition):
                is_over = partition != LIVE or match.round < 2
                drawn = replace(match, drawn=draw.randrange(1000))
                leagues.put(drawn.played((draw.randrange(4), draw.randrange(3))) if is_over else drawn)
        return leagues

    def put(self, match: Match) -> str:
        """Another truth about a match; the partition that it touches."""
        self.matches[match.match_id] = match
        return match.partition

    def of(self, partition: str, *statuses: Status) -> list[Match]:
        """Matches of a season by id, of these statuses or of all."""
        found = [match for match in self.matches.values() if match.partition == partition]
        return sorted((m for m in found if not statuses or m.status in statuses), key=lambda match: match.match_id)


def _fixtures(partition: str) -> Iterable[Match]:
    """A double round of four clubs, two matches a round."""
    key = DataKey.parse(partition)
    league = TOURNAMENTS[key.tournament]
    clubs = [league * 10 + number for number in range(4)]
    pairings = [((0, 3), (1, 2)), ((3, 2), (0, 1)), ((1, 3), (2, 0))]
    rounds = [*pairings, *(tuple((away, home) for home, away in pairs) for pairs in pairings)]
    numbers = itertools.count(league * 1_000_000 + int(key.season) * 100)
    for number, pairs in enumerate(rounds):
        for hour, (home, away) in enumerate(pairs):
            kick_off = dt.datetime(int(key.season), ROUND_MONTHS[number], 5, 15 + hour, tzinfo=dt.UTC)
            yield Match(next(numbers), partition, number, kick_off, clubs[home], clubs[away])


def small_params(windows: tuple[int, ...] = (2, 3), k_factor: float = 20.0) -> Params:
    """The shipped parameters with the small leagues, short windows, and a split that needs few rows."""
    shipped = load_params()
    features = shipped.features.model_copy(
        update={"windows": windows, "elo": shipped.features.elo.model_copy(update={"k_factor": k_factor})}
    )
    split = SplitParams.model_validate(
        {
            **shipped.split.model_dump(),
            "holdout_months": 15,
            "calibration_months": 1,
            "folds": 1,
            "fold_months": 1,
            "min_history": 0,
            "min_training_rows": 10,
        }
    )
    tournaments = {
        name: TournamentParams(region_id=7, tournament_id=number, division=None) for name, number in TOURNAMENTS.items()
    }
    return shipped.model_copy(update={"tournaments": tournaments, "features": features, "split": split})


class Teller:
    """Tells the leagues to a warehouse, each time an hour later by both clocks, and later than any result."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._clock = START
        self._told: dict[str, set[str]] = {}

    def start(self) -> None:
        """An empty warehouse that knows which seasons there are."""
        names = ", ".join(table.name for table in METADATA.sorted_tables)
        with self.engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        self._clock, self._told = START, {}
        for tournament, number in TOURNAMENTS.items():
            link = TournamentLink(7, "Smallland", number, tournament, f"/{tournament}")
            keys = [DataKey.parse(text) for text in PARTITIONS]
            seasons = [
                SeasonLink(_season_id(str(key)), key.season, key.season, "/season", is_shown=True)
                for key in keys
                if key.tournament == tournament
            ]
            writing.write_tournament(self.engine, tournament, link, seasons, START)

    def tell(self, leagues: Leagues, partitions: Iterable[str] = PARTITIONS) -> None:
        """The calendars of these seasons, and the pages of their finished matches as far as they were read."""
        results = [match.kick_off for match in leagues.matches.values() if match.goals]
        self._clock = max(self._clock + dt.timedelta(hours=1), max(results) + dt.timedelta(hours=4))
        for partition in partitions:
            key = DataKey.parse(partition)
            held = leagues.of(partition)
            writing.write_season(self.engine, self._calendar(key, held))
            pages = [self._page(match) for match in held if match.goals and match.has_page]
            writing.write_pages(self.engine, key.tournament, key.season, pages)

    def _calendar(self, key: DataKey, held: list[Match]) -> SeasonBatch:
        stage = _season_id(str(key)) + 5
        # a month that a match has left is asked again, too
        told = self._told.setdefault(str(key), set())
        told |= {f"{match.kick_off:%Y%m}" for match in held}
        by_month: dict[str, list[FeedMatch]] = {month: [] for month in told}
        for match in held:
            by_month[f"{match.kick_off:%Y%m}"].append(_listed(match, stage))
        months = [
            ObservedMonth(
                MonthFeed(
                    stage_id=stage,
                    month=month,
                    site_time=self._clock,
                    matches=tuple(rows),
                    shells=0,
                    quarantined={},
                    time_mismatches=(),
                ),
                self._clock,
            )
            for month, rows in sorted(by_month.items())
        ]
        days = tuple(sorted({match.kick_off.date() for match in held}))
        return SeasonBatch(
            tournament=key.tournament,
            season=key.season,
            season_id=_season_id(str(key)),
            stages=(StageCalendar(StageLink(stage, "", "", is_shown=True), days),),
            months=tuple(months),
            missing=(),
            site_time=self._clock,
            observed_at=self._clock,
        )

    def _page(self, match: Match) -> PageObservation:
        assert match.goals
        home, away = match.goals
        page = MatchPage(
            match_id=match.match_id,
            home_team_id=match.home,
            away_team_id=match.away,
            status=6,
            elapsed="FT",
            home_score=home,
            away_score=away,
            home_score_half_time=home // 2,
            away_score_half_time=away // 2,
            has_match_centre=True,
            teams=(_counted(match, is_home=True), _counted(match, is_home=False)),
        )
        return PageObservation(
            match_id=match.match_id,
            statistics=PRESENT,
            page=page,
            feed_score=match.goals,
            site_time=self._clock,
            observed_at=self._clock,
        )


def _season_id(partition: str) -> int:
    key = DataKey.parse(partition)
    return int(key.season) * 100 + TOURNAMENTS[key.tournament] * 10


def _listed(match: Match, stage: int) -> FeedMatch:
    return FeedMatch(
        match_id=match.match_id,
        stage_id=stage,
        status=int(match.status),
        elapsed="FT" if match.goals else "",
        kick_off_utc=match.kick_off,
        is_kick_off_time_known=True,
        home_team_id=match.home,
        away_team_id=match.away,
        home_team=f"Club {match.home}",
        away_team=f"Club {match.away}",
        home_score=match.goals and match.goals[0],
        away_score=match.goals and match.goals[1],
    )


def _counted(match: Match, *, is_home: bool) -> TeamStatistics:
    # never fewer than the goals that are drawn, and none the more for a corrected score
    draw = random.Random(match.drawn * 2 + is_home)
    on_target = 4 + draw.randrange(5)
    team = match.home if is_home else match.away
    return TeamStatistics(
        team_id=team,
        name=f"Club {team}",
        is_home=is_home,
        shots=on_target + draw.randrange(8),
        shots_on_target=on_target,
        corners=draw.randrange(9),
        fouls=draw.randrange(15),
        yellow_cards=draw.randrange(4),
        red_cards=0,
    )
