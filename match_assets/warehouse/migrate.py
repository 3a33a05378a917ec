"""Bringing a database to the schema that this version of the code knows, all or nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from match_assets.errors import ConfigurationError
from match_assets.killpoint import killpoint
from match_assets.warehouse import database

if TYPE_CHECKING:  # half a second at import, which only a process that looks at the revision pays
    from alembic.config import Config

VERSION_TABLE = "warehouse_version"
# a migration may rewrite a large table, and another process may wait for all of it
MIGRATION_SECONDS = 600
_LOCK_KEY = 6_242_001  # any constant of our own: it only has to be the same in every process


def migrate(url: str) -> str:
    """Bring the database at ``url`` to the newest revision and return that revision.

    Safe to call from several processes at once: one migrates, the others wait for it and find nothing to do. The whole
    migration is one transaction, so that a killed one leaves nothing.

    Raises:
        ConfigurationError: the database was made by a newer version of the code, our role may not change it, or the URL is
            not PostgreSQL's.
        DependencyUnavailableError: the server is away.
    """
    engine = database.engine(database.require_postgres(url), statement_seconds=MIGRATION_SECONDS)
    try:
        revision = database.in_transaction(engine, _upgrade)
        killpoint("migration.committed")
        return revision
    finally:
        engine.dispose()


def require_current(engine: Engine) -> None:
    """Refuse to work on a database of another revision.

    Raises:
        ConfigurationError: older or newer than the code; the message says what to run.
    """
    with database.unavailable_is_named(engine), engine.connect() as connection:
        found = _revision(connection)
    _refuse_unknown(found)
    if found != _head():
        raise ConfigurationError(
            f"the warehouse is at revision {found or 'none'}, the code needs {_head()}: run `match-assets migrate`",
            found=found,
            expected=_head(),
        )


def _upgrade(connection: Connection) -> str:
    from alembic import command

    limit = {"seconds": f"{MIGRATION_SECONDS}s"}
    connection.execute(text("SELECT set_config('lock_timeout', :seconds, true)"), limit)
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    killpoint("migration.locked")
    _refuse_unknown(_revision(connection))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    killpoint("migration.before_commit")
    return _head()


def _revision(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _refuse_unknown(revision: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(
            f"the warehouse is at revision {revision}, which this version does not know: update match-assets",
            found=revision,
        )


def _head() -> str:
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise ConfigurationError("no migrations are installed: reinstall match-assets")
    return head


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config
