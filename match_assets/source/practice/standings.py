"""League tables as the season page's script holds them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from match_assets.source.practice.facts import World
from match_assets.source.practice.scripts import string_literal
from match_assets.source.practice.timeline import MatchView


@dataclass(slots=True)
class _Record:
    """Running totals of a team at one kind of venue."""

    won: int = 0
    drawn: int = 0
    lost: int = 0
    scored: int = 0
    conceded: int = 0

    def add(self, scored: int, conceded: int) -> None:
        """Count one match."""
        self.won += scored > conceded
        self.drawn += scored == conceded
        self.lost += scored < conceded
        self.scored += scored
        self.conceded += conceded

    @property
    def order(self) -> tuple[int, int, int]:
        """Ascending sort key: points, goal difference, goals."""
        return -(3 * self.won + self.drawn), self.conceded - self.scored, -self.scored

    def fields(self, rank: int) -> list[int]:
        """Rank, played, won, drawn, lost, goals for, against, difference, points."""
        played = self.won + self.drawn + self.lost
        difference, points = self.scored - self.conceded, 3 * self.won + self.drawn
        return [rank, played, self.won, self.drawn, self.lost, self.scored, self.conceded, difference, points]


@dataclass(slots=True)
class _Row:
    """A team's records at home and away."""

    home: _Record = field(default_factory=_Record)
    away: _Record = field(default_factory=_Record)

    @property
    def overall(self) -> _Record:
        """Both together."""
        return _Record(*(getattr(self.home, part) + getattr(self.away, part) for part in _Record.__slots__))


def standings_literal(world: World, stage_id: int, views: Sequence[MatchView]) -> str:
    """The table after these matches: stage, team, name, then rank to points overall, at home and away, last matches."""
    rows: dict[int, _Row] = {}
    for view in views:
        home = rows.setdefault(view.match.home_team_id, _Row())
        away = rows.setdefault(view.match.away_team_id, _Row())
        if view.goals is not None:
            scored, conceded = view.goals
            home.home.add(scored, conceded)
            away.away.add(conceded, scored)
    ranks = [
        {
            team_id: rank
            for rank, team_id in enumerate(sorted(rows, key=lambda t: (*getattr(rows[t], part).order, t)), 1)
        }
        for part in ("overall", "home", "away")
    ]
    lines = []
    for team_id, rank in ranks[0].items():
        row = rows[team_id]
        numbers = row.overall.fields(rank) + row.home.fields(ranks[1][team_id]) + row.away.fields(ranks[2][team_id])
        name = string_literal(world.teams[team_id].name)
        lines.append(f"[{stage_id},{team_id},{name},{','.join(map(str, numbers))},[]]")
    return "[" + "\n,".join(lines) + "]"
