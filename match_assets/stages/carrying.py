"""Seasons carried through the data stages, told step by step to whoever keeps the record.

Where there is much to do, tournaments are carried side by side by processes of their own (``carrier.py``): no stage of a
season reads another tournament. Whoever listens is always waited for: nothing is accepted while what was made of it is
not yet on record, in one process as in many.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait

from match_assets.config import Params, Settings
from match_assets.errors import GateRefusedError, MatchAssetsError
from match_assets.gates.verdict import Verdict
from match_assets.keys import DataKey
from match_assets.stages.base import (
    EXCERPT_ROWS,
    Product,
    Registry,
    Stage,
    StageContext,
    Tracker,
    Written,
    judge_candidate,
    materialise,
    refusal,
    staleness,
)
from match_assets.stages.chain import DATA_STAGES
from match_assets.store import Store
from match_assets.store.seen import Seen
from match_assets.warehouse.database import engine

# a season takes about a second, a process two to begin: below this they do not pay
LEAST_SEASONS_FOR_PROCESSES = 24
# a process waits for the object store a good part of its time
PROCESSES_BEYOND_CORES = 1


@dataclass(frozen=True)
class Made:
    """A stage wrote its candidate; of the frame only the last rows are told."""

    partition: str
    stage: str
    written: Written


@dataclass(frozen=True)
class Judged:
    """A gate judged the candidate that was told last of this partition; a pass has moved the accepted pointer."""

    partition: str
    stage: str
    check: str
    verdict: Verdict


@dataclass(frozen=True)
class Stopped:
    """An error of ours stopped this partition, and it alone."""

    partition: str
    reason: str


@dataclass(frozen=True)
class Done:
    """Nothing is left to do for this partition now, or it was stopped."""

    partition: str


Told = Made | Judged | Stopped | Done


@dataclass(frozen=True)
class Task:
    """What a process needs to carry seasons as its parent would; ``seen`` spares it the reading of all pointers."""

    params: Params
    settings: Settings
    tracker: Tracker
    registry: Registry
    run_id: str
    seen: Seen

    @classmethod
    def of(cls, work: StageContext) -> "Task":
        """The part of a context that can be sent."""
        return cls(work.params, work.settings, work.tracker, work.registry, work.run_id, work.store.seen())

    def context(self) -> StageContext:
        """A context of this process's own."""
        store = Store.from_settings(self.settings, patience_seconds=self.settings.s3_patience_seconds)
        store.take_over(self.seen)
        return StageContext(
            params=self.params,
            settings=self.settings,
            store=store,
            open_engine=lambda: engine(self.settings.postgres_url),
            tracker=self.tracker,
            registry=self.registry,
            run_id=self.run_id,
        )


def carried(work: StageContext, partitions: Sequence[str], processes: int | None = None) -> Iterator[Told]:
    """Makes and judges what is stale of these seasons; each that fails fails alone, and what is current is left alone.

    Args:
        work: what the stages may touch.
        partitions: keys with history before what builds on it.
        processes: among which tournaments are divided; without it as many as pay off, which is one for a few seasons.
    """
    seen = work.recalled()
    lots = []
    for _, keys in groupby(partitions, lambda key: DataKey.parse(key).tournament):
        lot = deque(keys)
        yield from _without_the_current(seen, lot)
        if lot:
            lots.append(lot)
    n_seasons = sum(map(len, lots))
    if processes is None:
        processes = (os.cpu_count() or 1) + PROCESSES_BEYOND_CORES if n_seasons >= LEAST_SEASONS_FOR_PROCESSES else 1
    if min(processes, len(lots)) > 1:
        crew = _Crew(Task.of(work), lots, min(processes, len(lots)))
        try:
            yield from crew.steps()
        finally:
            crew.stop()
    else:
        yield from carried_here(work, seen, [key for lot in lots for key in lot])


def _without_the_current(seen: StageContext, lot: deque[str]) -> Iterator[Told]:
    """Takes from a tournament's seasons those before the first stale one: nothing is to be done for them."""
    while lot:
        try:
            if any(_is_due(stage, seen, lot[0]) for stage in DATA_STAGES):
                return
        except MatchAssetsError as error:
            yield _stopped(lot[0], error)
        yield Done(lot.popleft())


def carried_here(work: StageContext, seen: StageContext, partitions: Sequence[str]) -> Iterator[Told]:
    """The same in this process.

    Args:
        work: what the stages may touch.
        seen: the same, recalled: it shows what others wrote before, and what ``work`` wrote itself.
        partitions: keys with history before what builds on it.
    """
    for partition in partitions:
        try:
            yield from _carried(work, seen, partition)
        except MatchAssetsError as error:
            yield _stopped(partition, error)
        yield Done(partition)


