"""Answers for pairs of teams in Redis, shared by all processes; a help that may be absent, slow or wrong.

What is read back is believed only if it is a whole answer to this very question by this very model; anything else is a
miss and is overwritten. No value is ever unpickled.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import cast

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from serving.predicting import Pair
from serving.schemas import Prediction
from serving.snapshots import Snapshot

KEY_PREFIX = "match-assets:answer:1"  # raise the number with any change of the answer's form
LARGEST_ANSWER_BYTES = 4096
BUDGET_SECONDS = 0.05
SHORTEST_BREAK_SECONDS, LONGEST_BREAK_SECONDS = 0.5, 15.0


class Breaker:
    """After a failure nothing is tried for a while, twice as long after each further failure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._closed_at = 0.0
        self._pause = SHORTEST_BREAK_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether the server is to be left alone now."""
        return self._clock() < self._closed_at

    def succeeded(self) -> None:
        """The server answered in time."""
        self._closed_at, self._pause = 0.0, SHORTEST_BREAK_SECONDS

    def failed(self) -> None:
        """The server did not answer in time."""
        if not self.is_open:
            self._closed_at = self._clock() + self._pause
            self._pause = min(2 * self._pause, LONGEST_BREAK_SECONDS)


class AnswerCache:
    """The cache of pair answers; every method returns within its budget and none raises for the server's sake."""

    def __init__(self, url: str, *, seconds: int, count: Callable[[str], None], breaker: Breaker | None = None) -> None:
        self._redis = _client(url)
        self._seconds = seconds
        self._count = count
        self._breaker = breaker or Breaker()

    @staticmethod
    def key(snapshot: Snapshot, pair: Pair) -> str:
        """Where the answer lies: everything that it depends on is in the key."""
        state = snapshot.tournaments[pair.tournament].state_sha256
        question = f"{pair.tournament}|{pair.home_team_id}|{pair.away_team_id}|{pair.kick_off_utc.isoformat()}"
        parts = (
            f"{snapshot.champion.version}|{sorted(snapshot.champion.tags.items())}|{snapshot.feature_version}|{state}"
        )
        return f"{KEY_PREFIX}:{hashlib.sha256(f'{parts}|{question}'.encode()).hexdigest()}"

    async def get(self, snapshot: Snapshot, pair: Pair) -> Prediction | None:
        """The answer kept for this pair, or None."""
        if self._breaker.is_open:
            self._count("bypassed")
            return None
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                # a range, so that an absurdly large value costs no more than a small one
                content = cast("bytes", await self._redis.getrange(self.key(snapshot, pair), 0, LARGEST_ANSWER_BYTES))
        except (RedisError, OSError) as error:
            self._lost(error)
            return None
        self._breaker.succeeded()
        if not content:
            self._count("miss")
            return None
        found = _believed(content, snapshot, pair)
        self._count("hit" if found else "poisoned")
        return found

    async def put(self, snapshot: Snapshot, pair: Pair, answer: Prediction) -> None:
        """Keeps an answer for the configured time."""
        if self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                await self._redis.set(self.key(snapshot, pair), msgspec.json.encode(answer), ex=self._seconds)
        except (RedisError, OSError) as error:
            self._lost(error)

    async def is_up(self) -> bool:
        """Whether the server answers within the budget."""
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                await self._redis.ping()
        except (RedisError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Ends the connections."""
        await self._redis.aclose()

    def _lost(self, error: Exception) -> None:
        # a list or a hash where a string should be: the server is well, the value is not
        if str(error).startswith("WRONGTYPE"):
            self._count("poisoned")
            return
        self._breaker.failed()
        self._count("failed")


def _client(url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=32,
        timeout=BUDGET_SECONDS,
        socket_timeout=BUDGET_SECONDS,
        socket_connect_timeout=BUDGET_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)  # which also closes it


def _believed(content: bytes, snapshot: Snapshot, pair: Pair) -> Prediction | None:
    try:
        found = msgspec.json.decode(content, type=Prediction)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    view = snapshot.tournaments[pair.tournament]
    expected = (
        (None, pair.tournament, view.season, pair.kick_off_utc, pair.home_team_id, pair.away_team_id),
        (snapshot.champion.version, snapshot.feature_version, view.state_sha256),
    )
    told = (
        (
            found.match_id,
            found.tournament,
            found.season,
            found.kick_off_utc,
            found.home_team.id,
            found.away_team.id,
        ),
        (found.model_version, found.feature_version, found.features_sha256),
    )
    chances = (found.probabilities.home, found.probabilities.draw, found.probabilities.away)
    is_distribution = all(0 < chance < 1 for chance in chances) and abs(sum(chances) - 1) < 1e-6
    return found if told == expected and is_distribution else None
