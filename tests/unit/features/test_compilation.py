"""Machine code: kept where it may be, shared by processes, never needed on disk."""

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numba import njit

from match_assets.features import layout
from match_assets.features.layout import compiled

ROOT = Path(__file__).parents[3]
# the smallest kernel: what is shown here holds for each, and all of them take some twenty seconds to compile
PROGRAM = """
import numpy as np
from match_assets.features.frames import kernel_settings
from match_assets.features.ratings import match_expectations
from tests.property.leagues import SHIPPED
ratings = np.random.default_rng(7).normal(0.0, 0.3, (7, 100))
expectations = np.empty((6, 50))
match_expectations(ratings, kernel_settings(SHIPPED), expectations)
print(expectations.tobytes().hex())
"""


@pytest.mark.parametrize("module", ["rolling", "ledger", "ratings", "assembly"])
def test_machine_code_is_renewed_with_the_layout_that_it_was_compiled_for(module: str) -> None:
    """numba looks at the kernel's file alone: a changed constant of the layout must change that file too."""
    digest = hashlib.sha256(Path(layout.__file__).read_bytes()).hexdigest()[:8]
    found = importlib.import_module(f"match_assets.features.{module}").LAYOUT
    assert found == digest, f'write LAYOUT = "{digest}" into match_assets/features/{module}.py'


@pytest.mark.parametrize("module", ["rolling", "ledger", "ratings", "assembly"])
def test_a_kernel_calls_compiled_functions_of_its_own_file_only(module: str) -> None:
    held = vars(importlib.import_module(f"match_assets.features.{module}"))
    assert {value.py_func.__module__ for value in held.values() if hasattr(value, "py_func")} == {
        f"match_assets.features.{module}"
    }


def test_no_folder_to_write_to_is_no_failure() -> None:
    # a function without a file is one for which numba finds no cache folder, wherever the test runs
    held: dict[str, Any] = {}
    exec("def add_one(value):\n    return value + 1", held)
    with pytest.raises(RuntimeError, match="cannot cache"):
        njit(cache=True)(held["add_one"])
    assert compiled(held["add_one"])(41) == 42


def test_processes_that_race_for_a_cold_cache_and_a_warm_one_agree(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        raced = [process.communicate(timeout=180)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0]
    assert list(tmp_path.rglob("ratings.match_expectations*.nbc")), "the cache folder of the environment is used"
    warm = subprocess.check_output([sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, text=True, timeout=180)
    assert len(warm) == 2 * 8 * 6 * 50 + 1
    assert set(raced) == {warm}
