"""A result that its source lost for good: a person says so, and only then it leaves the export. Nothing is deleted."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from match_assets.cli import main
from match_assets.config import Settings
from match_assets.errors import DataError
from match_assets.stages.base import StageContext
from match_assets.stages.ingestion import validate_calendar
from match_assets.warehouse import reading
from match_assets.warehouse.files import write_file_season
from match_assets.warehouse.gaps import Partition, gaps_of, known_gaps
from match_assets.warehouse.schema import observations
from match_assets.warehouse.withdrawals import reinstate, withdraw, withdrawn
from tests.integration.warehouse.gating import ROUNDS, raw, told
from tests.integration.warehouse.telling import KEY, PARTITION, SEASON, Teller, file_season, filed, listed, utc

LOST = ROUNDS[0].match_id
WHY = "annulled: the club was expelled"


@pytest.fixture
def lost(teller: Teller) -> Teller:
    """A season of four results, the first of which the site does not list any more."""
    told(teller, ROUNDS)
    told(teller, ROUNDS[1:], missing=(LOST,))
    return teller


def exported(teller: Teller) -> tuple[list[int], list[int]]:
    matches, statistics = reading.season_snapshot(teller.engine, KEY, SEASON)
    return matches["match_id"].to_list(), sorted(set(statistics["match_id"].to_list()))


def test_a_withdrawn_result_leaves_the_export_and_its_rows_and_history_stay(lost: Teller) -> None:
    before = reading.season_revision(lost.engine)
    history = lost.count(observations)
    assert withdraw(lost.engine, LOST, WHY) == Partition(KEY, SEASON)
    assert exported(lost) == ([5001, 5002, 5003], [5001, 5002, 5003])
    assert reading.season_revision(lost.engine) != before, "what is made of the season is stale"
    assert lost.stored(LOST).home_goals == 1
    assert lost.count(observations) == history
    assert known_gaps(lost.engine, KEY, SEASON) == []
    [match] = withdrawn(lost.engine)
    assert (match.match_id, match.home_team, match.reason) == (LOST, "Team 11", WHY)


def test_a_season_passes_its_gates_once_its_lost_result_is_withdrawn(teller: Teller, context: StageContext) -> None:
    told(teller, ROUNDS)
    assert raw(context).passed
    told(teller, ROUNDS[1:], missing=(LOST,))
    assert validate_calendar(context, PARTITION).refused_by == ("no finished match is lost",)
    withdraw(teller.engine, LOST, WHY)
    verdict = validate_calendar(context, PARTITION)
    assert (verdict.passed, verdict.failures, verdict.measures["withdrawn"]) == (True, (), 1)
    assert raw(context).passed, "the accepted version held it, which counts for those that nobody withdrew"
    assert context.store.read("raw_matches", PARTITION)["match_id"].to_list() == [5001, 5002, 5003]


def test_another_lost_result_is_refused_beside_a_withdrawn_one(teller: Teller, context: StageContext) -> None:
    told(teller, ROUNDS)
    assert raw(context).passed
    told(teller, ROUNDS[2:], missing=(LOST, 5001))
    withdraw(teller.engine, LOST, WHY)
    verdict = raw(context)
    assert verdict.refused_by == ("no finished match is lost",)
    assert "2 of 3 finished matches are listed; missing: 5001" in verdict.summary()


def test_a_withdrawn_result_that_is_listed_again_counts_again(lost: Teller) -> None:
    withdraw(lost.engine, LOST, WHY)
    told(lost, ROUNDS)
    assert exported(lost)[0] == [5000, 5001, 5002, 5003]
    assert withdrawn(lost.engine) == []


def test_a_result_that_is_lost_a_second_time_needs_a_second_word(lost: Teller) -> None:
    withdraw(lost.engine, LOST, WHY)
    told(lost, ROUNDS)
    told(lost, ROUNDS[1:], missing=(LOST,))
    assert reading.lost_results(lost.engine, KEY, SEASON).match_ids == (LOST,)
    withdraw(lost.engine, LOST, "annulled once more")
    assert [match.reason for match in withdrawn(lost.engine)] == ["annulled once more"]


def test_visits_after_a_withdrawal_do_not_bring_its_gap_back(lost: Teller) -> None:
    withdraw(lost.engine, LOST, WHY)
    told(lost, ROUNDS[1:])
    assert known_gaps(lost.engine, KEY, SEASON) == []
    assert exported(lost)[0] == [5001, 5002, 5003]


def test_a_file_that_still_tells_the_result_does_not_undo_a_withdrawal(lost: Teller) -> None:
    withdraw(lost.engine, LOST, WHY)
    row = ROUNDS[0]
    file = filed(-1, f"{row.kick_off_utc:%Y-%m-%d}", row.home_team_id, row.away_team_id, (1, 0))
    write_file_season(lost.engine, file_season([file], utc("2025-06-01")))
    assert exported(lost)[0] == [5001, 5002, 5003]


def test_a_reinstated_result_is_a_lost_one_again(lost: Teller) -> None:
    before, gaps = reading.season_revision(lost.engine), [gap[:5] for gap in gaps_of(lost.engine)]
    withdraw(lost.engine, LOST, WHY)
    assert reinstate(lost.engine, LOST) == Partition(KEY, SEASON)
    assert reading.season_revision(lost.engine) == before
    assert reading.lost_results(lost.engine, KEY, SEASON).match_ids == (LOST,)
    assert [gap[:5] for gap in gaps_of(lost.engine)] == gaps
    assert withdrawn(lost.engine) == []
    with pytest.raises(DataError, match="5000 is not withdrawn"):
        reinstate(lost.engine, LOST)
    withdraw(lost.engine, LOST, "annulled after all")
    assert [match.reason for match in withdrawn(lost.engine, [Partition(KEY, SEASON)])] == ["annulled after all"]
    assert withdrawn(lost.engine, [Partition(KEY, "2023")]) == []


def _fixture(teller: Teller) -> int:
    told(teller, [*ROUNDS, listed(5009, "2025-02-25", 19, 20)])
    told(teller, ROUNDS, missing=(5009,))
    return 5009


def _renewed(teller: Teller) -> int:
    told(teller, ROUNDS)
    told(teller, [*ROUNDS[1:], listed(5009, "2025-02-01T15:00", 11, 12, (1, 0))], missing=(LOST,))
    return LOST


def _withdrawn(teller: Teller) -> int:
    told(teller, ROUNDS)
    told(teller, ROUNDS[1:], missing=(LOST,))
    withdraw(teller.engine, LOST, WHY)
    return LOST


def _listed(teller: Teller) -> int:
    told(teller, ROUNDS)
    return LOST


@pytest.mark.parametrize(
    ("arranged", "reason", "said"),
    [
        (_listed, WHY, "match 5000: its source lists it: only what is lost can be withdrawn; nothing was changed"),
        (_fixture, WHY, "match 5009: it has no result, and is in no export"),
        (_renewed, WHY, "match 5000: it is match 5009 by now, which counts"),
        (_withdrawn, WHY, "match 5000: it is withdrawn already"),
        (lambda _: 77, WHY, "match 77 is unknown: `match-assets source gaps` lists"),
        (lambda _: LOST, " ", "match 5000: a reason is needed"),
    ],
)
def test_what_cannot_be_withdrawn_is_refused_and_changes_nothing(
    teller: Teller, arranged: Callable[[Teller], int], reason: str, said: str
) -> None:
    match_id = arranged(teller)
    before = exported(teller), gaps_of(teller.engine), withdrawn(teller.engine)
    with pytest.raises(DataError, match=said):
        withdraw(teller.engine, match_id, reason)
    assert (exported(teller), gaps_of(teller.engine), withdrawn(teller.engine)) == before


def test_gaps_are_listed_with_the_match_as_far_as_it_is_known(lost: Teller, warehouse: Engine) -> None:
    [gap] = gaps_of(warehouse)
    assert gap[:5] == (KEY, SEASON, LOST, "missing", "no longer in the calendar")
    assert (gap.home_team, gap.away_team, gap.kick_off_utc) == ("Team 11", "Team 12", ROUNDS[0].kick_off_utc)
    assert gaps_of(warehouse, [Partition(KEY, "2023")]) == []
    assert gaps_of(warehouse, [Partition(KEY, SEASON)]) == [gap]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line with this test's warehouse."""
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", "absent")
    for name, value in settings.model_dump(mode="json", exclude_none=True).items():
        monkeypatch.setenv(f"MATCH_ASSETS_{name.upper()}", str(value))
    return CliRunner()


