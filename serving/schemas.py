"""What goes over the wire: requests (strict, unknown fields refused) and answers.

A key that stands twice in a JSON object counts with its last value, as in most JSON readers. A number written as a string
is read as that number, a number as ``kick_off`` as Unix seconds: Litestar reads bodies leniently.
"""

import datetime as dt
from typing import Annotated, Any

import msgspec

LARGEST_ID = 2**53 - 1  # the largest integer that every JSON reader keeps exact

# ids below zero are this project's own, for what only imported files name
MatchId = Annotated[
    int, msgspec.Meta(ge=-LARGEST_ID, le=LARGEST_ID, description="The source's match id; below zero: from a file.")
]
TeamId = Annotated[
    int, msgspec.Meta(ge=-LARGEST_ID, le=LARGEST_ID, description="The source's team id; below zero: from files only.")
]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Season = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$", description="Year in which the season begins, e.g. 2024.")]
# one line: PostgreSQL holds no NUL, and nobody needs control characters to say why
Words = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Instant = Annotated[dt.datetime, msgspec.Meta(tz=True, description="ISO 8601 with offset, e.g. 2025-03-01T15:00:00Z.")]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that a client sends."""


class PairQuery(Request, frozen=True, kw_only=True):
    """Two teams of a tournament and a kick-off; each team by ``*_team_id`` or by ``*_team`` (its name), not both."""

    tournament: Name
    kick_off: Instant
    home_team: Name | None = None
    home_team_id: TeamId | None = None
    away_team: Name | None = None
    away_team_id: TeamId | None = None


class BatchItem(Request, frozen=True, kw_only=True):
    """Either ``match_id`` of a known fixture, or the fields of a pair query."""

    match_id: MatchId | None = None
    tournament: Name | None = None
    kick_off: Instant | None = None
    home_team: Name | None = None
    home_team_id: TeamId | None = None
    away_team: Name | None = None
    away_team_id: TeamId | None = None


class BatchQuery(Request, frozen=True, kw_only=True):
    """Several predictions at once, all from one model and one set of features."""

    matches: Annotated[list[BatchItem], msgspec.Meta(min_length=1)]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that the service sends."""


class Team(Answer, frozen=True, kw_only=True):
    """A team as the source numbers and names it."""

    id: int
    name: str


class Probabilities(Answer, frozen=True, kw_only=True):
    """Chances of the three outcomes after regular time; each strictly between 0 and 1, in sum 1."""

    home: float
    draw: float
    away: float


class Prediction(Answer, frozen=True, kw_only=True):
    """Outcome probabilities of one match and what made them.

    ``match_id`` is null for a pair that is no known fixture. ``features_sha256`` names the stored object that the feature
    row came from: the match features of a known fixture, the team state of a pair.
    """

    match_id: int | None
    tournament: str
    season: str
    kick_off_utc: dt.datetime
    home_team: Team
    away_team: Team
    probabilities: Probabilities
    model_version: str
    feature_version: str
    features_sha256: str


class Refusal(Answer, frozen=True, kw_only=True):
    """Why one item of a batch has no prediction."""

    status: int
    title: str
    detail: str


class BatchResult(Answer, frozen=True, kw_only=True):
    """One item of a batch, in the order of the request: a prediction or a refusal."""

    prediction: Prediction | None = None
    refusal: Refusal | None = None


class BatchAnswer(Answer, frozen=True, kw_only=True):
    """All items of a batch, made by one model and one set of features."""

    model_version: str
    feature_version: str
    n_predicted: int
    n_refused: int
    results: list[BatchResult]


class FixtureList(Answer, frozen=True, kw_only=True):
    """A slice of the known fixtures by kick-off; ``total`` counts all that pass the filters."""

    model_version: str
    feature_version: str
    total: int
    fixtures: list[Prediction]


class JobTicket(Answer, frozen=True, kw_only=True):
    """Where to ask for a batch that a worker computes."""

    job_id: str
    status: str
    status_url: str


class JobAnswer(Answer, frozen=True, kw_only=True):
    """State of a job: ``queued``, ``active``, ``complete`` (then with its result) or ``failed``."""

    job_id: str
    status: str
    attempts: int
    detail: str | None = None
    result: BatchAnswer | None = None


class ScrapeQuery(Request, frozen=True, kw_only=True):
    """A season of a tournament to read from the source now; ``reason`` is for people."""

    tournament: Name
    season: Season
    reason: Words = ""


class ScrapeTicket(Answer, frozen=True, kw_only=True):
    """Where to follow a scrape that was asked for."""

    request_id: str
    state: str
    status_url: str


class ScrapeAnswer(Answer, frozen=True, kw_only=True):
    """How far a scrape is: ``requested``, ``running``, ``done`` or ``failed``.

    ``detail`` tells the progress or why it failed, ``run_id`` names the orchestrator's run.
    """

    request_id: str
    tournament: str
    season: str
    reason: str
    state: str
    detail: str
    run_id: str | None
    requested_at: dt.datetime
    updated_at: dt.datetime


class FeatureSet(Answer, frozen=True, kw_only=True):
    """One stored object that the service reads."""

    asset: str
    partition: str
    sha256: str
    rows: int
    accepted_at: dt.datetime


class ModelAnswer(Answer, frozen=True, kw_only=True):
    """The champion in service and the features beside it.

    Ages are seconds since the part was last found current at its source; null while only the local copy was read.
    """

    model_version: str
    feature_version: str
    cutoff: str | None
    n_features: int
    training: dict[str, Any]
    tags: dict[str, str]
    model_age_seconds: float | None
    features_age_seconds: float | None
    tournaments: list[str]
    n_fixtures: int
    feature_sets: list[FeatureSet]


class FeatureAnswer(Answer, frozen=True, kw_only=True):
    """A feature: what it is, and what it may be; ``lowest`` and ``highest`` are null where nothing bounds it."""

    name: str
    group: str
    unit: str
    description: str
    window: int | None
    null_when: str
    source: str
    lowest: float | None
    highest: float | None


class FeatureList(Answer, frozen=True, kw_only=True):
    """Every feature of a team, those that a match adds to both teams', and the columns that the champion reads."""

    feature_version: str
    model_version: str
    team_features: list[FeatureAnswer]
    match_features: list[FeatureAnswer]
    read_by_model: list[str]


class RowPrediction(Answer, frozen=True, kw_only=True):
    """Outcome probabilities of features that the caller sent."""

    probabilities: Probabilities
    model_version: str
    feature_version: str


class LiveAnswer(Answer, frozen=True, kw_only=True):
    """The process answers."""

    status: str


class ReadyAnswer(Answer, frozen=True, kw_only=True):
    """Whether predictions can be served.

    ``ready``; ``degraded`` (predictions are served, something beside them is not); ``unready`` (status 503).
    """

    status: str
    model_version: str | None
    feature_version: str | None
    features_age_seconds: float | None
    model_age_seconds: float | None
    n_fixtures: int
    redis: str
    faults: list[str]


class Problem(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 describes it, ``application/problem+json``."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, Any]] = []
