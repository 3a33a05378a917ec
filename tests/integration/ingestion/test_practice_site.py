"""The client against the practice site: its season, its clock, its corrections, and each way it can fail."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest
from sqlalchemy import Engine

from match_assets.config import Params, Settings, load_params
from match_assets.errors import (
    MatchAssetsError,
    SourceBlockedError,
    SourceUnavailableError,
    UnexpectedPageError,
)
from match_assets.source import circuit, runs
from match_assets.warehouse import reading
from tests.depth import EVERY
from tests.integration.ingestion.conftest import QUICK

KEY, SEASON = "PRA-Second", "2024"
PATIENCE = msgspec.structs.replace(QUICK, deadline_seconds=15.0)


class PracticeSeason:
    """A running practice site, one season of it, and the warehouse it goes into."""

    def __init__(self, url: str, settings: Settings, engine: Engine) -> None:
        self.url, self.settings, self.engine = url, settings, engine
        shipped = load_params()
        self.params: Params = shipped.model_copy(update={"tournaments": {KEY: shipped.tournaments[KEY]}})

    def control(self, name: str, order: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/_practice/{name}", json=order, timeout=30).raise_for_status()
        held: dict[str, Any] = answer.json()
        return held

    def scrape(self) -> None:
        runs.scrape_season(self.settings, self.engine, self.params, KEY, SEASON, patience=PATIENCE)

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return reading.season_snapshot(self.engine, KEY, SEASON)


@pytest.fixture
def practice(tmp_path: Path, postgres_url: str, warehouse: Engine) -> Iterator[PracticeSeason]:
    """A practice site of its own; the catalogue is read."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "match_assets.source.practice", "serve"]
    arguments = ["--port", str(port), "--state-dir", str(tmp_path / "site")]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url)
            settings = Settings(
                postgres_url=postgres_url,
                s3_bucket="unused",
                redis_url="redis://unused",
                mlflow_url=postgres_url,
                source_url=url,
                requests_per_minute=600_000,
            )
            season = PracticeSeason(url, settings, warehouse)
            runs.scrape_catalogue(settings, warehouse, season.params, patience=PATIENCE)
            yield season
        finally:
            server.terminate()
            server.wait(20)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/robots.txt", timeout=2)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"no practice site at {url} within 60 s")


def test_half_season_is_read_then_a_match_day_and_a_correction(practice: PracticeSeason) -> None:
    practice.scrape()
    matches, stats = practice.frames()
    results = matches.filter(pl.col("home_goals").is_not_null())
    assert matches.height == 132
    assert 40 < results.height < 100
    assert stats.height == 2 * results.height
    assert stats.null_count().sum_horizontal().item() == 0
    assert results["home_goals_half_time"].null_count() == 0
    assert runs.find_news(practice.settings, practice.engine, practice.params, patience=PATIENCE) == []

    corrected = results["match_id"][-1]
    practice.control("correct", {"match_id": corrected, "home_goals": 9, "away_goals": 8})
    played: list[int] = []
    while not played:  # a match day may be the other tournament's
        known = set(matches["match_id"])
        played = [match_id for match_id in practice.control("advance", {})["played"] if match_id in known]
    (news,) = runs.find_news(practice.settings, practice.engine, practice.params, patience=PATIENCE)
    assert news.partition_key == f"{SEASON}|{KEY}"
    assert news.matches["result"] >= len(played)
    assert news.matches["score corrected"] >= 1

    practice.scrape()
    after, _ = practice.frames()
    assert set(played) <= set(after.filter(pl.col("status") == 6)["match_id"])
    row = after.filter(pl.col("match_id") == corrected)
    assert row.select("home_goals", "away_goals").rows() == [(9, 8)]


FEED, PAGE = "/data/", "/Matches/"
# faults of the calendar come first: after the first fault of a match page the calendar is stored
FAULTS: list[tuple[str, str, type[MatchAssetsError]]] = [
    ("/Seasons/", "layout", UnexpectedPageError),
    (FEED, "block", SourceBlockedError),
    (FEED, "server_error", SourceUnavailableError),
    (FEED, "truncated", SourceUnavailableError),
    (FEED, "layout", UnexpectedPageError),
    (PAGE, "forbidden", SourceBlockedError),
    (PAGE, "truncated", SourceUnavailableError),
    (PAGE, "empty", SourceUnavailableError),
    (PAGE, "layout", UnexpectedPageError),
]


def test_lasting_fault_ends_the_run_with_its_name_and_writes_nothing_of_its_stage(practice: PracticeSeason) -> None:
    for path, kind, error in FAULTS[::EVERY]:
        practice.control("faults", {"path_regex": path, "kind": kind})
        with pytest.raises(error, match=practice.url):
            practice.scrape()
        matches, stats = practice.frames()
        assert stats.is_empty(), (path, kind)
        assert matches.is_empty() == (path != PAGE), (path, kind)
        httpx.delete(f"{practice.url}/_practice/faults", timeout=30).raise_for_status()
        circuit.close_circuit(practice.engine, practice.url.removeprefix("http://"))
    practice.scrape()
    matches, stats = practice.frames()
    assert stats.height == 2 * matches["home_goals"].count()


def test_passing_faults_leave_the_same_season_as_none(practice: PracticeSeason) -> None:
    practice.control("faults", {"path_regex": FEED, "kind": "server_error", "times": 1})
    practice.control("faults", {"path_regex": FEED, "kind": "truncated", "times": 1})
    practice.control("faults", {"path_regex": FEED, "kind": "too_many", "times": 1, "retry_after": 1})
    practice.control("faults", {"path_regex": FEED, "kind": "pre_wrapped"})
    practice.control("faults", {"path_regex": PAGE, "kind": "empty", "times": 2})
    practice.control("faults", {"path_regex": PAGE, "kind": "slow", "times": 1, "delay_seconds": 0.5})
    practice.scrape()
    matches, stats = practice.frames()
    assert matches.height == 132
    assert stats.height == 2 * matches["home_goals"].count()


def test_null_match_centres_leave_matches_without_statistics(practice: PracticeSeason) -> None:
    practice.control("faults", {"path_regex": PAGE, "kind": "null_match_centre", "times": 3})
    practice.scrape()
    matches, stats = practice.frames()
    assert stats.height == 2 * (matches["home_goals"].count() - 3)
