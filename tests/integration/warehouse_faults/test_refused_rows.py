"""What the database's own constraints refuse: the error names table, constraint and row, and the batch is not stored."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, text

from match_assets.errors import DependencyUnavailableError, RejectedRowError
from match_assets.warehouse import schema, writing
from match_assets.warehouse.database import in_transaction
from tests.integration.warehouse_faults.own_postgres import dump, season, write_catalogue


@pytest.fixture
def filled(warehouse: Engine) -> Engine:
    """A warehouse with a season in it."""
    write_catalogue(warehouse)
    writing.write_season(warehouse, season())
    return warehouse


@pytest.mark.parametrize(
    ("statement", "table", "constraint", "row"),
    [
        (
            "UPDATE matches SET home_team_id = away_team_id WHERE match_id = 5001",
            "matches",
            "ck_matches_two_teams",
            "5001",
        ),
        (
            "UPDATE matches SET home_goals = NULL WHERE match_id = 5002",
            "matches",
            "ck_matches_goals_of_both_sides",
            "5002",
        ),
        (
            "UPDATE matches SET status = 1 WHERE match_id = 5003",
            "matches",
            "ck_matches_only_finished_has_goals",
            "5003",
        ),
        (
            "UPDATE matches SET home_goals = -1 WHERE match_id = 5004",
            "matches",
            "ck_matches_goals_not_negative",
            "5004",
        ),
        ("UPDATE matches SET season = '24/25'", "matches", "ck_matches_season_is_a_year", "24/25"),
        ("UPDATE matches SET superseded_by = match_id", "matches", "ck_matches_not_superseded_by_itself", "500"),
        ("UPDATE matches SET stage_id = 77 WHERE match_id = 5001", "matches", "fk_matches_stage_id_stages", "77"),
        ("UPDATE matches SET home_team = NULL WHERE match_id = 5001", "matches", "home_team", "5001"),
        ("INSERT INTO seasons SELECT * FROM seasons", "seasons", "pk_seasons", "season_id"),
    ],
)
def test_a_refused_row_is_named(filled: Engine, statement: str, table: str, constraint: str, row: str) -> None:
    before = dump(filled)
    with pytest.raises(RejectedRowError, match=f"the warehouse refused a row of {table}: .*{constraint}") as refused:
        in_transaction(filled, lambda connection: connection.execute(text(statement)))
    facts = refused.value.facts
    assert (facts["table"], facts["constraint"]) == (table, constraint)
    assert row in facts["row"]
    assert refused.value.exit_code == 3
    assert dump(filled) == before


@pytest.mark.parametrize("values", [(2**40,), (-(2**40), 3), ("seven",)])
def test_a_value_that_is_none_is_refused_as_a_row(filled: Engine, values: Sequence[Any]) -> None:
    rows = [{"team_id": value, "name": "x", "observed_at": "2025-01-01T00:00Z"} for value in values]
    before = dump(filled)
    with pytest.raises(RejectedRowError):
        in_transaction(filled, lambda connection: connection.execute(insert(schema.teams), rows))
    assert dump(filled) == before


def test_a_copied_row_that_is_refused_is_named_by_its_line(filled: Engine) -> None:
    """COPY speaks to the driver itself, past SQLAlchemy."""

    def work(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor, cursor.copy("COPY teams FROM STDIN") as copy:
            copy.write_row((901, "good", "2025-01-01"))
            copy.write_row((902, "bad", "yesterday but one"))

    before = dump(filled)
    with pytest.raises(RejectedRowError, match="COPY teams, line 2, column observed_at"):
        in_transaction(filled, work)
    assert dump(filled) == before


def test_a_transaction_broken_off_time_and_again_ends_as_a_clear_line(filled: Engine) -> None:
    """PG-05: three attempts, each the whole transaction."""
    attempts: list[int] = []

    def victim(connection: Connection) -> None:
        attempts.append(1)
        connection.execute(text("UPDATE matches SET elapsed = 'x'"))
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"))

    before = dump(filled)
    with pytest.raises(DependencyUnavailableError, match=r"broke this transaction off .*deadlock detected"):
        in_transaction(filled, victim)
    assert len(attempts) == 3
    assert dump(filled) == before
