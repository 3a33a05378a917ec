"""Alembic's entry: runs on the connection that ``match_assets.warehouse.migrate`` hands over."""

from alembic import context
from sqlalchemy import Connection

from match_assets.killpoint import killpoint
from match_assets.warehouse.migrate import VERSION_TABLE
from match_assets.warehouse.schema import METADATA


def run(connection: Connection) -> None:
    """Bring the database to the asked revision inside the caller's transaction."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        compare_type=True,
        on_version_apply=lambda **_: killpoint("migration.after_revision"),
    )
    context.run_migrations()


run(context.config.attributes["connection"])
