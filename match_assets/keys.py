"""Partition keys as values: ``2024|ESP-LaLiga`` is a season of a tournament, ``2025-02-01`` a monthly cut-off."""

import datetime as dt
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from match_assets.errors import ConfigurationError


@dataclass(frozen=True, order=True)
class DataKey:
    """A season of a tournament; orders by tournament, then season, so that history comes first."""

    tournament: str
    season: str

    @classmethod
    def parse(cls, text: str) -> "DataKey":
        """The key in ``season|tournament`` form.

        Raises:
            ConfigurationError: ``text`` has another form.
        """
        season, bar, tournament = text.partition("|")
        if not (bar and tournament and season.isascii() and season.isdigit() and len(season) == 4):
            raise ConfigurationError(f"{text!r} is no partition; write season|tournament, for instance 2024|ESP-LaLiga")
        return cls(tournament=tournament, season=season)

    def __str__(self) -> str:
        """The key as Dagster and the store spell it."""
        return f"{self.season}|{self.tournament}"


EARLIEST, LATEST = 1888, 2100
_SEASONS = re.compile(r"([0-9]{4})(?:\.\.([0-9]{4}))?")
EXAMPLE = "write for instance ESP-LaLiga 2015..2024, or 2024|ESP-LaLiga"


def parse_partitions(words: Sequence[str], tournaments: Collection[str]) -> list[str]:
    """Data partitions as a person names them in a shell; history before what builds on it, each once.

    One or more tournaments followed by the seasons that are meant of each: ``ENG-PremierLeague ESP-LaLiga 2015..2024 2012``;
    then, if more are meant, other tournaments with theirs. A whole key, ``2024|ESP-LaLiga``, may stand anywhere.

    Args:
        words: the words of the command line.
        tournaments: keys in ``params.yaml``.

    Raises:
        ConfigurationError: a word is none of these, seasons belong to no tournament or a tournament has none.
    """
    found: set[DataKey] = set()
    named: list[str] = []
    are_seasons_given = False
    for word in words:
        if "|" in word:
            key = DataKey.parse(word)
            found.add(DataKey(_known(key.tournament, tournaments), key.season))
        elif word[:1].isdigit():
            if not named:
                raise ConfigurationError(f"{word}: of which tournament? Name it first; {EXAMPLE}")
            found |= {DataKey(tournament, season) for season in _span(word) for tournament in named}
            are_seasons_given = True
        else:
            if are_seasons_given:
                named, are_seasons_given = [], False
            named.append(_known(word, tournaments))
    if named and not are_seasons_given:
        raise ConfigurationError(f"{', '.join(named)}: which seasons? {EXAMPLE[0].upper()}{EXAMPLE[1:]}")
    return [str(key) for key in sorted(found)]


def _known(tournament: str, tournaments: Collection[str]) -> str:
    if tournament not in tournaments:
        raise ConfigurationError(
            f"{tournament!r} is no tournament in params.yaml; it has {', '.join(tournaments)}. "
            f"{EXAMPLE[0].upper()}{EXAMPLE[1:]}"
        )
    return tournament


def _span(word: str) -> list[str]:
    match = _SEASONS.fullmatch(word)
    if match is None:
        raise ConfigurationError(
            f"{word!r} is no season; a season is named by the year in which it begins, 2024, and several by the first and "
            "the last, 2015..2024"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise ConfigurationError(f"{word} ends before it begins; write {last}..{first}")
    if first < EARLIEST or last > LATEST:
        raise ConfigurationError(f"{word}: seasons from {EARLIEST} to {LATEST} can be named")
    return [str(year) for year in range(first, last + 1)]


def parse_cutoff(text: str) -> dt.date:
    """The first of a month, as a cut-off key spells it.

    Raises:
        ConfigurationError: not an ISO date, or not the first of a month.
    """
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is no cut-off; write the first of a month, for instance 2025-02-01"
        ) from error
    if day.day != 1:
        raise ConfigurationError(f"{text}: a cut-off is the first of a month")
    return day


def month_floor(instant: dt.datetime) -> dt.date:
    """First day of the instant's month: the newest cut-off that data reaching ``instant`` has reached."""
    return instant.date().replace(day=1)
