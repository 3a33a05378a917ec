"""The Litestar application: routes, errors, documentation and the background refresh, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin

from match_assets.config import Params, Settings
from match_assets.errors import MatchAssetsError
from match_assets.store import Store
from serving.cache import AnswerCache
from serving.feature_routes import feature_handlers
from serving.feature_sets import FeatureSource
from serving.jobs import Jobs
from serving.keeper import SnapshotKeeper
from serving.metrics import ServiceMetrics
from serving.middleware import RequestEnvelope
from serving.models import MlflowModelSource, ModelSource
from serving.problems import UNREADABLE_BODY, on_any_error, on_http_error, on_our_error, on_unreadable_body
from serving.routes import HANDLERS, Parts, parts_of
from serving.scrapes import Scrapes

LARGEST_BODY_BYTES = 1_000_000


def create_app(
    settings: Settings,
    params: Params,
    *,
    features: FeatureSource | None = None,
    models: ModelSource | None = None,
) -> Litestar:
    """The service; nothing is connected before it starts, and it starts whatever is away.

    Args:
        settings: addresses; ``state_dir`` keeps the last good copies of model and features.
        params: feature definitions and limits of the service.
        features: where stored objects come from; the store of ``settings`` by default.
        models: where the champion comes from; the MLflow registry of ``settings`` by default.
    """
    service_metrics = ServiceMetrics()

    @asynccontextmanager
    async def parts_running(app: Litestar) -> AsyncIterator[None]:
        keeper = SnapshotKeeper(
            features or Store.from_settings(settings),
            models or MlflowModelSource(settings),
            params,
            settings.state_dir / "service" / "web",
            service_metrics.snapshot,
        )
        cache = AnswerCache(
            settings.redis_url,
            seconds=params.service.cache_seconds,
            count=lambda result: service_metrics.cache.labels(result).inc(),
        )
        jobs = Jobs(settings.redis_url, result_seconds=params.service.job_result_seconds)
        scrapes = Scrapes(settings.requests_url or settings.postgres_url, params)
        app.state.parts = Parts(keeper, cache, jobs, scrapes, service_metrics, params)
        refreshing = asyncio.create_task(keeper.run())
        try:
            yield
        finally:
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing
            await cache.close()
            await jobs.close()
            scrapes.close()

    app = Litestar(
        route_handlers=[*HANDLERS, *feature_handlers(params.features)],
        lifespan=[parts_running],
        dependencies={"parts": Provide(parts_of, sync_to_thread=False)},
        exception_handlers={
            MatchAssetsError: on_our_error,
            HTTPException: on_http_error,
            Exception: on_any_error,
            **dict.fromkeys(UNREADABLE_BODY, on_unreadable_body),
        },
        request_max_body_size=LARGEST_BODY_BYTES,
        compression_config=CompressionConfig(backend="gzip", exclude=["/metrics", "/predict/"]),
        openapi_config=OpenAPIConfig(
            title="match-assets",
            version=version("match-assets"),
            summary="Probabilities of football matches",
            description="Every answer names the model and the features that made it. Errors are problem documents.",
            path="/schema",
            # no viewer: each of them loads its scripts from somewhere else
            render_plugins=[JsonRenderPlugin(path=("/", "/openapi.json")), YamlRenderPlugin()],
            create_examples=False,
        ),
        # the process that runs the application says where its log goes
        logging_config=None,
        state=State(),
    )
    app.asgi_handler = RequestEnvelope(app.asgi_handler, service_metrics)
    return app
