"""Folders of football-data style files into the warehouse, season by season.

    files ──table──► rows ──reader──► records and flags ──season──► one row a match ──► write_file_season
                                          │                    │
                                          └─ refused ──────────┴─► report: every row is stored, told twice,
                                                                   refused with a reason, or not asked for

A season is written whole or not at all, from all files that tell of it. Its clock is the newest file's time of
modification, so that reading the same files again writes nothing; between two readings of one file the one with the
newer aliases counts. An interrupted import is run again: seasons that were written are found unchanged.
"""

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from match_assets.config import Params, TournamentParams
from match_assets.errors import ConfigurationError, DataError
from match_assets.killpoint import killpoint
from match_assets.source.files.reader import FileRow, SeasonRows, read_seasons
from match_assets.source.files.report import (
    FileReport,
    ImportReport,
    Row,
    SeasonReport,
    UnmatchedName,
    shortened,
    with_counts,
)
from match_assets.source.files.season import HeldId, Noted, Told, file_match, settled, told_by, wanted_ids
from match_assets.source.files.table import n_lines
from match_assets.source.files.teams import (
    FROM_SITE,
    SHIPPED,
    Alias,
    RegionTeams,
    read_aliases,
    shipped_aliases,
)
from match_assets.warehouse import aliases as known
from match_assets.warehouse.files import FileSeason, write_file_season

LOG = logging.getLogger(__name__)
# ids of ours for seasons are tournament and year in one number of 32 bits
_YEARS = 10_000
_LARGEST_TOURNAMENT = 2**31 // _YEARS - 1


class League(NamedTuple):
    """A tournament that is followed, by the code that files give it."""

    key: str
    params: TournamentParams


class SourceFile(NamedTuple):
    """One season of one league in one file, with the file's clock."""

    file: str
    clock: dt.datetime
    held: SeasonRows


class Folder(NamedTuple):
    """What a folder holds: seasons that were asked for, and files of which nothing is taken."""

    seasons: Mapping[tuple[str, int], Sequence[SourceFile]]
    left: Sequence[FileReport]
    n_files: int


def import_folder(
    engine: Engine,
    params: Params,
    folder: Path,
    *,
    tournaments: Collection[str] = (),
    seasons: Collection[int] = (),
    alias_file: Path | None = None,
    progress: Callable[[SeasonReport], None] = lambda _report: None,
) -> ImportReport:
    """Store what the files of a folder tell.

    Args:
        engine: the warehouse.
        params: tells which tournaments are followed and the code that files give them (``division``).
        folder: searched with all folders in it for ``*.csv``.
        tournaments: keys to import; all that have a code without.
        seasons: first years to import; all without.
        alias_file: a person's aliases; they are kept, and count before the shipped ones.
        progress: told of each season once it is written.

    Raises:
        ConfigurationError: the folder, a file of it or a tournament is not there.
        AliasError: the alias file contradicts itself.
        DependencyUnavailableError: PostgreSQL is away; seasons that were written stay.
    """
    begun = time.perf_counter()
    leagues = _leagues(params, tournaments)
    own = read_aliases(alias_file) if alias_file else ()
    found = _read_folder(folder, leagues, seasons)
    corrected = _keep_own_aliases(engine, own)
    by_key = {league.key: league for league in leagues.values()}
    regions = sorted({by_key[key].params.region_id for key, _ in found.seasons})
    teams = {region_id: _region_teams(engine, region_id) for region_id in regions}
    reports, unmatched = [], _Unmatched()
    for (key, season), sources in sorted(found.seasons.items()):
        league = by_key[key]
        report = _import_season(engine, league, season, sources, teams[league.params.region_id], unmatched)
        LOG.info(
            "%s: %d rows, %d new, %d changed", report.partition_key, report.n_rows, report.inserted, report.changed
        )
        reports.append(report)
        progress(report)
    return ImportReport(
        seasons=tuple(reports),
        files=tuple(found.left),
        unmatched=unmatched.named(teams),
        corrected_aliases=tuple(corrected),
        n_files=found.n_files,
        seconds=time.perf_counter() - begun,
    )


