"""Each refusal of PostgreSQL becomes one line with thing, cause and remedy; what is our own mistake stays what it is."""

import psycopg
import psycopg.errors
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from match_assets.errors import ConfigurationError, DependencyUnavailableError, MatchAssetsError, RejectedRowError
from match_assets.warehouse.failures import named, state_of

URL = make_url("postgresql+psycopg://scraper:s3cret@db.example:6543/league")


def wrapped(error: psycopg.Error) -> DBAPIError:
    return DBAPIError.instance("SELECT 1", {}, error, psycopg.Error)  # type: ignore[return-value]


@pytest.mark.parametrize("wrap", [wrapped, lambda error: error], ids=["by SQLAlchemy", "by the driver"])
@pytest.mark.parametrize(
    ("error", "expected", "told"),
    [
        (
            psycopg.OperationalError("connection refused\nIs it running?"),
            DependencyUnavailableError,
            "refused. Start it",
        ),
        (
            psycopg.errors.TooManyConnections("too many clients"),
            DependencyUnavailableError,
            "too many clients. Start it",
        ),
        (psycopg.errors.QueryCanceled("statement timeout"), DependencyUnavailableError, "statement timeout"),
        (psycopg.errors.AdminShutdown("terminating connection"), DependencyUnavailableError, "terminating connection"),
        (psycopg.errors.LockNotAvailable("lock timeout"), DependencyUnavailableError, "lock timeout"),
        (psycopg.errors.DiskFull("could not extend file"), DependencyUnavailableError, "the disk of PostgreSQL at"),
        (psycopg.errors.InternalError_("x: File too large"), DependencyUnavailableError, "the disk of PostgreSQL at"),
        (psycopg.errors.IoError("x: No space left on device"), DependencyUnavailableError, "the disk of PostgreSQL at"),
        (psycopg.errors.DeadlockDetected("deadlock detected"), DependencyUnavailableError, "deadlock detected"),
        (psycopg.errors.InsufficientPrivilege("permission denied for table x"), ConfigurationError, "role scraper of"),
        (
            psycopg.errors.UndefinedTable('relation "x" does not exist'),
            ConfigurationError,
            "Run `match-assets migrate`",
        ),
        (psycopg.errors.UndefinedColumn('column "x" does not exist'), ConfigurationError, "Run `match-assets migrate`"),
        (psycopg.errors.CheckViolation("violates check constraint"), RejectedRowError, "violates check constraint"),
        (psycopg.errors.NumericValueOutOfRange("out of range"), RejectedRowError, "out of range"),
        (psycopg.DataError("text fields cannot contain NUL"), RejectedRowError, "cannot contain NUL"),
    ],
)
def test_errors_are_ours_and_name_the_thing(
    wrap: "type", error: psycopg.Error, expected: type[MatchAssetsError], told: str
) -> None:
    ours = named(wrap(error), URL)
    assert type(ours) is expected
    assert told in ours.message
    assert "\n" not in ours.message
    assert "s3cret" not in ours.message
    if not isinstance(ours, RejectedRowError):
        assert "db.example:6543" in ours.message


@pytest.mark.parametrize(
    "error",
    [psycopg.errors.SyntaxError("syntax error"), psycopg.ProgrammingError("no result"), psycopg.InterfaceError("x")],
)
def test_a_mistake_of_our_own_is_not_dressed_up(error: psycopg.Error) -> None:
    assert named(error, URL) is None
    assert named(wrapped(error), URL) is None
    assert named(InvalidRequestError("no transaction"), URL) is None


def test_a_lost_connection_is_the_server_away_whatever_the_driver_calls_it() -> None:
    error = wrapped(psycopg.InternalError("cursor is gone"))
    error.connection_invalidated = True
    assert isinstance(named(error, URL), DependencyUnavailableError)


def test_a_state_is_found_in_either_form() -> None:
    error = psycopg.errors.DeadlockDetected("x")
    assert state_of(error) == state_of(wrapped(error)) == "40P01"
    assert state_of(psycopg.OperationalError("no server")) is None


def test_a_long_refused_row_is_cut_short() -> None:
    ours = named(psycopg.errors.CheckViolation("x" * 10_000), URL)
    assert ours is not None
    assert len(ours.message) < 1000
