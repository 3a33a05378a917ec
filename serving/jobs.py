"""Batches that a worker computes: handed over, looked up and bounded in time, through saq on Redis."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError
from saq import Job, Status
from saq.queue.redis import RedisQueue

from serving.problems import RefusedRequestError
from serving.schemas import BatchAnswer, BatchQuery, JobAnswer, JobTicket

QUEUE_NAME = "match-assets"
FUNCTION = "predict_batch"
JOB_TIMEOUT_SECONDS = 30
ATTEMPTS = 3
RETRY_DELAY_SECONDS = 1.0
QUEUE_BUDGET_SECONDS = 1.0

_STATES = {
    Status.NEW: "queued",
    Status.QUEUED: "queued",
    Status.ACTIVE: "active",
    Status.ABORTING: "active",
    Status.COMPLETE: "complete",
    Status.FAILED: "failed",
}


def service_queue(url: str) -> RedisQueue:
    """The queue as the service uses it: quick answers or none."""
    client = Redis.from_url(
        url,
        socket_timeout=QUEUE_BUDGET_SECONDS,
        socket_connect_timeout=QUEUE_BUDGET_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return RedisQueue(client, name=QUEUE_NAME)


def worker_queue(url: str) -> RedisQueue:
    """The queue as a worker uses it: it waits while the server is away.

    Without the growing pauses saq would ask again at once, for ever, on every one of its tasks.
    """
    client = Redis.from_url(
        url,
        socket_timeout=10.0,
        socket_connect_timeout=2.0,
        retry=Retry(ExponentialBackoff(cap=2.0, base=0.1), 8),
    )
    return RedisQueue(client, name=QUEUE_NAME)


class Jobs:
    """The jobs as the HTTP service sees them."""

    def __init__(self, url: str, *, result_seconds: int) -> None:
        self._queue = service_queue(url)
        self._result_seconds = result_seconds

    async def submit(self, query: BatchQuery) -> JobTicket:
        """Hands a batch to the workers.

        Raises:
            RefusedRequestError: 503, the queue does not answer.
        """
        job = Job(
            FUNCTION,
            kwargs={"query": msgspec.to_builtins(query)},
            key=uuid.uuid4().hex,
            timeout=JOB_TIMEOUT_SECONDS,
            retries=ATTEMPTS,
            retry_delay=RETRY_DELAY_SECONDS,
            ttl=self._result_seconds,
        )
        async with _within_budget():
            await self._queue.enqueue(job)
        return JobTicket(job_id=job.key, status="queued", status_url=f"/jobs/{job.key}")

    async def look_up(self, job_id: str) -> JobAnswer:
        """State and result of a job.

        Raises:
            RefusedRequestError: 404, no such job, or its result is no longer kept; 503, the queue does not answer.
        """
        async with _within_budget():
            try:
                job = await self._queue.job(job_id)
            except (ValueError, TypeError, KeyError, AttributeError):
                job = None  # other bytes lie where the job should: as good as none
        if job is None or job.function != FUNCTION:
            raise RefusedRequestError(
                404, f"no job {job_id}; results are kept for {self._result_seconds} seconds after they are made"
            )
        return job_answer(job)

    async def close(self) -> None:
        """Ends the connections."""
        with contextlib.suppress(RedisError, OSError):
            await self._queue.disconnect()


@contextlib.asynccontextmanager
async def _within_budget() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(QUEUE_BUDGET_SECONDS):
            yield
    except (RedisError, OSError) as error:
        raise RefusedRequestError(
            503, f"the job queue does not answer ({type(error).__name__}); use POST /predict/batch, or try again"
        ) from error


def job_answer(job: Job) -> JobAnswer:
    """What a caller is told of a job; one that ended well but whose result cannot be read counts as failed."""
    result, detail = _result_of(job), None
    status = _state(job)
    if status == "complete" and result is None:
        status, detail = "failed", "the result kept for this job is not readable; submit it again"
    elif status == "failed":
        detail = f"given up after {job.attempts} of {job.retries} attempts; the worker's log has the reason"
    return JobAnswer(job_id=job.key, status=status, attempts=job.attempts, detail=detail, result=result)


def _state(job: Job) -> str:
    # nobody but the queue's sweep aborts a job: one that got stuck, for which it asks again while attempts are left
    if job.status is Status.ABORTED:
        return "queued" if job.retryable else "failed"
    return _STATES.get(job.status, "queued")


def _result_of(job: Job) -> BatchAnswer | None:
    try:
        return msgspec.convert(job.result, BatchAnswer) if job.status is Status.COMPLETE else None
    except msgspec.ValidationError:
        return None


def read_query(raw: dict[str, Any]) -> BatchQuery:
    """The batch in a job's arguments.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.convert(raw, BatchQuery)
