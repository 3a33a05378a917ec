"""One season out of all files that tell of it: which row stands for each match, and the id it is stored under.

A match keeps its id for good: it comes from tournament, season, the two names as the file writes them, and whether it
is the pairing's first or second match of the season. A corrected date, score or alias is then another observation of
the same match. Where another spelling of the names already brought the match, its id is kept.
"""

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from match_assets.errors import DataError
from match_assets.names import folded
from match_assets.source.files.reader import Counts, FileRow, Remark
from match_assets.source.files.teams import Alias, RegionTeams
from match_assets.source.records import TeamStatistics
from match_assets.warehouse.files import FileMatch
from match_assets.warehouse.observed import PRESENT

# JSON readers keep whole numbers up to 53 bits
_ID_BITS = 51
NO_STATISTICS = "the file has no statistics"
# a few hundred names stand in tens of thousands of rows
_compared = lru_cache(maxsize=5000)(folded)


class Told(NamedTuple):
    """A row, the file that tells it, and the two clubs it means."""

    file: str
    clock: dt.datetime
    row: FileRow
    home: Alias
    away: Alias

    @property
    def pairing(self) -> tuple[int, int]:
        """Home and away team."""
        return (self.home.team_id, self.away.team_id)

    @property
    def where(self) -> str:
        """File and line, for a message about another row."""
        return f"{self.file}:{self.row.line}"


class Noted(NamedTuple):
    """A remark and the file it is about."""

    file: str
    remark: Remark


class Settled(NamedTuple):
    """The rows that stand, by match id; those refused; those that another row tells already; what is odd."""

    standing: Mapping[int, Told]
    refused: tuple[Noted, ...]
    repeated: tuple[Noted, ...]
    flagged: tuple[Noted, ...]


class HeldId(NamedTuple):
    """A match that an earlier file brought: its id, where it stands, when it was played."""

    match_id: int
    tournament: str
    season: str
    kick_off_utc: dt.datetime
    pairing: tuple[int, int]


def told_by(
    file: str, clock: dt.datetime, rows: Iterable[FileRow], teams: RegionTeams
) -> tuple[list[Told], list[Noted]]:
    """Rows with their clubs, and those that name a club no one knows or one club twice."""
    told, refused = [], []
    for row in rows:
        home, away = teams.find(row.home), teams.find(row.away)
        if home is None or away is None:
            unknown = [name for name, found in ((row.home, home), (row.away, away)) if found is None]
            detail = f"{row.home} - {row.away}: no alias knows {' or '.join(map(repr, unknown))}"
            refused.append(Noted(file, Remark(row.line, "unmatched name", detail)))
        elif home.team_id == away.team_id:
            detail = f"{row.home} - {row.away}: both are team {home.team_id}"
            refused.append(Noted(file, Remark(row.line, "one team on both sides", detail)))
        else:
            told.append(Told(file, clock, row, home, away))
    return told, refused


def settled(tournament: str, season: str, told: Sequence[Told], held: Sequence[HeldId]) -> Settled:
    """Which rows stand, and under which ids.

    Args:
        tournament: key in ``params.yaml``.
        season: year in which it begins.
        told: rows of all files of this season.
        held: matches of this season that earlier files brought, and any other under an id that these rows come to.

    Raises:
        DataError: two matches come to one id.
    """
    refused: list[Noted] = []
    repeated: list[Noted] = []
    pairings: dict[tuple[int, int], list[Told]] = defaultdict(list)
    for item in told:
        pairings[item.pairing].append(item)
    standing = []
    for items in pairings.values():
        newest = _newest_file(items, repeated)
        standing += _without_copies(newest, refused, repeated)
    standing = _one_match_a_day(standing, refused)
    identified = _identified(tournament, season, standing, held)
    flagged = [Noted(item.file, flag) for item in identified.values() for flag in item.row.flags]
    return Settled(identified, tuple(refused), tuple(repeated), tuple(flagged))


def match_id(tournament: str, season: str, home: str, away: str, ordinal: int) -> int:
    """The id below zero of the pairing's ``ordinal``-th match (from 1) in a season, by the names in the file."""
    text = "|".join((tournament, season, _compared(home), _compared(away), str(ordinal)))
    digest = hashlib.sha256(text.encode()).digest()
    return -1 - (int.from_bytes(digest[:8], "big") >> (64 - _ID_BITS))


def wanted_ids(tournament: str, season: str, told: Iterable[Told]) -> list[int]:
    """Ids that these rows may come to."""
    counted: Counter[tuple[int, int]] = Counter()
    found = []
    for item in told:
        counted[item.pairing] += 1
        found.append(match_id(tournament, season, item.row.home, item.row.away, counted[item.pairing]))
    return found


