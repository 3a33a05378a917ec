"""A writer in a process of its own that can be killed or stopped: one line in, one line out.

It imports everything once and forks for each request, before polars has started a thread: a fresh process each time, without
the seconds that importing takes.

    write N PARTITION GOAL    a whole life, begun, written and accepted; dies at kill point N (0: never)
    collect N                 a collection of everything that no pointer names; dies at kill point N
    zombie PARTITION GOAL     begins, says so, and writes only when SIGUSR1 tells it that it was woken
"""

import datetime as dt
import os
import signal
import sys
from collections.abc import Callable

from match_assets import killpoint
from match_assets.config import load_settings
from match_assets.errors import MatchAssetsError
from match_assets.store import Store
from match_assets.store.garbage import collect_garbage
from match_assets.store.objects import Bucket, s3_client
from tests.integration.store.conftest import ASSET, frame


class AgedBucket(Bucket):
    """A bucket a month from now: what lies in it is old."""

    def clock(self) -> dt.datetime:
        """The store's clock, a month ahead."""
        return super().clock() + dt.timedelta(days=30)


def open_store() -> Store:
    settings = load_settings()
    return Store(AgedBucket(s3_client(settings), settings.s3_bucket), refresh_after=dt.timedelta(0))


def write(partition: str, goal: int, pause: Callable[[], None] = lambda: None) -> None:
    store = open_store()
    fence = store.begin(ASSET, partition, f"run {goal}")
    pause()
    inputs = {"raw": str(goal)}
    candidate = store.put_candidate(
        ASSET, partition, frame(goal), sort_by=["match_id"], code_version="c", inputs=inputs, run_id="r", fence=fence
    )
    store.accept(candidate, fence=fence)


def until_woken() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    say("begun")
    signal.sigwait([signal.SIGUSR1])


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def in_child(n: int, work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    if n:
        os.environ[killpoint.VARIABLE] = str(n)
    try:
        work()
    except MatchAssetsError as error:
        say(type(error).__name__)
        os._exit(error.exit_code)
    except BaseException as error:  # noqa: BLE001  (a child must not go on as its parent)
        say(repr(error))
        os._exit(1)
    os._exit(0)


def work_of(words: list[str]) -> tuple[int, Callable[[], object]]:
    """At which kill point to die, and what to do until then."""
    if words[0] == "write":
        return int(words[1]), lambda: write(words[2], int(words[3]))
    if words[0] == "collect":
        return int(words[1]), lambda: collect_garbage(open_store())
    return 0, lambda: write(words[1], int(words[2]), until_woken)


def main() -> None:
    for line in sys.stdin:
        words = line.split()
        pid = in_child(*work_of(words))
        if words[0] == "zombie":
            say(str(pid))
        _, status = os.waitpid(pid, 0)
        say("killed" if os.WIFSIGNALED(status) else f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
