"""How far a long scrape is: done, left, pace and expected end, said at a readable rhythm."""

import datetime as dt
import time
from collections.abc import Callable

import msgspec

Progress = Callable[[int, int], None]
SECONDS_BETWEEN_LINES = 5.0


class Standing(msgspec.Struct, frozen=True):
    """A moment of a scrape.

    Attributes:
        what: what is counted, with whose it is.
        done: how many are read.
        total: of how many.
        per_minute: pace since the scrape began; 0 before anything was read.
        expected_end: when the rest is read at that pace, UTC; ``None`` while there is no pace.
    """

    what: str
    done: int
    total: int
    per_minute: float
    expected_end: dt.datetime | None

    @property
    def left(self) -> int:
        """How many are still to be read."""
        return self.total - self.done

    def __str__(self) -> str:
        line = f"{self.what}: {self.done} of {self.total}, {self.left} left"
        if self.expected_end is None:
            return line
        return f"{line}, {self.per_minute:.1f} a minute, expected end {self.expected_end:%Y-%m-%d %H:%M:%S} UTC"

    def facts(self) -> dict[str, str | int | float]:
        """The same for an asset's metadata."""
        end = f"{self.expected_end:%Y-%m-%d %H:%M:%S} UTC" if self.expected_end else "unknown"
        return {
            "done": self.done,
            "left": self.left,
            "pace a minute": round(self.per_minute, 1),
            "expected end": end,
        }


def standing(what: str, done: int, total: int, *, seconds: float, now: dt.datetime) -> Standing:
    """The standing after ``seconds`` of a scrape that has read ``done`` of ``total``."""
    if not done or seconds <= 0:
        return Standing(what, done, total, 0.0, None)
    rest = dt.timedelta(seconds=seconds / done * (total - done))
    return Standing(what, done, total, done / seconds * 60, now + rest)


class ProgressLines:
    """A progress callback that tells a standing when the scrape begins, every few seconds, and when it is done.

    Args:
        what: what is counted, for example ``2024|ESP-LaLiga: match pages``.
        tell: is given each standing.
        every_seconds: least time between two of them.
    """

    def __init__(
        self, what: str, tell: Callable[[Standing], None], *, every_seconds: float = SECONDS_BETWEEN_LINES
    ) -> None:
        self._what = what
        self._tell = tell
        self._every_seconds = every_seconds
        self._started: float | None = None
        self._told = float("-inf")

    def __call__(self, done: int, total: int) -> None:
        """Count; a ``done`` that is not above zero begins a new scrape."""
        # an edge: the pace of a scrape, nothing of its result
        moment = time.monotonic()
        if self._started is None or done <= 0:
            self._started, self._told = moment, float("-inf")
        if done < total and moment - self._told < self._every_seconds:
            return
        self._told = moment
        clock = dt.datetime.now(dt.UTC)  # noqa: TID251  # an edge: when the scrape is expected to end
        self._tell(standing(self._what, done, total, seconds=moment - self._started, now=clock))
