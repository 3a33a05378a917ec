"""The demo as a stranger runs it: real servers, Dagster's daemon and a real Chromium, from nothing to a prediction over HTTP.

The tests build on each other's state in the order written; the fixtures say which state each needs.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from match_assets.config import PARAMS_FILE
from tests.e2e.platform_run import PlatformRun, curl_line, eventually, materialised

DATA_ASSETS = {
    "scraped_matches",
    "scraped_match_stats",
    "raw_matches",
    "raw_match_stats",
    "finished_matches",
    "upcoming_matches",
    "team_match_features",
    "team_state",
    "match_features",
}
CUTOFF_ASSETS = {
    "temporal_split",
    "baseline_models",
    "ablation_study",
    "tuned_parameters",
    "calibrated_model",
    "registered_model",
    "promotion_decision",
}
SEASONS = {f"{season}|{tournament}" for season in range(2021, 2025) for tournament in ("PRA-First", "PRA-Second")}
KEYS = {9001: "PRA-First", 9002: "PRA-Second"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformRun]:
    """A platform that looks for news every half minute, so that the daemon's own sensor can be waited for."""
    folder = tmp_path_factory.mktemp("platform")
    params = yaml.safe_load(PARAMS_FILE.read_text())
    params["ingestion"]["look_every_seconds"] = 30
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run = PlatformRun(folder, MATCH_ASSETS_PARAMS=str(folder / "params.yaml"))
    try:
        yield run
    finally:
        run.command("down", timeout=120)