def said(command: CliRunner, *words: str) -> str:
    told = command.invoke(main, ["source", *words])
    assert told.exit_code == 0, told.output
    return told.output


def test_a_person_reads_the_gaps_and_withdraws_and_reinstates_by_command(lost: Teller, command: CliRunner) -> None:
    line = f"{PARTITION} {LOST} missing: Team 11 - Team 12, 2025-02-01: no longer in the calendar (since 2025-02-10 14:00 UTC)"
    assert said(command, "gaps") == line + "\n"
    assert said(command, "gaps", "ESP-LaLiga", "2023..2024") == "no gaps are known\n"
    told = json.loads(said(command, "gaps", "--json"))
    assert [(gap["match_id"], gap["kind"], gap["home_team"]) for gap in told["gaps"]] == [(LOST, "missing", "Team 11")]
    assert f"`match-assets backfill --no-scrape {KEY} {SEASON}`" in said(
        command, "withdraw", str(LOST), "--because", WHY
    )
    assert f"{PARTITION} {LOST} withdrawn: Team 11 - Team 12, 2025-02-01: {WHY} (" in said(command, "gaps")
    again = command.invoke(main, ["source", "withdraw", str(LOST), "--because", WHY])
    assert (again.exit_code, again.output) == (
        3,
        f"Error: match {LOST}: it is withdrawn already; nothing was changed\n",
    )
    said(command, "reinstate", str(LOST))
    assert said(command, "gaps").startswith(f"{PARTITION} {LOST} missing: ")


@pytest.mark.parametrize("words", [("ESP-LaLiga", "24"), ("nowhere", "2024")])
def test_gaps_of_what_is_no_season_are_refused_by_name(command: CliRunner, words: tuple[str, ...]) -> None:
    told = command.invoke(main, ["source", "gaps", *words])
    assert told.exit_code == 2
    assert any(f"{word!r}" in told.output for word in words)
