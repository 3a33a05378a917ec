"""Partition keys as values: ``2024|ESP-LaLiga`` is a season of a tournament, ``2025-02-01`` a monthly cut-off."""

import datetime as dt
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
        if not (bar and tournament and season.isdigit() and len(season) == 4):
            raise ConfigurationError(f"{text!r} is no partition; write season|tournament, for instance 2024|ESP-LaLiga")
        return cls(tournament=tournament, season=season)

    def __str__(self) -> str:
        """The key as Dagster and the store spell it."""
        return f"{self.season}|{self.tournament}"


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
