"""Real results through the whole chain: a folder of football-data files as a site, Chromium, gates, model, hold-out.

Skips where the folder `../shared/data/football-datasets` is absent.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from match_assets.local.stack import ServerStack
from match_assets.stages.chain import reached_cutoff
from tests.e2e.platform_run import eventually
from tests.integration.orchestration.conftest import Rig, make_rig, materialised

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT.parent / "shared" / "data" / "football-datasets"
LEAGUES, SEASONS = "premier-league,la-liga", "2022,2023,2024"
TOURNAMENTS = {"ENG-PremierLeague", "ESP-LaLiga"}
PARTITIONS = {f"{season}|{key}" for season in (2022, 2023, 2024) for key in TOURNAMENTS}
MATCHES_A_SEASON = 380

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason=f"no folder of football-data files at {FILES}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The practice site over the files, at the end of the newest season."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "match_assets.source.practice", "serve", "--port", str(port)]
    command += ["--state-dir", str(tmp_path_factory.mktemp("files")), "--from-csv", str(FILES)]
    command += ["--leagues", LEAGUES, "--seasons", SEASONS, "--clock", "2025-05-10T06:00:00Z"]
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/robots.txt", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    process = subprocess.Popen(command, cwd=ROOT)
    try:
        eventually(answers, seconds=60, what="the practice site over the files")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def real(stack: ServerStack, site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two leagues, three seasons, scraped by Chromium and carried to features by the bulk job."""
    with pytest.MonkeyPatch.context() as patch:
        rig = make_rig(stack, tmp_path_factory.mktemp("real"), patch, site)
        try:
            result = rig.run("bulk", ops={"carry_seasons": {"config": {"partitions": [], "scrape": True}}})
            assert result.success
            made = materialised(result)
            assert {tournament for asset, tournament in made if asset == "tournament_catalog"} == TOURNAMENTS
            assert {season for asset, season in made if asset != "tournament_catalog"} == PARTITIONS
            yield rig
        finally:
            rig.close()


def test_every_match_of_the_files_is_a_result_or_a_fixture(real: Rig) -> None:
    store = real.context().store
    for season in PARTITIONS:
        finished, upcoming = store.read("finished_matches", season), store.read("upcoming_matches", season)
        assert finished.height + upcoming.height == MATCHES_A_SEASON
        assert upcoming.is_empty() == (not season.startswith("2024"))


def test_scores_and_statistics_are_those_of_the_file(real: Rig) -> None:
    file = pl.read_csv(FILES / "premier-league" / "season-2324.csv")
    held = real.context().store.read("finished_matches", "2023|ENG-PremierLeague")
    wanted = {"FTHG": "home_goals", "FTAG": "away_goals", "HS": "home_shots", "AST": "away_shots_on_target"}
    assert held.height == file.height == MATCHES_A_SEASON
    sums = {column: int(held[column].sum()) for column in wanted.values()}
    assert sums == {wanted[name]: int(file[name].sum()) for name in wanted}


def test_the_model_beats_class_frequencies_on_the_holdout(real: Rig) -> None:
    cutoff = reached_cutoff(real.context())
    assert cutoff == "2025-05-01"
    assert real.run("model", partition=cutoff).success
    store = real.context().store
    baselines = store.read("baseline_models", cutoff).filter(pl.col("part") == "holdout")
    frequency = baselines.filter(pl.col("baseline") == "class_frequency")["rps"][0]
    model = store.read("registered_model", cutoff).row(0, named=True)
    assert model["holdout_n"] > 300
    assert model["holdout_rps"] < frequency
    assert store.read("promotion_decision", cutoff)["promote"].to_list() == [True]
