"""A season in a warehouse of each test's own, told visit by visit."""

from typing import Any

import pytest
from sqlalchemy import Engine

from match_assets.config import Settings, load_params
from match_assets.stages.base import StageContext
from match_assets.store import Store
from match_assets.store.objects import Bucket, s3_client
from tests.integration.warehouse.telling import Teller


@pytest.fixture
def teller(warehouse: Engine) -> Teller:
    """A season of which nothing was told yet."""
    return Teller(warehouse)


@pytest.fixture
def context(settings: Settings, warehouse: Engine) -> StageContext:
    """What the gates may touch; the modelling's parts are never asked for."""
    store = Store(Bucket(s3_client(settings), settings.s3_bucket))
    nobody: Any = None
    return StageContext(load_params(), settings, store, lambda: warehouse, nobody, nobody, "test")
