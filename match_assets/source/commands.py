"""``match-assets source status`` and ``source resume``: the site of origin, as we know it. Neither asks it anything."""

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


@contextmanager
def _warehouse() -> Iterator[tuple[Settings, Engine]]:
    from match_assets.warehouse.database import engine as open_engine

    settings = load_settings()
    engine = open_engine(settings.postgres_url)
    try:
        yield settings, engine
    finally:
        engine.dispose()
