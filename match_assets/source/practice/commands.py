"""``practice-site``: serve a practice site, and work the controls of one that runs."""

import datetime as dt
from pathlib import Path
from typing import Any, get_args

import click
import httpx

from match_assets.config import read_environment
from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.source.practice.csv_world import read_csv_world
from match_assets.source.practice.facts import World
from match_assets.source.practice.faults import FaultKind
from match_assets.source.practice.world import DEFAULT_SEED, START_CLOCK, draw_world

DEFAULT_PORT = 8765
DEFAULT_STATE_DIR = Path(".match-assets/practice-site")
ANSWER_WITHIN_SECONDS = 30.0

url_option = click.option(
    "--url", help="Address of the running site; MATCH_ASSETS_SOURCE_URL or the default port of this machine without."
)


@click.group(name="practice-site")
def practice_site() -> None:
    """A local site shaped like the source, with its own clock, to practise on."""


@practice_site.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--state-dir", default=DEFAULT_STATE_DIR, show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--seed", default=DEFAULT_SEED, show_default=True, help="Seed of the drawn world.")
@click.option("--from-csv", type=click.Path(path_type=Path), help="Folder of football-data files to show instead.")
@click.option("--leagues", default="", help="With --from-csv: league folders, separated by commas.")
@click.option("--seasons", default="", help="With --from-csv: first years of seasons, separated by commas.")
@click.option("--clock", help="Where the site's clock begins on a new state (ISO, UTC).")
def serve(
    *,
    host: str,
    port: int,
    state_dir: Path,
    seed: int,
    from_csv: Path | None,
    leagues: str,
    seasons: str,
    clock: str | None,
) -> None:
    """Serve the site until it is stopped."""
    # uvicorn and litestar are needed here alone; the other commands should not wait for them
    from match_assets.source.practice.site import serve as serve_site

    world = _world(seed, from_csv, leagues, seasons, _parse_clock(clock))
    click.echo(f"practice site ({world.origin}) at http://{host}:{port}, state in {state_dir}")
    serve_site(world, host=host, port=port, state_dir=state_dir)


@practice_site.command()
@url_option
@click.option("--match-days", default=1, show_default=True, type=click.IntRange(1, 400), help="How many to play.")
@click.option("--to", "to_time", help="Move the clock to this time instead (ISO, UTC).")
@click.option("--correct", is_flag=True, help="Change one settled score besides.")
def advance(url: str | None, match_days: int, to_time: str | None, correct: bool) -> None:
    """Play the next match day, or more."""
    target = _parse_clock(to_time)
    order = {"match_days": match_days, "to": target.isoformat() if target else None, "correct": correct}
    _echo_report(_call(url, "POST", "advance", order))


@practice_site.command()
@url_option
@click.argument("match_id", type=int)
@click.argument("home_goals", type=click.IntRange(0, 30))
@click.argument("away_goals", type=click.IntRange(0, 30))
def correct(url: str | None, match_id: int, home_goals: int, away_goals: int) -> None:
    """Change the score of a finished match."""
    order = {"match_id": match_id, "home_goals": home_goals, "away_goals": away_goals}
    _echo_report(_call(url, "POST", "correct", order))


@practice_site.command()
@url_option
@click.argument("match_id", type=int)
@click.option("--undo", is_flag=True, help="Show it again.")
def annul(url: str | None, match_id: int, undo: bool) -> None:
    """Show nothing of a match any more, as a league does that annuls it."""
    _echo_report(_call(url, "POST", "annul", {"match_id": match_id, "annulled": not undo}))


@practice_site.command()
@url_option
@click.argument("kind", type=click.Choice([*get_args(FaultKind), "none"]))
@click.option("--path", "path_regex", default=".*", show_default=True, help="Regular expression on path and query.")
@click.option("--times", type=click.IntRange(min=1), help="How many answers to spoil; all without.")
@click.option("--retry-after", help="Retry-After of a 429 or 503.")
@click.option("--delay-seconds", default=5.0, show_default=True, help="How long a slow answer takes.")
def fault(
    *, url: str | None, kind: str, path_regex: str, times: int | None, retry_after: str | None, delay_seconds: float
) -> None:
    """Make the site fail in some way; the kind `none` ends all faults."""
    if kind == "none":
        click.echo(f"{_call(url, 'DELETE', 'faults')['cleared']} faults ended")
        return
    rule = {
        "path_regex": path_regex,
        "kind": kind,
        "times": times,
        "retry_after": retry_after,
        "delay_seconds": delay_seconds,
    }
    click.echo(f"fault {_call(url, 'POST', 'faults', rule)['id']}: {kind} on {path_regex}")


@practice_site.command()
@url_option
def status(url: str | None) -> None:
    """Where the site's clock stands, and what it has played."""
    state = _call(url, "GET", "state")
    click.echo(f"clock {state['clock']}  world {state['world']} ({state['origin']})")
    click.echo(f"next match day over at {state['clock_after_next_match_day'] or 'never: nothing is left to play'}")
    for tournament in state["tournaments"]:
        click.echo(
            f"  {tournament['name']} {tournament['season']}: "
            f"{tournament['n_finished']} of {tournament['n_matches']} matches finished"
        )
    for rule in state["faults"]:
        click.echo(
            f"  fault {rule['id']}: {rule['kind']} on {rule['path_regex']}, left: {rule['times_left'] or 'always'}"
        )
    click.echo(f"{state['n_requests']} requests answered, {state['corrections']} scores changed by hand")


def _world(seed: int, from_csv: Path | None, leagues: str, seasons: str, clock: dt.datetime | None) -> World:
    if from_csv is None:
        if leagues or seasons:
            raise ConfigurationError("--leagues and --seasons choose among real files; give --from-csv with them")
        return draw_world(seed, start_clock=clock or START_CLOCK)
    try:
        years = [int(year) for year in _listed(seasons)]
    except ValueError as error:
        raise ConfigurationError(f"--seasons {seasons!r}: name first years, such as 2022,2023") from error
    return read_csv_world(from_csv, leagues=_listed(leagues), seasons=years, start_clock=clock)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _parse_clock(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no time; write it like 2025-02-10T12:00") from error
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _call(url: str | None, method: str, action: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the control of the running site.

    Raises:
        DependencyUnavailableError: no site answers there.
        ConfigurationError: the site refused, for the reason it gives.
    """
    base = url or read_environment().get("MATCH_ASSETS_SOURCE_URL") or f"http://127.0.0.1:{DEFAULT_PORT}"
    address = f"{base.rstrip('/')}/_practice/{action}"
    try:
        answer = httpx.request(method, address, json=body, timeout=ANSWER_WITHIN_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise DependencyUnavailableError(
            f"{base}: no practice site answers ({error}); start one with `match-assets practice-site serve`", url=base
        ) from error
    if answer.is_error:
        raise ConfigurationError(f"{address}: {_reason(answer)}", url=address, status=answer.status_code)
    return answer.json()


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        details = [f"{extra['key']}: {extra['message']}" for extra in problem.get("extra") or ()]
        return "; ".join([str(problem["detail"]), *details])
    except (ValueError, KeyError, TypeError):
        return f"answered {answer.status_code}: not a practice site's control"


def _echo_report(report: dict[str, Any]) -> None:
    click.echo(f"clock {report['clock']}")
    for name in ("played", "corrected", "postponed", "annulled"):
        if report[name]:
            click.echo(f"  {name}: {', '.join(map(str, report[name]))}")
    for partition in report["changed"]:
        n_matches = len(partition["match_ids"])
        click.echo(
            f"  tournament {partition['tournament_id']} season {partition['season']}: {n_matches} matches changed"
        )
