"""A season in a warehouse of each test's own, told visit by visit."""

import pytest
from sqlalchemy import Engine

from tests.integration.warehouse.telling import Teller


@pytest.fixture
def teller(warehouse: Engine) -> Teller:
    """A season of which nothing was told yet."""
    return Teller(warehouse)
