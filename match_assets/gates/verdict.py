"""What a gate says of a candidate: every rule that failed, at once, with the rows that show it."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

Severity = Literal["error", "warning"]
ROWS_SHOWN = 20


@dataclass(frozen=True)
class Failure:
    """One rule that failed: how often, and up to ``ROWS_SHOWN`` of the rows (empty where no row can show it)."""

    rule: str
    severity: Severity
    count: int
    rows: pl.DataFrame
    explanation: str = ""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a gate; ``measures`` are numbers worth a plot (rows, coverage, counts of failures)."""

    failures: tuple[Failure, ...]
    measures: dict[str, int | float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no rule of severity error failed; warnings alone let a candidate pass."""
        return not any(failure.severity == "error" for failure in self.failures)

    @property
    def refused_by(self) -> tuple[str, ...]:
        """Names of the rules that refused the candidate."""
        return tuple(failure.rule for failure in self.failures if failure.severity == "error")

    def summary(self) -> str:
        """One line: the rules that failed with their counts and what they say of it, or that none did."""
        if not self.failures:
            return "all rules hold"
        return "; ".join(
            f"{f.rule}: {f.count} ({f.severity}){f', {f.explanation}' if f.explanation else ''}" for f in self.failures
        )

    def table(self) -> list[dict[str, str | int]]:
        """Failing rows as flat records ``rule, severity, count, row`` for a table, ``ROWS_SHOWN`` a rule at most."""
        records: list[dict[str, str | int]] = []
        for failure in self.failures:
            shown = [", ".join(f"{k}={v}" for k, v in row.items()) for row in failure.rows.to_dicts()] or [""]
            records += [
                {
                    "rule": failure.rule,
                    "severity": failure.severity,
                    "count": failure.count,
                    "row": row or failure.explanation,
                }
                for row in shown
            ]
        return records

    def report(self, title: str) -> str:
        """The verdict as a small HTML page that stands alone."""
        parts = [f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>"]
        parts.append("<style>body{font:15px system-ui;margin:2rem}td,th{padding:.2rem .6rem;text-align:left}</style>")
        parts.append(
            f"<h1>{html.escape(title)}</h1><p>{'passed' if self.passed else 'refused'}: {html.escape(self.summary())}</p>"
        )
        for failure in self.failures:
            parts.append(f"<h2>{html.escape(failure.rule)}</h2><p>{failure.severity}, {failure.count} times. ")
            parts.append(f"{html.escape(failure.explanation)}</p><table><tr>")
            parts += [f"<th>{html.escape(name)}</th>" for name in failure.rows.columns]
            parts.append("</tr>")
            for row in failure.rows.rows():
                parts.append("<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>")
            parts.append("</table>")
        return "".join(parts)


@dataclass(frozen=True)
class Rule:
    """A rule over the whole frame: ``offenders`` returns the rows that break it, none where it holds.

    ``explanation`` is said of a failure; it may be made from the offending rows.
    """

    name: str
    offenders: Callable[[pl.DataFrame], pl.DataFrame]
    severity: Severity = "error"
    explanation: str | Callable[[pl.DataFrame], str] = ""

    def explain(self, offenders: pl.DataFrame) -> str:
        """What to say of a failure that ``offenders`` show."""
        return self.explanation if isinstance(self.explanation, str) else self.explanation(offenders)


def row_rule(name: str, holds: pl.Expr) -> pa.Check:
    """A pandera check that every row satisfies ``holds``; null counts as satisfied, since unknown is not wrong."""
    return pa.Check(lambda data: data.lazyframe.select(holds.fill_null(value=True)), name=name)


def _failures_of(frame: pl.DataFrame, schema: pa.DataFrameSchema, severity: Severity) -> list[Failure]:
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return []
    structural = cases.filter(pl.col("index").is_null())
    # a missing column also makes each frame-level rule fail with a technical text: tell the column alone
    is_echo = pl.col("failure_case").str.contains("ColumnNotFoundError", literal=True)
    told = structural.filter(~is_echo)
    structural = told if told.height else structural
    failures = []
    source = structural if structural.height else cases
    for (column, check), group in source.group_by(["column", "check"], maintain_order=True):
        positions = group["index"].drop_nulls().unique().sort().head(ROWS_SHOWN)
        rule = f"{column}: {check}" if column else str(check)
        explanation = "" if positions.len() else f"found {', '.join(group['failure_case'].head(3).to_list())}"
        rows = frame[positions.to_list()] if positions.len() else pl.DataFrame()
        failures.append(Failure(rule, severity, group.height, rows, explanation))
    return failures


def judge(
    frame: pl.DataFrame,
    schema: pa.DataFrameSchema,
    *,
    warnings: pa.DataFrameSchema | None = None,
    rules: tuple[Rule, ...] = (),
    measures: Mapping[str, int | float] | None = None,
) -> Verdict:
    """The verdict of a schema, a schema of warnings and whole-frame rules on ``frame``; all failures at once.

    Args:
        frame: the candidate, collected: pandera checks a LazyFrame for its schema only.
        schema: column names, dtypes, keys, ranges and cross-column rules; a breach refuses the candidate.
        warnings: cross-column rules with known exceptions; a breach is shown and counted.
        rules: rules over the whole frame; run only where the schema holds, since they rely on it.
        measures: further numbers for the verdict.
    """
    failures = _failures_of(frame, schema, "error")
    if not failures:
        if warnings is not None:
            failures += _failures_of(frame, warnings, "warning")
        for rule in rules:
            offenders = rule.offenders(frame)
            if offenders.height:
                shown = offenders.head(ROWS_SHOWN)
                explanation = rule.explain(offenders)
                failures.append(Failure(rule.name, rule.severity, offenders.height, shown, explanation))
    numbers: dict[str, int | float] = {"rows": frame.height, **(measures or {})}
    numbers["errors"] = sum(f.count for f in failures if f.severity == "error")
    numbers["warnings"] = sum(f.count for f in failures if f.severity == "warning")
    return Verdict(tuple(failures), numbers)
