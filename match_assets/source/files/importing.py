"""Folders of football-data style files into the warehouse, season by season.

    files ──table──► rows ──reader──► records and flags ──season──► one row a match ──► write_file_seasons
                                          │                    │
                                          └─ refused ──────────┴─► report: every row is stored, told twice,
                                                                   refused with a reason, or not asked for

A season is written whole or not at all, from all files that tell of it. Its clock is the newest file's time of
modification, so that reading the same files again writes nothing; between two readings of one file the one with the
newer aliases counts. An interrupted import is run again: seasons that were written are found unchanged.

Seasons of a tournament go to the warehouse several at a time, since a transaction for each costs more than its rows. One
that cannot be stored is refused alone, with all of its rows.
"""

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from match_assets.config import Params
from match_assets.errors import ConfigurationError, DataError
from match_assets.source.files.reader import SeasonRows, read_seasons
from match_assets.source.files.report import (
    FileReport,
    ImportReport,
    SeasonReport,
    UnmatchedName,
    shortened,
)
from match_assets.source.files.storing import LARGEST_TOURNAMENT, League, SourceFile, store_seasons
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

LOG = logging.getLogger(__name__)
# rows that go to the warehouse together: other writers of matches wait about a second for so many
BATCH_ROWS = 5_000


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
    for key, batch in _batches(found):
        league = by_key[key]
        known_teams = teams[league.params.region_id]
        unmatched.meet(known_teams, key, batch)
        for report in store_seasons(engine, league, batch, known_teams):
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

    def meet(self, teams: RegionTeams, tournament: str, seasons: Mapping[int, Sequence[SourceFile]]) -> None:
        """Remember the unknown names of the rows of ``seasons``."""
        for season, sources in seasons.items():
            for row in (row for source in sources for row in source.held.rows):
                for name in {row.home, row.away}:
                    if teams.find(name) is None:
                        self._met[teams.region_id, name, tournament].append(str(season))

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
        if tournament.tournament_id > LARGEST_TOURNAMENT:
            raise ConfigurationError(
                f"tournaments.{key}: tournament_id {tournament.tournament_id} is above {LARGEST_TOURNAMENT}; files of it"
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


def _batches(found: Folder) -> Iterator[tuple[str, dict[int, Sequence[SourceFile]]]]:
    """Seasons of one tournament at a time, as many as hold ``BATCH_ROWS`` rows, at least one."""
    batch: dict[int, Sequence[SourceFile]] = {}
    key, n_rows = "", 0
    for (key_of_season, season), sources in sorted(found.seasons.items()):
        n_more = sum(source.held.n_rows for source in sources)
        if batch and (key_of_season != key or n_rows + n_more > BATCH_ROWS):
            yield key, batch
            batch, n_rows = {}, 0
        batch[season] = sources
        key, n_rows = key_of_season, n_rows + n_more
    if batch:
        yield key, batch
