"""The practice site as a server: pages for anybody, and a control under ``/_practice`` for this machine alone.

The control needs no password because it answers loopback addresses only; robots.txt keeps honest readers out of it.
"""

import asyncio
import datetime as dt
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
import uvicorn
from litestar import Controller, Litestar, Request, Response, delete, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler

from match_assets.errors import ConfigurationError, DataError
from match_assets.source.practice.facts import World
from match_assets.source.practice.faults import FaultRule, play
from match_assets.source.practice.routes import Router
from match_assets.source.practice.state import SiteState
from match_assets.source.practice.timeline import (
    FINISHED,
    POSTPONED,
    MatchView,
    Moment,
    after_next_match_day,
    changed_matches,
    final_whistle,
    released_seasons,
    view_match,
    view_season,
)

Goals = Annotated[int, msgspec.Meta(ge=0, le=30)]
SETTLED = dt.timedelta(days=6)


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far to move the clock: some match days, or to a time; ``correct`` changes one settled score besides."""

    match_days: Annotated[int, msgspec.Meta(ge=0, le=400)] = 1
    to: dt.datetime | None = None
    correct: bool = False


class Correct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finished match's score as it shall read from now on."""

    match_id: int
    home_goals: Goals
    away_goals: Goals


class Withhold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keep a result back (it is late then), or let it out."""

    match_id: int
    withheld: bool = True


class Annul(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Show nothing of a match any more, or show it again."""

    match_id: int
    annulled: bool = True


