"""Frames that were read and verified, kept in memory up to a size."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import polars as pl

# the results and features of five tournaments of 33 seasons take about half of it
HELD_BYTES = 256 * 1024 * 1024


class Frames:
    """Frames by digest; those not used for longest are forgotten first. Threads may share one."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._held_bytes = held_bytes
        self._frames: OrderedDict[str, tuple[pl.DataFrame, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, digest: str, read: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
        """The frame with this digest; ``read`` gives it where it is not held."""
        with self._lock:
            held = self._frames.get(digest)
            if held:
                self._frames.move_to_end(digest)
                return held[0]
        frame = read(digest)
        with self._lock:
            if digest not in self._frames:
                size = int(frame.estimated_size())
                self._frames[digest] = frame, size
                self._bytes += size
            # the newest stays, however large
            while self._bytes > self._held_bytes and len(self._frames) > 1:
                _, (_, gone) = self._frames.popitem(last=False)
                self._bytes -= gone
        return frame