class _Unmatched:
    """Names that no alias knows, as they are met."""

    def __init__(self) -> None:
        self._met: dict[tuple[int, str, str], list[str]] = defaultdict(list)

    def meet(self, region_id: int, tournament: str, season: int, teams: RegionTeams, rows: Sequence[FileRow]) -> None:
        """Remember the unknown names of ``rows``."""
        for row in rows:
            for name in {row.home, row.away}:
                if teams.find(name) is None:
                    self._met[region_id, name, tournament].append(str(season))

    def named(self, teams: Mapping[int, RegionTeams]) -> tuple[UnmatchedName, ...]:
        """Each with where it stands and what it looks like."""
        return tuple(
            UnmatchedName(
                region_id=region_id,
                name=name,
                tournament=tournament,
                seasons=tuple(sorted(set(met))),
                n_rows=len(met),
                nearest=tuple(teams[region_id].nearest(name)),
            )
            for (region_id, name, tournament), met in sorted(self._met.items())
        )


def _leagues(params: Params, tournaments: Collection[str]) -> dict[str, League]:
    """Leagues to import by the code of their files."""
    coded = {key: tournament for key, tournament in params.tournaments.items() if tournament.division}
    unknown = sorted(set(tournaments) - set(coded))
    if unknown:
        raise ConfigurationError(
            f"tournaments {', '.join(unknown)} have no `division` in params.yaml; those that have are {', '.join(coded)}"
        )
    chosen = {key: coded[key] for key in coded if not tournaments or key in tournaments}
    if not chosen:
        raise ConfigurationError(
            "no tournament of params.yaml has a `division`: name the code of its files, such as E0"
        )
    leagues: dict[str, League] = {}
    for key, tournament in chosen.items():
        if tournament.tournament_id > _LARGEST_TOURNAMENT:
            raise ConfigurationError(
                f"tournaments.{key}: tournament_id {tournament.tournament_id} is above {_LARGEST_TOURNAMENT}; files of it"
                " cannot be imported"
            )
        held = leagues.setdefault(str(tournament.division), League(key, tournament))
        if held.key != key:
            raise ConfigurationError(
                f"tournaments {held.key} and {key} have the same division {tournament.division}; import one of them"
                " with --tournament"
            )
    return leagues


def _read_folder(folder: Path, leagues: Mapping[str, League], seasons: Collection[int]) -> Folder:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder; name one that holds football-data files")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.casefold() == ".csv" and path.is_file())
    # what a file manager leaves beside the files
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise ConfigurationError(f"{folder}: holds no .csv file, nor do the folders in it")
    found: dict[tuple[str, int], list[SourceFile]] = defaultdict(list)
    left: list[FileReport] = []
    for path in paths:
        name = shortened(path, folder)
        raw, clock = _bytes_and_clock(path)
        try:
            parts = read_seasons(path, raw, leagues)
        except DataError as error:
            # another table that lies beside the files has none of their columns
            is_refused = len(error.facts.get("missing", ())) < 5
            left.append(FileReport(name, n_lines(raw), f"{name}:{error.facts.get('line', 1)}: {error}", is_refused))
            continue
        for part in parts:
            if reason := _not_asked_for(part, leagues, seasons):
                left.append(FileReport(name, part.n_rows, reason, is_refused=False))
            else:
                found[leagues[part.division].key, part.season].append(SourceFile(name, clock, part))
    return Folder(found, left, len(paths))


def _bytes_and_clock(path: Path) -> tuple[bytes, dt.datetime]:
    try:
        modified = path.stat().st_mtime_ns // 1000
        return path.read_bytes(), dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=modified)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; make it readable or take it away") from error


def _not_asked_for(part: SeasonRows, leagues: Mapping[str, League], seasons: Collection[int]) -> str | None:
    if part.division not in leagues:
        return f"no tournament that is to be imported has the division {part.division}"
    if seasons and part.season not in seasons:
        return f"season {part.season} was not asked for"
    return None


