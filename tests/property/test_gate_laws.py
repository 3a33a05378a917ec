"""The quick look at a schema and pandera's own are of one opinion, whatever the rows."""

import datetime as dt
from typing import Any

import pandera.polars as pa
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from match_assets.gates import schemas
from match_assets.gates.screening import holds
from tests.unit.gates.test_verdict import RAW_DTYPES, raw

MOMENT = st.integers(2022, 2027).map(lambda year: dt.datetime(year, 7, 1, tzinfo=dt.UTC))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "match_id": st.integers(-2, 3),
    "tournament": st.sampled_from(["ESP-LaLiga", "", "ITA-SerieA"]),
    "season": st.sampled_from(["2024", "2023", "24", ""]),
    "kick_off_utc": MOMENT,
    "is_kick_off_time_known": st.booleans(),
    "status": st.integers(-1, 10),
    "home_team_id": st.integers(-1, 2),
    "away_team_id": st.integers(-1, 2),
    "home_team": st.text(max_size=2),
    "away_team": st.text(max_size=2),
    **{
        name: st.none() | st.integers(-1, 32)
        for name in ("home_goals", "away_goals", "home_goals_half_time", "away_goals_half_time")
    },
}
# few changes a row, so that sound frames occur as well
CHANGES = st.lists(st.dictionaries(st.sampled_from(sorted(VALUES)), st.just(None), max_size=2), max_size=4).flatmap(
    lambda rows: st.tuples(*(st.fixed_dictionaries({name: VALUES[name] for name in row}) for row in rows))
)
SHAPES = st.sampled_from(["as it is", "column gone", "column more", "other order", "other type", "with null"])


def pandera_holds(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    try:
        schema.validate(frame, lazy=True)
    except (SchemaErrors, pl.exceptions.ShapeError):  # the latter where a column of the key is not there
        return False
    return True


def shaped(frame: pl.DataFrame, shape: str, name: str) -> pl.DataFrame:
    if shape == "column gone":
        return frame.drop(name)
    if shape == "column more":
        return frame.with_columns(more=pl.lit(1))
    if shape == "other order":
        return frame.select(name, pl.exclude(name))
    if shape == "other type":
        return frame.with_columns(pl.col(name).cast(pl.String))
    if shape == "with null":
        return frame.with_columns(pl.lit(None, frame.schema[name]).alias(name))
    return frame


@settings(max_examples=80, deadline=None)
@given(CHANGES, SHAPES, st.sampled_from(sorted(RAW_DTYPES)))
def test_the_quick_look_agrees_with_pandera(changes: tuple[dict[str, Any], ...], shape: str, name: str) -> None:
    frame = shaped(raw(*changes), shape, name)
    schema = schemas.raw_matches("ESP-LaLiga", "2024")
    assert holds(frame, schema) == pandera_holds(frame, schema)


COUNTS = st.none() | st.integers(-1, 151)
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans(), *[COUNTS for _ in schemas.STATISTICS]), max_size=4
)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_the_quick_look_agrees_with_pandera_on_statistics(rows: list[tuple[Any, ...]]) -> None:
    columns = {"match_id": pl.Int64, "team_id": pl.Int64, "is_home": pl.Boolean}
    frame = pl.DataFrame(rows, schema={**columns, **dict.fromkeys(schemas.STATISTICS, pl.Int16)}, orient="row")
    for schema in (schemas.raw_match_stats(), schemas.raw_match_stats_warnings()):
        assert holds(frame, schema) == pandera_holds(frame, schema)
