"""The HTTP interface: thin handlers over ``predicting``, ``jobs`` and the snapshot."""

import asyncio
import datetime as dt
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from match_assets.config import Params
from match_assets.errors import MatchAssetsError
from serving import pages
from serving.cache import AnswerCache
from serving.jobs import Jobs
from serving.keeper import SnapshotKeeper
from serving.metrics import ServiceMetrics
from serving.predicting import predict_batch, predict_pairs, resolve, tournament_view, unknown_match
from serving.problems import RETRY_AFTER_SECONDS, RefusedRequestError
from serving.schemas import (
    BatchAnswer,
    BatchQuery,
    FeatureSet,
    FixtureList,
    JobAnswer,
    JobTicket,
    LiveAnswer,
    ModelAnswer,
    PairQuery,
    Prediction,
    Problem,
    ReadyAnswer,
    ScrapeAnswer,
    ScrapeQuery,
    ScrapeTicket,
)
from serving.scrapes import Scrapes
from serving.snapshots import Snapshot

LARGEST_PAGE = 500
PREDICTIONS_AT_ONCE = 2

_PROBLEMS = {
    status: ResponseSpec(Problem, description=words, media_type="application/problem+json")
    for status, words in {
        400: "Not of the expected shape",
        404: "Unknown",
        409: "The match has been played",
        422: "Understood, and not possible",
        429: "Enough is asked for already; see Retry-After",
        503: "Nothing to serve yet, or a server is away; see Retry-After",
    }.items()
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problem documents that a route may answer with, for its description."""
    return {status: _PROBLEMS[status] for status in statuses}


class Parts:
    """What the handlers share, one of each in an application."""

    def __init__(
        self,
        keeper: SnapshotKeeper,
        cache: AnswerCache,
        jobs: Jobs,
        scrapes: Scrapes,
        metrics: ServiceMetrics,
        params: Params,
    ) -> None:
        self.keeper = keeper
        self.cache = cache
        self.jobs = jobs
        self.scrapes = scrapes
        self.metrics = metrics
        self.params = params
        # more at once would only wait for the same cores, and the event loop with them
        self.slots = asyncio.Semaphore(PREDICTIONS_AT_ONCE)

    def count(self, kind: str, amount: int = 1) -> None:
        """Counts predictions given out."""
        self.metrics.predictions.labels(kind).inc(amount)


def parts_of(state: State) -> Parts:
    """Dependency: the application's parts."""
    parts: Parts = state.parts
    return parts


@get(
    "/predict/{match_id:int}",
    summary="One known fixture",
    tags=["predictions"],
    responses={HTTP_200_OK: ResponseSpec(Prediction), **problems(404, 409, 503)},
)
async def predict_fixture(match_id: FromPath[int], parts: NamedDependency[Parts]) -> Response[bytes]:
    """Probabilities of a coming match, computed when its features were read: a look-up in memory."""
    snapshot = parts.keeper.snapshot()
    encoded = snapshot.encoded.get(match_id)
    if encoded is None:
        raise unknown_match(snapshot, match_id)
    parts.count("fixture")
    return Response(encoded, media_type="application/json")


@post(
    "/predict",
    status_code=HTTP_200_OK,
    summary="Any two teams",
    tags=["predictions"],
    responses=problems(400, 422, 503),
)
async def predict_pair(data: JSONBody[PairQuery], parts: NamedDependency[Parts]) -> Prediction:
    """Probabilities of two teams of a tournament meeting at a kick-off, from the state after the newest match."""
    snapshot = parts.keeper.snapshot()
    pair = resolve(snapshot, data, parts.params.service)
    answer = await parts.cache.get(snapshot, pair)
    if answer is None:
        async with parts.slots:
            [answer] = await asyncio.to_thread(predict_pairs, snapshot, [pair], parts.params.features)
        await parts.cache.put(snapshot, pair, answer)
    parts.count("pair")
    return answer


@post(
    "/predict/batch",
    status_code=HTTP_200_OK,
    summary="Several matches",
    tags=["predictions"],
    responses=problems(400, 422, 503),
)
async def predict_many(data: JSONBody[BatchQuery], parts: NamedDependency[Parts]) -> BatchAnswer:
    """Fixtures and pairs, mixed; a refused item says why and hinders no other."""
    snapshot = parts.keeper.snapshot()
    async with parts.slots:
        answer = await asyncio.to_thread(predict_batch, snapshot, data, parts.params.features, parts.params.service)
    parts.count("batch", answer.n_predicted)
    return answer


@post(
    "/predict/async",
    status_code=HTTP_202_ACCEPTED,
    summary="Several matches, by a worker",
    tags=["predictions"],
    responses=problems(400, 422, 503),
)
async def predict_later(data: JSONBody[BatchQuery], parts: NamedDependency[Parts]) -> Response[JobTicket]:
    """Hands a batch to the workers; ``GET`` the ``status_url`` for the result."""
    most = parts.params.service.max_batch
    if len(data.matches) > most:
        raise RefusedRequestError(422, f"{len(data.matches)} matches in one batch; at most {most} are allowed")
    ticket = await parts.jobs.submit(data)
    parts.metrics.jobs_enqueued.inc()
    return Response(ticket, headers={"Location": ticket.status_url})


@get("/jobs/{job_id:str}", summary="State and result of a job", tags=["predictions"], responses=problems(404, 503))
async def job(job_id: FromPath[str], parts: NamedDependency[Parts]) -> JobAnswer:
    """Queued, active, complete with its result, or failed."""
    return await parts.jobs.look_up(job_id)


@post(
    "/scrape",
    status_code=HTTP_202_ACCEPTED,
    summary="Read a season from the source",
    tags=["scrapes"],
    responses=problems(400, 422, 429, 503),
)
async def ask_for_scrape(data: JSONBody[ScrapeQuery], parts: NamedDependency[Parts]) -> Response[ScrapeTicket]:
    """Asks for a season; while that is open, asking again gives the same request. ``GET`` the ``status_url`` to follow it."""
    ticket = await parts.scrapes.submit(data)
    return Response(ticket, headers={"Location": ticket.status_url})


@get(
    "/scrape/{request_id:str}",
    summary="State of a scrape that was asked for",
    tags=["scrapes"],
    responses=problems(404, 503),
)
async def scrape(request_id: FromPath[str], parts: NamedDependency[Parts]) -> ScrapeAnswer:
    """Requested, running, done or failed, with progress or reason."""
    return await parts.scrapes.look_up(request_id)


@get("/fixtures", summary="Known fixtures", tags=["predictions"], responses=problems(400, 422, 503))
async def fixtures(
    parts: NamedDependency[Parts],
    tournament: FromQuery[str | None] = None,
    team: Annotated[str | None, QueryParameter(description="Part of a team's name.", max_length=100)] = None,
    since: Annotated[dt.date | None, QueryParameter(description="First day (UTC) of kick-off.")] = None,
    until: Annotated[dt.date | None, QueryParameter(description="Last day (UTC) of kick-off.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE)] = 100,
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
) -> FixtureList:
    """Coming matches with their probabilities, by kick-off."""
    snapshot = parts.keeper.snapshot()
    if tournament is not None:
        tournament_view(snapshot, tournament)
    found = [each for each in snapshot.fixtures if _passes(each, tournament, team, since, until)]
    page = found[offset : offset + limit]
    parts.count("list", len(page))
    return FixtureList(
        model_version=snapshot.champion.version,
        feature_version=snapshot.feature_version,
        total=len(found),
        fixtures=page,
    )


def _passes(
    fixture: Prediction, tournament: str | None, team: str | None, since: dt.date | None, until: dt.date | None
) -> bool:
    day = fixture.kick_off_utc.date()
    return (
        tournament in {None, fixture.tournament}
        and (team is None or team.casefold() in f"{fixture.home_team.name}\n{fixture.away_team.name}".casefold())
        and (since is None or since <= day)
        and (until is None or day <= until)
    )


@get("/model", summary="The champion in service", tags=["service"], responses=problems(503))
async def model(parts: NamedDependency[Parts]) -> ModelAnswer:
    """Which model and which stored objects the answers are made from."""
    keeper = parts.keeper
    snapshot = keeper.snapshot()
    return ModelAnswer(
        model_version=snapshot.champion.version,
        feature_version=snapshot.feature_version,
        cutoff=snapshot.champion.cutoff,
        n_features=len(snapshot.champion.model.feature_names),
        training=dict(snapshot.champion.model.training),
        tags=dict(snapshot.champion.tags),
        model_age_seconds=keeper.age("model"),
        features_age_seconds=keeper.age("features"),
        tournaments=sorted(snapshot.tournaments),
        n_fixtures=len(snapshot.fixtures),
        feature_sets=_feature_sets(snapshot),
    )


def _feature_sets(snapshot: Snapshot) -> list[FeatureSet]:
    return [
        FeatureSet(
            asset=held.asset,
            partition=held.partition,
            sha256=held.sha256,
            rows=held.rows,
            accepted_at=held.accepted_at,
        )
        for _, held in sorted(snapshot.sets.held.items())
    ]


@get("/health/live", summary="The process answers", tags=["service"])
async def live() -> LiveAnswer:
    """Always 200 while the process answers; says nothing of what it can serve."""
    return LiveAnswer(status="alive")


@get("/health/ready", summary="Predictions can be served", tags=["service"])
async def ready(parts: NamedDependency[Parts]) -> Response[ReadyAnswer]:
    """200 ``ready`` or ``degraded`` while predictions are served; 503 before the first snapshot."""
    keeper = parts.keeper
    snapshot = keeper.current
    redis_is_up = await parts.cache.is_up()
    faults = [f"{part}: {fault}" for part, fault in sorted(keeper.faults.items())]
    if not redis_is_up:
        faults.append("redis: does not answer; pairs are computed every time and jobs are refused")
    status = "unready" if snapshot is None else "degraded" if faults else "ready"
    answer = ReadyAnswer(
        status=status,
        model_version=snapshot.champion.version if snapshot else None,
        feature_version=snapshot.feature_version if snapshot else None,
        model_age_seconds=keeper.age("model"),
        features_age_seconds=keeper.age("features"),
        n_fixtures=len(snapshot.fixtures) if snapshot else 0,
        redis="up" if redis_is_up else "down",
        faults=faults,
    )
    if snapshot is None:
        return Response(answer, status_code=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    return Response(answer)


@get("/metrics", summary="Prometheus metrics", tags=["service"], media_type="text/plain")
async def metrics(parts: NamedDependency[Parts]) -> Response[bytes]:
    """The text format that Prometheus scrapes."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@get("/", include_in_schema=False, media_type="text/html")
async def fixtures_page(parts: NamedDependency[Parts], tournament: FromQuery[str | None] = None) -> Response[str]:
    """Coming fixtures for people."""
    headers = {"Cache-Control": "no-cache"}
    try:
        snapshot = parts.keeper.snapshot()
        if tournament is not None:
            tournament_view(snapshot, tournament)
    except MatchAssetsError as error:
        status = error.status if isinstance(error, RefusedRequestError) else 503
        if status == 503:
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return Response(pages.waiting_page(error.message), status_code=status, headers=headers, media_type="text/html")
    html = pages.fixtures_page(snapshot, tournament=tournament, features_age_seconds=parts.keeper.age("features"))
    return Response(html, headers=headers, media_type="text/html")


HANDLERS: list[Any] = [
    predict_fixture,
    predict_pair,
    predict_many,
    predict_later,
    job,
    ask_for_scrape,
    scrape,
    fixtures,
    model,
    live,
    ready,
    metrics,
    fixtures_page,
]
