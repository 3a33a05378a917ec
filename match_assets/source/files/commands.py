"""``match-assets import-csv``: a folder of files into the warehouse, and what became of every row."""

import re
from pathlib import Path

import click
import msgspec

from match_assets.config import load_settings, params
from match_assets.errors import ConfigurationError, DataError
from match_assets.source.files.report import ImportReport, Row, SeasonReport, unmatched_csv

_SHOWN = 5
_YEARS = re.compile(r"(\d{4})(?:\.\.(\d{4}))?")


@click.command("import-csv")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tournament", "tournaments", multiple=True, help="Key in params.yaml to import; all without.")
@click.option("--seasons", help="First years of seasons to import, such as 2015..2024 or 2003; all without.")
@click.option("--aliases", "alias_file", type=click.Path(path_type=Path), help="Your aliases: region_id,name,team_id.")
@click.option(
    "--unmatched",
    type=click.Path(path_type=Path),
    help="File to write names to that no alias knows; fill in team_id and give it to --aliases.",
)
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path), help="File to write the whole report to, JSON."
)
def import_csv(
    *,
    folder: Path,
    tournaments: tuple[str, ...],
    seasons: str | None,
    alias_file: Path | None,
    unmatched: Path | None,
    report_file: Path | None,
) -> None:
    """Import football-data style files from FOLDER.

    A file lies in a league's folder (premier-league/season-2425.csv), has a column Div, or is called after its league
    (E0.csv). Every row is stored, told twice, refused with a reason, or not asked for; the command ends with 3 when any
    was refused, after storing all others. Run again, it writes nothing.
    """
    # SQLAlchemy is needed here alone; the other commands should not wait for it
    from match_assets.source.files.importing import import_folder
    from match_assets.warehouse.database import engine as open_engine

    _require_absent(unmatched)
    engine = open_engine(load_settings().postgres_url)
    try:
        report = import_folder(
            engine,
            params(),
            folder,
            tournaments=tournaments,
            seasons=parse_years(seasons),
            alias_file=alias_file,
            progress=_echo_season,
        )
    finally:
        engine.dispose()
    if unmatched and report.unmatched:
        unmatched.write_text(unmatched_csv(report.unmatched), encoding="utf-8")
    if report_file:
        report_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    _show(report, unmatched)
    if not report.is_whole:
        raise DataError(f"{report.n_refused} rows were refused, all others are stored; mend them and run this again")


def parse_years(text: str | None) -> tuple[int, ...]:
    """Years out of ``2015..2024``, ``2003`` or several with commas; none without text.

    Raises:
        ConfigurationError: something else, or a range that ends before it begins.
    """
    parts = [part.strip() for part in text.split(",")] if text else []
    spans = [_YEARS.fullmatch(part) for part in parts]
    years: set[int] = set()
    for span in spans:
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
        if last < first:
            raise ConfigurationError(f"--seasons {text!r}: name first years of seasons, such as 2015..2024 or 2003")
        years |= set(range(first, last + 1))
    return tuple(sorted(years))


def _require_absent(unmatched: Path | None) -> None:
    # a person may have filled it in
    if unmatched and unmatched.exists():
        raise ConfigurationError(f"{unmatched}: is there already; give another name to --unmatched or take it away")


def _echo_season(report: SeasonReport) -> None:
    told = f"{report.partition_key}: {report.n_rows} rows, {report.inserted} new, {report.changed} changed"
    refused = f", {len(report.refused)} refused" if report.refused else ""
    click.echo(f"{told}, {report.unchanged} unchanged{refused}")


def _show(report: ImportReport, unmatched: Path | None) -> None:
    for what in ("flagged", "repeated", "refused"):
        rows = [row for season in report.seasons for row in getattr(season, what)]
        for kind in sorted({row.kind for row in rows}):
            _show_kind(what, kind, [row for row in rows if row.kind == kind])
    for file in report.files:
        click.echo(f"{'refused' if file.is_refused else 'passed over'}: {file.file}, {file.n_rows} rows: {file.reason}")
    for line in report.corrected_aliases:
        click.echo(f"alias corrected: {line}")
    _show_unmatched(report, unmatched)
    for season in report.seasons:
        for item in season.disagreements:
            scores = f"{item.file_score[0]}-{item.file_score[1]}, the site {item.site_score[0]}-{item.site_score[1]}"
            click.echo(f"{season.partition_key}: match {item.site_match_id}: the file says {scores}")
    click.echo(summary(report))


def _show_unmatched(report: ImportReport, unmatched: Path | None) -> None:
    for name in report.unmatched:
        nearest = f"; like {', '.join(name.nearest)}" if name.nearest else ""
        click.echo(f"unmatched name: {name.name!r} of region {name.region_id} in {name.n_rows} rows{nearest}")
    if report.unmatched and unmatched:
        click.echo(f"fill in team_id in {unmatched} and give it to --aliases")
    elif report.unmatched:
        click.echo("give --unmatched FILE to have these names as an alias file to fill in")


def summary(report: ImportReport) -> str:
    """The import in one line."""
    return (
        f"{report.n_rows:,} rows of {report.n_files} files: {report.n_stored:,} stored ({report.n_flagged:,} of them"
        f" flagged), {report.n_repeated:,} told twice, {report.n_refused:,} refused, {report.n_passed_over:,} not asked"
        f" for; {report.n_written:,} written; {report.seconds:.1f} s, {report.rows_per_second:,.0f} rows a second"
    )


def _show_kind(what: str, kind: str, rows: list[Row]) -> None:
    click.echo(f"{what}: {kind}: {len(rows):,} rows")
    for row in rows[:_SHOWN]:
        click.echo(f"    {row.file}:{row.line}: {row.detail}")
    if len(rows) > _SHOWN:
        click.echo(f"    and {len(rows) - _SHOWN:,} more; --report FILE has them all")
