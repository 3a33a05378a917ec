"""A Dagster instance on PostgreSQL, a warehouse filled from the drawn world, and the platform's resource over both."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from match_assets.config import Settings, load_params
from match_assets.local.servers import create_databases, postgres_dsn
from match_assets.local.stack import ServerStack
from match_assets.resources.platform import Platform
from match_assets.source import ingestion
from match_assets.source.practice.world import draw_world
from match_assets.source.reports import CatalogueReport
from match_assets.stages.base import StageContext
from match_assets.warehouse.database import engine as open_engine
from match_assets.warehouse.migrate import migrate
from match_assets.warehouse.reading import season_revision
from tests.conftest import _s3_client
from tests.integration.orchestration.in_process_site import InProcessClient, as_client

SEASONS = [f"{season}|{tournament}" for tournament in ("PRA-First", "PRA-Second") for season in range(2021, 2025)]
BUCKET = "orchestration"


@dataclass
class Rig:
    """One platform of its own: warehouse, store, Dagster instance and the site that feeds it."""

    settings: Settings
    instance: dg.DagsterInstance
    site: InProcessClient
    engine: Engine
    defs: dg.Definitions
    platform: Platform

    def close(self) -> None:
        """Closes every connection."""
        self.instance.dispose()
        self.platform.close()
        self.engine.dispose()

    def scrape(self, partitions: list[str]) -> None:
        """Reads these seasons from the site into the warehouse."""

        async def read() -> None:
            client = as_client(self.site)
            for partition in partitions:
                season, tournament = partition.split("|")
                await ingestion.scrape_matches(client, self.engine, tournament, season)
                await ingestion.scrape_match_stats(client, self.engine, tournament, season)

        asyncio.run(read())

    def scrape_catalogue(self) -> CatalogueReport:
        """Reads which seasons there are."""
        tournaments = load_params().tournaments
        return asyncio.run(
            ingestion.scrape_catalogue(as_client(self.site), self.engine, tournaments, first_season=2000),
        )

    def scrape_every_month(self, partition: str) -> None:
        """Reads a season again, settled months included."""
        season, tournament = partition.split("|")
        client = as_client(self.site)

        async def read() -> None:
            await ingestion.scrape_matches(client, self.engine, tournament, season, every_month=True)
            await ingestion.scrape_match_stats(client, self.engine, tournament, season)

        asyncio.run(read())

    def revisions(self) -> dict[str, str]:
        """Each season's revision in the warehouse."""
        return season_revision(self.engine)

    def fail_run(self, job: str, tags: Mapping[str, str]) -> bool:
        """A run of the job with these tags that ended in failure, as a server's outage leaves it behind."""
        run = self.instance.create_run_for_job(self.defs.resolve_job_def(job), tags=dict(tags))
        self.instance.report_run_failed(run)
        stored = self.instance.get_run_by_id(run.run_id)
        return stored is not None and stored.is_failure

    def run(self, job: str, *, partition: str | None = None, select: list[str] | None = None, **config: Any) -> Any:
        """Runs a job in this process, a failing step being a result and not an error."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            run_config=config or None,
            asset_selection=[dg.AssetKey(name) for name in select] if select else None,
            raise_on_error=False,
        )

    def bulk(self, partitions: list[str] | None = None, **config: Any) -> Any:
        """The bulk job on what the warehouse holds, unless it is told to ask the source."""
        config = {"partitions": partitions or [], "scrape": False} | config
        return self.run("bulk", ops={"carry_seasons": {"config": config}})

    def context(self) -> StageContext:
        """A stage's context, as a plain call would have it."""
        return self.platform.context("test", lambda _line: None)

    def execute(self, statement: str, **values: object) -> None:
        """SQL on the warehouse, for what no source would ever send."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)


def materialised(result: Any) -> set[tuple[str, str]]:
    """Asset and partition of every materialisation in a run."""
    return {
        (event.asset_key.path[-1], event.partition)
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    }


def verdicts(result: Any) -> dict[tuple[str, str], bool]:
    """Verdict by asset and partition of every check that was evaluated in a run."""
    found = {}
    for event in result.all_events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.event_specific_data
            found[(evaluation.asset_key.path[-1], str(evaluation.partition))] = evaluation.passed
    return found


@pytest.fixture(scope="module")
def rig(stack: ServerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The drawn world's eight seasons in the warehouse; nothing is materialised yet."""
    folder = tmp_path_factory.mktemp("orchestration")
    with pytest.MonkeyPatch.context() as patch:
        rig = make_rig(stack, folder, patch)
        try:
            rig.scrape_catalogue()
            rig.scrape(SEASONS)
            yield rig
        finally:
            rig.close()


def make_rig(
    stack: ServerStack,
    folder: Path,
    patch: pytest.MonkeyPatch,
    source_url: str = "http://127.0.0.1:9",
    *,
    instance: str = "",
) -> Rig:
    """Databases, bucket and Dagster home of their own, migrated and empty, named in the environment.

    ``instance`` is YAML that is added to Dagster's settings.
    """
    from match_assets.definitions import defs

    name = folder.name.replace("-", "_")
    port, password = stack.ports["postgres"], stack.secrets["postgres"]
    databases = {kind: f"{name}_{kind}" for kind in ("warehouse", "dagster", "mlflow")}
    create_databases(port, password, tuple(databases.values()))
    bucket = f"{BUCKET}-{name.replace('_', '-')}"
    _s3_client(stack).create_bucket(Bucket=bucket)
    environment = {
        **stack.settings_environment(),
        "MATCH_ASSETS_POSTGRES_URL": postgres_dsn(port, password, databases["warehouse"], driver="psycopg"),
        "MATCH_ASSETS_MLFLOW_URL": postgres_dsn(port, password, databases["mlflow"], driver="psycopg"),
        "DAGSTER_PG_URL": postgres_dsn(port, password, databases["dagster"], driver="psycopg2"),
        "MATCH_ASSETS_S3_BUCKET": bucket,
        "MATCH_ASSETS_SOURCE_URL": source_url,
        "MATCH_ASSETS_REQUESTS_PER_MINUTE": "1000000",
        "DAGSTER_HOME": str(folder),
    }
    for key, value in environment.items():
        patch.setenv(key, value)
    (folder / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: {{env: DAGSTER_PG_URL}}}}}}\ntelemetry: {{enabled: false}}\n{instance}\n"
    )
    platform = Platform()
    settings = platform.settings
    migrate(settings.postgres_url)
    return Rig(
        settings=settings,
        instance=dg.DagsterInstance.from_config(str(folder)),
        site=InProcessClient(draw_world()),
        engine=open_engine(settings.postgres_url),
        defs=defs,
        platform=platform,
    )
