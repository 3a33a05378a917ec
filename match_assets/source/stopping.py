"""Asynchronous work that a signal ends cleanly: the browser is closed and the lease given back before the process goes."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")
TERMINATED = 128 + signal.SIGTERM


def run_until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """``asyncio.run``, with SIGTERM taken as SIGINT is: the work is cancelled and closes what it opened.

    Where somebody else handles the signals, as the orchestrator does in its steps, or outside the main thread, they are
    left alone; what their handlers raise cancels the work just so.

    Raises:
        KeyboardInterrupt: SIGINT arrived; the command line ends with 130.
        SystemExit: SIGTERM arrived; the code is 143.
    """
    received: list[int] = []

    async def stoppable() -> Result:
        with _terminating(received):
            return await work

    try:
        result = asyncio.run(stoppable())
    except BaseException as error:
        if received:
            raise SystemExit(TERMINATED) from error
        raise
    if received:  # it came when all was done: whoever sent it still waits for our end
        raise SystemExit(TERMINATED)
    return result


@contextlib.contextmanager
def _terminating(received: list[int]) -> Iterator[None]:
    """While it lasts SIGTERM cancels the current task and is noted in ``received``."""
    is_ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    task = asyncio.current_task()
    if not is_ours or task is None:
        yield
        return

    def stop() -> None:
        received.append(signal.SIGTERM)
        if len(received) == 1:
            task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
