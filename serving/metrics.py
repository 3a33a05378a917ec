"""Prometheus metrics of the service and of its workers: a bounded number of series, whatever clients send."""

import time
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
JOB_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)

PREDICTION_KINDS = ("fixture", "pair", "batch", "list")
CACHE_RESULTS = ("hit", "miss", "poisoned", "failed", "bypassed")
PARTS = ("model", "features")
JOB_OUTCOMES = ("complete", "failed")


class SnapshotMetrics:
    """What is being served and how old it is; the service and its workers both keep a snapshot."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refresh_failures = Counter(
            "match_assets_refresh_failures",
            "Refreshes that failed; the last good part stays in service.",
            ["part"],
            registry=registry,
        )
        self.swaps = Counter(
            "match_assets_snapshot_swaps", "Times a new snapshot went into service.", registry=registry
        )
        self.fixtures = Gauge("match_assets_snapshot_fixtures", "Known fixtures in service.", registry=registry)
        self.model_info = Gauge(
            "match_assets_model_info",
            "The champion in service, as labels; the value is 1.",
            ["model_version", "feature_version", "cutoff"],
            registry=registry,
        )
        self._age = Gauge(
            "match_assets_snapshot_age_seconds",
            "Seconds since the part was last found current at its source; -1 before the first time.",
            ["part"],
            registry=registry,
        )
        for part in PARTS:
            self.refresh_failures.labels(part)
            self._age.labels(part).set(-1)

    def watch_age(self, part: str, age: Callable[[], float | None]) -> None:
        """Reads the age of ``part`` from ``age`` at every scrape."""

        def current() -> float:
            seconds = age()
            return -1.0 if seconds is None else seconds

        self._age.labels(part).set_function(current)

    def serve_model(self, model_version: str, feature_version: str, cutoff: str | None) -> None:
        """Names the champion in service; the series of the one before it goes."""
        self.model_info.clear()
        self.model_info.labels(model_version, feature_version, cutoff or "").set(1)


class ServiceMetrics:
    """Metrics of the HTTP service, in a registry of their own so that several apps fit in one process."""

    def __init__(self) -> None:
        self.registry = process_registry()
        self.snapshot = SnapshotMetrics(self.registry)
        self.requests = Counter(
            "match_assets_http_requests",
            "Requests answered, by route template.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "match_assets_http_request_duration_seconds",
            "Seconds from the request's arrival to the last byte of its answer.",
            ["method", "route"],
            registry=self.registry,
            buckets=REQUEST_BUCKETS,
        )
        self.in_progress = Gauge(
            "match_assets_http_requests_in_progress", "Requests being answered.", registry=self.registry
        )
        self.predictions = Counter(
            "match_assets_predictions", "Predictions given out, by kind.", ["kind"], registry=self.registry
        )
        self.cache = Counter(
            "match_assets_cache_requests",
            "Look-ups in the shared cache, by result.",
            ["result"],
            registry=self.registry,
        )
        self.jobs_enqueued = Counter(
            "match_assets_jobs_enqueued", "Jobs handed to the workers.", registry=self.registry
        )
        for kind in PREDICTION_KINDS:
            self.predictions.labels(kind)
        for result in CACHE_RESULTS:
            self.cache.labels(result)


class WorkerMetrics:
    """Metrics of one worker process."""

    def __init__(self) -> None:
        self.registry = process_registry()
        self.snapshot = SnapshotMetrics(self.registry)
        self.processed = Counter(
            "match_assets_jobs_processed", "Attempts at jobs, by outcome.", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "match_assets_job_duration_seconds",
            "Seconds that an attempt at a job took.",
            registry=self.registry,
            buckets=JOB_BUCKETS,
        )
        self.predictions = Counter(
            "match_assets_job_predictions", "Predictions computed in jobs.", registry=self.registry
        )
        for outcome in JOB_OUTCOMES:
            self.processed.labels(outcome)


def process_registry() -> CollectorRegistry:
    """A fresh registry with the process's own figures (memory, CPU, descriptors)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class Stopwatch:
    """Seconds since it was made, on the monotonic clock."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._start
