"""One run of the registry from Parquet to Parquet in a process of its own, so that its memory can be told.

    .venv/bin/python benchmarks/end_to_end.py kernels matches.parquet rows

The last line is a JSON object: ``seconds`` of the run, and by how many ``bytes`` the process grew at its largest beyond
what it held after its imports and a run over a few matches.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
from registry_peer import write_registry
from tournament_files import write_team_features

from match_assets.config import FeatureParams, load_params

WARM_UP_MATCHES = 400
STATUS = Path("/proc/self/status")


class Run(NamedTuple):
    """What a run took."""

    seconds: float
    bytes: int


def measured(way: str, source: Path, target: Path) -> Run:
    """The run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, way, str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"the run of {way} failed:\n{done.stderr}")
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def with_kernels(source: Path, target: Path, params: FeatureParams) -> None:
    """The project's way: the whole registry, two tournaments at a time."""
    write_team_features(source, target, params, threads=2)


WAYS: dict[str, Callable[[Path, Path, FeatureParams], None]] = {"kernels": with_kernels, "polars": write_registry}


def run(way: str, source: Path, target: Path) -> Run:
    """Runs in this process, after a small run that compiles, loads and allocates whatever is kept."""
    params = load_params().features
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.parquet"
        pl.scan_parquet(source).head(WARM_UP_MATCHES).sink_parquet(few)
        WAYS[way](few, Path(folder) / "rows.parquet", params)
    before = _memory("VmRSS")
    _forget_the_peak()
    begun = time.perf_counter()
    WAYS[way](source, target, params)
    seconds = time.perf_counter() - begun
    return Run(seconds, _memory("VmHWM") - before)


def _forget_the_peak() -> None:
    """Linux counts the largest size from here on."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(field: str) -> int:
    """Bytes, resident now (VmRSS) or at the most (VmHWM)."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(run(arguments.way, arguments.source, arguments.target)._asdict()))


if __name__ == "__main__":
    main()
