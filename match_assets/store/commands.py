"""``match-assets store`` and ``match-assets trace``: look after the store, and where a number comes from."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import gettempdir
from typing import TYPE_CHECKING, cast

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from match_assets.errors import ConfigurationError, NotAcceptedError, StoreError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from match_assets.config import Settings
    from match_assets.stages.base import StageContext
    from match_assets.store.lineage import Lineage
    from match_assets.store.pointers import Pointer
    from match_assets.store.store import Store
    from match_assets.store.verifying import Rebuild, VerifyReport

DIGITS = 12


def _open() -> "Store":
    from match_assets.config import load_settings
    from match_assets.store.store import Store

    settings = load_settings()
    return Store.from_settings(settings, patience_seconds=settings.s3_patience_seconds)


def _console() -> Console:
    return Console(highlight=False)


@click.group()
def store() -> None:
    """The object store: is it sound, what did it hold, what may go."""


@store.command()
@click.argument("asset", required=False)
@click.argument("partition", required=False)
def verify(asset: str | None, partition: str | None) -> None:
    """Read every accepted and historical version, or those of ASSET or its PARTITION, and compare with what was accepted."""
    from match_assets.store.verifying import verify as verify_store

    report = verify_store(_open(), asset, partition)
    _print_findings(report)
    if not report.is_sound:
        raise StoreError(f"{report.summary()}; run `match-assets store repair`")
    click.echo(report.summary())


def _print_findings(report: "VerifyReport") -> None:
    for finding in report.findings:
        click.echo(f"{finding.asset} {finding.partition} ({finding.kind} {finding.sequence}): {finding.message}")


@store.command()
@click.argument("asset", required=False)
@click.argument("partition", required=False)
def repair(asset: str | None, partition: str | None) -> None:
    """Make damaged versions again from their inputs, and say whether the same bytes came out."""
    from match_assets.store.verifying import repair as repair_store

    opened = _open()
    with rebuilding(opened) as rebuild:
        report, repairs = repair_store(opened, rebuild, asset, partition)
    _print_findings(report)
    for made in repairs:
        click.echo(f"{made.asset} {made.partition} ({made.sequence}): {made.outcome}, {made.message}")
    failed = [made for made in repairs if made.outcome in {"failed", "lost"}]
    if failed:
        raise StoreError(f"{len(failed)} of {len(repairs)} damaged versions could not be made again")
    click.echo(f"{len(repairs)} repaired" if repairs else report.summary())


@contextmanager
def rebuilding(opened: "Store") -> "Iterator[Rebuild]":
    """Materialises a partition by its stage and has its gate judge it, as a run would; nothing is tracked.

    What acts on the model registry, registering or promoting, is left to a run.
    """
    from match_assets.config import load_settings
    from match_assets.stages.base import judge_candidate, materialise
    from match_assets.stages.chain import CUTOFF_STAGES, DATA_STAGES
    from match_assets.stages.registry import PROMOTION_DECISION, REGISTERED_MODEL
    from match_assets.warehouse.database import engine

    stages = {stage.name: stage for stage in (*DATA_STAGES, *CUTOFF_STAGES)}
    settings = load_settings()
    warehouse = engine(settings.postgres_url)
    context = _stage_context(settings, opened, warehouse)

    def rebuild(asset: str, partition: str) -> None:
        stage = stages.get(asset)
        if stage is None:
            raise ConfigurationError(f"no stage makes {asset}; was it renamed?")
        if stage in {REGISTERED_MODEL, PROMOTION_DECISION}:
            raise ConfigurationError(f"making {asset} acts on the model registry; materialise {partition} in Dagster")
        materialise(stage, context, partition)
        _, verdict = judge_candidate(stage, context, partition)
        if not verdict.passed:
            raise NotAcceptedError(f"{asset} {partition} was made again and refused: {verdict.summary()}")

    try:
        yield rebuild
    finally:
        warehouse.dispose()


class _NoTracking:
    """The experiments of a repair are those of the run that it repeats."""

    def log(self, stage: str, cutoff: str, **facts: object) -> str | None:
        """Logs nothing."""


def _stage_context(settings: "Settings", opened: "Store", warehouse: "Engine") -> "StageContext":
    from match_assets.config import params
    from match_assets.stages.base import Registry, StageContext

    return StageContext(
        params=params(),
        settings=settings,
        store=opened,
        open_engine=lambda: warehouse,
        tracker=_NoTracking(),
        # the two stages that use one are refused before they could
        registry=cast("Registry", None),
        run_id="store repair",
    )


@store.command()
@click.argument("asset")
@click.argument("partition")
def history(asset: str, partition: str) -> None:
    """Show every version of ASSET's PARTITION that was ever accepted, the newest first."""
    versions = list(_open().backwards(asset, partition))
    if not versions:
        raise NotAcceptedError(f"{asset} {partition} has no accepted version; materialise it with its checks")
    table = Table(title=f"{asset} {partition}")
    for column in ("version", "accepted (UTC)", "rows", "bytes", "SHA-256", "code", "run", "what changed"):
        table.add_column(column, overflow="fold", justify="right" if column in {"version", "rows", "bytes"} else "left")
    for version, before in zip(versions, [*versions[1:], None], strict=True):
        table.add_row(
            str(version.sequence),
            f"{version.moved_at:%Y-%m-%d %H:%M:%S}",
            str(version.rows),
            str(version.size_bytes),
            version.sha256[:DIGITS],
            version.code_version,
            version.run_id[:8],
            _change(version, before),
        )
    _console().print(table)


