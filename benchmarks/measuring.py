"""What the benchmarks share: alternating timings, the machine's state, a practice site in a process of its own.

Ratios named ``a_vs_b`` are speeds: 2 means that ``a`` does the same work in half the time of ``b``. Other programs on
the machine only ever add time, so the quickest of several alternating rounds is what is compared.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

READY_WITHIN_SECONDS = 60.0


def quickest(works: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Seconds of the quickest run of each piece of work; the pieces take turns, so that a busy minute hits all."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            best[name] = min(best[name], seconds_of(work))
    return best


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def report(figures: Mapping[str, float], *, digits: int = 4) -> None:
    """A line about the machine, then the figures as one JSON object on the last line."""
    load = " ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load}")
    rounded = {n: float(f"{v:.{digits}g}") if isinstance(v, float) else v for n, v in figures.items()}
    print(json.dumps(rounded))


def require(condition: bool, what: str) -> None:
    """End the benchmark where two ways of doing the same work disagree: a quick wrong answer is no figure."""
    if not condition:
        sys.exit(f"not timed, the results differ: {what}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def practice_site(state_dir: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of a practice site on the drawn world, stopped at the end of the ``with`` block."""
    port = free_port()
    command = [sys.executable, "-m", "match_assets.source.practice", "serve"]
    arguments = ["--port", str(port), "--state-dir", str(state_dir)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_ready(url: str, process: "subprocess.Popen[Any]") -> None:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            httpx.get(f"{url}/robots.txt", timeout=2, trust_env=False)
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > give_up_at:
                sys.exit("the practice site did not come up")
            time.sleep(0.1)
        else:
            return