@pytest.fixture(scope="module")
def first_demo(platform: PlatformRun) -> str:
    """What the first demo printed."""
    done = platform.command("demo", timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_demo_fills_every_season_and_stage_in_one_bulk_run(platform: PlatformRun, first_demo: str) -> None:
    filled = materialised(platform.runs("bulk")[-1])
    seasons = {(asset, season) for asset in DATA_ASSETS for season in SEASONS}
    assert filled == seasons | {("tournament_catalog", tournament) for tournament in KEYS.values()}


def test_demo_leaves_every_partition_in_sync(platform: PlatformRun, first_demo: str) -> None:
    shown = {(asset, season): platform.sync_of(asset, season) for asset in DATA_ASSETS for season in SEASONS}
    assert shown == dict.fromkeys(shown, "FRESH")


def test_demo_trains_registers_and_promotes_one_model(platform: PlatformRun, first_demo: str) -> None:
    [run] = [run for run in platform.runs("model") if run["status"] == "SUCCESS"]
    assert {asset for asset, _ in materialised(run)} == CUTOFF_ASSETS
    model = platform.service("/model")
    assert model["model_version"] == "1"
    assert model["cutoff"] == "2025-02-01"


def test_demo_shows_the_model_beating_class_frequencies(first_demo: str) -> None:
    rows = [line.split("│") for line in first_demo.splitlines() if "│" in line]
    scores = {
        row[1].strip(): float(row[2]) for row in rows if len(row) > 5 and row[1].strip() in {"model", "class_frequency"}
    }
    assert scores["model"] < scores["class_frequency"]


def test_the_curl_line_of_the_demo_works(platform: PlatformRun, first_demo: str) -> None:
    answer = httpx.get(curl_line(first_demo), timeout=10)
    body = answer.json()
    assert answer.status_code == 200
    assert sum(body["probabilities"].values()) == pytest.approx(1.0)
    assert body["model_version"] == "1"
    assert len(body["feature_version"]) == 16
    assert len(body["features_sha256"]) == 64


def test_a_second_demo_materialises_nothing(platform: PlatformRun, first_demo: str) -> None:
    before = {run["runId"] for job in ("bulk", "season", "model") for run in platform.runs(job)}
    done = platform.command("demo", timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    later = [run for job in ("bulk", "season", "model") for run in platform.runs(job) if run["runId"] not in before]
    assert [materialised(run) for run in later] == []


def test_a_weekly_look_at_an_unchanged_catalogue_leaves_everything_in_sync(
    platform: PlatformRun, first_demo: str
) -> None:
    tournament = next(iter(KEYS.values()))
    look = (
        "from rich.console import Console; from match_assets.config import load_settings;"
        "from match_assets.demo import follow_job;"
        f"follow_job(Console(), load_settings(), 'catalogue', {tournament!r}, {{}}, 'a test')"
    )
    done = platform.python(look)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert materialised(platform.runs("catalogue")[0]) == {("tournament_catalog", tournament)}
    shown = {season: platform.sync_of("scraped_matches", season) for season in SEASONS}
    assert shown == dict.fromkeys(SEASONS, "FRESH")


@pytest.fixture(scope="module")
def match_day(platform: PlatformRun, first_demo: str) -> dict[str, Any]:
    """The site plays one match day; the daemon's sensor sees it and its runs end."""
    before = {run["runId"] for job in ("bulk", "season", "model") for run in platform.runs(job)}
    played = platform.site("advance")
    assert played["played"]
    touched = {f"{item['season']}|{KEYS[item['tournament_id']]}" for item in played["changed"]}

    def ended() -> list[dict[str, Any]] | None:
        new = [run for job in ("bulk", "season", "model") for run in platform.runs(job) if run["runId"] not in before]
        reached = {partition for run in new for asset, partition in materialised(run) if asset == "match_features"}
        is_over = all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in new)
        return new if is_over and touched <= reached else None

    runs = eventually(ended, seconds=300, what=f"runs of {touched} after a match day")
    return {"played": played["played"], "touched": touched, "runs": runs}


def test_a_match_day_reruns_exactly_the_touched_seasons(match_day: dict[str, Any]) -> None:
    made = set().union(*(materialised(run) for run in match_day["runs"]))
    assert all(run["status"] == "SUCCESS" for run in match_day["runs"])
    assert made == {(asset, season) for asset in DATA_ASSETS for season in match_day["touched"]}


def test_a_played_match_leaves_the_lookup_and_later_ones_stay(platform: PlatformRun, match_day: dict[str, Any]) -> None:
    played = match_day["played"][0]

    def is_gone() -> bool:
        answer = httpx.get(f"{platform.address('SERVICE')}/predict/{played}", timeout=10)
        return answer.status_code in {404, 409}

    assert eventually(is_gone, seconds=60, what=f"played match {played} to leave the lookup")
    fixtures = platform.service("/fixtures")["fixtures"]
    assert fixtures
    assert played not in {item["match_id"] for item in fixtures}


def test_killed_hard_it_starts_again_with_nothing_lost(platform: PlatformRun, match_day: dict[str, Any]) -> None:
    before = platform.service("/fixtures")
    platform.kill_hard()
    done = platform.command("up", "--detach", timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def again() -> Any:
        try:
            return platform.service("/fixtures")
        except httpx.HTTPError:
            return None

    after = eventually(again, seconds=120, what="the service after a hard kill")
    assert after == before
    assert platform.command("status", "--check").returncode == 0


def test_a_scrape_asked_for_over_http_is_one_run_that_finds_an_old_correction(
    platform: PlatformRun, match_day: dict[str, Any]
) -> None:
    season = "2023|PRA-Second"
    where = "FROM finished_matches WHERE season = '2023' AND tournament = 'PRA-Second'"
    found = platform.command("sql", f"SELECT min(match_id) AS match_id {where}").stdout
    match_id = int(re.findall(r"\d{4,}", found)[0])
    # settled for more than a year: no visit of its own asks for that month again
    platform.site("correct", {"match_id": match_id, "home_goals": 9, "away_goals": 8})
    wanted = {"tournament": "PRA-Second", "season": "2023", "reason": "somebody saw a wrong score"}
    asked = [httpx.post(f"{platform.address('SERVICE')}/scrape", json=wanted, timeout=10) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 202]
    [request_id] = {answer.json()["request_id"] for answer in asked}

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = platform.service(f"/scrape/{request_id}")
        return told if told["state"] in {"done", "failed"} else None

    assert eventually(ended, seconds=180, what=f"scrape {request_id}")["state"] == "done"
    tag = {"key": "scrape_request", "value": request_id}
    [run] = [run for run in platform.runs("bulk") if tag in run["tags"]]
    assert run["status"] == "SUCCESS"
    assert {("raw_matches", season), ("team_state", season)} <= materialised(run)
    stored = platform.command("sql", f"SELECT home_goals * 100 + away_goals AS score {where} AND match_id = {match_id}")
    assert "908" in stored.stdout
