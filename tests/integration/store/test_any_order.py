"""Any sequence of runs, verdicts, replacements and collections on the real store, against a model of a few lines.

OBJ-04, OBJ-07, DAG-03.
"""

import datetime as dt
import itertools
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from match_assets.config import Settings
from match_assets.errors import FencedOffError, NotAcceptedError
from match_assets.store import Pointer, Store
from match_assets.store.encoding import encode
from match_assets.store.garbage import collect_garbage
from match_assets.store.objects import s3_client
from match_assets.store.pointers import Fence
from match_assets.store.verifying import verify
from tests.integration.store.conftest import ASSET, frame
from tests.integration.store.writer import AgedBucket

PARTITIONS = st.sampled_from(["2023|A", "2024|A"])
GOALS = st.integers(0, 3)
_prefixes = itertools.count(1)


@dataclass
class Model:
    """What should be true of one partition: its versions by content, its newest run, the candidate of each run."""

    versions: list[int] = field(default_factory=list)
    newest: int = 0
    begun: list[Fence] = field(default_factory=list)
    candidates: dict[int, tuple[Pointer, int]] = field(default_factory=dict)


class Lives(RuleBasedStateMachine):
    """Runs that begin, write, are judged and replaced in any order; every example has a prefix of its own."""

    place: ClassVar[Settings]

    def __init__(self) -> None:
        super().__init__()
        bucket = AgedBucket(s3_client(self.place), self.place.s3_bucket, prefix=f"example-{next(_prefixes)}/")
        self.store = Store(bucket, refresh_after=dt.timedelta(0))
        self.models: dict[str, Model] = {"2023|A": Model(), "2024|A": Model()}

    @rule(partition=PARTITIONS)
    def begin(self, partition: str) -> None:
        model = self.models[partition]
        model.begun.append(self.store.begin(ASSET, partition, f"run {len(model.begun)}"))
        model.newest += 1
        assert model.begun[-1].number == model.newest

    @rule(partition=PARTITIONS, goal=GOALS, which=st.integers(0, 5))
    def write(self, partition: str, goal: int, which: int) -> None:
        model = self.models[partition]
        if not model.begun:
            return
        fence = model.begun[max(0, len(model.begun) - 1 - which)]
        try:
            pointer = self.store.put_candidate(
                ASSET,
                partition,
                frame(goal),
                sort_by=["match_id"],
                code_version="c",
                inputs={"raw": str(goal)},
                run_id=fence.candidacy.begun_by,
                fence=fence,
            )
        except FencedOffError:
            assert fence.number != model.newest
        else:
            assert fence.number == model.newest
            model.candidates[fence.number] = (pointer, goal)

    @rule(partition=PARTITIONS, is_good=st.booleans(), which=st.integers(0, 3))
    def judge(self, partition: str, is_good: bool, which: int) -> None:
        model = self.models[partition]
        if not model.candidates:
            return
        number = sorted(model.candidates)[max(0, len(model.candidates) - 1 - which)]
        candidate, goal = model.candidates[number]
        if not is_good:
            self.store.refuse(candidate, ["a rule"])
            return
        try:
            self.store.accept(candidate)
        except FencedOffError:
            assert number != model.newest
        else:
            assert number == model.newest
            if model.versions[-1:] != [goal]:
                model.versions.append(goal)

    @rule(goal=st.integers(100, 103))
    def leave_an_orphan(self, goal: int) -> None:
        self.store.put_object(encode(frame(goal)))

    @rule()
    def collect(self) -> None:
        collect_garbage(self.store, dt.timedelta(days=7))
        named = {(v.sha256) for p in self.models for v in self.store.history(ASSET, p)}
        named |= {c.sha256 for p in self.models if (c := self.store.candidate(ASSET, p))}
        # a candidate that a newer one replaced is nobody's any more: its run would have to write it again
        for model in self.models.values():
            model.candidates = {n: held for n, held in model.candidates.items() if held[0].sha256 in named}
        assert {key[11:75] for key in self.store.bucket.keys("objects/")} == named

    @invariant()
    def readers_see_the_newest_version_and_the_history_all(self) -> None:
        for partition, model in self.models.items():
            fresh = Store(self.store.bucket)
            history = fresh.history(ASSET, partition)
            assert [version.inputs["raw"] for version in history] == [str(goal) for goal in model.versions]
            assert [version.sequence for version in history] == list(range(1, len(history) + 1))
            if model.versions:
                assert fresh.read(ASSET, partition).equals(frame(model.versions[-1]))
            else:
                with pytest.raises(NotAcceptedError):
                    fresh.read(ASSET, partition)

    def teardown(self) -> None:
        assert verify(Store(self.store.bucket)).is_sound


def test_any_order_of_runs_verdicts_and_collections_leaves_what_the_model_says(place: Settings) -> None:
    profile = settings(
        max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    Lives.place = place
    run_state_machine_as_test(Lives, settings=profile)
