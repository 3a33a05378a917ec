"""What the source's calendar leads one to expect of a season: its match days, how many matches it lists, and its clock."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, func, select

from match_assets.warehouse.database import unavailable_is_named
from match_assets.warehouse.schema import months, seasons, stages


@dataclass(frozen=True)
class Expected:
    """A season as its calendar names it; nothing where only a file tells of it.

    Attributes:
        days: match days of all stages, ascending; London's days, so a late kick-off there can be the next day in UTC.
        n_listed: matches in the newest answer of every month; one that two months list counts twice.
        clocks: newest reading of the source's own clock by stage id.
    """

    days: tuple[dt.date, ...] = ()
    n_listed: int = 0
    clocks: Mapping[int, dt.datetime] = field(default_factory=dict)


def expected(engine: Engine, tournament: str, season: str) -> Expected:
    """What the calendar of one season says.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    read = (
        select(
            months.c.stage_id, func.sum(months.c.n_matches).label("n"), func.max(months.c.site_time).label("site_time")
        )
        .group_by(months.c.stage_id)
        .subquery()
    )
    statement = (
        select(stages.c.stage_id, stages.c.days, read.c.n, read.c.site_time)
        .select_from(
            seasons.join(stages, stages.c.season_id == seasons.c.season_id).outerjoin(
                read, read.c.stage_id == stages.c.stage_id
            )
        )
        .where(seasons.c.tournament == tournament, seasons.c.season == season, seasons.c.season_id > 0)
        .order_by(stages.c.stage_id)
    )
    with unavailable_is_named(engine), engine.connect() as connection:
        rows = connection.execute(statement).all()
    return Expected(
        days=tuple(sorted({dt.date.fromisoformat(day) for row in rows for day in row.days})),
        n_listed=int(sum(row.n or 0 for row in rows)),
        clocks={row.stage_id: row.site_time for row in rows if row.site_time is not None},
    )