def file_match(number: int, told: Told) -> FileMatch:
    """A row as the warehouse takes it."""
    row = told.row
    half_time = row.half_time or (None, None)
    teams: tuple[TeamStatistics, ...] = ()
    if row.has_statistics:
        teams = (
            _statistics(told.home, row.home, row.home_counts, is_home=True),
            _statistics(told.away, row.away, row.away_counts, is_home=False),
        )
    return FileMatch(
        match_id=number,
        kick_off_utc=row.kick_off_utc,
        is_kick_off_time_known=row.is_kick_off_time_known,
        home_team_id=told.home.team_id,
        away_team_id=told.away.team_id,
        home_team=row.home,
        away_team=row.away,
        home_goals=row.goals[0],
        away_goals=row.goals[1],
        home_goals_half_time=half_time[0],
        away_goals_half_time=half_time[1],
        teams=teams,
        statistics=PRESENT if teams else NO_STATISTICS,
    )


def _statistics(team: Alias, name: str, counts: Counts, *, is_home: bool) -> TeamStatistics:
    return TeamStatistics(team_id=team.team_id, name=name, is_home=is_home, **msgspec.structs.asdict(counts))


def _newest_file(items: Sequence[Told], repeated: list[Noted]) -> list[Told]:
    """The rows of the newest file that has this pairing; a moved or corrected match in an older copy counts no more."""
    newest = max(items, key=lambda item: (item.clock, item.file))
    for item in items:
        if item.file != newest.file:
            detail = f"{item.row.home} - {item.row.away}: {newest.file} is newer and has it too"
            repeated.append(Noted(item.file, Remark(item.row.line, "older copy", detail)))
    return [item for item in items if item.file == newest.file]


def _without_copies(items: Sequence[Told], refused: list[Noted], repeated: list[Noted]) -> list[Told]:
    """One row a day: equal ones count once, of contradicting ones none does."""
    by_day: dict[dt.date, list[Told]] = defaultdict(list)
    for item in items:
        by_day[item.row.day].append(item)
    kept = []
    for first, *others in by_day.values():
        contradicting = [item for item in others if not _are_equal(item.row, first.row)]
        if not contradicting:
            kept.append(first)
            repeated += [_note(item, "duplicate", f"the same as line {first.row.line}") for item in others]
            continue
        kind = "contradicting duplicate"
        refused += [_note(item, kind, f"contradicts line {first.row.line}") for item in others]
        refused.append(_note(first, kind, f"contradicts line {contradicting[0].row.line}"))
    return kept


def _are_equal(one: FileRow, other: FileRow) -> bool:
    told = [
        msgspec.structs.replace(row, line=0, flags=(), home=folded(row.home), away=folded(row.away))
        for row in (one, other)
    ]
    return told[0] == told[1]


def _one_match_a_day(items: Sequence[Told], refused: list[Noted]) -> list[Told]:
    """Without the rows in which a team plays twice on a day: one of them is wrong, and nothing tells which."""
    by_team: dict[tuple[int, dt.date], list[Told]] = defaultdict(list)
    for item in items:
        for team in (item.home, item.away):
            by_team[team.team_id, item.row.day].append(item)
    clashing: dict[str, Told] = {}
    for group in by_team.values():
        for item in group if len(group) > 1 else ():
            clashing[item.where] = next(other for other in group if other.where != item.where)
    refused += [
        _note(item, "two matches on one day", f"a team of it plays in {clashing[item.where].where} that day too")
        for item in items
        if item.where in clashing
    ]
    return [item for item in items if item.where not in clashing]


def _note(item: Told, kind: str, detail: str) -> Noted:
    row = item.row
    return Noted(item.file, Remark(row.line, kind, f"{row.home} - {row.away} on {row.day}: {detail}"))


def _identified(tournament: str, season: str, items: Sequence[Told], held: Sequence[HeldId]) -> dict[int, Told]:
    here = [match for match in held if (match.tournament, match.season) == (tournament, season)]
    known_ids = {match.match_id for match in here}
    elsewhere = {match.match_id for match in held} - known_ids
    by_pairing: dict[tuple[int, int], list[int]] = defaultdict(list)
    for match in sorted(here, key=lambda match: (match.kick_off_utc, match.match_id)):
        by_pairing[match.pairing].append(match.match_id)
    identified: dict[int, Told] = {}
    counted: Counter[tuple[int, int]] = Counter()
    for item in sorted(items, key=lambda item: (item.row.day, item.row.line)):
        counted[item.pairing] += 1
        ordinal = counted[item.pairing]
        number = match_id(tournament, season, item.row.home, item.row.away, ordinal)
        earlier = by_pairing[item.pairing]
        if number not in known_ids and len(earlier) >= ordinal:
            number = earlier[ordinal - 1]
        if number in identified or number in elsewhere:
            raise DataError(
                f"{item.where}: {item.row.home} - {item.row.away} comes to match {number}, which is another match"
                " already; write one of the names in another way and add that spelling as an alias",
                file=item.file,
                line=item.row.line,
            )
        identified[number] = item if ordinal == 1 else _again(item, ordinal)
    return identified


def _again(item: Told, ordinal: int) -> Told:
    detail = f"{item.row.home} - {item.row.away}: number {ordinal} this season"
    return item._replace(row=item.row.flagged("pairing again", detail))
