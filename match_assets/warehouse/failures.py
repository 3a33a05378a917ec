"""What PostgreSQL's refusals mean to us: each becomes an error of this project that names the thing, the cause and the remedy.

The driver's errors arrive wrapped by SQLAlchemy, or bare where COPY speaks to the driver itself; both are read here.
"""

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from match_assets.errors import ConfigurationError, DependencyUnavailableError, MatchAssetsError, RejectedRowError

DEFAULT_PORT = 5432
# serialization_failure and deadlock_detected: the whole transaction may simply be run again
CONFLICTS = frozenset({"40001", "40P01"})
INSUFFICIENT_PRIVILEGE = "42501"
# no such table, column, function or schema: the database is not the one that this code knows
ABSENT_OBJECTS = frozenset({"42P01", "42703", "42883", "3F000"})
DISK_FULL = "53100"
# a limit on the size of files, as quotas set it, comes as an internal or input error with the system's own words
NO_ROOM = ("No space left on device", "File too large", "Disk quota exceeded")
BAD_VALUE, BROKEN_CONSTRAINT = "22", "23"
ROW_LENGTH = 400  # characters of a refused row that a message shows


def state_of(error: SQLAlchemyError | psycopg.Error) -> str | None:
    """PostgreSQL's five-character code for ``error``; None when the driver itself failed."""
    return getattr(_driver_error(error), "sqlstate", None)


def named(error: SQLAlchemyError | psycopg.Error, url: URL) -> MatchAssetsError | None:
    """``error`` as one of ours, without the password of ``url``; None when it is a mistake of our own code."""
    return _rejected(error) or _misconfigured(error, url) or _unavailable(error, url)


def _rejected(error: SQLAlchemyError | psycopg.Error) -> RejectedRowError | None:
    cause, state = _driver_error(error), state_of(error) or ""
    if state[:2] not in {BAD_VALUE, BROKEN_CONSTRAINT} and not isinstance(cause, psycopg.DataError):
        return None
    table, constraint, row = None, None, ""
    if isinstance(cause, psycopg.Error):
        table = cause.diag.table_name
        constraint = cause.diag.constraint_name or cause.diag.column_name
        row = _shortened(cause.diag.message_detail or cause.diag.context or "")
    return RejectedRowError(
        f"the warehouse refused a row{f' of {table}' if table else ''}: {_first_line(cause)}{f' ({row})' if row else ''}."
        " Nothing of its batch was stored; look at where the row came from, the schema's constraints say what may be stored",
        table=table,
        constraint=constraint,
        row=row,
    )


def _misconfigured(error: SQLAlchemyError | psycopg.Error, url: URL) -> ConfigurationError | None:
    cause, state = _first_line(_driver_error(error)), state_of(error)
    if state == INSUFFICIENT_PRIVILEGE:
        return ConfigurationError(
            f"the role {url.username} of {_server(url)} may not do this: {cause}. Grant it the role of its job"
            " (match_assets_scrape, match_assets_export, match_assets_read or match_assets_request) or give"
            " MATCH_ASSETS_POSTGRES_URL another user",
            role=url.username,
        )
    if state in ABSENT_OBJECTS:
        return ConfigurationError(
            f"the database {url.database} of {_server(url)} lacks what this version needs: {cause}. Run `match-assets migrate`",
            database=url.database,
        )
    return None


def _unavailable(error: SQLAlchemyError | psycopg.Error, url: URL) -> DependencyUnavailableError | None:
    cause, state, where = _driver_error(error), state_of(error), _server(url)
    if state == DISK_FULL or any(words in str(cause) for words in NO_ROOM):
        message = (
            f"the disk of {where} is full: {_first_line(cause)}. Make room there and run again; what was committed before"
            " is kept"
        )
    elif state in CONFLICTS:
        message = (
            f"{where} broke this transaction off for the sake of others, time and again: {_first_line(cause)}. Nothing of it"
            " was stored; run again when fewer writers are at work"
        )
    elif _means_away(error, cause):
        message = (
            f"{where} cannot be used: {_first_line(cause)}. Start it (`make up`) or check MATCH_ASSETS_POSTGRES_URL; what was"
            " committed before is kept"
        )
    else:
        return None
    return DependencyUnavailableError(message, host=url.host, port=url.port or DEFAULT_PORT)


def _means_away(error: SQLAlchemyError | psycopg.Error, cause: BaseException) -> bool:
    """Whether the server, or our connection to it, is the trouble, and not what we asked of it."""
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_lost or isinstance(cause, (psycopg.OperationalError, PoolTimeoutError))


def _driver_error(error: SQLAlchemyError | psycopg.Error) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _server(url: URL) -> str:
    return f"PostgreSQL at {url.host}:{url.port or DEFAULT_PORT}"


def _first_line(cause: BaseException) -> str:
    lines = str(cause).strip().splitlines()
    return _shortened(lines[0].strip().rstrip(".")) if lines else type(cause).__name__


def _shortened(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= ROW_LENGTH else f"{line[:ROW_LENGTH]}…"
