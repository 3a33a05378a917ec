"""Which match is another one under a new id.

A link is a function of what stands in the tables and nothing else: after each write the links of the season are worked
out anew, so that a match that returns, or a file that comes before the calendar, ends in the same state. A superseded
match keeps its history, is not exported, not asked for and not lost.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update

from match_assets.source.records import Status
from match_assets.warehouse import copying
from match_assets.warehouse.gaps import Partition, is_withdrawn, replace_gaps
from match_assets.warehouse.observed import EPOCH
from match_assets.warehouse.schema import gaps, matches, observations, withdrawals

# A pairing with the same home team is not played twice within so few days: two such ids are one match.
SAME_MATCH_DAYS = 3
# kinds of gap that depend on links
GAPS = ("missing", "other source")


class Listed(NamedTuple):
    """What a link depends on; ``listed_since`` is the source's time at which the last unbroken listing of it began."""

    match_id: int
    season_id: int
    stage_id: int
    home_team_id: int
    away_team_id: int
    kick_off_utc: dt.datetime
    status: int
    home_goals: int | None
    away_goals: int | None
    missing_since: dt.datetime | None
    superseded_by: int | None = None
    is_withdrawn: bool = False
    listed_since: dt.datetime = EPOCH

    @property
    def is_finished(self) -> bool:
        """True when it was played to its end."""
        return self.status == Status.FINISHED

    @property
    def is_of_a_file(self) -> bool:
        """True when only a file names this id."""
        return self.match_id < 0


class Disagreement(msgspec.Struct, frozen=True):
    """A file's result and the site's of one match that are not the same."""

    file_match_id: int
    site_match_id: int
    file_score: tuple[int, int]
    site_score: tuple[int, int]


def superseding(rows: Iterable[Listed]) -> dict[int, int]:
    """The id that counts now for each match of one season that has another id by now.

    Args:
        rows: all matches of a tournament's season, the site's and the files'.

    A file's match stands back for the site's of the same teams within ``SAME_MATCH_DAYS``. A match that is no longer
    listed stands back for one of the same stage and teams: for a listed one within those days, else for one that came
    after it was last listed. A result keeps its day, so that for it only the former counts: in a stage where a
    pairing is played four times, next spring's fixture is not the match that was lost in autumn.
    """
    pairings: dict[tuple[int, int], list[Listed]] = defaultdict(list)
    for row in rows:
        pairings[row.home_team_id, row.away_team_id].append(row)
    links: dict[int, int] = {}
    for pairing in pairings.values():
        if len(pairing) > 1:
            links |= _renewed(pairing) | _told_by_the_site(pairing)
    return {match_id: _end(links, match_id) for match_id in links}


def relink(connection: Connection, where: Partition, seen_at: dt.datetime) -> tuple[Disagreement, ...]:
    """Bring a season's links, and the gaps that depend on them, to what its matches say now.

    Args:
        connection: inside the caller's transaction, which holds the writers' lock.
        where: the season.
        seen_at: when a gap that is new was seen.

    Returns:
        Results on which a file and the site do not agree.
    """
    return relink_each(connection, {where: seen_at})[where]


def relink_each(
    connection: Connection, seen: Mapping[Partition, dt.datetime]
) -> dict[Partition, tuple[Disagreement, ...]]:
    """``relink`` for several seasons, each with when a gap that is new was seen: what they hold is read once."""
    _end_withdrawals(connection, seen)
    rows = _linkable(connection, seen)
    links = {where: superseding(rows[where]) for where in seen}
    moved = {
        row.match_id: links[where].get(row.match_id)
        for where in seen
        for row in rows[where]
        if row.superseded_by != links[where].get(row.match_id)
    }
    news = [{"match_id": match_id, "superseded_by": successor} for match_id, successor in sorted(moved.items())]
    copying.change(connection, matches, news)
    known = _with_gaps(connection, seen)
    return {
        where: _explain(connection, where, rows[where], links[where], known[where], seen_at)
        for where, seen_at in seen.items()
    }


def _end_withdrawals(connection: Connection, seasons: Collection[Partition]) -> None:
    """A person's word was about what was lost then: a match that is listed again, and lost again, is another matter."""
    listed = select(matches.c.match_id).where(_is_of(seasons), matches.c.missing_since.is_(None))
    connection.execute(
        update(withdrawals)
        .where(withdrawals.c.ended_at.is_(None), withdrawals.c.match_id.in_(listed))
        .values(ended_at=func.clock_timestamp())
    )


def _explain(
    connection: Connection,
    where: Partition,
    rows: Sequence[Listed],
    links: dict[int, int],
    known: Sequence[int],
    seen_at: dt.datetime,
) -> tuple[Disagreement, ...]:
    """Bring the gaps of a season to its links; ``known`` are its matches that have such gaps."""
    disagreements = _disagreements(rows, links)
    found = {
        (row.match_id, "missing"): "no longer in the calendar"
        for row in rows
        if row.missing_since is not None and row.match_id not in links and not row.is_withdrawn
    }
    for item in disagreements:
        found[item.site_match_id, "other source"] = (
            f"a file says {item.file_score[0]}-{item.file_score[1]}, the site {item.site_score[0]}-{item.site_score[1]}"
        )
    looked_at = [*known, *(match_id for match_id, _ in found)]
    if looked_at:
        replace_gaps(connection, where, looked_at, kinds=GAPS, found=found, seen_at=seen_at)
    return disagreements


