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
from match_assets.source.practice.commands import practice_site

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
@click.argument("partitions", nargs=-1)
@click.option("--no-scrape", is_flag=True, help="Work on what the warehouse holds; do not ask the source.")
def backfill(partitions: tuple[str, ...], no_scrape: bool) -> None:
    """Carry PARTITIONS (2024|ESP-LaLiga), or all that the source lists, from its pages to features in one bulk run."""
    from match_assets.automation.sensors import bulk_config
    from match_assets.demo import follow_job
    from match_assets.resources.platform import Platform
    from match_assets.stages.chain import ordered

    config = bulk_config(ordered(list(partitions)), scrape=not no_scrape)
    click.echo(follow_job(Console(), Platform().settings, "bulk", None, config, "command line"))


@main.group()
def source() -> None:
    """The site of origin, as we know it."""


@source.command()
def resume() -> None:
    """Close the circuit that a refusal opened, after a person has looked at the page that was kept."""
    from urllib.parse import urlsplit

    from match_assets.resources.platform import Platform
    from match_assets.source.circuit import close_circuit

    platform = Platform()
    host = urlsplit(platform.settings.source_url).netloc
    was_open = close_circuit(platform.engine, host)
    platform.close()
    click.echo(
        f"{host} may be asked again; pace and robots.txt hold as before" if was_open else f"{host} was not closed"
    )


@main.command()
@click.argument("query")
@click.option("--rows", default=40, show_default=True, help="Rows to print at most.")
def sql(query: str, rows: int) -> None:
    """Ask the accepted data in DuckDB: each asset is a view, with its partitions as one table."""
    from match_assets.resources.platform import Platform
    from match_assets.store.sql import run_sql

    frame = run_sql(Platform().store, query)
    import polars as pl

    with pl.Config(tbl_rows=rows, tbl_cols=-1, tbl_width_chars=200):
        click.echo(frame)


if __name__ == "__main__":
    main()
