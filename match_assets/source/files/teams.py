"""One id for a club whatever source names it: shipped aliases, a person's own, and the names that the site shows.

An alias file has the columns ``region_id,name,team_id``; further columns are notes. Ids above zero are the site's own.
Those below zero are ours, for clubs whose id on the site is not known: once the site shows such a club under one of its
names, the site's id takes over. ``new`` as ``team_id`` makes a person's own club of it. A name that no alias knows is
never a new team: its rows are refused and reported.
"""

import csv
import difflib
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from match_assets.errors import AliasError, ConfigurationError
from match_assets.names import folded

COLUMNS = ("region_id", "name", "team_id")
NEW_TEAM = "new"
SHIPPED, FROM_SITE = "shipped", "site"
# ids of ours in the shipped table are above this one, those that `new` makes are below: the two never meet
_SHIPPED_IDS_END = -100_000_000
_NEW_IDS = 2_000_000_000
_LARGEST_ID = 2**31 - 1
_NEAREST, _LIKENESS = 3, 0.6


class Alias(msgspec.Struct, frozen=True):
    """A club's name in one region; ``origin`` is ``shipped``, ``site`` or the file that a person gave."""

    region_id: int
    name: str
    team_id: int
    origin: str

    @property
    def key(self) -> tuple[int, str]:
        """What two spellings of one name have in common."""
        return (self.region_id, folded(self.name))


class RegionTeams:
    """The clubs of one region by name."""

    def __init__(self, region_id: int, aliases: Iterable[Alias], site_names: Mapping[str, set[int]]) -> None:
        """Settle which name is whose.

        Args:
            region_id: aliases of other regions are passed over.
            aliases: shipped and a person's; a person's counts where both know a name.
            site_names: folded names that the site shows in this region, with the ids it shows them for.
        """
        self.region_id = region_id
        # a name that the site shows for two clubs tells neither
        self._site = {name: next(iter(ids)) for name, ids in site_names.items() if len(ids) == 1}
        here = [alias for alias in aliases if alias.region_id == region_id]
        self._aliases = {alias.key[1]: alias for alias in sorted(here, key=lambda alias: alias.origin != SHIPPED)}
        self._taken_over = self._ids_taken_over()
        self._found: dict[str, Alias | None] = {}

    def find(self, name: str) -> Alias | None:
        """The club that ``name`` means; None when no source is sure of it."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> Alias | None:
        wanted = folded(name)
        alias = self._aliases.get(wanted)
        if alias is None:
            found = self._site.get(wanted)
            return None if found is None else Alias(self.region_id, name, found, FROM_SITE)
        if alias.team_id in self._taken_over:
            return Alias(self.region_id, alias.name, self._taken_over[alias.team_id], FROM_SITE)
        return alias

    def nearest(self, name: str) -> list[str]:
        """Known names that look like ``name``, each with its id, the most alike first."""
        known = {**self._site, **{folded_name: alias.team_id for folded_name, alias in self._aliases.items()}}
        alike = difflib.get_close_matches(folded(name), sorted(known), _NEAREST, _LIKENESS)
        shown = {folded_name: alias.name for folded_name, alias in self._aliases.items()}
        return [f"{shown.get(found, found)} ({known[found]})" for found in alike]

    def _ids_taken_over(self) -> dict[int, int]:
        """Ids of ours whose club the site shows under one of its names, with the site's id.

        An id that is another club's already is no one's to take: the site's "Leipzig" is not the club of 1993.
        """
        shown: dict[int, set[int]] = defaultdict(set)
        for name, alias in self._aliases.items():
            if alias.team_id < 0 and name in self._site:
                shown[alias.team_id].add(self._site[name])
        taken = {alias.team_id for alias in self._aliases.values()}
        certain = {ours: next(iter(ids)) for ours, ids in shown.items() if len(ids) == 1 and not ids & taken}
        claims = Counter(certain.values())
        return {ours: site_id for ours, site_id in certain.items() if claims[site_id] == 1}


@cache
def shipped_aliases() -> tuple[Alias, ...]:
    """The aliases that come with this project: the clubs of five leagues since 1993."""
    text = files("match_assets.source.files").joinpath("team_aliases.csv").read_text(encoding="utf-8")
    return parse_aliases(text, SHIPPED)


@cache
def _shipped_ids() -> dict[tuple[int, str], int]:
    return {alias.key: alias.team_id for alias in shipped_aliases()}


def shipped_team_id(region_id: int, name: str) -> int | None:
    """The id under which the shipped aliases know a club, below zero where it is not the site's; None without."""
    return _shipped_ids().get((region_id, folded(name)))


def read_aliases(path: Path) -> tuple[Alias, ...]:
    """A person's alias file; rows whose ``team_id`` is still empty are passed over.

    Raises:
        ConfigurationError: the file cannot be read.
        AliasError: a row is not an alias, or two rows contradict each other.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}; give a readable UTF-8 file to --aliases", file=str(path)) from error
    return parse_aliases(text, path.name)


def parse_aliases(text: str, origin: str) -> tuple[Alias, ...]:
    """Aliases out of CSV text with the columns ``region_id,name,team_id``.

    Raises:
        AliasError: a column is missing, a row is not an alias, or two rows give one name to two teams.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise AliasError(f"{origin}:1: lacks the columns {missing}; it needs {','.join(COLUMNS)}", file=origin, line=1)
    known: dict[tuple[int, str], tuple[int, Alias]] = {}
    for row in reader:
        line = reader.line_num
        if not row["team_id"].strip():
            continue
        alias = _alias(row, origin, line)
        held = known.setdefault(alias.key, (line, alias))
        if held[1].team_id != alias.team_id:
            raise AliasError(
                f"{origin}:{line}: {alias.name!r} of region {alias.region_id} is team {alias.team_id} here and team"
                f" {held[1].team_id} in line {held[0]}; keep the right one",
                file=origin,
                line=line,
            )
    return tuple(alias for _, alias in known.values())


def new_team_id(region_id: int, name: str) -> int:
    """The id of ours for a club that no other source knows, the same wherever its name is read."""
    digest = hashlib.sha256(f"{region_id}|{folded(name)}".encode()).digest()
    return _SHIPPED_IDS_END - 1 - int.from_bytes(digest[:8], "big") % _NEW_IDS


def _alias(row: Mapping[str, str], origin: str, line: int) -> Alias:
    name, wanted = row["name"].strip(), row["team_id"].strip()
    try:
        region_id = int(row["region_id"])
        team_id = new_team_id(region_id, name) if wanted.casefold() == NEW_TEAM else int(wanted)
    except ValueError as error:
        raise AliasError(
            f"{origin}:{line}: {error}; region_id is a number, team_id the site's number or {NEW_TEAM}",
            file=origin,
            line=line,
        ) from error
    if not folded(name) or region_id <= 0 or team_id == 0 or abs(team_id) > _LARGEST_ID:
        raise AliasError(
            f"{origin}:{line}: {','.join(row[column] for column in COLUMNS)} is no alias; it needs a region above zero,"
            f" a name, and a team_id that is not zero and fits in 32 bits",
            file=origin,
            line=line,
        )
    return Alias(region_id, name, team_id, origin)