def _renewed(pairing: Sequence[Listed]) -> dict[int, int]:
    """Successors of those that are gone, under the site's ids or under a file's."""
    links: dict[int, int] = {}
    gone = [row for row in pairing if row.missing_since is not None]
    for row in sorted(gone, key=lambda row: (row.missing_since, row.kick_off_utc, row.match_id)):
        others = [other for other in pairing if other != row and _stage(other) == _stage(row)]
        near = [other for other in others if other.missing_since is None and _days_apart(row, other) <= SAME_MATCH_DAYS]
        later = [other for other in others if _came_after(row, other) and other.match_id not in links.values()]
        if found := near or later:
            links[row.match_id] = _nearest(row, found).match_id
    return links


def _told_by_the_site(pairing: Sequence[Listed]) -> dict[int, int]:
    """The site's match for each of the files'; one that the site itself lost counts as long as its result does."""
    site = [row for row in pairing if not row.is_of_a_file and (row.missing_since is None or row.is_finished)]
    links: dict[int, int] = {}
    for row in pairing:
        near = [other for other in site if row.is_of_a_file and _days_apart(row, other) <= SAME_MATCH_DAYS]
        if near:
            links[row.match_id] = _nearest(row, near).match_id
    return links


def _came_after(gone: Listed, other: Listed) -> bool:
    # both, so that a chain leads from listing to later listing whatever the clocks say, and never in a circle
    if gone.missing_since is None or other.listed_since <= max(gone.missing_since, gone.listed_since):
        return False
    return not gone.is_finished or _days_apart(gone, other) <= SAME_MATCH_DAYS


def _nearest(row: Listed, others: Iterable[Listed]) -> Listed:
    return min(others, key=lambda other: (abs(other.kick_off_utc - row.kick_off_utc), other.match_id))


def _days_apart(one: Listed, other: Listed) -> int:
    # by date: a file may know the day alone
    return abs((one.kick_off_utc.date() - other.kick_off_utc.date()).days)


def _stage(row: Listed) -> tuple[int, int]:
    return row.season_id, row.stage_id


def _end(links: dict[int, int], match_id: int) -> int:
    """The last of a chain; there is no circle, since each link leads to a later listing or to one that stands."""
    while match_id in links:
        match_id = links[match_id]
    return match_id


def _linkable(connection: Connection, seasons: Collection[Partition]) -> dict[Partition, list[Listed]]:
    """Matches of each season that have a link, are gone, or are not the only ones of their pairing."""
    names = [name for name in Listed._fields if name != "listed_since"]
    columns = [is_withdrawn().label(name) if name == "is_withdrawn" else matches.c[name] for name in names]
    pairing = [matches.c[name] for name in ("tournament", "season", "home_team_id", "away_team_id")]
    told = select(*pairing[:2], *columns, func.count().over(partition_by=pairing).label("n")).where(_is_of(seasons))
    found = told.subquery()
    statement = (
        select(*(found.c[name] for name in ("tournament", "season", *names)))
        .where((found.c.n > 1) | found.c.missing_since.is_not(None) | found.c.superseded_by.is_not(None))
        .order_by(found.c.match_id)
    )
    rows: dict[Partition, list[Listed]] = {where: [] for where in seasons}
    for tournament, season, *values in connection.execute(statement):
        rows[Partition(tournament, season)].append(Listed(*values))
    return {where: _with_history(connection, listed) for where, listed in rows.items()}


def _with_history(connection: Connection, rows: Sequence[Listed]) -> list[Listed]:
    """The rows with what the history tells of those that share their pairing with one that is gone."""
    gone = {(row.home_team_id, row.away_team_id) for row in rows if row.missing_since is not None}
    pairings = [row.match_id for row in rows if (row.home_team_id, row.away_team_id) in gone]
    since = _listed_since(connection, pairings)
    return [row._replace(listed_since=since.get(row.match_id, EPOCH)) for row in rows]


def _with_gaps(connection: Connection, seasons: Collection[Partition]) -> dict[Partition, list[int]]:
    statement = (
        select(matches.c.tournament, matches.c.season, matches.c.match_id)
        .join(gaps, gaps.c.match_id == matches.c.match_id)
        .where(_is_of(seasons), gaps.c.kind.in_(GAPS))
    )
    found: dict[Partition, list[int]] = {where: [] for where in seasons}
    for tournament, season, match_id in connection.execute(statement):
        found[Partition(tournament, season)].append(match_id)
    return found


def _is_of(seasons: Collection[Partition]) -> ColumnElement[bool]:
    return tuple_(matches.c.tournament, matches.c.season).in_(list(seasons))


def _listed_since(connection: Connection, match_ids: Sequence[int]) -> dict[int, dt.datetime]:
    """From the history, which holds each time that a match appeared, vanished and returned."""
    if not match_ids:
        return {}
    is_missing = observations.c.content["is_missing"].as_boolean()
    statement = (
        select(observations.c.match_id, observations.c.site_time, is_missing)
        .where(observations.c.match_id.in_(match_ids), is_missing.is_not(None))
        .order_by(observations.c.match_id, observations.c.site_time, observations.c.observation_id)
    )
    since: dict[int, dt.datetime] = {}
    gone: set[int] = set()
    for match_id, site_time, missing in connection.execute(statement):
        if missing:
            gone.add(match_id)
        elif match_id not in since or match_id in gone:
            since[match_id] = site_time
            gone.discard(match_id)
    return since


def _disagreements(rows: Sequence[Listed], links: dict[int, int]) -> tuple[Disagreement, ...]:
    by_id = {row.match_id: row for row in rows}
    pairs = [(by_id[one], by_id[other]) for one, other in sorted(links.items(), reverse=True) if one < 0 < other]
    return tuple(
        Disagreement(file.match_id, site.match_id, score, other)
        for file, site in pairs
        if (score := _score(file)) is not None and (other := _score(site)) is not None and score != other
    )


def _score(row: Listed) -> tuple[int, int] | None:
    return None if row.home_goals is None or row.away_goals is None else (row.home_goals, row.away_goals)
