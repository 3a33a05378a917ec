"""The site's HTML pages: home, tournament and season, match, and robots.txt.

The parts that a reader of the real site looks for stand where the real pages have them, in the same notation: option
lists, JavaScript literals with unquoted keys and elided slots, and JSON on one line. The rest of the page is plain.
Every page says in a meta tag that it is a practice page and where its facts come from.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

from match_assets.source.practice.facts import Season, Tournament, World
from match_assets.source.practice.feed import feed
from match_assets.source.practice.match_centre import match_centre, score_text
from match_assets.source.practice.scripts import json_literal, string_literal
from match_assets.source.practice.standings import standings_literal
from match_assets.source.practice.timeline import MatchView, Moment, released_seasons, view_match, view_season

ROBOTS = "User-agent: *\nDisallow: /_practice\n"

FORMATIONS = {"2": "442", "4": "433", "8": "4231", "12": "352"}
EVENT_TYPES = {"shotsTotal": 10, "shotOnTarget": 9, "shotOffTarget": 7, "shotBlocked": 11, "cornerAwarded": 31}


def home_page(world: World) -> bytes:
    """The page at ``/``: all regions and their tournaments."""
    links = "".join(
        f'<li><a href="{_tournament_link(t)}">{_text(t.region_name)}: {_text(t.name)}</a></li>'
        for t in world.tournaments
    )
    body = f"<h1>Football for practice</h1>\n<ul>{links}</ul>\n{_regions_script(world)}"
    return _page(world, "Practice site", body)


def season_page(world: World, tournament: Tournament, season: Season, moment: Moment) -> bytes:
    """A tournament's page with one season shown: season list, calendar mask, stage id, table and one week of matches.

    There is no stage list, as on the real site where a season is played in a single stage.
    """
    views = view_season(season, moment)
    slug = _slug(tournament.region_name, tournament.name, season.name)
    stage = f"{_season_path(tournament, season).lower()}/stages/{season.stage_id}"
    title = f"{tournament.region_name} {tournament.name} {season.name}"
    body = f"""<div id="breadcrumb-nav">
<span class="iconize iconize-icon-left">{_text(tournament.region_name)}</span><span class="separator">»</span>
<span><select id="tournaments" name="tournaments">{_tournament_options(world, tournament)}</select></span>
<span class="separator">»</span>
<span><select id="seasons" name="seasons">{_season_options(tournament, season, moment)}</select></span>
</div>
<h1 class="tournament-header">{_text(tournament.name)}</h1>
<div id="sub-navigation"><ul><li><a href="{stage}/show/{slug}" class="selected">Summary</a></li>\
<li><a href="{stage}/fixtures/{slug}" class="">Fixtures</a></li></ul></div>
{_week_script(world, tournament, season, views, moment)}
<script>
    var tables = [];
    tables.push({{
        "id": {season.stage_id},
        "stageId": {season.stage_id},
        "standingsGroupIdx":0,
        "standings": {standings_literal(world, season.stage_id, views)}
    }});
    require.config.params['args'] = {{
        stageId: {season.stage_id},
        isAggregate: false,

        isOptaStage: {"true" if world.has_details else "false"},
        tournamentTopPlayers:[],
        tournamentTables: tables,
        hasBestEleven: false
    }};

    var wsCalendar = {{
{_calendar(views)}
        stageId: {season.stage_id},
        isAggregate: false
    }};
</script>
{_regions_script(world)}"""
    return _page(world, title, body)


def match_page(world: World, match_id: int, moment: Moment) -> bytes:
    """A match's page: header, and the match centre once it is over."""
    tournament, season, match = world.matches[match_id]
    view = view_match(match, moment)
    centre = match_centre(world, view, tournament.region_name)
    home, away = world.teams[match.home_team_id], world.teams[match.away_team_id]
    score = score_text(view.goals).replace(" : ", "-") or "vs"
    title = f"{home.short_name} {score} {away.short_name} - {tournament.name} {season.name} Live"
    season_link = f"{_season_path(tournament, season)}/{_slug(tournament.region_name, tournament.name)}"
    body = f"""<div id="breadcrumb-nav"><span>{_text(tournament.region_name)}</span><span class="separator">»</span>
<a href="{season_link}">{_text(tournament.name)} - {season.name}</a></div>
<script type="text/javascript">
    require.config.params['matchheader'] = {{
        input: {_header(world, tournament, view)}
,
        matchId: {match_id}
    }};
</script>
<script>
    require.config.params["args"] = {{
        matchId:{match_id},
        matchCentreData: {json_literal(centre)}
,
        matchCentreEventTypeJson: {json_literal(EVENT_TYPES)},
        formationIdNameMappings:{json_literal(FORMATIONS)}
    }};
</script>"""
    return _page(world, title, body)


def shown_season(tournament: Tournament, season_id: int | None, moment: Moment) -> Season | None:
    """The season that a path asks for, the newest one listed without an id; ``None`` when it is not listed."""
    listed = released_seasons(tournament.seasons, moment)
    if season_id is None:
        return listed[-1]
    return next((season for season in listed if season.season_id == season_id), None)


def _page(world: World, title: str, body: str) -> bytes:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
    <meta http-equiv="content-type" content="text/html; charset=utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="robots" content="noindex, nofollow">
    <meta name="practice-site" content="{_text(world.origin)}">
    <title>{_text(title)}</title>
    <script>var require = {{ config: {{ params: {{}} }} }};</script>
