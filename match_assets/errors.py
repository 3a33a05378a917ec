"""Every error this project raises at its borders, and the exit code each one means.

    MatchAssetsError
    ├── ConfigurationError            a setting or argument is wrong: mend it, nothing was started       (exit 2)
    ├── DataError                     data was refused; the last accepted version stays                  (exit 3)
    │   ├── SchemaMismatchError       a column is missing, renamed or of another type
    │   ├── DuplicateFixtureError     one team stands in two matches at one kick-off
    │   ├── NotEnoughDataError        too few rows for what was asked
    │   ├── NotReachedError           the data does not reach this cut-off yet
    │   ├── UnknownTeamError          no team of that id in the tournament
    │   ├── GateRefusedError          a validation gate refused a candidate
    │   ├── RejectedRowError          a constraint of the database refused a row
    │   └── AliasError                an alias of a team contradicts another one
    ├── GateBrokenError               a validation gate could not judge: a fault of this project         (exit 1)
    ├── DependencyUnavailableError    a server is away: start it or wait                                 (exit 4)
    ├── StoreError                    the object store holds something other than what was written       (exit 3)
    │   ├── NotAcceptedError          no accepted version of that asset and partition
    │   ├── MissingObjectError        an object that a pointer names is gone
    │   ├── HashMismatchError         an object's bytes are not the bytes its name promises
    │   ├── PointerConflictError      another writer moved the pointer first
    │   └── FencedOffError            a newer run has begun on the partition: this one may write no more
    ├── ModelError                    the registry holds nothing that may be served                      (exit 3)
    └── SourceError                   the site of origin                                                 (exit 5)
        ├── SourceUnavailableError    no usable answer after the capped retries                          (exit 4)
        ├── SourceBlockedError        the site asks us to stay away: stop, never evade
        ├── SourceBudgetError         today's requests are spent: go on tomorrow
        ├── RobotsDisallowedError     robots.txt forbids that path
        └── UnexpectedPageError       the page is not the page we know: layout changed, cut or empty     (exit 3)

Each carries its facts as attributes; the message says what, where and what to do.
"""

from typing import Any


class MatchAssetsError(Exception):
    """Base of all errors of this project; ``facts`` hold what the message names."""

    exit_code = 1

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class ConfigurationError(MatchAssetsError):
    """A setting, parameter or argument is missing or not allowed."""

    exit_code = 2


class DataError(MatchAssetsError):
    """Data that cannot be used as it is."""

    exit_code = 3


class SchemaMismatchError(DataError):
    """A frame lacks a column or holds it in another type."""


class DuplicateFixtureError(DataError):
    """One team stands in two matches at one kick-off."""


class NotEnoughDataError(DataError):
    """Fewer rows than the operation needs; ``minimum`` and ``found`` are among the facts."""


class NotReachedError(DataError):
    """The data ends before the cut-off that was asked for."""


class UnknownTeamError(DataError):
    """The tournament has never seen this team."""


class GateRefusedError(DataError):
    """A validation gate refused a candidate; the accepted version stays."""


class RejectedRowError(DataError):
    """A constraint of the database refused a row; ``table`` and ``constraint`` are among the facts."""


class AliasError(DataError):
    """An alias says that one name is two teams."""


class GateBrokenError(MatchAssetsError):
    """A gate raised instead of judging; nothing is accepted, and the candidate is not marked as refused either."""


class DependencyUnavailableError(MatchAssetsError):
    """A server that this step needs does not answer."""

    exit_code = 4


class StoreError(MatchAssetsError):
    """The object store does not hold what it should."""

    exit_code = 3


class NotAcceptedError(StoreError):
    """Nothing has been accepted for this asset and partition yet."""


class MissingObjectError(StoreError):
    """An object that a pointer names does not exist."""


class HashMismatchError(StoreError):
    """An object's bytes do not hash to the name it bears."""


class PointerConflictError(StoreError):
    """The pointer moved between reading and writing it."""


class FencedOffError(StoreError):
    """A newer run has begun on this partition; what this one would write is out of date."""


class ModelError(MatchAssetsError):
    """No model, or one that must not be served."""

    exit_code = 3


class SourceError(MatchAssetsError):
    """Something between us and the site of origin; ``url`` is among the facts."""

    exit_code = 5


class SourceUnavailableError(SourceError):
    """No usable answer within the capped retries."""

    exit_code = 4


class SourceBlockedError(SourceError):
    """The site served a block page or refused us: stop."""


class SourceBudgetError(SourceError):
    """The day's requests to this host are spent; what is left is asked for another day."""


class RobotsDisallowedError(SourceError):
    """robots.txt does not allow this path for us."""


class UnexpectedPageError(SourceError):
    """The page lacks a part that we read; ``url`` and ``part`` are among the facts."""

    exit_code = 3
