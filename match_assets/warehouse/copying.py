"""Many rows at once: COPY, and one statement sorted by key.

Rows go by COPY into a table of the transaction's own and from there in one ``INSERT ... SELECT ... ORDER BY key``, an
order of magnitude faster than a statement for each. Every writer takes its row locks in the order of the key, so that
two of them wait for each other at most one way round and never in a circle; a key that stands twice among the rows is
settled before the statement that could not affect a row a second time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    any_,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import CreateTable, DropTable
from sqlalchemy.types import UserDefinedType

Row = Mapping[str, Any]


class _Keys(UserDefinedType[str]):
    """An array of keys in PostgreSQL's own text, which it reads quicker than the driver adapts thousands of numbers."""

    cache_ok = True
    # else it is sent as text, and cast anew for every row that it is compared with
    render_bind_cast = True

    def get_col_spec(self, **_options: object) -> str:
        """The type's name in SQL."""
        return "BIGINT[]"


def among(column: Column[int], keys: Iterable[int]) -> ColumnElement[bool]:
    """``column`` is one of ``keys``: one array, since a parameter for each of 380 costs more than the query itself."""
    return column == any_(literal(f"{{{','.join(map(str, sorted(set(keys))))}}}", _Keys()))


def append(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Rows that cannot be there yet, by COPY straight into ``table``."""
    if rows:
        _copy(connection, table, tuple(rows[0]), rows)


def add(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows whose key is not there yet; those that stand stay as they are."""
    with _staged(connection, table, rows) as (staging, names):
        if staging is not None:
            keys = [staging.c[column.name] for column in table.primary_key]
            found = select(staging).ext(distinct_on(*keys)).order_by(*keys)
            connection.execute(upsert(table).from_select(names, found).on_conflict_do_nothing())


def replace(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    newest_by: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> None:
    """Insert, or replace what stands under the same key.

    Args:
        connection: inside the caller's transaction.
        table: with a primary key that all rows name.
        rows: all with the same columns, in any order; columns that they do not name keep their value.
        newest_by: columns without nulls whose values, compared one after the other, tell which of two rows is newer:
            only the greater replaces, so that equal rows write nothing. Empty: the caller knows what is to stand.
        keep: columns that an insert sets and a replacement leaves alone.
    """
    with _staged(connection, table, rows) as (staging, names):
        if staging is None:
            return
        keys = [column.name for column in table.primary_key]
        by_key = [staging.c[name] for name in keys]
        found = (
            select(staging).ext(distinct_on(*by_key)).order_by(*by_key, *(staging.c[name].desc() for name in newest_by))
        )
        statement = upsert(table).from_select(names, found)
        held, incoming = (tuple_(*(side[name] for name in newest_by)) for side in (table.c, statement.excluded))
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=keys,
                set_={name: statement.excluded[name] for name in names if name not in (*keys, *keep)},
                where=held < incoming if newest_by else None,
            )
        )


def change(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Set the named columns of rows that are there; each key once among ``rows``."""
    with _staged(connection, table, rows) as (staging, names):
        if staging is None:
            return
        keys = [column.name for column in table.primary_key]
        # an UPDATE takes its locks in the order it finds the rows: this one finds them locked already, by key
        connection.execute(
            select(*(table.c[name] for name in keys))
            .where(tuple_(*(table.c[name] for name in keys)).in_(select(*(staging.c[name] for name in keys))))
            .order_by(*(table.c[name] for name in keys))
            .with_for_update()
        )
        statement = update(table).values({name: staging.c[name] for name in names if name not in keys})
        for name in keys:
            statement = statement.where(table.c[name] == staging.c[name])
        connection.execute(statement)


@contextmanager
def _staged(connection: Connection, table: Table, rows: Sequence[Row]) -> Iterator[tuple[Table | None, list[str]]]:
    """``rows`` in a table of this transaction with the columns they name; none where there are no rows."""
    if not rows:
        yield None, []
        return
    names = tuple(rows[0])
    staging = _staging(table, names)
    connection.execute(CreateTable(staging))
    _copy(connection, staging, names, rows)
    yield staging, list(names)
    connection.execute(DropTable(staging))


@cache
def _staging(table: Table, names: tuple[str, ...]) -> Table:
    """Made once for each set of columns, so that SQLAlchemy compiles each statement once."""
    columns = [Column(name, table.c[name].type) for name in names]
    return Table(f"incoming_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


def _copy(connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    documents = [index for index, name in enumerate(names) if isinstance(table.c[name].type, JSONB)]
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(_with_documents(values(row), documents) if documents else values(row))


def _with_documents(values: Sequence[Any], documents: Sequence[int]) -> list[Any]:
    adapted = list(values)
    for index in documents:
        # a document that is encoded already comes as msgspec.Raw and goes through as it is
        adapted[index] = msgspec.json.encode(adapted[index]).decode()
    return adapted
