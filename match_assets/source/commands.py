"""``match-assets source``: the site of origin, as we know it, and what a person has to say. Nothing of it asks the site."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click
from sqlalchemy import Engine

from match_assets.config import Settings, load_settings


@click.group()
def source() -> None:
    """The site of origin, as we know it."""


@source.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def status(as_json: bool) -> None:
    """Show pace, budget, circuit, the last error, open alerts, and what is still to be asked for."""
    import msgspec

    from match_assets.source.status import lines, source_status

    with _warehouse() as (settings, engine):
        found = source_status(engine, settings)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for name, how in lines(found):
        click.echo(f"{name:<12} {how}")


@source.command()
def resume() -> None:
    """Close the circuit that a refusal opened, after a person has looked at the page that was kept."""
    from match_assets.source.circuit import close_circuit

    with _warehouse() as (settings, engine):
        host = urlsplit(settings.source_url).netloc
        was_open = close_circuit(engine, host)
    click.echo(
        f"{host} may be asked again; pace and robots.txt hold as before" if was_open else f"{host} was not closed"
    )


@source.command()
@click.argument("seasons", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def gaps(seasons: tuple[str, ...], as_json: bool) -> None:
    """List what is known to be missing or odd in SEASONS, or in all, and what was withdrawn.

    SEASONS are named as for `match-assets backfill`: `ESP-LaLiga 2015..2024`.
    """
    import msgspec

    from match_assets.config import params
    from match_assets.keys import DataKey, parse_partitions
    from match_assets.warehouse.gaps import Partition, gaps_of
    from match_assets.warehouse.withdrawals import withdrawn

    keys = [DataKey.parse(key) for key in parse_partitions(seasons, params().tournaments)] if seasons else []
    partitions = [Partition(key.tournament, key.season) for key in keys] or None
    with _warehouse() as (_, engine):
        found, taken_out = gaps_of(engine, partitions), withdrawn(engine, partitions)
    if as_json:
        told = {"gaps": [gap._asdict() for gap in found], "withdrawn": [match._asdict() for match in taken_out]}
        click.echo(msgspec.json.encode(told))
        return
    for gap in found:
        teams = f"{gap.home_team} - {gap.away_team}, {gap.kick_off_utc:%Y-%m-%d}: " if gap.kick_off_utc else ""
        where = f"{gap.season}|{gap.tournament} {gap.match_id}"
        click.echo(f"{where} {gap.kind}: {teams}{gap.reason} (since {gap.first_seen_at:%Y-%m-%d %H:%M} UTC)")
    for match in taken_out:
        teams = f"{match.home_team} - {match.away_team}, {match.kick_off_utc:%Y-%m-%d}"
        where = f"{match.season}|{match.tournament} {match.match_id}"
        click.echo(f"{where} withdrawn: {teams}: {match.reason} ({match.withdrawn_at:%Y-%m-%d %H:%M} UTC)")
    if not (found or taken_out):
        click.echo("no gaps are known")


@source.command()
@click.argument("match_id", type=int)
@click.option("--because", "reason", required=True, help="Why, for those who come after.")
def withdraw(match_id: int, reason: str) -> None:
    """Say that the result of MATCH_ID, which the site lost, is gone for good; nothing is made of it from then on.

    Until a person says so, a lost result refuses its season. Should the site list it again, it counts again.
    """
    from match_assets.warehouse.withdrawals import withdraw as take_out

    with _warehouse() as (_, engine):
        where = take_out(engine, match_id, reason)
    click.echo(
        f"match {match_id} is withdrawn; `match-assets backfill --no-scrape {where.tournament} {where.season}`"
        " works on the season at once, the sensors within a minute"
    )


@source.command()
@click.argument("match_id", type=int)
def reinstate(match_id: int) -> None:
    """Take back that MATCH_ID was withdrawn: it is a lost result again, and refuses its season."""
    from match_assets.warehouse.withdrawals import reinstate as put_back

    with _warehouse() as (_, engine):
        put_back(engine, match_id)
    click.echo(f"match {match_id} is withdrawn no longer: a result that its source does not list")


@contextmanager
def _warehouse() -> Iterator[tuple[Settings, Engine]]:
    from match_assets.warehouse.database import engine as open_engine

    settings = load_settings()
    engine = open_engine(settings.postgres_url)
    try:
        yield settings, engine
    finally:
        engine.dispose()
