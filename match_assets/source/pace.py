"""One pace for all processes that ask a site: the next allowed moment stands in PostgreSQL.

Each request takes the next moment and moves it on by one interval. When the interval is so short that asking the
database would cost more than it, a process takes several moments at once, never more than half a second's worth.
"""

import asyncio
import time

from sqlalchemy import Connection, Engine, text

from match_assets.warehouse.database import in_transaction

# Below this interval moments are taken in batches: 0.05 s is 1,200 requests a minute, far above any polite pace.
BATCHED_BELOW_SECONDS = 0.05
BATCH_SECONDS = 0.5
MAX_BATCH = 1_000

_TAKE = text(
    """
    INSERT INTO source_pace AS pace (host, next_allowed_at)
    VALUES (:host, clock_timestamp() + make_interval(secs => :span))
    ON CONFLICT (host) DO UPDATE
        SET next_allowed_at = greatest(pace.next_allowed_at, clock_timestamp()) + make_interval(secs => :span)
    RETURNING extract(epoch FROM next_allowed_at - clock_timestamp()) - :span
    """
)
_HOLD = text(
    """
    INSERT INTO source_pace AS pace (host, next_allowed_at)
    VALUES (:host, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (host) DO UPDATE
        SET next_allowed_at = greatest(pace.next_allowed_at, clock_timestamp() + make_interval(secs => :seconds))
    """
)


class Pace:
    """Gives out moments at which ``host`` may be asked.

    Args:
        engine: the warehouse, whose clock is the only one that counts.
        host: host and port of the site; all processes that name the same one share the pace.
        requests_per_minute: of all processes together.
    """

    def __init__(self, engine: Engine, host: str, requests_per_minute: float) -> None:
        self._engine = engine
        self._host = host
        self._interval = 60.0 / requests_per_minute
        self._moments: list[float] = []
        self._last_passed = float("-inf")
        self._taking = asyncio.Lock()

    def slow_to(self, interval_seconds: float) -> None:
        """Keep at least this many seconds between requests, as robots.txt may ask."""
        if interval_seconds > self._interval:
            self._interval = interval_seconds
            self._moments.clear()

    async def wait(self) -> None:
        """Return at the next allowed moment.

        Raises:
            DependencyUnavailableError: PostgreSQL is away; without the shared pace nothing may be asked.
        """
        async with self._taking:
            if not self._moments:
                self._moments = await asyncio.to_thread(self._take)
            moment = self._moments.pop()
            if self._interval >= BATCHED_BELOW_SECONDS:
                # a sleep that overran must not bring the next request closer
                moment = max(moment, self._last_passed + self._interval)
            delay = moment - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            self._last_passed = time.monotonic()

    async def hold(self, seconds: float) -> None:
        """Let nobody ask before ``seconds`` have passed: the site said so."""
        self._moments.clear()
        parameters = {"host": self._host, "seconds": seconds}
        await asyncio.to_thread(in_transaction, self._engine, lambda connection: connection.execute(_HOLD, parameters))

    def _take(self) -> list[float]:
        """The next moments on this process's monotonic clock, latest first."""
        n_moments = 1
        if self._interval < BATCHED_BELOW_SECONDS:
            n_moments = min(MAX_BATCH, int(BATCH_SECONDS / self._interval))
        parameters = {"host": self._host, "span": n_moments * self._interval}

        def work(connection: Connection) -> float:
            return float(connection.execute(_TAKE, parameters).scalar_one())

        first = time.monotonic() + in_transaction(self._engine, work)
        return [first + position * self._interval for position in reversed(range(n_moments))]