def _carried(work: StageContext, seen: StageContext, partition: str) -> Iterator[Told]:
    for stage in DATA_STAGES:
        if not _is_due(stage, seen, partition):
            continue
        written = materialise(stage, work, partition)
        frame = written.product.frame.tail(EXCERPT_ROWS)
        yield Made(partition, stage.name, replace(written, product=Product(frame, written.product.facts)))
        _, verdict = judge_candidate(stage, work, partition, written.pointer)
        yield Judged(partition, stage.name, stage.check, verdict)
        require_pass(verdict, stage.name, partition)


def _is_due(stage: Stage, seen: StageContext, partition: str) -> bool:
    """Whether a stage must run.

    Raises:
        GateRefusedError: today's inputs were refused before, and would be again.
    """
    if staleness(stage, seen, partition):
        return True
    if rules := refusal(stage, seen, partition):
        raise GateRefusedError(
            f"{stage.name} {partition} is still refused ({', '.join(rules)}); mend the source or the rule, "
            f"then run the check {stage.check} again",
            asset=stage.name,
            partition=partition,
        )
    return False


def require_pass(verdict: Verdict, asset: str, partition: str) -> None:
    """Stops a partition behind a gate that refused it.

    Raises:
        GateRefusedError: it did.
    """
    if not verdict.passed:
        raise GateRefusedError(
            f"{asset} {partition} was refused ({verdict.summary()}); the last accepted version stays, "
            "see the check's rows in the webserver",
            asset=asset,
            partition=partition,
            rules=verdict.refused_by,
        )


def _stopped(partition: str, error: MatchAssetsError) -> Stopped:
    return Stopped(partition, f"{type(error).__name__}: {error}")


# -- processes -------------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Carrier:
    """A process and what it has to carry, as seen by its parent."""

    process: "subprocess.Popen[bytes]"
    line: Connection
    lot: deque[str] = field(default_factory=deque)

    @classmethod
    def start(cls) -> "_Carrier":
        line, its_line = Pipe()
        with its_line:
            command = [sys.executable, "-m", "match_assets.stages.carrier", str(its_line.fileno())]
            return cls(subprocess.Popen(command, pass_fds=[its_line.fileno()]), line)  # noqa: S603  (our own module)

    def stop(self) -> None:
        self.line.close()
        self.process.terminate()
        self.process.wait()


class _Crew:
    """The processes at work, and the lots that wait for one."""

    def __init__(self, task: Task, lots: Sequence[deque[str]], n_processes: int) -> None:
        self._task = task
        self._waiting = deque(sorted(lots, key=len, reverse=True))
        self._at_work: dict[object, _Carrier] = {}
        self._n_processes = n_processes

    def _engage(self, n: int) -> None:
        # all begin before the first is sent its task, which it takes only when it has loaded everything
        new = []
        for _ in range(n):
            new.append(_Carrier.start())
            self._at_work[new[-1].line] = new[-1]
        for carrier in new:
            carrier.lot = self._waiting.popleft()
            _send(carrier, self._task, list(carrier.lot))

    def steps(self) -> Iterator[Told]:
        """What they tell, until nothing is left to carry; one that ends before its lot is stopped for the season it was at."""
        self._engage(self._n_processes)
        while self._at_work:
            for line in wait([carrier.line for carrier in self._at_work.values()]):
                carrier = self._at_work[line]
                try:
                    told: Told | None = carrier.line.recv()
                except (EOFError, OSError):
                    yield from self._replace(carrier)
                    continue
                if told is None:
                    self._give_next(carrier)
                    continue
                yield told
                if isinstance(told, Done):
                    carrier.lot.popleft()
                _send(carrier, True)

    def _give_next(self, carrier: _Carrier) -> None:
        if self._waiting:
            carrier.lot = self._waiting.popleft()
            _send(carrier, list(carrier.lot))
        else:
            del self._at_work[carrier.line]
            carrier.stop()

    def _replace(self, carrier: _Carrier) -> Iterator[Told]:
        del self._at_work[carrier.line]
        carrier.stop()
        if carrier.lot:
            partition = carrier.lot.popleft()
            yield Stopped(
                partition,
                f"the process that carried it ended with {carrier.process.returncode}; its standard error says why, or "
                "the system's log where memory ran short. Run the same again, with `processes: 1` to use less memory",
            )
            yield Done(partition)
        if carrier.lot:
            self._waiting.appendleft(carrier.lot)
        if self._waiting:
            self._engage(1)

    def stop(self) -> None:
        """Ends those that are still at work."""
        for carrier in self._at_work.values():
            carrier.stop()


def _send(carrier: _Carrier, *messages: object) -> None:
    """To a process that may have ended: reading from it will show that."""
    with suppress(OSError):
        for message in messages:
            carrier.line.send(message)
