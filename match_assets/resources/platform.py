"""The resource through which assets, checks, jobs and sensors reach the servers."""

from collections.abc import Callable
from functools import cached_property, lru_cache

import dagster as dg
from sqlalchemy import Engine

from match_assets.config import Params, Settings, load_settings, params
from match_assets.resources.registry import MlflowRegistry
from match_assets.resources.tracking import MlflowTracker
from match_assets.stages.base import StageContext
from match_assets.store import Store
from match_assets.warehouse.database import engine as open_engine


@lru_cache(maxsize=4)
def shared_store(settings: str) -> Store:
    """This process's store for settings in JSON; safe to share, since it remembers only what is checked or named by hash."""
    known = Settings.model_validate_json(settings)
    return Store.from_settings(known, patience_seconds=known.s3_patience_seconds)


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
        """The object store; what was read of it is kept in memory for the life of the process.

        Dagster makes this resource anew for each tick of a sensor, and a tick should read only what moved since the last.
        """
        return shared_store(self.settings.model_dump_json())

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
