"""Schemas judged: all checks of a schema in one pass, and pandera's own account of what failed.

Pandera takes a pass over the frame for each column, about two milliseconds each: 0.4 s for the columns of one season's
features, and there are thousands of partitions. Nearly all of them are sound. So the schema's own checks are first
run together, by pandera's own functions; only where one of them fails is pandera asked, and it tells everything at once.
A property test holds both to the same answer.

Pandera can be told by environment variables to look at dtypes only or at nothing (``PANDERA_VALIDATION_ENABLED``,
``PANDERA_VALIDATION_DEPTH``). Here it is told otherwise each time: no variable switches a gate off.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData
from pandera.backends.polars import builtin_checks  # noqa: F401  (its import makes a check built later know polars)
from pandera.backends.polars.checks import PolarsCheckBackend
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from match_assets.errors import GateBrokenError


def failure_cases(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> pl.DataFrame | None:
    """Pandera's failure cases, all of them at once, or None where the schema holds.

    Raises:
        GateBrokenError: the quick look and pandera are not of one opinion.
    """
    if holds(frame, schema):
        return None
    if not set(schema.unique or ()).issubset(frame.columns):
        # pandera 0.35 ends in an error of polars when a column of the key is not there
        schema = pa.DataFrameSchema(
            schema.columns, checks=schema.checks, strict=bool(schema.strict), ordered=schema.ordered, name=schema.name
        )
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            cases: pl.DataFrame = errors.failure_cases
            return cases
    raise GateBrokenError(
        f"a rule of schema {schema.name or 'without name'} is broken by the quick look and kept by pandera; "
        "nothing was accepted, report this as a fault of the gate",
        schema=schema.name,
    )


def holds(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    """Whether columns, dtypes, nulls, keys and every check of the schema hold."""
    return _has_shape(frame, schema) and _is_unique(frame, schema) and _checks_hold(frame, schema)


def _has_shape(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    held = dict(zip(frame.columns, frame.get_columns(), strict=True))
    known = [name for name in held if name in schema.columns]
    if schema.strict and len(known) != frame.width:
        return False
    if schema.ordered and known != list(schema.columns):
        return False
    return all(name in held and _column_fits(held[name], column) for name, column in schema.columns.items())


def _column_fits(column: pl.Series, wanted: pa.Column) -> bool:
    if wanted.dtype is not None and wanted.dtype.type != column.dtype:
        return False
    # to pandera a NaN is a null
    return wanted.nullable or not (column.null_count() or (column.dtype.is_float() and column.is_nan().any()))


def _is_unique(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    keys = [list(schema.unique)] if schema.unique else []
    keys += [[name] for name, column in schema.columns.items() if column.unique]
    return all(frame.select(key).n_unique() == frame.height for key in keys)


def _checks_hold(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    lazy = frame.lazy()
    wanted = [(check, name) for name, column in schema.columns.items() for check in column.checks]
    wanted += [(check, "*") for check in schema.checks]
    outcomes = []
    for check, key in wanted:
        outcome = PolarsCheckBackend(check).check_fn(PolarsData(lazy, key))
        if isinstance(outcome, bool):
            if not outcome:
                return False
            continue
        # where a check does not know, pandera lets it pass unless it was told not to
        outcomes.append(outcome.select(pl.all().fill_null(value=check.ignore_na).all()))
    return all(answer.item() for answer in pl.collect_all(outcomes))
