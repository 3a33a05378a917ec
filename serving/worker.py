"""The worker process: takes batches from the queue and computes them with the service's own code.

``python -m serving.worker``; metrics at ``MATCH_ASSETS_WORKER_METRICS_HOST`` (127.0.0.1) and ``…_PORT``.
"""

import asyncio
import logging
import os
from contextlib import suppress
from typing import Any

import msgspec
from prometheus_client import disable_created_metrics, start_http_server
from redis.exceptions import RedisError
from saq import Worker
from saq.queue.redis import RedisQueue

from match_assets.config import Params, Settings, load_params, load_settings
from match_assets.errors import ConfigurationError, MatchAssetsError
from match_assets.store import Store
from serving.jobs import FUNCTION, read_query, worker_queue
from serving.keeper import SnapshotKeeper
from serving.metrics import Stopwatch, WorkerMetrics
from serving.models import MlflowModelSource
from serving.predicting import predict_batch

LOGGER = logging.getLogger(__name__)

METRICS_PORT_VARIABLE = "MATCH_ASSETS_WORKER_METRICS_PORT"
DEFAULT_METRICS_PORT = 8001
METRICS_HOST_VARIABLE = "MATCH_ASSETS_WORKER_METRICS_HOST"
LOOPBACK = "127.0.0.1"
JOBS_AT_ONCE = 2
# How often saq looks after itself, jobs of a worker that died included. A stopping worker waits for the longest of these
# pauses to end: saq's own minute would outlast any supervisor's patience.
UPKEEP_SECONDS = 2
DEQUEUE_SECONDS = 1.0
# for jobs under way when the worker is told to stop; after it they go back to the queue
SHUTDOWN_SECONDS = 5
DISCONNECT_SECONDS = 1.0


class BatchWorker:
    """What a worker does with a job, and what it counts."""

    def __init__(self, keeper: SnapshotKeeper, params: Params, metrics: WorkerMetrics) -> None:
        self._keeper = keeper
        self._params = params
        self._metrics = metrics

    async def predict_batch(self, _context: dict[str, Any], *, query: dict[str, Any]) -> dict[str, Any]:
        """Computes one batch; an error makes saq try again, up to the cap.

        Raises:
            MatchAssetsError: no snapshot yet, or the model cannot answer.
        """
        watch, outcome = Stopwatch(), "failed"
        try:
            answer = await asyncio.to_thread(
                predict_batch,
                self._keeper.snapshot(),
                read_query(query),
                self._params.features,
                self._params.service,
            )
            outcome = "complete"
            self._metrics.predictions.inc(answer.n_predicted)
            made: dict[str, Any] = msgspec.to_builtins(answer)
            return made
        finally:
            self._metrics.processed.labels(outcome).inc()
            self._metrics.seconds.observe(watch.seconds())


def build_worker(queue: RedisQueue, keeper: SnapshotKeeper, params: Params, metrics: WorkerMetrics) -> "Worker[Any]":
    """A saq worker that also keeps its snapshot current."""
    batches = BatchWorker(keeper, params, metrics)
    background: set[asyncio.Task[None]] = set()

    async def start_keeper(_context: Any) -> None:
        background.add(asyncio.create_task(keeper.run()))

    async def stop_keeper(_context: Any) -> None:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)

    return Worker(
        queue,
        functions=[(FUNCTION, batches.predict_batch)],
        concurrency=JOBS_AT_ONCE,
        startup=start_keeper,
        shutdown=stop_keeper,
        dequeue_timeout=DEQUEUE_SECONDS,
        timers={"schedule": 1, "worker_info": UPKEEP_SECONDS, "sweep": UPKEEP_SECONDS, "abort": 1},
        shutdown_grace_period_s=SHUTDOWN_SECONDS,
    )


def metrics_port(environment: dict[str, str]) -> int:
    """Port of the worker's metrics.

    Raises:
        ConfigurationError: the variable holds no port.
    """
    text = environment.get(METRICS_PORT_VARIABLE, str(DEFAULT_METRICS_PORT))
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{METRICS_PORT_VARIABLE}={text!r} is no port; give a number from 1 to 65535")
    return int(text)


def in_one_line(record: logging.LogRecord) -> bool:
    """Log filter: a server that is away, or an error of ours, needs no traceback each time that saq meets it."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RedisError | OSError | MatchAssetsError):
        record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}: {error}", ()
        record.exc_info = record.exc_text = None
    return True


async def run(settings: Settings, params: Params, port: int, host: str = LOOPBACK) -> None:
    """Works until SIGTERM or SIGINT; jobs under way get some seconds to end, then go back to the queue."""
    metrics = WorkerMetrics()
    keeper = SnapshotKeeper(
        Store.from_settings(settings),
        MlflowModelSource(settings),
        params,
        settings.state_dir / "service" / "worker",
        metrics.snapshot,
    )
    queue = worker_queue(settings.redis_url)
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    LOGGER.info("worker ready for jobs, metrics at http://%s:%d/metrics", host, port)
    try:
        await build_worker(queue, keeper, params, metrics).start()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        # saq says goodbye to the server, and would wait for one that is away
        with suppress(RedisError, OSError):
            async with asyncio.timeout(DISCONNECT_SECONDS):
                await queue.disconnect()


def main() -> None:
    """Entry point of ``python -m serving.worker``."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("saq").addFilter(in_one_line)
    try:
        settings, params, port = load_settings(), load_params(), metrics_port(dict(os.environ))
    except MatchAssetsError as error:
        raise SystemExit(_exit_code(error)) from None
    # when a series was made says nothing here, and doubles their number
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    asyncio.run(run(settings, params, port, os.environ.get(METRICS_HOST_VARIABLE, LOOPBACK)))


def _exit_code(error: MatchAssetsError) -> int:
    LOGGER.error(error.message)
    return error.exit_code


if __name__ == "__main__":
    main()
