"""Tiny pages in the source's shapes, made by hand for parsers and ingestion."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

REGION, TOURNAMENT, SEASON, STAGE = 77, 701, 9100, 31000
TEAMS = {11: "North United", 12: "Ålesund İ & Söhne", 13: "St. O'Neill's", 14: "Vale"}
# What a club may be called, as far as pages, tables and files are concerned.
NAMES = [
    "İstanbul Başakşehir",
    "Preußen Münster",
    "Bodø/Glimt",
    "St. O'Neill's",
    'The "Reds"',
    "A\u00a0B",
    "  two  spaces ",
    "Brighton &amp; Hove",
    "Brighton & Hove",
    "Cafe\u0301",
    "Café",
    "東京",
    "😀 FC",
    "</script><script>alert(1)</script>",
    "back\\slash\nline",
    "x" * 300,
]
RECORDED = {"touches": {"1": 300}, "passesTotal": {"1": 200}, "ratings": {"1": 6.1}}


def home_page(region: int = REGION, tournament: int = TOURNAMENT) -> str:
    """Home page listing one tournament beside another region."""
    return (
        "<html><body><script>\nvar allRegions = [{type:1, id:1, flg:'flg-x', name: 'Elsewhere', tournaments: []},"
        f"\n{{type:1, id:{region}, flg:'flg-y', name: 'Testland', tournaments: [{{id:{tournament}, "
        f"url:'/regions/{region}/tournaments/{tournament}/testland-league', name:'League', sortOrder:1}}]}}];\n"
        "</script></body></html>"
    )


def season_page(
    days: Sequence[dt.date],
    *,
    seasons: Mapping[int, str] | None = None,
    shown: int = SEASON,
    stage: int = STAGE,
    stages: Mapping[int, str] | None = None,
) -> str:
    """A season's page (and a tournament's, which shows one of its seasons)."""
    mask: dict[int, dict[int, dict[int, int]]] = {}
    for day in days:
        mask.setdefault(day.year, {}).setdefault(day.month - 1, {})[day.day] = 1
    options = "\n".join(
        f"<option{' selected=' + chr(34) + 'selected' + chr(34) if season == shown else ''}"
        f' value="/Regions/{REGION}/Tournaments/{TOURNAMENT}/Seasons/{season}/testland-league">{name}</option>'
        for season, name in (seasons or {SEASON: "2024/2025"}).items()
    )
    stage_list = ""
    if stages:
        base = f"/Regions/{REGION}/Tournaments/{TOURNAMENT}/Seasons/{shown}/Stages"
        stage_list = '<select id="stages" name="stages">' + "".join(
            f'<option value="{base}/{number}/x">{name}</option>' for number, name in stages.items()
        )
        stage_list += "</select>"
    literal = str(mask).replace(" ", "")
    return (
        f'<html><body><select id="seasons" name="seasons">{options}</select>{stage_list}<script>'
        f"require.config.params['args'] = {{ stageId: {stage}, isAggregate: false }};\n"
        "var wsCalendar = { min: (new Date(2024, 7, 1)).toString(), max: (new Date(2025, 4, 1)).toString(),\n"
        f"  fixtureDate: (new Date(2025, 4, 1, 0, 0, 0)).toString(),\n  mask:{literal}, isAggregate: false }};"
        "</script></body></html>"
    )


def feed_row(
    match_id: int, kick_off: str, home: int, away: int, score: tuple[int, int] | None = None, **changes: Any
) -> dict[str, Any]:
    """A calendar row: ``kick_off`` is UTC, winter time; finished when a score is given."""
    row: dict[str, Any] = {
        "stageId": STAGE,
        "id": match_id,
        "status": 1 if score is None else 6,
        "elapsed": "" if score is None else "FT",
        "startTime": kick_off,
        "startTimeUtc": kick_off + "Z",
        "homeTeamId": home,
        "homeTeamName": TEAMS[home],
        "awayTeamId": away,
        "awayTeamName": TEAMS[away],
        "incidents": [],
    }
    if score is not None:
        row |= {"homeScore": score[0], "awayScore": score[1]}
    return row | changes


def feed(rows: Sequence[Mapping[str, Any]], *, created_at: str = "2025-02-10T12:00:00Z", stage: int = STAGE) -> str:
    """A month's calendar feed."""
    tournament = {"tournamentId": TOURNAMENT, "stageId": stage, "seasonId": SEASON, "matches": list(rows)}
    return json.dumps({"createdAt": created_at, "version": 1, "tournaments": [tournament]}, ensure_ascii=False)


def match_page(
    match_id: int,
    home: int,
    away: int,
    score: tuple[int, int],
    *,
    half_time: str = "1 : 0",
    stats: Sequence[Mapping[str, Any]] = (RECORDED, RECORDED),
    cards: Sequence[Sequence[str]] = ((), ()),
    centre: str | None = None,
    status: int = 6,
) -> str:
    """A match page; ``centre`` replaces the whole ``matchCentreData`` value."""
    sides = {
        side: {
            "teamId": team,
            "name": TEAMS[team][:8],
            "field": side,
            "stats": dict(stats[position]),
            "incidentEvents": [
                {"type": {"value": 17, "displayName": "Card"}, "cardType": {"value": 31, "displayName": card}}
                for card in cards[position]
            ],
        }
        for position, (side, team) in enumerate((("home", home), ("away", away)))
    }
    data = {"htScore": half_time, "score": f"{score[0]} : {score[1]}", "statusCode": status, **sides}
    centre = json.dumps(data, ensure_ascii=False) if centre is None else centre
    names = ",".join("'" + TEAMS[team].replace("'", "\\'") + "'" for team in (home, away))
    return (
        "<!DOCTYPE html><html><head></head><body><script>\n"
        f"require.config.params['matchheader'] = {{\n input: [{home},{away},{names},'01/02/2025 15:00:00',"
        f"'01/02/2025 00:00:00',{status},'FT','{half_time}','{score[0]} : {score[1]}',,,"
        f"'{score[0]} : {score[1]}','X','X'],"
        f"\n matchId: {match_id} }};\n"
        f'require.config.params["args"] = {{\n matchId:{match_id},\n matchCentreData: {centre},\n'
        ' matchCentreEventTypeJson: {"a":1},\n formationIdNameMappings:{} };\n</script></body></html>'
    )
