"""The resource through which assets, checks, jobs and sensors reach the servers."""

from collections.abc import Callable
from functools import cached_property

import dagster as dg
from sqlalchemy import Engine

from match_assets.config import Params, Settings, load_settings, params
from match_assets.resources.registry import MlflowRegistry
from match_assets.resources.tracking import MlflowTracker
from match_assets.stages.base import StageContext
from match_assets.store import Store
from match_assets.warehouse.database import engine as open_engine


class Platform(dg.ConfigurableResource[None]):
    """Opens what a stage needs, on first use, from ``MATCH_ASSETS_*`` variables."""

    @cached_property
    def settings(self) -> Settings:
        """Addresses and secrets."""
        return load_settings()

    @property
    def params(self) -> Params:
        """What an analyst may change."""
        return params()

    @cached_property
    def store(self) -> Store:
        """The object store; its frames are kept in memory for the life of the process."""
        return Store.from_settings(self.settings, patience_seconds=self.settings.s3_patience_seconds)

    @cached_property
    def engine(self) -> Engine:
        """The warehouse."""
        return open_engine(self.settings.postgres_url)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Closes the warehouse's connections when a run or a sensor's tick ends."""
        self.close()

    def close(self) -> None:
        """Closes what was opened; it opens again on the next use."""
        opened = self.__dict__.pop("engine", None)
        if opened is not None:
            opened.dispose()

    def context(self, run_id: str, log: Callable[[str], None]) -> StageContext:
        """A stage's context for one run."""
        return StageContext(
            params=self.params,
            settings=self.settings,
            store=self.store,
            open_engine=lambda: self.engine,
            tracker=MlflowTracker(self.settings, run_id),
            registry=MlflowRegistry(self.settings),
            run_id=run_id,
            log=log,
        )