def _change(version: "Pointer", before: "Pointer | None") -> str:
    """What differs from the version before, in a few words."""
    if before is None:
        return "first"
    names = sorted({*version.inputs, *before.inputs})
    moved = [name for name in names if version.inputs.get(name) != before.inputs.get(name)]
    parts = [f"{moved[0]}" + (f" and {len(moved) - 1} more" if len(moved) > 1 else "")] if moved else []
    if version.code_version != before.code_version:
        parts.append("code or parameters")
    if version.sha256 == before.sha256:
        parts.append("the same bytes")
    return ", ".join(parts)


@store.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--grace-days", default=7.0, show_default=True, help="What was written or used within these days stays.")
@click.option("--list", "is_listed", is_flag=True, help="Name every object.")
def gc(dry_run: bool, grace_days: float, is_listed: bool) -> None:
    """Remove objects that no candidate, accepted version or history names any more."""
    from match_assets.store.garbage import collect_garbage

    done = collect_garbage(_open(), dt.timedelta(days=grace_days), dry_run=dry_run)
    for key in done.removed if is_listed else ():
        click.echo(key)
    click.echo(done.summary())


@store.command()
@click.argument("key")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; - is the screen."
)
@click.option("--open", "is_opened", is_flag=True, help="Show it in the browser.")
def report(key: str, output: Path | None, is_opened: bool) -> None:
    """Fetch a gate's full report by its KEY, which the webserver shows beside the verdict."""
    digest = PurePosixPath(key).stem
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ConfigurationError(f"{key} is no key of a report; it looks like objects/ab/ab12….html")
    content = _open().read_bytes(digest, suffix="html")
    if str(output) == "-":
        click.echo(content, nl=False)
        return
    path = output or Path(gettempdir()) / f"match-assets-report-{digest[:DIGITS]}.html"
    path.write_bytes(content)
    click.echo(path)
    if is_opened:
        click.launch(path.resolve().as_uri())


@click.command()
@click.argument("match_id", type=int)
@click.option("--json", "as_json", is_flag=True, help="The tree as JSON.")
def trace(match_id: int, as_json: bool) -> None:
    """Show what the published row of MATCH_ID was made from: every version, its hash, code and run, down to the warehouse."""
    from match_assets.store.lineage import find_match, lineage

    opened = _open()
    root = lineage(opened, find_match(opened, match_id))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(root), indent=1))
        return
    tree = Tree(f"match {match_id}")
    _grow(tree, root, set())
    _console().print(tree, soft_wrap=True)


def _grow(tree: Tree, node: "Lineage", shown: set[tuple[str, str]]) -> None:
    """Adds a node and what lies below it; what was shown above is named and not shown again."""
    label = f"[bold]{node.name}[/bold] {node.digest[:DIGITS]}"
    if node.pointer and not node.note:
        pointer = node.pointer
        label += (
            f" · version {pointer.sequence} of {pointer.moved_at:%Y-%m-%d %H:%M}Z · {pointer.rows} rows"
            f" · code {pointer.code_version[:DIGITS]} · run {pointer.run_id[:8]}"
        )
    if node.note:
        label += f" ({node.note})"
    if (node.name, node.digest) in shown and node.inputs:
        tree.add(f"{label} (above)")
        return
    shown.add((node.name, node.digest))
    branch = tree.add(label)
    for below in node.inputs:
        _grow(branch, below, shown)
