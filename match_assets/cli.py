"""``match-assets``: the command line. Each command calls one part and prints; errors of ours become a line and an exit code.

Exit codes: 0 done or nothing to do, 2 usage or configuration, 3 data refused, 4 a server is away, 5 the source refused us,
130 interrupted.
"""

import sys
import warnings
from typing import Any

import click
from rich.console import Console

from match_assets.errors import MatchAssetsError
from match_assets.local.commands import stack
from match_assets.source.commands import source
from match_assets.source.files.commands import import_csv
from match_assets.source.practice.commands import practice_site
from match_assets.store.commands import store, trace

INTERRUPTED = 130


class Commands(click.Group):
    """The group of all commands; turns our errors into one message and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except MatchAssetsError as error:
            click.echo(f"Error: {error.message}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted; run the same command again to go on", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=Commands)
@click.version_option(package_name="match-assets")
def main() -> None:
    """Football match pages become trustworthy, served probabilities."""
    # Dagster says so of partition mappings and partitioned checks at every start; docs/adr/0001 says why we use them
    warnings.filterwarnings("ignore", message=r".*is currently in (beta|preview)")


main.add_command(practice_site)
main.add_command(source)
main.add_command(import_csv)
main.add_command(store)
main.add_command(trace)
for command in stack.commands.values():
    main.add_command(command)


@main.command()
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for the servers.")
def demo(timeout: float) -> None:
    """Start everything, bring data and model up to date, and show what is served."""
    from match_assets.demo import run_demo
    from match_assets.local.commands import start_and_wait

    run_demo(Console(), lambda: start_and_wait(timeout))


@main.command()
def migrate() -> None:
    """Bring the warehouse's schema to this version of the code; safe to run twice, or by two at once."""
    from match_assets.config import load_settings
    from match_assets.warehouse.migrate import migrate as bring_up_to_date

    click.echo(f"warehouse schema at {bring_up_to_date(load_settings().postgres_url)}")


@main.command()
@click.argument("seasons", nargs=-1)
@click.option("--no-scrape", is_flag=True, help="Work on what the warehouse holds; do not ask the source.")
@click.option("--every-month", is_flag=True, help="Ask for months too in which nothing can have changed any more.")
def backfill(seasons: tuple[str, ...], no_scrape: bool, every_month: bool) -> None:
    """Carry SEASONS from the source's pages to features in one bulk run; all that the source lists if none is named.

    SEASONS are tournaments, each followed by its seasons: `ESP-LaLiga 2015..2024`; several tournaments may share them, as in
    `ESP-LaLiga ITA-SerieA 2015..2020 2023`. A whole partition key, `2024|ESP-LaLiga`, will do too. Seasons that the source
    does not list are left out and named.
    """
    from match_assets.config import params
    from match_assets.keys import parse_partitions

    partitions = parse_partitions(seasons, params().tournaments)
    # Dagster takes seconds to import; a slip of the keyboard is told at once
    from match_assets.automation.sensors import bulk_config
    from match_assets.demo import follow_job
    from match_assets.resources.platform import Platform

    config = bulk_config(partitions, scrape=not no_scrape, every_month=every_month)
    click.echo(follow_job(Console(), Platform().settings, "bulk", None, config, "command line"))


@main.command()
@click.argument("query")
@click.option("--rows", default=40, show_default=True, help="Rows to print at most.")
@click.option("--as-of", metavar="MOMENT", help="The data as it was: a time (ISO), a hash, or a version's number.")
def sql(query: str, rows: int, as_of: str | None) -> None:
    """Ask the accepted data in DuckDB: each asset is a view, with its partitions as one table."""
    from match_assets.resources.platform import Platform
    from match_assets.store.moments import parse_moment
    from match_assets.store.sql import run_sql

    opened = Platform().store
    frame = run_sql(opened.as_of(parse_moment(as_of)) if as_of else opened, query)
    import polars as pl

    with pl.Config(tbl_rows=rows, tbl_cols=-1, tbl_width_chars=200):
        click.echo(frame)


if __name__ == "__main__":
    main()
