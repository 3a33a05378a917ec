"""Visits under way: what the source answered so far, kept until the visit's content is in the tables.

A visit is a handful of answers that only make sense together, such as the months of a season. Each is stored as soon as
it is read, as the record that the parser made of it, so that a visit that was killed goes on where it was. The caller
holds the lease of the visit's subject: two processes never share one.
"""

import datetime as dt
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from match_assets.killpoint import killpoint
from match_assets.warehouse.database import in_transaction
from match_assets.warehouse.schema import visit_answers, visits

VISIT_HOURS = 6.0


class Remembered(NamedTuple):
    """A record as JSON, and when the source gave it."""

    record: bytes
    observed_at: dt.datetime


class Visit(msgspec.Struct, frozen=True):
    """A visit to ``subject``; ``answers`` holds, by path, what an earlier process read in it."""

    visit_id: int
    subject: str
    answers: dict[str, Remembered]


def open_visit(engine: Engine, subject: str, *, hours: float = VISIT_HOURS) -> Visit:
    """The visit to ``subject`` that was left unfinished less than ``hours`` ago, or a new one.

    Args:
        engine: the warehouse, by whose clock the age of a visit is told.
        subject: a partition key, or ``catalogue``.
        hours: an older visit is dropped with its answers.

    Raises:
        DependencyUnavailableError: PostgreSQL is away.
    """
    age = func.clock_timestamp() - visits.c.started_at
    limit = text("make_interval(secs => :seconds)").bindparams(seconds=hours * 3600)

    def work(connection: Connection) -> Visit:
        connection.execute(delete(visits).where(visits.c.subject == subject, age > limit))
        connection.execute(upsert(visits).values(subject=subject).on_conflict_do_nothing())
        visit_id = connection.execute(select(visits.c.visit_id).where(visits.c.subject == subject)).scalar_one()
        rows = connection.execute(select(visit_answers).where(visit_answers.c.visit_id == visit_id))
        return Visit(visit_id, subject, {row.path: Remembered(row.record, row.observed_at) for row in rows})

    return in_transaction(engine, work)


def remember(engine: Engine, visit: Visit, path: str, answer: Remembered) -> None:
    """Keep what the source said at ``path``; a later answer takes the place of an earlier one."""
    statement = upsert(visit_answers).values(
        visit_id=visit.visit_id, path=path, record=answer.record, observed_at=answer.observed_at
    )
    replaced = {name: statement.excluded[name] for name in ("record", "observed_at")}

    def work(connection: Connection) -> None:
        connection.execute(
            statement.on_conflict_do_update(index_elements=list(visit_answers.primary_key.columns), set_=replaced)
        )
        killpoint("visit.before_commit")

    in_transaction(engine, work)
    killpoint("visit.after_commit")


def refresh(engine: Engine, subject: str, path: str, answer: Remembered) -> bool:
    """Let an unfinished visit to ``subject`` know the newer answer that somebody else got at ``path``.

    Returns:
        Whether there was an older one to replace.
    """
    of_subject = select(visits.c.visit_id).where(visits.c.subject == subject).scalar_subquery()
    statement = (
        update(visit_answers)
        .where(
            visit_answers.c.visit_id == of_subject,
            visit_answers.c.path == path,
            visit_answers.c.observed_at < answer.observed_at,
        )
        .values(record=answer.record, observed_at=answer.observed_at)
    )
    return in_transaction(engine, lambda connection: bool(connection.execute(statement).rowcount))


def close(connection: Connection, visit_id: int) -> None:
    """End a visit within the transaction that writes its content to the tables."""
    connection.execute(delete(visits).where(visits.c.visit_id == visit_id))


def end_visit(engine: Engine, subject: str) -> None:
    """End the visit to ``subject``: its content is in the tables, or its answers must not be used again."""

    def work(connection: Connection) -> None:
        connection.execute(delete(visits).where(visits.c.subject == subject))
        killpoint("visit.before_end")

    in_transaction(engine, work)
    killpoint("visit.after_end")
