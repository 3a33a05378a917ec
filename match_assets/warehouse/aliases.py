"""Names of clubs as the warehouse knows them: aliases that were used, names the site shows, matches files brought."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, or_, select, union
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.names import folded
from match_assets.warehouse.copying import among
from match_assets.warehouse.database import in_transaction, unavailable_is_named
from match_assets.warehouse.schema import matches, team_aliases, team_names, tournaments


class StoredAlias(NamedTuple):
    """A name of a club in one region, where it came from, and since when it means this club."""

    region_id: int
    name: str
    team_id: int
    origin: str
    added_at: dt.datetime

    @property
    def key(self) -> tuple[int, str]:
        """What two spellings of one name have in common."""
        return (self.region_id, folded(self.name))


class HeldMatch(NamedTuple):
    """A match that a file brought, as far as its identity goes."""

    match_id: int
    tournament: str
    season: str
    kick_off_utc: dt.datetime
    home_team_id: int
    away_team_id: int


def stored_aliases(engine: Engine, region_id: int) -> list[StoredAlias]:
    """Aliases of a region, by name."""
    with unavailable_is_named(engine), engine.connect() as connection:
        return _stored(connection, [region_id])


def store_aliases(engine: Engine, aliases: Iterable[tuple[int, str, int, str]]) -> list[StoredAlias]:
    """Keep aliases; one that means another club than before is dated anew, an equal one is not touched.

    Args:
        engine: the warehouse.
        aliases: (region, name, team, origin), each name once.

    Returns:
        The aliases that were given, as they stand now.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    wanted = {(region_id, folded(name)): (name, team_id, origin) for region_id, name, team_id, origin in aliases}

    def work(connection: Connection) -> list[StoredAlias]:
        regions = sorted({region_id for region_id, _ in wanted})
        held = {row.key: (row.team_id, row.origin) for row in _stored(connection, regions)}
        news = [
            {"region_id": key[0], "folded": key[1], "name": name, "team_id": team_id, "origin": origin}
            for key, (name, team_id, origin) in sorted(wanted.items())
            if held.get(key) != (team_id, origin)
        ]
        if news:
            statement = upsert(team_aliases)
            new = statement.excluded
            replaced = {"name": new.name, "team_id": new.team_id, "origin": new.origin}
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(team_aliases.primary_key.columns),
                    set_={**replaced, "added_at": func.clock_timestamp()},
                ),
                news,
            )
        return [row for row in _stored(connection, regions) if row.key in wanted]

    return in_transaction(engine, work)


def site_names(engine: Engine, region_id: int) -> dict[str, set[int]]:
    """Folded names that the site was seen to show in a region's tournaments, with the ids it shows them for."""
    here = matches.join(tournaments, tournaments.c.tournament == matches.c.tournament)
    seen = union(
        *(
            select(matches.c[f"{side}_team_id"]).select_from(here).where(tournaments.c.region_id == region_id)
            for side in ("home", "away")
        )
    )
    statement = (
        select(team_names.c.team_id, team_names.c.name)
        .where(team_names.c.team_id > 0, team_names.c.surface != "file", team_names.c.team_id.in_(seen))
        .order_by(team_names.c.team_id, team_names.c.name)
    )
    found: dict[str, set[int]] = defaultdict(set)
    with unavailable_is_named(engine), engine.connect() as connection:
        for team_id, name in connection.execute(statement):
            found[folded(name)].add(team_id)
    return dict(found)


def held_file_matches(
    engine: Engine, tournament: str, seasons: Collection[str], match_ids: Iterable[int]
) -> list[HeldMatch]:
    """Matches that files brought to seasons of a tournament, and any other that stands under one of ``match_ids``."""
    is_here = (matches.c.tournament == tournament) & matches.c.season.in_(seasons)
    statement = (
        select(*(matches.c[name] for name in HeldMatch._fields))
        .where(
            matches.c.match_id < 0,
            or_(is_here, among(matches.c.match_id, match_ids)),
        )
        .order_by(matches.c.kick_off_utc, matches.c.match_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        return [HeldMatch(*row) for row in connection.execute(statement)]


def _stored(connection: Connection, regions: Sequence[int]) -> list[StoredAlias]:
    statement = (
        select(*(team_aliases.c[name] for name in StoredAlias._fields))
        .where(team_aliases.c.region_id.in_(regions))
        .order_by(team_aliases.c.region_id, team_aliases.c.folded)
    )
    return [StoredAlias(*row) for row in connection.execute(statement)]
