"""Stages by plain calls, without Dagster; and a helper that makes such calls in processes that may be killed.

The helper imports everything once and forks for each order, before polars has started a thread: one JSON line in, one
line out.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from match_assets.config import Params, Settings
from match_assets.errors import MatchAssetsError
from match_assets.killpoint import VARIABLE
from match_assets.stages.base import Stage, StageContext, judge_candidate, materialise, refusal, staleness
from match_assets.stages.chain import DATA_STAGES, stale_cutoff, stale_data
from match_assets.stages.modelling import TEMPORAL_SPLIT
from match_assets.store import Store
from match_assets.store.objects import Bucket, s3_client
from match_assets.warehouse.database import engine as open_engine

REPOSITORY = Path(__file__).parents[3]
Made = list[tuple[str, str]]


class Version(NamedTuple):
    """What makes two accepted versions the same."""

    sha256: str
    inputs: tuple[tuple[str, str], ...]
    code_version: str


class Plain:
    """A warehouse and a place in the bucket, and the stages over them."""

    def __init__(self, settings: Settings, params: Params, prefix: str) -> None:
        self.settings, self.params = settings, params
        self.engine = open_engine(settings.postgres_url)
        self._client = s3_client(settings)
        self.move_to(prefix)

    def move_to(self, prefix: str) -> None:
        """Goes on in another place of the bucket."""
        self.prefix = prefix
        self.bucket = Bucket(self._client, self.settings.s3_bucket, prefix)
        self.store = Store(self.bucket)

    def context(self, run_id: str = "plain", store: Store | None = None) -> StageContext:
        """What a stage may touch: neither experiments nor models."""
        nothing: Any = None
        return StageContext(
            params=self.params,
            settings=self.settings,
            store=store or self.store,
            open_engine=lambda: self.engine,
            tracker=nothing,
            registry=nothing,
            run_id=run_id,
        )

    def accepted(self) -> dict[tuple[str, str], Version]:
        """Every accepted version by asset and partition."""
        found = {}
        for asset in self.store.assets():
            for partition in self.store.partitions(asset):
                pointer = self.store.pointer(asset, partition)
                assert pointer
                version = Version(pointer.sha256, tuple(sorted(pointer.inputs.items())), pointer.code_version)
                found[(asset, partition)] = version
        return found

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()


def make(stage: Stage, work: StageContext, partition: str) -> bool:
    """A candidate and its verdict."""
    materialise(stage, work, partition)
    return judge_candidate(stage, work, partition)[1].passed


def carry(work: StageContext, partition: str) -> Made:
    """What is stale of a season, made in order; a refusal or an error of ours stops it there, as in a run."""
    made: Made = []
    try:
        for stage in DATA_STAGES:
            if staleness(stage, work, partition):
                made.append((stage.name, partition))
                if not make(stage, work, partition):
                    break
            elif refusal(stage, work, partition):
                break
    except MatchAssetsError as error:
        work.log(f"{partition}: {error.message}")
    return made


def settle(work: StageContext, cutoff: str, *, rounds: int = 12) -> Made:
    """Carries whatever is stale until nothing is, as the sensors do tick by tick; what was made, in order.

    Raises:
        AssertionError: it does not come to rest.
    """
    made: Made = []
    for _ in range(rounds):
        stale = sorted({item.partition for item in stale_data(work)})
        if not stale:
            break
        # the order of a tick's partitions is nobody's promise
        random.Random(len(made)).shuffle(stale)
        for partition in stale:
            made += carry(work, partition)
    else:
        raise AssertionError(f"still stale: {stale_data(work)}")
    if any(item.stage == TEMPORAL_SPLIT.name for item in stale_cutoff(work, cutoff)):
        assert make(TEMPORAL_SPLIT, work, cutoff)
        made.append((TEMPORAL_SPLIT.name, cutoff))
    return made


class KilledRuns:
    """The helper, spoken to by lines."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.orchestration.plain_calls"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def carry(self, plain: Plain, partitions: Iterable[str], kill_at: int) -> int:
        """Carries seasons in a process that dies at a kill point; how it ended, as ``waitpid`` says it."""
        order = {
            "settings": plain.settings.model_dump(mode="json"),
            "params": plain.params.model_dump_json(by_alias=True),
            "prefix": plain.prefix,
            "partitions": list(partitions),
            "kill_at": kill_at,
        }
        assert self._helper.stdin
        assert self._helper.stdout
        self._helper.stdin.write(json.dumps(order) + "\n")
        self._helper.stdin.flush()
        return int(self._helper.stdout.readline())

    def close(self) -> None:
        """Ends the helper."""
        self._helper.communicate(timeout=30)


def _child(order: dict[str, Any]) -> None:
    os.environ[VARIABLE] = str(order["kill_at"])
    settings = Settings.model_validate(order["settings"])
    plain = Plain(settings, Params.model_validate_json(order["params"]), order["prefix"])
    for partition in order["partitions"]:
        carry(plain.context(f"child {os.getpid()}"), partition)


def main() -> None:
    """Forks a child for each order until there are no more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _child(json.loads(line))
                code = 0
            finally:
                os._exit(code)
        sys.stdout.write(f"{os.waitpid(child, 0)[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