</head>
<body>
{body}
</body>
</html>
""".encode()


def _tournament_path(tournament: Tournament) -> str:
    return f"/Regions/{tournament.region_id}/Tournaments/{tournament.tournament_id}"


def _tournament_link(tournament: Tournament) -> str:
    return f"{_tournament_path(tournament)}/{_slug(tournament.region_name, tournament.name)}"


def _season_path(tournament: Tournament, season: Season) -> str:
    return f"{_tournament_path(tournament)}/Seasons/{season.season_id}"


def _tournament_options(world: World, shown: Tournament) -> str:
    same_region = [t for t in world.tournaments if t.region_id == shown.region_id]
    return _options((_tournament_link(t), t.name, t.tournament_id == shown.tournament_id) for t in same_region)


def _season_options(tournament: Tournament, shown: Season, moment: Moment) -> str:
    slug = _slug(tournament.region_name, tournament.name)
    listed = reversed(released_seasons(tournament.seasons, moment))
    return _options(
        (f"{_season_path(tournament, season)}/{slug}", season.name, season.season_id == shown.season_id)
        for season in listed
    )


def _options(entries: Iterable[tuple[str, str, bool]]) -> str:
    mark = {True: 'selected="selected" ', False: ""}
    return "\n".join(
        f'<option {mark[is_shown]}value="{_text(path)}">{_text(label)}</option>' for path, label, is_shown in entries
    )


def _regions_script(world: World) -> str:
    regions: dict[int, list[Tournament]] = {}
    for tournament in world.tournaments:
        regions.setdefault(tournament.region_id, []).append(tournament)
    entries = []
    for region_id, tournaments in regions.items():
        listed = ", ".join(
            f"{{id:{t.tournament_id}, url:{string_literal(_tournament_link(t).lower())}, "
            f"name:{string_literal(t.name)}, sortOrder:{t.sort_order}}}"
            for t in tournaments
        )
        first = tournaments[0]
        entries.append(
            f"{{type:1, id:{region_id}, flg:{string_literal('flg-' + first.region_code)}, "
            f"name: {string_literal(first.region_name)}, tournaments: [{listed}]}}"
        )
    return '<script type="text/javascript">\nvar allRegions = [' + ",\n".join(entries) + "];\n</script>"


def _week_script(
    world: World, tournament: Tournament, season: Season, views: Sequence[MatchView], moment: Moment
) -> str:
    """The week around the next match (the last week of a season that is over), as the page's own component gets it."""
    week_of = next((v for v in views if v.goals is None), views[-1]).kick_off_local.isocalendar()[:2]
    week = [view for view in views if view.kick_off_local.isocalendar()[:2] == week_of]
    links = "\n".join(_match_link(world, tournament, season, view) for view in week)
    document = json_literal(feed(world, tournament, season, week, moment))
    key = f'data-hypernova-key="tournamentfixtures" data-hypernova-id="practice-{season.stage_id}"'
    return f'<div {key}>\n{links}\n</div>\n<script type="application/json" {key}><!--{document}--></script>'


def _match_link(world: World, tournament: Tournament, season: Season, view: MatchView) -> str:
    home, away = world.teams[view.match.home_team_id].name, world.teams[view.match.away_team_id].name
    path = (
        f"/Matches/{view.match.match_id}/Live/{_slug(tournament.region_name, tournament.name, season.name, home, away)}"
    )
    return f'<a href="{path}">{_text(home)} {score_text(view.goals) or "vs"} {_text(away)}</a>'


def _calendar(views: Sequence[MatchView]) -> str:
    """First and last day, the day shown, and ``mask[year][month from 0][day]`` of all days with matches."""
    days = sorted({view.kick_off_local.date() for view in views})
    shown = next((v.kick_off_local.date() for v in views if v.goals is None), days[-1])
    years: dict[int, dict[int, list[int]]] = {}
    for day in days:
        years.setdefault(day.year, {}).setdefault(day.month - 1, []).append(day.day)
    mask = ",".join(
        f"{year}:{{" + ",".join(f"{m}:{{" + ",".join(f"{d}:1" for d in ds) + "}" for m, ds in months.items()) + "}"
        for year, months in years.items()
    )
    first, last = ((day.year, day.month - 1, day.day) for day in (days[0], days[-1]))
    return f"""        min: (new Date({first[0]}, {first[1]}, {first[2]})).toString(),
        max: (new Date({last[0]}, {last[1]}, {last[2]})).toString(),
        fixtureDate: (new Date({shown.year}, {shown.month - 1}, {shown.day}, 0, 0, 0)).toString(),
        mask:{{{mask}}},"""


def _header(world: World, tournament: Tournament, view: MatchView) -> str:
    """Ids, names, start, day, status, elapsed, half time, full time, extra time, penalties, score and countries."""
    match, local = view.match, view.kick_off_local
    home, away = world.teams[match.home_team_id], world.teams[match.away_team_id]
    half_time, full_time = score_text(view.half_time_goals), score_text(view.goals)
    slots = [
        str(home.team_id),
        str(away.team_id),
        string_literal(home.short_name),
        string_literal(away.short_name),
        f"'{local:%d/%m/%Y %H:%M:%S}'",
        f"'{local:%d/%m/%Y} 00:00:00'",
        str(view.status),
        f"'{view.elapsed}'",
        f"'{half_time}'" if half_time else "",
        f"'{full_time}'" if full_time else "",
        "",
        "",
        f"'{full_time}'" if full_time else "",
        string_literal(tournament.region_name),
        string_literal(tournament.region_name),
    ]
    return f"[{','.join(slots)}]"


def _text(text: str) -> str:
    return html.escape(text)


def _slug(*names: str) -> str:
    plain = unicodedata.normalize("NFKD", " ".join(names)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