def _keep_own_aliases(engine: Engine, own: Sequence[Alias]) -> list[str]:
    """Keep a person's aliases; returns what they say otherwise than what was known."""
    if not own:
        return []
    before = {alias.key: alias.team_id for alias in shipped_aliases()}
    for region_id in sorted({alias.region_id for alias in own}):
        before |= {alias.key: alias.team_id for alias in _persons_aliases(engine, region_id)}
    known.store_aliases(engine, [(alias.region_id, alias.name, alias.team_id, alias.origin) for alias in own])
    return [
        f"{alias.name} of region {alias.region_id}: team {alias.team_id}, was {before[alias.key]}"
        for alias in own
        if before.get(alias.key, alias.team_id) != alias.team_id
    ]


def _persons_aliases(engine: Engine, region_id: int) -> list[Alias]:
    """Aliases that a person gave, now or before."""
    return [
        Alias(stored.region_id, stored.name, stored.team_id, stored.origin)
        for stored in known.stored_aliases(engine, region_id)
        if stored.origin not in {SHIPPED, FROM_SITE}
    ]


def _region_teams(engine: Engine, region_id: int) -> RegionTeams:
    own = _persons_aliases(engine, region_id)
    return RegionTeams(region_id, [*shipped_aliases(), *own], known.site_names(engine, region_id))


def _import_season(
    engine: Engine,
    league: League,
    season: int,
    sources: Sequence[SourceFile],
    teams: RegionTeams,
    unmatched: _Unmatched,
) -> SeasonReport:
    key, year = league.key, str(season)
    told: list[Told] = []
    refused = [Noted(source.file, remark) for source in sources for remark in source.held.refused]
    for source in sources:
        unmatched.meet(teams.region_id, key, season, teams, source.held.rows)
        rows, unknown = told_by(source.file, source.clock, source.held.rows, teams)
        told += rows
        refused += unknown
    held = [
        HeldId(row.match_id, row.tournament, row.season, row.kick_off_utc, (row.home_team_id, row.away_team_id))
        for row in known.held_file_matches(engine, key, year, wanted_ids(key, year, told))
    ]
    settlement = settled(key, year, told, held)
    report = SeasonReport(
        partition_key=f"{year}|{key}",
        files=tuple(source.file for source in sources),
        n_rows=sum(source.held.n_rows for source in sources),
        n_stored=len(settlement.standing),
        n_statistics=sum(item.row.has_statistics for item in settlement.standing.values()),
        refused=_rows([*refused, *settlement.refused]),
        repeated=_rows(settlement.repeated),
        flagged=_rows(settlement.flagged),
    )
    if not settlement.standing:
        return report
    written = write_file_season(engine, _file_season(engine, league, season, sources, settlement.standing))
    killpoint("import.season_written")
    return with_counts(report, written)


def _file_season(
    engine: Engine,
    league: League,
    season: int,
    sources: Sequence[SourceFile],
    standing: Mapping[int, Told],
) -> FileSeason:
    clock = max(source.clock for source in sources)
    used = {alias.key: alias for item in standing.values() for alias in (item.home, item.away)}
    kept = known.store_aliases(
        engine, [(alias.region_id, alias.name, alias.team_id, alias.origin) for alias in used.values()]
    )
    killpoint("import.aliases_kept")
    own_id = -(league.params.tournament_id * _YEARS + season)
    return FileSeason(
        tournament=league.key,
        region_id=league.params.region_id,
        tournament_id=league.params.tournament_id,
        season=str(season),
        season_id=own_id,
        stage_id=own_id,
        site_time=clock,
        observed_at=max(clock, *(alias.added_at for alias in kept)),
        matches=tuple(file_match(number, item) for number, item in sorted(standing.items())),
    )


def _rows(noted: Sequence[Noted]) -> tuple[Row, ...]:
    rows = [Row.of(item.file, item.remark) for item in noted]
    return tuple(sorted(rows, key=lambda row: (row.file, row.line, row.kind)))
