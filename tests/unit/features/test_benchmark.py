"""The benchmark of features runs, finds all ways of doing the same work equal, and tells its figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.depth import thorough

ROOT = Path(__file__).parents[3]
FIGURES = {
    "kernel_vs_polars",
    "kernel_vs_duckdb",
    "kernel_vs_pandas",
    "end_to_end_vs_polars",
    "ratings_seconds_per_million",
    "peak_memory_vs_input",
    "seconds_5m_vs_1m",
    "match_day_ms",
    "service_row_us",
}


@thorough
def test_twenty_thousand_matches_end_in_the_figures_of_the_benchmark() -> None:
    command = [sys.executable, "benchmarks/features.py", "--matches", "20000", "--rounds", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures.keys() == FIGURES
    assert all(value > 0 for value in figures.values())
