"""A match page of full size, made from the counted shapes of real ones, and how long it takes from bytes to records.

The page has the size and the make-up of a real one: some 1,550 events with their qualifiers and forty players with
statistics by the minute, drawn with a seed. What is timed is all that the client does with an answer that has arrived:
whether it is a refusal, whether it is whole, and reading it. ``json.loads`` of the payload inside stands beside it.

    .venv/bin/python benchmarks/match_pages.py
"""

import argparse
import json
import random
from typing import Any

from measuring import quickest, report, require

from match_assets.source.blocks import block_marker
from match_assets.source.parsers import parse_match_page
from match_assets.source.parsers.whole import is_whole_page
from match_assets.source.records import MatchPage

Json = dict[str, Any]

MATCH_ID, TEAM_IDS = 1485184, (184, 32)
N_EVENTS, N_PLAYERS, N_MINUTES = 1_551, 20, 98
HALVES = ({"value": 1, "displayName": "FirstHalf"}, {"value": 2, "displayName": "SecondHalf"})
SPARSE = ("shotsTotal", "shotsOnTarget", "cornersTotal", "foulsCommited", "tacklesTotal", "interceptions", "clearances")
DENSE = ("touches", "passesTotal", "passesAccurate", "possession", "passSuccess", "throwInsTotal", "aerialsTotal")
PLAYER_COUNTS = (
    "touches",
    "passesTotal",
    "passesAccurate",
    "passSuccess",
    "possession",
    "aerialsTotal",
    "tacklesTotal",
)
# Kinds of events by how many of each a match has, and the names of the qualifiers that stand on them.
EVENT_KINDS = {
    "Pass": 970,
    "BallRecovery": 110,
    "BallTouch": 65,
    "Foul": 60,
    "Aerial": 55,
    "Clearance": 40,
    "TakeOn": 21,
}
QUALIFIERS = (
    "Zone",
    "Length",
    "Angle",
    "PassEndX",
    "PassEndY",
    "Longball",
    "HeadPass",
    "Cross",
    "OppositeRelatedEvent",
)
SATISFIED = (90, 118, 116, 29, 204, 35, 37, 217)


def full_size_page(seed: int = 4) -> bytes:
    """A finished match's page of about 1.2 megabytes, of which 1.1 are ``matchCentreData``."""
    rng = random.Random(seed)
    centre = json.dumps(_match_centre(rng), ensure_ascii=False, separators=(",", ":"))
    home, away = TEAM_IDS
    furniture = "".join(f'<li><a href="/Regions/252/Tournaments/{n}/x">Übersicht {n}</a></li>\n' for n in range(700))
    page = (
        '\r\n<!DOCTYPE html>\r\n<html lang="en">\r\n<head><title>Burnley 0-1 Man Utd Live</title></head>\r\n<body>\r\n'
        f"<ul>{furniture}</ul>\r\n<script type=\"text/javascript\">\r\n    require.config.params['matchheader'] = {{\r\n"
        f"        input: [{home},{away},'Burnley','Man Utd','12/01/2021 20:15:00','12/01/2021 00:00:00',6,'FT','0 : 0',"
        f"'0 : 1',,,'0 : 1','England','England']\r\n,\r\n        matchId: {MATCH_ID}\r\n    }};\r\n</script>\r\n<script>\r\n"
        f'        require.config.params["args"] = {{\r\n            matchId:{MATCH_ID},\r\n'
        f'            matchCentreData: {centre},\r\n            matchCentreEventTypeJson: {{"shotSixYardBox":0}},\r\n'
        f'            formationIdNameMappings:{{"2":"442"}}\r\n        }};\r\n</script>\r\n<ul>{furniture}</ul>\r\n'
        "</body>\r\n</html>\r\n"
    )
    return page.encode()


def read(body: bytes) -> MatchPage:
    """Bytes to records as the client does it, from the arrived answer on."""
    require(block_marker(body, 200) is None, "the page is taken for a refusal")
    require(is_whole_page(body), "the page is taken for a cut one")
    return parse_match_page(body, "the benchmark's page", match_id=MATCH_ID)


def payload_of(body: bytes) -> bytes:
    """``matchCentreData`` of the page as JSON."""
    start = body.index(b"matchCentreData: ") + len(b"matchCentreData: ")
    return body[start : body.index(b"\n", start)].rstrip().removesuffix(b",")


def measure_parsing(rounds: int = 15) -> dict[str, float]:
    """Seconds of our reading over seconds of ``json.loads`` of the payload, and what the page weighs."""
    body = full_size_page()
    payload = payload_of(body)
    centre, page = json.loads(payload), read(body)
    for team, side in zip(page.teams, ("home", "away"), strict=True):
        stats = centre[side]["stats"]
        shown = [team.shots, team.shots_on_target, team.corners, team.fouls]
        require(shown == [sum(stats.get(key, {}).values()) for key in SPARSE[:4]], f"statistics of the {side} team")
    require(page.new_keys == (), "a key that no captured page has")
    seconds = quickest({"records": lambda: read(body), "json": lambda: json.loads(payload)}, rounds=rounds)
    return {
        "parse_vs_json_loads": seconds["records"] / seconds["json"],
        "match_page_milliseconds": 1000 * seconds["records"],
        "json_loads_milliseconds": 1000 * seconds["json"],
        "match_page_megabytes": len(body) / 1e6,
    }


