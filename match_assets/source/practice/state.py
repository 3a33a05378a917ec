"""What the site remembers: its clock, scores changed by hand, faults still to play, and who asked for what.

All of it lies in one SQLite file that survives a killed process. The world is not in it: it comes from the same seed or
the same files again, and a state made for another world is refused.
"""

import datetime as dt
import fcntl
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from match_assets.errors import ConfigurationError
from match_assets.source.practice.facts import World
from match_assets.source.practice.faults import FaultRule
from match_assets.source.practice.timeline import ManualCorrection, Moment

STATE_FILE, LOCK_FILE = "practice-site.sqlite3", "practice-site.lock"
SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS correction (
    match_id INTEGER PRIMARY KEY, home_goals INTEGER NOT NULL, away_goals INTEGER NOT NULL, at_utc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS withheld (match_id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS annulled (match_id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY, rule TEXT NOT NULL, times_left INTEGER);
CREATE TABLE IF NOT EXISTS access (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL,
    fault TEXT, bytes INTEGER NOT NULL, user_agent TEXT NOT NULL);
"""


class SiteState:
    """The memory of one running site; closes with ``close``. One process at a time may hold a folder."""

    def __init__(self, folder: Path, world: World) -> None:
        """Open or begin the state in ``folder``.

        Raises:
            ConfigurationError: another process holds the folder, or its state belongs to another world.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ConfigurationError(
                f"{folder}: another practice site is running on this state; stop it or use another --state-dir"
            ) from error
        self._database = sqlite3.connect(folder / STATE_FILE, isolation_level=None, check_same_thread=False)
        # a killed process loses nothing this way; only a machine that loses power might
        self._database.execute("PRAGMA journal_mode=WAL").fetchall()
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.executescript(SCHEMA)
        try:
            self._begin(folder, world)
        except ConfigurationError:
            self.close()
            raise
        self._faults = self._read_faults()
        self.moment = self._read_moment()

    def close(self) -> None:
        """Let go of the folder."""
        self._database.close()
        self._lock.close()

    def set_clock(self, clock_utc: dt.datetime) -> None:
        """Move the site's clock."""
        self._set("clock", clock_utc.isoformat())
        self.moment = self._read_moment()

    def correct(self, match_id: int, goals: tuple[int, int]) -> None:
        """Change a score at the present reading of the clock."""
        self._database.execute(
            "INSERT OR REPLACE INTO correction VALUES (?, ?, ?, ?)",
            (match_id, *goals, self.moment.clock_utc.isoformat()),
        )
        self.moment = self._read_moment()

    def withhold(self, match_id: int, *, is_withheld: bool) -> None:
        """Keep a result back although the match is over, or let it out."""
        statement = (
            "INSERT OR IGNORE INTO withheld VALUES (?)" if is_withheld else "DELETE FROM withheld WHERE match_id = ?"
        )
        self._database.execute(statement, (match_id,))
        self.moment = self._read_moment()

    def annul(self, match_id: int, *, is_annulled: bool) -> None:
        """Show nothing of a match any more, or show it again."""
        statement = (
            "INSERT OR IGNORE INTO annulled VALUES (?)" if is_annulled else "DELETE FROM annulled WHERE match_id = ?"
        )
        self._database.execute(statement, (match_id,))
        self.moment = self._read_moment()

    @property
    def faults(self) -> list[dict[str, Any]]:
        """Rules still to be played, with how often they are left."""
        return [
            {"id": fault_id, **msgspec.to_builtins(rule), "times_left": left}
            for fault_id, (rule, left) in self._faults.items()
        ]

    def add_fault(self, rule: FaultRule) -> int:
        """Play a fault from now on; the id tells it from others."""
        rule.check()
        row = (msgspec.json.encode(rule).decode(), rule.times)
        cursor = self._database.execute("INSERT INTO fault (rule, times_left) VALUES (?, ?)", row)
        self._faults = self._read_faults()
        return int(cursor.lastrowid or 0)

    def clear_faults(self) -> int:
        """Forget all faults; how many there were."""
        count = len(self._faults)
        self._database.execute("DELETE FROM fault")
        self._faults = {}
        return count

    def take_fault(self, path: str) -> FaultRule | None:
        """The fault to play for this path, counted as played."""
        for fault_id, (rule, left) in self._faults.items():
            if not rule.matches(path):
                continue
            if left is not None:
                statement = "UPDATE fault SET times_left = times_left - 1 WHERE id = ?"
                self._database.execute(statement if left > 1 else "DELETE FROM fault WHERE id = ?", (fault_id,))
                self._faults = self._read_faults()
            return rule
        return None

    def log(self, method: str, path: str, status: int, *, fault: str | None, size: int, user_agent: str) -> None:
        """Note a request, with the machine's time: how politely it was asked is judged by that."""
        self._database.execute(
            "INSERT INTO access (at, method, path, status, fault, bytes, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (time.time(), method, path, status, fault, size, user_agent),
        )

    def access_log(self, after_id: int = 0, limit: int = 10_000) -> list[Mapping[str, Any]]:
        """Requests in the order they came, those after ``after_id`` alone."""
        cursor = self._database.execute("SELECT * FROM access WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def request_count(self) -> int:
        """How many requests were noted."""
        return int(self._database.execute("SELECT count(*) FROM access").fetchone()[0])

    def clear_access_log(self) -> None:
        """Forget who asked for what."""
        self._database.execute("DELETE FROM access")

    def _begin(self, folder: Path, world: World) -> None:
        held = self._get("world")
        if held is None:
            self._set("world", world.identity)
            self._set("clock", world.start_clock_utc.isoformat())
        elif held != world.identity:
            raise ConfigurationError(
                f"{folder}: this state belongs to another world ({held}), not to ({world.identity}); "
                "start that world again, or use another --state-dir",
            )

    def _get(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def _read_moment(self) -> Moment:
        corrections = {
            match_id: ManualCorrection((home, away), dt.datetime.fromisoformat(at))
            for match_id, home, away, at in self._database.execute("SELECT * FROM correction")
        }
        withheld = frozenset(row[0] for row in self._database.execute("SELECT match_id FROM withheld"))
        annulled = frozenset(row[0] for row in self._database.execute("SELECT match_id FROM annulled"))
        clock = self._get("clock")
        if clock is None:
            raise ConfigurationError("the practice site's state has no clock; remove its folder and start again")
        return Moment(dt.datetime.fromisoformat(clock), corrections, withheld, annulled)

    def _read_faults(self) -> dict[int, tuple[FaultRule, int | None]]:
        rows = self._database.execute("SELECT id, rule, times_left FROM fault ORDER BY id")
        return {row[0]: (msgspec.json.decode(row[1], type=FaultRule), row[2]) for row in rows}
