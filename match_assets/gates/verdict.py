"""What a gate says of a candidate: every rule that failed, at once, with the rows that show it.

An *error* says that the rows cannot be true, or do not agree with what they were made from: the candidate is refused, and
the last accepted version stays. A *warning* says that they are odd, or that something is still missing: both occur in
real seasons, so the candidate is accepted, and a person may look. ``docs/gates.md`` lists every rule with its severity.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandera.polars as pa
import polars as pl

from match_assets.gates.screening import failure_cases

Severity = Literal["error", "warning"]
# rows of a rule in the webserver's table, and in the report that is kept in the store
ROWS_SHOWN = 20
ROWS_REPORTED = 500
# a row of features is 130 columns wide, its keys come first
COLUMNS_SHOWN = 24
REMEDIES: dict[Severity, str] = {
    "error": "Mend it at the source: its next visit brings a new candidate. If the rule is wrong, mend the rule and run "
    "this check alone. The last accepted version is served until then.",
    "warning": "Nothing has to be done: the rows were accepted. Look at them once; what is missing is asked for again by itself.",
}


@dataclass(frozen=True)
class Failure:
    """One rule that failed: how often, and some of the rows that show it (none where no row can).

    ``count`` is complete, ``rows`` holds ``ROWS_REPORTED`` at most.
    """

    rule: str
    severity: Severity
    count: int
    rows: pl.DataFrame
    explanation: str = ""
    remedy: str = ""

    @property
    def what_to_do(self) -> str:
        """The rule's own remedy, or that of its severity."""
        return self.remedy or REMEDIES[self.severity]


@dataclass(frozen=True)
class Verdict:
    """The outcome of a gate.

    ``measures`` are numbers worth a plot (rows, coverage, counts of failures). ``subject`` names what was judged: asset,
    partition and digest of the candidate.
    """

    failures: tuple[Failure, ...]
    measures: dict[str, int | float] = field(default_factory=dict)
    subject: str = ""

    @property
    def passed(self) -> bool:
        """Whether no rule of severity error failed; warnings alone let a candidate pass."""
        return not any(failure.severity == "error" for failure in self.failures)

    @property
    def refused_by(self) -> tuple[str, ...]:
        """Names of the rules that refused the candidate."""
        return tuple(failure.rule for failure in self.failures if failure.severity == "error")

    def joined(self, failures: Sequence[Failure], measures: Mapping[str, int | float] | None = None) -> "Verdict":
        """The same with what was found afterwards, which the counts of errors and warnings then include."""
        told = (*self.failures, *failures)
        return replace(self, failures=told, measures={**self.measures, **(measures or {}), **_counts(told)})

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
            rows = failure.rows.head(ROWS_SHOWN)[:, :COLUMNS_SHOWN].to_dicts()
            shown = [", ".join(f"{k}={v}" for k, v in row.items()) for row in rows] or [""]
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


def _counts(failures: Sequence[Failure]) -> dict[str, int]:
    """Rows that broke a rule, by severity, for a plot."""
    found = dict.fromkeys(("errors", "warnings"), 0)
    for failure in failures:
        found[f"{failure.severity}s"] += failure.count
    return found


@dataclass(frozen=True)
class Rule:
    """A rule over the whole frame: ``offenders`` returns the rows that break it, none where it holds.

    ``explanation`` is said of a failure; it may be made from the offending rows. ``remedy`` says what to do about it where
    that is not what one does about any failure.
    """

    name: str
    offenders: Callable[[pl.DataFrame], pl.DataFrame]
    severity: Severity = "error"
    explanation: str | Callable[[pl.DataFrame], str] = ""
    remedy: str = ""

    def explain(self, offenders: pl.DataFrame) -> str:
        """What to say of a failure that ``offenders`` show."""
        return self.explanation if isinstance(self.explanation, str) else self.explanation(offenders)

    def failure(self, frame: pl.DataFrame) -> Failure | None:
        """What the rule says of ``frame``, or None where it holds."""
        offenders = self.offenders(frame)
        if offenders.is_empty():
            return None
        shown = offenders.head(ROWS_REPORTED)
        return Failure(self.name, self.severity, offenders.height, shown, self.explain(offenders), self.remedy)


def row_rule(name: str, holds: pl.Expr) -> pa.Check:
    """A pandera check that every row satisfies ``holds``; null counts as satisfied, since unknown is not wrong."""
    return pa.Check(lambda data: data.lazyframe.select(holds.fill_null(value=True)), name=name)


@dataclass(frozen=True)
class _Judged:
    failures: list[Failure]
    is_of_shape: bool


def _by_schema(frame: pl.DataFrame, schema: pa.DataFrameSchema, severity: Severity) -> _Judged:
    cases = failure_cases(frame, schema)
    if cases is None:
        return _Judged([], is_of_shape=True)
    structural = cases.filter(pl.col("index").is_null())
    # a missing column also makes each frame-level rule fail with a technical text: tell the column alone
    is_echo = pl.col("failure_case").str.contains("ColumnNotFoundError", literal=True)
    told = structural.filter(~is_echo)
    structural = told if told.height else structural
    failures = []
    source = structural if structural.height else cases
    for (column, check), group in source.group_by(["column", "check"], maintain_order=True):
        positions = group["index"].drop_nulls().unique().sort().head(ROWS_REPORTED)
        rule = f"{column}: {check}" if column else str(check)
        explanation = "" if positions.len() else f"found {', '.join(group['failure_case'].head(3).to_list())}"
        rows = frame[positions.to_list()] if positions.len() else pl.DataFrame()
        failures.append(Failure(rule, severity, group.height, rows, explanation))
    return _Judged(failures, is_of_shape=structural.is_empty())


def judge(
    frame: pl.DataFrame | pl.LazyFrame,
    schema: pa.DataFrameSchema,
    *,
    warnings: pa.DataFrameSchema | None = None,
    rules: tuple[Rule, ...] = (),
    measures: Mapping[str, int | float] | Callable[[pl.DataFrame], Mapping[str, int | float]] | None = None,
) -> Verdict:
    """The verdict of a schema, a schema of warnings and whole-frame rules on ``frame``; all failures at once.

    Args:
        frame: the candidate; a lazy one is collected first, since pandera would look at its dtypes only.
        schema: column names, dtypes, keys, ranges and cross-column rules; a breach refuses the candidate.
        warnings: cross-column rules with known exceptions; a breach is shown and counted.
        rules: rules over the whole frame; run only where the columns are those of the schema, since they rely on them.
        measures: further numbers for the verdict, or how to get them where the columns are those of the schema.

    A rule that raises raises here: a gate that cannot judge lets nothing pass. Only where the values are refused already
    is it left out and counted, since it may rely on them.
    """
    rows = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    judged = _by_schema(rows, schema, "error")
    failures, n_left_out = list(judged.failures), 0
    numbers: dict[str, int | float] = {"rows": rows.height}
    if judged.is_of_shape:
        numbers |= measures(rows) if callable(measures) else measures or {}
        if warnings is not None:
            failures += _by_schema(rows, warnings, "warning").failures
        for rule in rules:
            try:
                failure = rule.failure(rows)
            except Exception:
                if not judged.failures:
                    raise
                n_left_out += 1
                continue
            failures += [failure] if failure else []
    numbers |= _counts(failures)
    if n_left_out:
        numbers["rules not judged"] = n_left_out
    return Verdict(tuple(failures), numbers)
