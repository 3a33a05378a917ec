"""Rules over many numeric columns at once: finite, and within their range."""

from collections.abc import Mapping, Sequence

import polars as pl

from match_assets.gates.verdict import Rule

Bounds = Mapping[str, tuple[float, float]]
# of the bound's size: a weighted mean of nothing but threes is 3.0000000000000004
ROUNDING = 1e-12


def _told(frame: pl.DataFrame, keys: Sequence[str], bad: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """A row for each bad value: the row's keys, the column's name, the value."""
    kinds = {name: frame.schema[name] for name in keys}
    found = [
        frame.filter(is_bad).select(*keys, column=pl.lit(name), value=pl.col(name).cast(pl.Float64))
        for name, is_bad in bad.items()
    ]
    return pl.concat([pl.DataFrame(schema={**kinds, "column": pl.String(), "value": pl.Float64()}), *found])


def finite(names: Sequence[str], keys: Sequence[str]) -> Rule:
    """No value is NaN or infinite; null is how something unknown is written."""

    def offenders(frame: pl.DataFrame) -> pl.DataFrame:
        asked = names if frame.height else ()
        held = frame.select(pl.col(asked).is_finite().all()).row(0, named=True) if asked else {}
        return _told(frame, keys, {name: ~pl.col(name).is_finite() for name, is_so in held.items() if not is_so})

    return Rule("every value is a finite number or unknown", offenders, explanation=_columns)


def within(bounds: Bounds, keys: Sequence[str]) -> Rule:
    """Every known value lies within the bounds of its column, ends and what rounding adds to them included."""
    widened = {name: (low - abs(low) * ROUNDING, high + abs(high) * ROUNDING) for name, (low, high) in bounds.items()}

    def offenders(frame: pl.DataFrame) -> pl.DataFrame:
        asked = widened if frame.height else {}
        kept = [pl.col(name).fill_nan(None).is_between(low, high).all() for name, (low, high) in asked.items()]
        held = frame.select(kept).row(0, named=True) if kept else {}
        broken = {
            name: ~pl.col(name).fill_nan(None).is_between(*widened[name]) for name, is_so in held.items() if not is_so
        }
        return _told(frame, keys, broken)

    return Rule("every value lies in the range of its unit", offenders, explanation=_columns)


def _columns(offenders: pl.DataFrame) -> str:
    names = offenders["column"].unique(maintain_order=True).to_list()
    return f"in {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
