"""Results of stages as Dagster's events and metadata: what an operator sees on an asset's page."""

import dagster as dg
import polars as pl
from dagster._core.definitions.metadata import RawMetadataValue

from match_assets.config import Params
from match_assets.gates.report import html_report, markdown_report
from match_assets.gates.verdict import Verdict
from match_assets.stages.base import EXCERPT_ROWS, Stage, StageContext, Written, judge_candidate, materialise
from match_assets.stages.lineage import column_descriptions, column_lineage, declared_columns

PREVIEW_COLUMNS = 14
Metadata = dict[str, RawMetadataValue]


def column_metadata(asset: str, params: Params) -> Metadata:
    """Columns, what they say and which columns they came from, for the definition of an asset whose schema fixes them.

    They are the same in each partition; hundreds of columns with each materialisation cost a backfill a fifth of its time.
    """
    columns = declared_columns(asset, params)
    if not columns:
        return {}
    told = column_descriptions(asset, list(columns), params)
    schema = dg.TableSchema([dg.TableColumn(name, str(dtype), told.get(name)) for name, dtype in columns.items()])
    deps = {
        column: [dg.TableColumnDep(asset_key=dg.AssetKey(source), column_name=name) for source, name in found]
        for column, found in column_lineage(asset, list(columns), params).items()
    }
    lineage: Metadata = {"dagster/column_lineage": dg.TableColumnLineage(deps)} if deps else {}
    return {"dagster/column_schema": dg.MetadataValue.table_schema(schema), **lineage}


def markdown_table(frame: pl.DataFrame) -> str:
    """The newest rows of a frame as a markdown table, wide frames cut."""
    shown = frame[:, :PREVIEW_COLUMNS].tail(EXCERPT_ROWS)
    header = "| " + " | ".join(shown.columns) + " |\n|" + "---|" * shown.width
    return "\n".join([header, *("| " + " | ".join(_cell(value) for value in row) + " |" for row in shown.rows())])


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value if value is not None else "").replace("|", "\\|")


def materialisation_metadata(written: Written) -> Metadata:
    """Rows, bytes, digest, preview and the stage's own facts."""
    pointer, frame = written.pointer, written.product.frame
    return {
        "dagster/row_count": pointer.rows,
        "sha256": pointer.sha256,
        "bytes": pointer.size_bytes,
        "code version": pointer.code_version,
        "inputs": dg.MetadataValue.json(dict(pointer.inputs)),
        "preview": dg.MetadataValue.md(markdown_table(frame)),
        **written.product.facts,
    }


def plain_key(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> str:
    """The partition key as a plain string: Dagster's own is a subclass that other libraries refuse to encode."""
    return "".join(context.partition_key)


def materialise_asset(stage: Stage, context: StageContext, partition: str) -> dg.MaterializeResult[None]:
    """Runs a stage and reports its candidate; the data version is the SHA-256 of the bytes."""
    written = materialise(stage, context, partition)
    metadata = materialisation_metadata(written)
    if stage.family == "cutoff":  # their columns are not declared, and they are few
        columns = [dg.TableColumn(name, str(dtype)) for name, dtype in written.product.frame.schema.items()]
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(dg.TableSchema(columns=columns))
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(written.pointer.sha256))


def verdict_metadata(verdict: Verdict, report_key: str | None = None) -> Metadata:
    """The rules in one line, measures as numbers (Dagster plots them), what to do, failing rows as a table, the report.

    Args:
        verdict: what the gate said.
        report_key: key of the full report in the store, which the webserver cannot open: the command that does stands
            beside it.
    """
    metadata: Metadata = {"summary": verdict.summary(), **verdict.measures}
    if verdict.subject:
        metadata["judged"] = verdict.subject
    if verdict.failures:
        metadata["what to do"] = dg.MetadataValue.md(markdown_report(verdict))
    if records := verdict.table():
        columns = [
            dg.TableColumn(name, "int" if name == "count" else "string")
            for name in ("rule", "severity", "count", "row")
        ]
        rows = [dg.TableRecord(record) for record in records]
        metadata["failing rows"] = dg.MetadataValue.table(rows, dg.TableSchema(columns=columns))
    if report_key:
        metadata["report"] = dg.MetadataValue.path(report_key)
        metadata["open the report"] = f"match-assets store report --open {report_key}"
    return metadata


def keep_report(context: StageContext, asset: str, partition: str, verdict: Verdict) -> str | None:
    """Stores the full HTML report of a verdict that has anything to show; returns its key in the bucket."""
    if not verdict.failures:
        return None
    content = html_report(verdict, f"{asset} {partition}").encode()
    return context.store.object_key(context.store.put_object(content, suffix="html"), "html")


def severity_of(verdict: Verdict) -> dg.AssetCheckSeverity:
    """ERROR where the gate refuses; WARN where it passes, with or without something worth a look.

    A verdict of warnings alone passes. Dagster also knows a check that *failed* with severity WARN, which blocks no step of
    its run; but automation conditions ask whether blocking checks passed and would hold back what was accepted.
    """
    return dg.AssetCheckSeverity.ERROR if not verdict.passed else dg.AssetCheckSeverity.WARN


def check_result(context: StageContext, asset: str, partition: str, verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict as the result of an asset check, its full report kept in the store."""
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=severity_of(verdict),
        description=verdict.summary(),
        metadata=verdict_metadata(verdict, keep_report(context, asset, partition, verdict)),
    )


def judge_asset(stage: Stage, context: StageContext, partition: str) -> dg.AssetCheckResult:
    """Judges the partition's candidate and reports the verdict; a pass has moved the accepted pointer."""
    _, verdict = judge_candidate(stage, context, partition)
    return check_result(context, stage.name, partition, verdict)
