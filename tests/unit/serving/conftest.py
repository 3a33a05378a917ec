"""The service in this process over sources in memory, with every server away."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from serving.app import create_app
from tests.serving_world import MemoryRegistry, MemoryStore, fill, outcome_model, quick_params, unreachable_settings


@dataclass
class Service:
    """A running application and the sources behind it."""

    client: TestClient[Litestar]
    store: MemoryStore
    registry: MemoryRegistry

    def wait_for(self, status: str) -> None:
        """Until readiness says so, at most two minutes: kernels that no cache holds yet take most of one to compile."""
        deadline = time.monotonic() + 120
        while (told := self.client.get("/health/ready").json())["status"] != status:
            assert time.monotonic() < deadline, told
            time.sleep(0.02)

    def wait_for_match(self, match_id: int) -> None:
        """Until it is predicted, at most half a minute: what a store accepts one after the other may come in several looks."""
        deadline = time.monotonic() + 30
        while (told := self.client.get(f"/predict/{match_id}")).status_code != 200:
            assert time.monotonic() < deadline, told.text
            time.sleep(0.02)


def ready_service(service: Service) -> Service:
    """Waits until predictions are served: degraded, since no Redis is there."""
    service.wait_for("degraded")
    return service


@pytest.fixture
def empty_service(tmp_path: Path) -> Iterator[Service]:
    """Sources that hold nothing yet."""
    store, registry = MemoryStore(), MemoryRegistry(tmp_path / "registry")
    app = create_app(unreachable_settings(tmp_path / "state"), quick_params(), features=store, models=registry)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Service(client, store, registry)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two leagues and a champion; tests of one module share it and change nothing."""
    folder = tmp_path_factory.mktemp("service")
    store, registry = MemoryStore(), MemoryRegistry(folder / "registry")
    fill(store, "PRA-First", 1)
    fill(store, "PRA-Second", 101)
    registry.promote("7", outcome_model())
    app = create_app(unreachable_settings(folder / "state"), quick_params(), features=store, models=registry)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield ready_service(Service(client, store, registry))
