"""No variable, no laziness and no empty frame gets anything past a gate."""

import os
import subprocess
import sys

import pandera.polars as pa
import polars as pl
import pytest

from match_assets.errors import GateBrokenError
from match_assets.gates import schemas
from match_assets.gates.screening import failure_cases, holds
from match_assets.gates.verdict import Rule, judge, row_rule
from tests.unit.gates.test_verdict import raw

SCHEMA = schemas.raw_matches("ESP-LaLiga", "2024")
# every switch that pandera has, and what somebody might hope that we have
SWITCHES = {
    "PANDERA_VALIDATION_ENABLED": "False",
    "PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY",
    "PANDERA_CACHE_DATAFRAME": "True",
    "MATCH_ASSETS_GATES": "off",
    "MATCH_ASSETS_SKIP_GATES": "1",
    "MATCH_ASSETS_VALIDATION": "0",
    "PYTHONOPTIMIZE": "2",
}
JUDGE = """
from match_assets.gates import schemas
from match_assets.gates.verdict import judge
from tests.unit.gates.test_verdict import raw
verdict = judge(raw({"home_goals": 77, "away_team_id": 65}), schemas.raw_matches("ESP-LaLiga", "2024"))
print(sorted(verdict.refused_by))
"""


@pytest.mark.parametrize("switches", [{}, SWITCHES], ids=["plain", "every switch"])
def test_no_environment_variable_switches_a_gate_off(switches: dict[str, str]) -> None:
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", JUDGE],
        env={**os.environ, **switches},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "['home_goals: in_range(0, 30)', 'two different teams']"


def test_a_lazy_frame_is_collected_and_judged_by_its_values() -> None:
    # DAG-07: pandera looks at a LazyFrame's dtypes only
    verdict = judge(raw({"home_goals": 77}).lazy(), SCHEMA)
    assert verdict.refused_by == ("home_goals: in_range(0, 30)",)
    assert verdict.measures["rows"] == 1


def test_a_rule_is_asked_of_an_empty_frame_too() -> None:
    # DAG-07: pandera passes an empty frame
    expects = Rule("a row at least", lambda rows: pl.DataFrame({"rows": [0]}) if rows.is_empty() else pl.DataFrame())
    assert judge(raw(), SCHEMA, rules=(expects,)).refused_by == ("a row at least",)


def test_an_extra_column_is_refused() -> None:
    # DAG-07
    verdict = judge(raw({}).with_columns(note=pl.lit("x")), SCHEMA)
    assert not verdict.passed
    assert "note" in verdict.summary()


@pytest.mark.parametrize("column", ["match_id", "home_goals", "season"])
def test_a_missing_column_is_refused_by_name(column: str) -> None:
    # pandera alone raises where it is a column of the key
    verdict = judge(raw({}, {}).drop(column), SCHEMA)
    assert not verdict.passed
    assert column in verdict.summary()


def test_columns_in_another_order_are_refused() -> None:
    frame = raw({})
    assert not judge(frame.select(sorted(frame.columns)), SCHEMA).passed


def test_a_rule_that_raises_raises() -> None:
    # DAG-07
    broken = Rule("broken", lambda rows: rows.filter(pl.col("no such column") > 1))
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        judge(raw({}), SCHEMA, rules=(broken,))


def test_a_rule_that_raises_on_refused_values_hides_no_other_failure() -> None:
    broken = Rule("broken", lambda rows: rows.filter(pl.col("no such column") > 1))
    held = Rule("sees it", lambda rows: rows.filter(pl.col("home_goals") > 30))
    verdict = judge(raw({"home_goals": 77}), SCHEMA, rules=(broken, held))
    assert verdict.refused_by == ("home_goals: in_range(0, 30)", "sees it")
    assert verdict.measures["rules not judged"] == 1


def test_a_check_that_pandera_does_not_confirm_is_no_verdict() -> None:
    answers = iter([False, True])
    fickle = pa.Check(
        lambda data: data.lazyframe.select(pl.lit(next(answers)).alias("x").repeat_by(1).explode()), name="fickle"
    )
    with pytest.raises(GateBrokenError, match="kept by pandera"):
        failure_cases(pl.DataFrame({"a": [1]}), pa.DataFrameSchema({}, checks=[fickle]))


def test_a_check_may_answer_with_a_plain_truth_value() -> None:
    frame = pl.DataFrame({"a": [1]})
    assert holds(frame, pa.DataFrameSchema({}, checks=[pa.Check(lambda _data: True)]))
    assert not holds(frame, pa.DataFrameSchema({}, checks=[pa.Check(lambda _data: False)]))


def test_what_a_row_rule_cannot_know_is_not_wrong() -> None:
    frame = pl.DataFrame({"a": [None, 1]}, schema={"a": pl.Int64})
    assert holds(frame, pa.DataFrameSchema({}, checks=[row_rule("small", pl.col("a") < 2)]))
    assert not holds(frame, pa.DataFrameSchema({}, checks=[row_rule("large", pl.col("a") > 2)]))