def _match_centre(rng: random.Random) -> Json:
    names = {str(100_000 + number): f"Jóse Müller {number}" for number in range(2 * N_PLAYERS)}
    sides = {
        side: _team(rng, index, side, list(names.items())[index * N_PLAYERS : (index + 1) * N_PLAYERS])
        for index, side in enumerate(("home", "away"))
    }
    return {
        "playerIdNameDictionary": names,
        "periodMinuteLimits": {"1": 45, "2": 90, "3": 105, "4": 120},
        "timeStamp": "2021-01-13 03:12:50",
        "attendance": 0,
        "venueName": "Turf Moor",
        "referee": {"officialId": 1, "firstName": "A", "lastName": "B", "hasParticipatedMatches": False, "name": "A B"},
        "weatherCode": "",
        "elapsed": "FT",
        "startTime": "2021-01-12T20:15:00",
        "startDate": "2021-01-12T00:00:00",
        "score": "0 : 1",
        "htScore": "0 : 0",
        "ftScore": "0 : 1",
        "etScore": "",
        "pkScore": "",
        "statusCode": 6,
        "periodCode": 7,
        **sides,
        "maxMinute": 97,
        "expandedMinutes": {"1": {str(minute): minute for minute in range(50)}},
        "commonEvents": [],
        "events": [_event(rng, number) for number in range(N_EVENTS)],
        "timeoutInSeconds": 0,
    }


def _team(rng: random.Random, index: int, side: str, players: list[tuple[str, str]]) -> Json:
    stats: Json = {key: _minutes(rng, 0.12) for key in SPARSE} | {key: _minutes(rng, 0.95) for key in DENSE}
    stats["ratings"] = {str(minute): round(6 + minute / 100, 2) for minute in range(N_MINUTES)}
    stats["minutesWithStats"] = list(range(N_MINUTES))
    return {
        "teamId": TEAM_IDS[index],
        "formations": [{"formationId": 2, "formationSlots": list(range(20)), "playerIds": [int(p) for p, _ in players]}]
        * 4,
        "stats": stats,
        "incidentEvents": [_event(rng, number) for number in range(8)],
        "shotZones": {f"zone{number}": {"stats": {}} for number in range(14)},
        "name": ("Burnley", "Man Utd")[index],
        "countryName": "England",
        "players": [
            {
                "playerId": int(player_id),
                "shirtNo": number,
                "name": name,
                "position": "MC",
                "height": 180,
                "weight": 76,
                "age": 25,
                "isFirstEleven": number < 11,
                "isManOfTheMatch": False,
                "field": side,
                "stats": {key: _minutes(rng, 0.25) for key in PLAYER_COUNTS},
            }
            for number, (player_id, name) in enumerate(players)
        ],
        "managerName": "Sean",
        "scores": {"halftime": 0, "fulltime": index, "running": index},
        "field": side,
        "averageAge": 28.4,
    }


def _minutes(rng: random.Random, share: float) -> Json:
    """A count by expanded minute, present in ``share`` of the minutes and in no order."""
    minutes = [minute for minute in range(N_MINUTES) if rng.random() < share]
    rng.shuffle(minutes)
    return {str(minute): float(rng.randint(1, 9)) for minute in minutes}


def _event(rng: random.Random, number: int) -> Json:
    half = number * 2 // N_EVENTS
    kind = rng.choices(list(EVENT_KINDS), list(EVENT_KINDS.values()))[0]
    return {
        "id": 2253487473.0 + number,
        "eventId": number,
        "minute": number % 97,
        "second": number % 60,
        "teamId": rng.choice(TEAM_IDS),
        "playerId": 100_000 + rng.randrange(2 * N_PLAYERS),
        "x": round(100 * rng.random(), 1),
        "y": round(100 * rng.random(), 1),
        "expandedMinute": number % 102,
        "period": HALVES[min(half, 1)],
        "type": {"value": 1, "displayName": kind},
        "outcomeType": {"value": 1, "displayName": "Successful"},
        "qualifiers": [
            {"type": {"value": rng.randint(1, 300), "displayName": name}, "value": f"{100 * rng.random():.1f}"}
            for name in rng.sample(QUALIFIERS, 5)
        ],
        "satisfiedEventsTypes": list(SATISFIED[: rng.randint(3, 8)]),
        "isTouch": True,
        "endX": round(100 * rng.random(), 1),
        "endY": round(100 * rng.random(), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds, of which the quickest counts")
    report(measure_parsing(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
