"""Named places at which a test may kill this process, so that "killed anywhere" is tried and not argued.

``MATCH_ASSETS_KILL_AT=n`` sends SIGKILL at the n-th place passed, whatever its name. A test counts n up until a run
ends untouched; a new place is then covered without a new test. A name in place of n means the first place of that name.
Without the variable nothing happens.
"""

import itertools
import os
import signal

VARIABLE = "MATCH_ASSETS_KILL_AT"
_passed = itertools.count(1)


def killpoint(name: str) -> None:
    """Die here when it is this place's turn; ``name`` is told on standard error for the test that reads it."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None or wanted not in {name, str(next(_passed))}:
        return
    os.write(2, f"killed at {name}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