class PracticeSite:
    """A world, its state, and what the control can do with them."""

    def __init__(self, world: World, state: SiteState) -> None:
        """Join a world with the state kept for it."""
        self.world = world
        self.state = state
        self.router = Router(world)

    def advance(self, order: Advance) -> dict[str, Any]:
        """Move the clock and say what that changed.

        Raises:
            HTTPException: 409 when nothing is left to play, 400 when the time asked for lies behind the clock.
        """
        before = self.state.moment
        target = self._target(order)
        if target < before.clock_utc:
            raise HTTPException(
                f"the clock stands at {_text(before.clock_utc)} and never goes back; name a later time", status_code=400
            )
        self.state.set_clock(target)
        if order.correct:
            match = self._settled_match()
            self.state.correct(
                match.match.match_id, (min(match.goals[0] + 1, 30), match.goals[1]) if match.goals else (1, 0)
            )
        return self._report(before)

    def correct(self, order: Correct) -> dict[str, Any]:
        """Change the score of a finished match.

        Raises:
            HTTPException: 404 for an unknown match, 409 for one without a result.
        """
        before = self.state.moment
        if self._view(order.match_id).status != FINISHED:
            raise HTTPException(f"match {order.match_id} has no result yet; advance the clock first", status_code=409)
        self.state.correct(order.match_id, (order.home_goals, order.away_goals))
        return self._report(before)

    def withhold(self, order: Withhold) -> dict[str, Any]:
        """Keep a result back, or let it out.

        Raises:
            HTTPException: 404 for an unknown match.
        """
        before = self.state.moment
        self._view(order.match_id)
        self.state.withhold(order.match_id, is_withheld=order.withheld)
        return self._report(before)

    def annul(self, order: Annul) -> dict[str, Any]:
        """Show nothing of a match any more, or show it again.

        Raises:
            HTTPException: 404 for an unknown match.
        """
        before = self.state.moment
        self._view(order.match_id)
        self.state.annul(order.match_id, is_annulled=order.annulled)
        return self._report(before)

    def status(self) -> dict[str, Any]:
        """Clock, world, progress of the newest seasons, faults and number of requests."""
        moment = self.state.moment
        next_clock = after_next_match_day(self.world, moment.clock_utc)
        newest = [(t, released_seasons(t.seasons, moment)[-1]) for t in self.world.tournaments]
        return {
            "clock": _text(moment.clock_utc),
            "clock_after_next_match_day": _text(next_clock) if next_clock else None,
            "world": self.world.identity,
            "origin": self.world.origin,
            "tournaments": [
                {
                    "region_id": tournament.region_id,
                    "tournament_id": tournament.tournament_id,
                    "name": tournament.name,
                    "season": season.key,
                    "stage_id": season.stage_id,
                    "n_matches": len(season.matches),
                    "n_finished": sum(view.status == FINISHED for view in view_season(season, moment)),
                }
                for tournament, season in newest
            ],
            "corrections": len(moment.corrections),
            "withheld": sorted(moment.withheld),
            "annulled": sorted(moment.annulled),
            "faults": self.state.faults,
            "n_requests": self.state.request_count(),
        }

    def _target(self, order: Advance) -> dt.datetime:
        if order.to is not None:
            return order.to.replace(tzinfo=dt.UTC) if order.to.tzinfo is None else order.to.astimezone(dt.UTC)
        target = self.state.moment.clock_utc
        for _ in range(order.match_days):
            next_clock = after_next_match_day(self.world, target)
            if next_clock is None:
                raise HTTPException(
                    f"nothing is left to play after {_text(target)}: the world ends here", status_code=409
                )
            target = next_clock
        return target

    def _view(self, match_id: int) -> MatchView:
        if match_id not in self.world.matches:
            raise HTTPException(f"no match {match_id} in this world", status_code=404)
        return view_match(self.world.matches[match_id][2], self.state.moment)

    def _settled_match(self) -> MatchView:
        """The newest match that has had its result for some days and was not yet changed by hand."""
        moment = self.state.moment
        views = [view_match(match, moment) for _, _, match in self.world.matches.values()]
        finished = [v for v in views if v.status == FINISHED and v.match.match_id not in moment.corrections]
        if not finished:
            raise HTTPException("no finished match to correct; advance the clock first", status_code=409)
        settled = [view for view in finished if final_whistle(view.match) <= moment.clock_utc - SETTLED]
        return max(settled or finished, key=lambda view: (final_whistle(view.match), view.match.match_id))

    def _report(self, before: Moment) -> dict[str, Any]:
        after = self.state.moment
        changed = changed_matches(self.world, before, after)
        old = {match_id: view_match(self.world.matches[match_id][2], before) for match_id in changed}
        partitions: dict[tuple[int, str], list[int]] = {}
        for match_id in sorted(changed):
            tournament, season, _ = self.world.matches[match_id]
            partitions.setdefault((tournament.tournament_id, season.key), []).append(match_id)
        return {
            "clock": _text(after.clock_utc),
            "played": [i for i, v in sorted(changed.items()) if v.status == FINISHED and old[i].status != FINISHED],
            "corrected": [
                i for i, v in sorted(changed.items()) if v.goals and old[i].goals and v.goals != old[i].goals
            ],
            "postponed": [i for i, v in sorted(changed.items()) if v.status == POSTPONED],
            "annulled": sorted(after.annulled - before.annulled),
            "changed": [
                {"tournament_id": tournament_id, "season": season, "match_ids": ids}
                for (tournament_id, season), ids in sorted(partitions.items())
            ],
        }


