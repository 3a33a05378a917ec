"""A migrated warehouse for each test, and a season in it that is told visit by visit."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate
from tests.integration.warehouse.telling import Teller


@pytest.fixture
def warehouse(postgres_url: str) -> Iterator[Engine]:
    """A migrated warehouse of this test's own."""
    migrate(postgres_url)
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def teller(warehouse: Engine) -> Teller:
    """A season of which nothing was told yet."""
    return Teller(warehouse)
