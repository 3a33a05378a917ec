"""The running Dagster as the command line sees it: launch a job, follow its run, over the webserver's GraphQL."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from match_assets.errors import DependencyUnavailableError

FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
LOCATION = "match_assets.definitions"
REPOSITORY = "__repository__"

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message }
    ... on UnauthorizedError { message }
  }
}
"""
UNFINISHED = """
query Unfinished($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 1) { ... on Runs { results { runId } } } }
"""
EVENTS = """
query Events($run: ID!, $cursor: String) {
  runOrError(runId: $run) { ... on Run { status } }
  logsForRun(runId: $run, afterCursor: $cursor, limit: 500) {
    ... on EventConnection {
      cursor hasMore
      events {
        __typename
        ... on MessageEvent { message level stepKey timestamp }
        ... on MaterializationEvent { assetKey { path } partition }
        ... on ExecutionStepFailureEvent { error { message cause { message } } failureMetadata { description } }
      }
    }
  }
}
"""


def failure_of(event: Mapping[str, Any]) -> str:
    """What a failed step says: our own description where it gave one, else the innermost error's message."""
    told = (event.get("failureMetadata") or {}).get("description")
    error = event.get("error") or {}
    return str(told or (error.get("cause") or error).get("message") or event.get("message") or "")


class Orchestrator:
    """A client of one Dagster webserver and code location."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30.0)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise DependencyUnavailableError(
                f"the Dagster webserver at {self.url} does not answer ({type(error).__name__}); start it with `make up`"
            ) from error
        body: dict[str, Any] = answer.json()
        if body.get("errors"):
            raise DependencyUnavailableError(f"the Dagster webserver refused a query: {body['errors'][0]['message']}")
        data: dict[str, Any] = body["data"]
        return data

    def unfinished(self, job: str, partition: str | None = None) -> str | None:
        """A run of the job (for this partition, if one is named) that is queued or under way, or None."""
        wanted: dict[str, Any] = {"pipelineName": job, "statuses": ["QUEUED", "NOT_STARTED", "STARTING", "STARTED"]}
        if partition:
            wanted["tags"] = [{"key": "dagster/partition", "value": partition}]
        data = self._ask(UNFINISHED, {"filter": wanted})
        results = data["runsOrError"].get("results", [])
        return str(results[0]["runId"]) if results else None

    def launch(
        self, job: str, *, run_config: Mapping[str, Any] | None = None, partition: str | None = None, reason: str = ""
    ) -> str:
        """Queues a run and returns its id.

        Raises:
            DependencyUnavailableError: the webserver is away, or does not know the job.
        """
        tags = {"reason": reason, **({"dagster/partition": partition} if partition else {})}
        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": REPOSITORY,
                "pipelineName": job,
            },
            "runConfigData": dict(run_config or {}),
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items() if value]},
        }
        answer = self._ask(LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            detail = answer.get("message") or "; ".join(e["message"] for e in answer.get("errors", []))
            raise DependencyUnavailableError(
                f"Dagster did not take job {job}: {answer['__typename']} {detail}", job=job
            )
        return str(answer["run"]["runId"])

    def follow(
        self, run_id: str, on_event: Callable[[dict[str, Any]], None], *, deadline_seconds: float = 3600.0
    ) -> str:
        """Hands over every event of a run until it ends; returns how it ended.

        Raises:
            DependencyUnavailableError: the run did not end within the deadline.
        """
        cursor: str | None = None
        # an edge: a person waits in front of a terminal
        give_up_at = time.monotonic() + deadline_seconds
        while time.monotonic() < give_up_at:
            data = self._ask(EVENTS, {"run": run_id, "cursor": cursor})
            page = data["logsForRun"]
            for event in page.get("events", []):
                on_event(event)
            cursor = page.get("cursor", cursor)
            status = data["runOrError"].get("status", "")
            if status in FINISHED and not page.get("hasMore"):
                return str(status)
            if not page.get("hasMore"):
                time.sleep(0.5)
        raise DependencyUnavailableError(
            f"run {run_id} did not end within {deadline_seconds:.0f} s; see {self.url}/runs/{run_id}"
        )
