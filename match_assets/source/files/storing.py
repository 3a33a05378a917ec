"""Some seasons of a tournament into the warehouse at once, and what became of their rows.

A transaction for each season would cost more than its rows. A season that cannot be stored is refused alone, with all of
its rows: those beside it are stored.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from match_assets.config import TournamentParams
from match_assets.errors import DataError, RejectedRowError
from match_assets.killpoint import killpoint
from match_assets.source.files.reader import Remark, SeasonRows
from match_assets.source.files.report import Row, SeasonReport, with_counts
from match_assets.source.files.season import HeldId, Noted, Settled, Told, file_match, settled, told_by, wanted_ids
from match_assets.source.files.teams import RegionTeams
from match_assets.warehouse import aliases as known
from match_assets.warehouse.files import FileSeason, FileSeasonWrite, write_file_seasons

# ids of ours for seasons are tournament and year in one number of 32 bits
_YEARS = 10_000
LARGEST_TOURNAMENT = 2**31 // _YEARS - 1
_NOTHING = Settled({}, (), (), ())


class League(NamedTuple):
    """A tournament that is followed, by the code that files give it."""

    key: str
    params: TournamentParams


class SourceFile(NamedTuple):
    """One season of one league in one file, with the file's clock."""

    file: str
    clock: dt.datetime
    held: SeasonRows


class _Season(NamedTuple):
    """All rows of a season: with their clubs, or refused."""

    year: int
    sources: Sequence[SourceFile]
    told: list[Told]
    refused: list[Noted]


def store_seasons(
    engine: Engine, league: League, seasons: Mapping[int, Sequence[SourceFile]], teams: RegionTeams
) -> list[SeasonReport]:
    """Store seasons of one tournament.

    Args:
        engine: the warehouse.
        league: the tournament.
        seasons: the files that tell of each season, by the year in which it begins.
        teams: the clubs of the tournament's region.

    Returns:
        What became of each season, in order.

    Raises:
        DependencyUnavailableError: PostgreSQL is away; nothing of these seasons is stored.
    """
    read = [_read(year, sources, teams) for year, sources in seasons.items()]
    outcomes = _settle(engine, league.key, read)
    standing = {year: outcome.standing for year, outcome in outcomes.items() if not isinstance(outcome, DataError)}
    ready = [season for season in read if standing.get(season.year)]
    found = _write(engine, _file_seasons(engine, league, ready, standing))
    written = dict(zip((season.year for season in ready), found, strict=True))
    killpoint("import.seasons_written")
    return [_report(league.key, season, outcomes[season.year], written.get(season.year)) for season in read]


def _read(year: int, sources: Sequence[SourceFile], teams: RegionTeams) -> _Season:
    told: list[Told] = []
    refused = [Noted(source.file, remark) for source in sources for remark in source.held.refused]
    for source in sources:
        rows, unknown = told_by(source.file, source.clock, source.held.rows, teams)
        told += rows
        refused += unknown
    return _Season(year, sources, told, refused)


def _settle(engine: Engine, key: str, seasons: Sequence[_Season]) -> dict[int, Settled | DataError]:
    """Which rows stand and under which ids, or why a season cannot be told from what is stored."""
    years = [str(season.year) for season in seasons]
    wanted = [number for season in seasons for number in wanted_ids(key, str(season.year), season.told)]
    held = [
        HeldId(row.match_id, row.tournament, row.season, row.kick_off_utc, (row.home_team_id, row.away_team_id))
        for row in known.held_file_matches(engine, key, years, wanted)
    ]
    outcomes: dict[int, Settled | DataError] = {}
    for season in seasons:
        year = str(season.year)
        try:
            found = settled(key, year, season.told, held)
        except DataError as error:
            outcomes[season.year] = error
            continue
        outcomes[season.year] = found
        # stored together with those that follow, whose ids must be others
        held += [
            HeldId(number, key, year, item.row.kick_off_utc, item.pairing) for number, item in found.standing.items()
        ]
    return outcomes


def _file_seasons(
    engine: Engine, league: League, seasons: Sequence[_Season], standing: Mapping[int, Mapping[int, Told]]
) -> list[FileSeason]:
    """Seasons as the warehouse takes them; the aliases they are read with are kept first."""
    used = {
        season.year: {alias.key: alias for item in standing[season.year].values() for alias in (item.home, item.away)}
        for season in seasons
    }
    everyone = {key: alias for aliases in used.values() for key, alias in aliases.items()}
    kept = known.store_aliases(
        engine, [(alias.region_id, alias.name, alias.team_id, alias.origin) for alias in everyone.values()]
    )
    killpoint("import.aliases_kept")
    added_at = {alias.key: alias.added_at for alias in kept}
    return [
        _file_season(league, season, standing[season.year], [added_at[key] for key in used[season.year]])
        for season in seasons
    ]


def _file_season(
    league: League, season: _Season, standing: Mapping[int, Told], added_at: Sequence[dt.datetime]
) -> FileSeason:
    clock = max(source.clock for source in season.sources)
    own_id = -(league.params.tournament_id * _YEARS + season.year)
    return FileSeason(
        tournament=league.key,
        region_id=league.params.region_id,
        tournament_id=league.params.tournament_id,
        season=str(season.year),
        season_id=own_id,
        stage_id=own_id,
        site_time=clock,
        observed_at=max(clock, *added_at),
        matches=tuple(file_match(number, item) for number, item in sorted(standing.items())),
    )


def _write(engine: Engine, seasons: Sequence[FileSeason]) -> list[FileSeasonWrite | RejectedRowError]:
    """All in one transaction; where the warehouse refuses a row, each in its own, so that one fails alone."""
    try:
        return [*write_file_seasons(engine, seasons)]
    except RejectedRowError as error:
        if len(seasons) == 1:
            return [error]
        return [written for season in seasons for written in _write(engine, [season])]


def _report(
    key: str, season: _Season, outcome: Settled | DataError, written: FileSeasonWrite | RejectedRowError | None
) -> SeasonReport:
    lost: list[Noted] = []
    if isinstance(outcome, DataError):
        lost, outcome = _lost(season.told, outcome), _NOTHING
    elif isinstance(written, RejectedRowError):
        lost = _lost(outcome.standing.values(), written)
        outcome = outcome._replace(standing={}, flagged=())
    report = SeasonReport(
        partition_key=f"{season.year}|{key}",
        files=tuple(source.file for source in season.sources),
        n_rows=sum(source.held.n_rows for source in season.sources),
        n_stored=len(outcome.standing),
        n_statistics=sum(item.row.has_statistics for item in outcome.standing.values()),
        refused=_rows([*season.refused, *outcome.refused, *lost]),
        repeated=_rows(outcome.repeated),
        flagged=_rows(outcome.flagged),
    )
    return with_counts(report, written) if isinstance(written, FileSeasonWrite) else report


def _lost(told: Iterable[Told], error: DataError) -> list[Noted]:
    """Rows that could be stored if it were not for their season."""
    return [
        Noted(
            item.file,
            Remark(item.row.line, "season refused", f"{item.row.home} - {item.row.away}: its season: {error}"),
        )
        for item in told
    ]


def _rows(noted: Sequence[Noted]) -> tuple[Row, ...]:
    rows = [Row.of(item.file, item.remark) for item in noted]
    return tuple(sorted(rows, key=lambda row: (row.file, row.line, row.kind)))