def loopback_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse the control to other machines.

    Raises:
        PermissionDeniedException: the request did not come from this machine.
    """
    host = connection.client.host if connection.client else ""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise PermissionDeniedException("the practice site's control answers this machine only")


class Control(Controller):
    """The site's switches."""

    path = "/_practice"
    guards = (loopback_only,)

    @get("/state", sync_to_thread=False)
    def read_state(self, state: State) -> dict[str, Any]:
        """Where the site stands."""
        return _site(state).status()

    @post("/advance", status_code=200, sync_to_thread=False)
    def advance(self, state: State, data: Advance | None = None) -> dict[str, Any]:
        """Play the next match day, or more."""
        return _site(state).advance(data or Advance())

    @post("/correct", status_code=200, sync_to_thread=False)
    def correct(self, state: State, data: Correct) -> dict[str, Any]:
        """Change a score."""
        return _site(state).correct(data)

    @post("/withhold", status_code=200, sync_to_thread=False)
    def withhold(self, state: State, data: Withhold) -> dict[str, Any]:
        """Keep a result back or let it out."""
        return _site(state).withhold(data)

    @post("/annul", status_code=200, sync_to_thread=False)
    def annul(self, state: State, data: Annul) -> dict[str, Any]:
        """Show nothing of a match any more, or show it again."""
        return _site(state).annul(data)

    @get("/truth", sync_to_thread=False)
    def truth(self, state: State, match_id: int) -> dict[str, float]:
        """The true chances of a match."""
        try:
            home, draw, away = _site(state).world.true_probabilities(match_id)
        except DataError as error:
            raise HTTPException(error.message, status_code=404) from error
        return {"home": home, "draw": draw, "away": away}

    @get("/faults", sync_to_thread=False)
    def read_faults(self, state: State) -> list[dict[str, Any]]:
        """Faults still to be played."""
        return _site(state).state.faults

    @post("/faults", sync_to_thread=False)
    def add_fault(self, state: State, data: FaultRule) -> dict[str, int]:
        """Play a fault from now on."""
        try:
            return {"id": _site(state).state.add_fault(data)}
        except ConfigurationError as error:
            raise HTTPException(error.message, status_code=400) from error

    @delete("/faults", status_code=200, sync_to_thread=False)
    def clear_faults(self, state: State) -> dict[str, int]:
        """Forget all faults."""
        return {"cleared": _site(state).state.clear_faults()}

    @get("/access-log", sync_to_thread=False)
    def read_access_log(self, state: State, after_id: int = 0, limit: int = 10_000) -> list[Mapping[str, Any]]:
        """Who asked for what, and when."""
        return _site(state).state.access_log(after_id, limit)

    @delete("/access-log", status_code=200, sync_to_thread=False)
    def clear_access_log(self, state: State) -> dict[str, bool]:
        """Forget who asked for what."""
        _site(state).state.clear_access_log()
        return {"cleared": True}


@get(["/", "/{page_path:path}"], include_in_schema=False)
async def page(request: Request[Any, Any, State], state: State) -> Response[bytes]:
    """Any page of the site, spoilt by a fault where one is due."""
    site = _site(state)
    # Litestar's own path has lost its last slash; rules and log speak of what was asked for
    path, query = unquote(request.scope["raw_path"].decode("latin-1")), request.url.query
    full_path = f"{path}?{query}" if query else path
    answer = site.router.answer(path, request.query_params.get("d", ""), site.state.moment)
    rule = site.state.take_fault(full_path)
    if rule is not None:
        answer = play(rule, answer)
    kind = rule.kind if rule else None
    agent = request.headers.get("user-agent", "")
    site.state.log(request.method, full_path, answer.status, fault=kind, size=len(answer.body), user_agent=agent)
    if answer.delay_seconds:
        await asyncio.sleep(answer.delay_seconds)
    headers = {"retry-after": answer.retry_after} if answer.retry_after else {}
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type, headers=headers)


def create_site(world: World, state_dir: Path) -> Litestar:
    """The site as an ASGI application, with its state in ``state_dir``.

    Raises:
        ConfigurationError: the folder's state is in use or belongs to another world.
    """
    state = SiteState(state_dir, world)
    return Litestar(
        route_handlers=[page, Control],
        state=State({"site": PracticeSite(world, state)}),
        on_shutdown=[state.close],
        openapi_config=None,
        logging_config=None,
    )


def serve(world: World, *, host: str, port: int, state_dir: Path) -> None:
    """Serve the site until a signal ends it.

    Raises:
        ConfigurationError: as ``create_site``.
    """
    application = create_site(world, state_dir)
    # without an end to the wait, one slow answer would keep a stopped site alive
    uvicorn.run(application, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2)


def _site(state: State) -> PracticeSite:
    site: PracticeSite = state["site"]
    return site


def _text(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
