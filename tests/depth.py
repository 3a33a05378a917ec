"""How much of what can be drawn, killed and raced a run of the tests looks at.

``make test`` takes a share of the examples and of the places to kill, and skips a few tests that take the longest, each
saying so; ``make test-thorough`` takes all.
"""

import os

import pytest

THOROUGH = os.environ.get("MATCH_ASSETS_THOROUGH") == "1"
EVERY = 1 if THOROUGH else 3
thorough = pytest.mark.skipif(not THOROUGH, reason="only `make test-thorough` runs it")


def examples(n: int) -> int:
    """A third of ``n`` examples, all of them in a thorough run."""
    return n if THOROUGH else -(-n // 3)
