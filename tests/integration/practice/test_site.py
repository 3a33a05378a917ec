"""The site as a process: pages, a clock that only `advance` moves, faults, and a memory that survives a kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.source.practice.commands import practice_site
from match_assets.source.practice.site import loopback_only
from match_assets.source.practice.world import draw_world

READY_WITHIN_SECONDS = 60
MODULE = "match_assets.source.practice"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A running site and a client for it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def control(self, action: str, body: dict[str, Any] | None = None) -> Any:
        answer = (
            self.client.post(f"/_practice/{action}", json=body)
            if body is not None
            else self.get(f"/_practice/{action}")
        )
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(state_dir: Path, *options: str) -> Iterator[Site]:
    """A site in a process of its own, ready when robots.txt comes, ended in any case."""
    port = free_port()
    command = [sys.executable, "-m", MODULE, "serve", "--port", str(port), "--state-dir", str(state_dir), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    site = Site(process, f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while True:
            try:
                site.get("/robots.txt")
                break
            except httpx.TransportError:
                assert process.poll() is None, process.stdout.read() if process.stdout else ""
                assert time.monotonic() < deadline, "the site did not come up"
                time.sleep(0.1)
        yield site
    finally:
        site.client.close()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for the tests that move nothing but forward."""
    with running(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The shared site, without faults before and after."""
    shared_site.client.delete("/_practice/faults")
    yield shared_site
    shared_site.client.delete("/_practice/faults")


def test_robots_txt_keeps_readers_out_of_the_control(site: Site) -> None:
    assert site.get("/robots.txt").text.splitlines() == ["User-agent: *", "Disallow: /_practice"]


@pytest.mark.parametrize(
    ("path", "status", "content_type"),
    [
        ("/", 200, "text/html; charset=utf-8"),
        ("/Regions/900/Tournaments/9001", 200, "text/html; charset=utf-8"),
        ("/regions/900/tournaments/9001/practica-first-division", 200, "text/html; charset=utf-8"),
        ("/REGIONS/900/Tournaments/9002/Seasons/900222/Stages/950222/Show/slug", 200, "text/html; charset=utf-8"),
        ("/Regions/900/Tournaments/9001/Seasons/900222", 404, "text/html; charset=utf-8"),
        ("/Regions/900/Tournaments/9001/Seasons/900126", 404, "text/html; charset=utf-8"),
        ("/Regions/252/Tournaments/2", 404, "text/html; charset=utf-8"),
        ("/tournaments/950124/data/?d=202501", 200, "application/json"),
        ("/tournaments/950124/data?d=202501", 200, "application/json"),
        ("/tournaments/950124/data/?d=202513", 400, "text/html; charset=utf-8"),
        ("/tournaments/950124/data/", 400, "text/html; charset=utf-8"),
        ("/tournaments/1/data/?d=202501", 404, "text/html; charset=utf-8"),
        ("/Matches/900124001/Live", 200, "text/html; charset=utf-8"),
        ("/matches/900124001/live/any-slug", 200, "text/html; charset=utf-8"),
        ("/Matches/900126001/Live", 404, "text/html; charset=utf-8"),
        ("/Matches/1/Live", 404, "text/html; charset=utf-8"),
        ("/%00/..%2f..%2fetc/passwd", 404, "text/html; charset=utf-8"),
    ],
)
def test_paths_are_answered_whatever_their_case(site: Site, path: str, status: int, content_type: str) -> None:
    answer = site.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].removesuffix("; charset=utf-8") == content_type.removesuffix(
        "; charset=utf-8"
    )


def test_pages_say_that_they_are_for_practice(site: Site) -> None:
    for path in ("/", "/Regions/900/Tournaments/9001", "/Matches/900124001/Live"):
        assert '<meta name="practice-site" content="drawn world, seed 7">' in site.get(path).text


def test_pages_stand_still_while_the_clock_does(site: Site) -> None:
    paths = ("/Regions/900/Tournaments/9001", "/tournaments/950124/data/?d=202502", "/Matches/900124001/Live")
    first = [site.get(path).content for path in paths]
    time.sleep(1.1)
    assert [site.get(path).content for path in paths] == first


def test_advance_plays_the_next_match_day_and_says_what_changed(site: Site) -> None:
    before, old = site.control("state"), {}
    for tournament in before["tournaments"]:
        old[tournament["tournament_id"]] = tournament["n_finished"]
    report = site.control("advance", {})
    after = site.control("state")
    assert report["clock"] == after["clock"] == before["clock_after_next_match_day"]
    assert report["played"]
    changed = {match_id for partition in report["changed"] for match_id in partition["match_ids"]}
    assert set(report["played"]) | set(report["corrected"]) | set(report["postponed"]) <= changed
    gained = sum(t["n_finished"] - old[t["tournament_id"]] for t in after["tournaments"])
    assert gained == len(report["played"])
    for match_id in report["played"]:
        assert ",6,'FT'," in site.get(f"/Matches/{match_id}/Live").text


def test_advance_can_correct_a_settled_score(site: Site) -> None:
    report = site.control("advance", {"match_days": 0, "correct": True})
    (match_id,) = report["corrected"]
    assert report["played"] == []
    assert [partition["match_ids"] for partition in report["changed"]] == [[match_id]]


def test_a_score_can_be_corrected_and_only_that_match_changes(site: Site) -> None:
    match_id, other = 900123005, 900123006
    untouched = site.get(f"/Matches/{other}/Live").content
    report = site.control("correct", {"match_id": match_id, "home_goals": 7, "away_goals": 6})
    assert report["corrected"] == [match_id]
    assert report["changed"] == [{"tournament_id": 9001, "season": "2023", "match_ids": [match_id]}]
    assert "'7 : 6'" in site.get(f"/Matches/{match_id}/Live").text
    assert site.get(f"/Matches/{other}/Live").content == untouched


def test_a_withheld_result_is_late_until_it_is_let_out(site: Site) -> None:
    match_id = 900123010
    assert "matchCentreData: {" in site.get(f"/Matches/{match_id}/Live").text
    assert site.control("withhold", {"match_id": match_id})["changed"][0]["match_ids"] == [match_id]
    assert "matchCentreData: null" in site.get(f"/Matches/{match_id}/Live").text
    assert site.control("withhold", {"match_id": match_id, "withheld": False})["played"] == [match_id]


def test_an_annulled_match_is_shown_nowhere_until_that_is_undone(site: Site) -> None:
    match_id, feed, page = 900123010, "/tournaments/950123/data/?d=", "/Matches/900123010/Live"
    months = [f"{year}{month:02}" for year in (2023, 2024) for month in range(1, 13)]
    [month] = [month for month in months if f'"id":{match_id},' in site.get(feed + month).text]
    before = site.get(feed + month).json()
    report = site.control("annul", {"match_id": match_id})
    assert report["annulled"] == [match_id]
    assert report["changed"] == [{"tournament_id": 9001, "season": "2023", "match_ids": [match_id]}]
    shown = site.get(feed + month).json()["tournaments"][0]["matches"]
    assert [row for row in before["tournaments"][0]["matches"] if row["id"] != match_id] == shown
    assert site.get(page).status_code == 404
    assert site.control("annul", {"match_id": match_id, "annulled": False})["annulled"] == []
    assert site.get(feed + month).json() == before
    assert site.get(page).status_code == 200


@pytest.mark.parametrize(
    ("action", "body", "status", "reason"),
    [
        ("advance", {"to": "2020-01-01T00:00:00Z"}, 400, "never goes back"),
        ("advance", {"match_days": -1}, 400, "match_days"),
        ("advance", {"days": 1}, 400, "days"),
        ("correct", {"match_id": 1, "home_goals": 1, "away_goals": 0}, 404, "no match 1"),
        ("correct", {"match_id": 900126001, "home_goals": 1, "away_goals": 0}, 409, "no result yet"),
        ("correct", {"match_id": 900123005, "home_goals": 99, "away_goals": 0}, 400, "home_goals"),
        ("withhold", {"match_id": 1}, 404, "no match 1"),
        ("annul", {"match_id": 1}, 404, "no match 1"),
        ("faults", {"path_regex": "(", "kind": "empty"}, 400, "no regular expression"),
        ("faults", {"path_regex": "a", "kind": "boom"}, 400, "kind"),
    ],
)
def test_a_wrong_order_is_refused_with_its_reason(
    site: Site, action: str, body: dict[str, Any], status: int, reason: str
) -> None:
    before = site.control("state")["clock"]
    answer = site.client.post(f"/_practice/{action}", json=body)
    assert answer.status_code == status
    assert reason in answer.text
    assert site.control("state")["clock"] == before


def test_the_truth_of_a_match_can_be_asked_for(site: Site) -> None:
    world = draw_world()
    told = site.control("truth?match_id=900126001")
    assert tuple(told.values()) == world.true_probabilities(900126001)
    assert site.get("/_practice/truth?match_id=1").status_code == 404


def test_faults_spoil_the_pages_they_name_as_often_as_they_say(site: Site) -> None:
    site.control("faults", {"path_regex": "/data/", "kind": "too_many", "times": 2, "retry_after": 3})
    path = "/tournaments/950124/data/?d=202501"
    answers = [site.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "3"
    assert "retry-after" not in answers[2].headers
    assert site.get("/Matches/900124001/Live").status_code == 200


def test_a_slow_answer_keeps_no_other_waiting(site: Site) -> None:
    site.control("faults", {"path_regex": "^/$", "kind": "slow", "times": 1, "delay_seconds": 20})
    with httpx.Client(base_url=site.url, timeout=0.3, trust_env=False) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.get("/")
    assert site.get("/robots.txt").status_code == 200


def test_access_log_tells_who_asked_for_what_and_when(site: Site) -> None:
    site.client.delete("/_practice/access-log")
    site.client.get("/tournaments/950124/data/?d=202501", headers={"user-agent": "match-assets/test"})
    site.control("faults", {"path_regex": "Matches", "kind": "block", "times": 1})
    site.get("/Matches/900124001/Live")
    first, second = site.control("access-log")
    assert (first["path"], first["status"], first["fault"]) == ("/tournaments/950124/data/?d=202501", 200, None)
    assert first["user_agent"] == "match-assets/test"
    assert (second["path"], second["fault"]) == ("/Matches/900124001/Live", "block")
    assert second["at"] >= first["at"]
    assert site.control(f"access-log?after_id={first['id']}") == [second]


def test_a_killed_site_comes_back_where_it_stood(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        report = site.control("advance", {"match_days": 3})
        site.control("correct", {"match_id": 900123005, "home_goals": 7, "away_goals": 6})
        site.control("faults", {"path_regex": "nothing", "kind": "empty"})
        page = site.get("/Regions/900/Tournaments/9001").content
        requests = site.control("state")["n_requests"]
        os.kill(site.process.pid, signal.SIGKILL)
        site.process.wait(10)
    with running(tmp_path) as site:
        state = site.control("state")
        assert state["clock"] == report["clock"]
        assert state["corrections"] == 1
        assert [fault["kind"] for fault in state["faults"]] == ["empty"]
        assert state["n_requests"] > requests
        assert site.get("/Regions/900/Tournaments/9001").content == page


def test_the_world_ends_with_a_plain_refusal(tmp_path: Path) -> None:
    with running(tmp_path, "--clock", "2027-04-01") as site:
        seasons = [t["season"] for t in site.control("state")["tournaments"]]
        assert seasons == ["2026", "2026"]
        last = site.control("advance", {"to": "2027-06-01T00:00:00Z"})
        assert last["played"]
        answer = site.client.post("/_practice/advance", json={})
        assert (answer.status_code, "the world ends here" in answer.text) == (409, True)


def test_a_site_of_real_results_shows_later_matches_as_coming(tmp_path: Path) -> None:
    folder = tmp_path / "files" / "premier-league"
    folder.mkdir(parents=True)
    rows = ["Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,HS,AS,HST,AST,HF,AF,HC,AC,HY,AY,HR,AR"]
    rows += [f"2024-0{m}-10,A,B,2,1,H,1,0,H,9,8,4,0,10,11,0,3,1,2,0,0" for m in (1, 2, 3)]
    (folder / "season-2324.csv").write_text("\n".join(rows))
    with running(tmp_path / "state", "--from-csv", str(tmp_path / "files"), "--seasons", "2023") as site:
        feed = [
            site.get(f"/tournaments/522023/data/?d=20240{m}").json()["tournaments"][0]["matches"][0] for m in (1, 3)
        ]
        assert [(row["status"], row.get("homeScore")) for row in feed] == [(6, 2), (1, None)]
        assert feed[0]["startTime"] == "2024-01-10T00:00:00"
        page = site.get(f"/Matches/{feed[0]['id']}/Live").text
        assert '"cornersTotal":{"0":0}' in page
        assert '"shotsTotal":{"90":9}' in page
        assert '<meta name="practice-site" content="facts of football-data.co.uk">' in page
        assert site.control("advance", {})["played"] == [22023002]


def test_control_answers_this_machine_only() -> None:
    def connection(client: tuple[str, int] | None) -> ASGIConnection[Any, Any, Any, Any]:
        scope: Any = {"type": "http", "client": client, "path": "/", "headers": []}
        return ASGIConnection(scope)

    handler: Any = None
    for host in ("127.0.0.1", "::1"):
        loopback_only(connection((host, 1)), handler)
    for client in (("192.0.2.7", 1), ("testclient", 1), None):
        with pytest.raises(PermissionDeniedException, match="this machine only"):
            loopback_only(connection(client), handler)


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(practice_site, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_work_the_controls(site: Site) -> None:
    assert "world drawn seed=7" in invoke("status", "--url", site.url)
    assert "played: " in invoke("advance", "--url", site.url)
    assert "corrected: 900123008" in invoke("correct", "900123008", "0", "9", "--url", site.url)
    assert "block on data" in invoke("fault", "block", "--path", "data", "--times", "2", "--url", site.url)
    assert "fault 1: block on data, left: 2" in invoke("status", "--url", site.url)
    assert "1 faults ended" in invoke("fault", "none", "--url", site.url)


def test_the_commands_pass_on_a_refusal_and_name_a_site_that_is_away(site: Site) -> None:
    with pytest.raises(ConfigurationError, match="no result yet"):
        invoke("correct", "900126001", "1", "0", "--url", site.url)
    with pytest.raises(DependencyUnavailableError, match="no practice site answers"):
        invoke("status", "--url", f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--seasons", "2023"), "give --from-csv"),
        (("--from-csv", "absent", "--seasons", "x"), "name first years"),
        (("--clock", "soon"), "is no time"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(
    options: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        invoke("serve", "--state-dir", str(tmp_path / "state"), *options)
    assert not (tmp_path / "state").exists()


def test_the_module_ends_with_the_errors_status_and_its_reason(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        MODULE,
        "serve",
        "--state-dir",
        str(tmp_path),
        "--from-csv",
        str(tmp_path / "absent"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, "no such folder" in result.stderr) == (2, True)
    assert "Traceback" not in result.stderr
