"""Every field that was present in all captured rows of the real site is present on ours, with a type seen there.

The lists are facts counted over real captures: 9 feeds with 380 matches, and 3 match pages with 6 teams. Finished,
played matches of a drawn world have to carry all of them; a world of real results lacks what it does not know.
"""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from match_assets.source.practice.facts import World
from match_assets.source.practice.routes import Router
from match_assets.source.practice.timeline import Moment
from match_assets.source.practice.world import draw_world

NULL = type(None)
FEED_ROOT: dict[str, tuple[type, ...]] = {
    "createdAt": (str,),
    "version": (int,),
    "timeout": (int,),
    "tournaments": (list,),
    "localization": (dict,),
    "meta": (dict,),
    "showOddsToggle": (bool,),
    "isSummary": (bool,),
    "oddsToggled": (bool,),
    "bookmakerCode": (str,),
    "bookmakers": (list,),
    "timezoneOffset": (int,),
    "locale": (str,),
    "calendarType": (NULL,),
    "fixtureDate": (NULL,),
}
FEED_TOURNAMENT: dict[str, tuple[type, ...]] = {
    "tournamentId": (int,),
    "stageId": (int,),
    "stageName": (str,),
    "regionId": (int,),
    "tournamentName": (str,),
    "seasonName": (str,),
    "seasonId": (int,),
    "stageSortOrder": (int,),
    "sex": (int,),
    "tournamentSortOrder": (int,),
    "regionCode": (str,),
    "regionName": (str,),
    "isOpta": (bool,),
    "navigationDisplayMode": (int,),
    "matches": (list,),
}
FEED_MATCH: dict[str, tuple[type, ...]] = {
    "stageId": (int,),
    "id": (int,),
    "status": (int,),
    "startTime": (str,),
    "homeTeamId": (int,),
    "homeTeamName": (str,),
    "homeYellowCards": (int,),
    "homeRedCards": (int,),
    "awayTeamId": (int,),
    "awayTeamName": (str,),
    "awayYellowCards": (int,),
    "awayRedCards": (int,),
    "hasIncidentsSummary": (bool,),
    "hasPreview": (bool,),
    "scoreChangedAt": (str,),
    "elapsed": (str,),
    "lastScorer": (int, NULL),
    "isTopMatch": (bool,),
    "homeTeamCountryCode": (str,),
    "awayTeamCountryCode": (str,),
    "commentCount": (int,),
    "isLineupConfirmed": (bool,),
    "isStreamAvailable": (bool,),
    "matchIsOpta": (bool,),
    "homeTeamCountryName": (str,),
    "awayTeamCountryName": (str,),
    "startTimeUtc": (str,),
    "homeScore": (int,),
    "awayScore": (int,),
    "incidents": (list,),
    "bets": (NULL,),
    "aggregateWinnerField": (NULL,),
    "winnerField": (int, NULL),
    "period": (int,),
    "extraResultField": (NULL,),
    "homeExtratimeScore": (NULL,),
    "awayExtratimeScore": (NULL,),
    "homePenaltyScore": (NULL,),
    "awayPenaltyScore": (NULL,),
    "startedAtUtc": (str,),
    "firstHalfEndedAtUtc": (NULL, str),
    "secondHalfStartedAtUtc": (str,),
}
FEED_INCIDENT: dict[str, tuple[type, ...]] = {
    "minute": (str,),
    "type": (int,),
    "subType": (int,),
    "playerName": (str,),
    "playerId": (int,),
    "participatingPlayerName": (str, NULL),
    "participatingPlayerId": (int,),
    "runningScore": (NULL,),
    "field": (int,),
    "period": (int,),
}
CENTRE_ROOT: dict[str, tuple[type, ...]] = {
    "attendance": (int,),
    "away": (dict,),
    "commonEvents": (list,),
    "elapsed": (str,),
    "etScore": (str,),
    "events": (list,),
    "expandedMaxMinute": (int,),
    "expandedMinutes": (dict,),
    "ftScore": (str,),
    "home": (dict,),
    "htScore": (str,),
    "maxMinute": (int,),
    "maxPeriod": (int,),
    "minuteExpanded": (int,),
    "periodCode": (int,),
    "periodEndMinutes": (dict,),
    "periodMinuteLimits": (dict,),
    "pkScore": (str,),
    "playerIdNameDictionary": (dict,),
    "referee": (dict,),
    "score": (str,),
    "startDate": (str,),
    "startTime": (str,),
    "statusCode": (int,),
    "timeStamp": (str,),
    "timeoutInSeconds": (int,),
    "venueName": (str,),
    "weatherCode": (str,),
}
CENTRE_TEAM: dict[str, tuple[type, ...]] = {
    "averageAge": (float,),
    "countryName": (str,),
    "field": (str,),
    "formations": (list,),
    "incidentEvents": (list,),
    "managerName": (str,),
    "name": (str,),
    "players": (list,),
    "scores": (dict,),
    "shotZones": (dict,),
    "stats": (dict,),
    "teamId": (int,),
}
# Counts present for six of six teams that cannot be zero in a whole match here either.
CENTRE_STATS = {
    "aerialSuccess",
    "aerialsTotal",
    "aerialsWon",
    "clearances",
    "dispossessed",
    "dribbleSuccess",
    "dribbledPast",
    "dribblesAttempted",
    "dribblesLost",
    "dribblesWon",
    "foulsCommited",
    "interceptions",
    "minutesWithStats",
    "passSuccess",
    "passesAccurate",
    "passesKey",
    "passesTotal",
    "possession",
    "ratings",
    "shotsTotal",
    "tackleSuccess",
    "tackleSuccessful",
    "tackleUnsuccesful",
    "tacklesTotal",
    "throwInAccuracy",
    "throwInsAccurate",
    "throwInsTotal",
    "touches",
}
CENTRE_PLAYER = {
    "age",
    "field",
    "height",
    "isFirstEleven",
    "isManOfTheMatch",
    "name",
    "playerId",
    "position",
    "shirtNo",
    "stats",
    "weight",
}
CENTRE_EVENT = {
    "expandedMinute",
    "id",
    "isTouch",
    "minute",
    "outcomeType",
    "period",
    "qualifiers",
    "satisfiedEventsTypes",
    "teamId",
    "type",
    "x",
    "y",
}
SHOT_ZONES = 14
SAMPLES = Path(__file__).parents[4] / "shared" / "whoscored" / "samples"


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world()


@pytest.fixture(scope="module")
def feeds(world: World) -> list[dict[str, Any]]:
    """The feeds of one season that is over."""
    router, moment = Router(world), Moment(world.start_clock_utc)
    stage_id = world.tournaments[0].seasons[1].stage_id
    months = [f"2022{month:02d}" for month in range(8, 13)] + [f"2023{month:02d}" for month in range(1, 6)]
    return [json.loads(router.answer(f"/tournaments/{stage_id}/data/", month, moment).body) for month in months]


@pytest.fixture(scope="module")
def centres(world: World) -> list[dict[str, Any]]:
    """Match centres of the season's played matches."""
    router, moment = Router(world), Moment(world.start_clock_utc)
    played = [match for match in world.tournaments[0].seasons[1].matches if not match.is_walkover]
    pages = [router.answer(f"/Matches/{match.match_id}/Live", "", moment).body.decode() for match in played[:40]]
    return [match_centre(page) for page in pages]


def match_centre(page: str) -> dict[str, Any]:
    """``matchCentreData`` as a scraper would cut it out."""
    start = page.index("matchCentreData: ") + len("matchCentreData: ")
    centre: dict[str, Any] = json.JSONDecoder().raw_decode(page, start)[0]
    return centre


def assert_fields(record: dict[str, Any], fields: dict[str, tuple[type, ...]]) -> None:
    missing = set(fields) - set(record)
    assert not missing, f"missing: {sorted(missing)}"
    wrong = {name: record[name] for name, types in fields.items() if type(record[name]) not in types}
    assert not wrong, f"types never seen on the real site: {wrong}"


def listed(feeds: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    for feed in feeds:
        for tournament in feed["tournaments"]:
            yield from tournament[name]


def test_feed_root_and_tournament_carry_every_field(feeds: list[dict[str, Any]]) -> None:
    shown = [tournament for feed in feeds for tournament in feed["tournaments"]]
    assert len(shown) >= 9
    for feed in feeds:
        assert_fields(feed, FEED_ROOT)
    for tournament in shown:
        assert_fields(tournament, FEED_TOURNAMENT)


def test_feed_matches_carry_every_field(feeds: list[dict[str, Any]], world: World) -> None:
    matches = list(listed(feeds, "matches"))
    assert len(matches) == 132
    walkovers = {match.match_id for match in world.tournaments[0].seasons[1].matches if match.is_walkover}
    for match in matches:
        if match["id"] in walkovers:
            assert set(FEED_MATCH) <= set(match)
        else:
            assert_fields(match, FEED_MATCH)


def test_feed_matches_count_the_cards_of_the_world(feeds: list[dict[str, Any]], world: World) -> None:
    for row in listed(feeds, "matches"):
        match = world.matches[row["id"]][2]
        for side, known in (("home", match.home), ("away", match.away)):
            counted = (row[f"{side}YellowCards"], row[f"{side}RedCards"])
            assert counted == (known.yellow_cards or 0, known.red_cards or 0)


def test_feed_incidents_carry_every_field_and_count_up_to_the_score(feeds: list[dict[str, Any]]) -> None:
    kinds = set()
    for match in listed(feeds, "matches"):
        for incident in match["incidents"]:
            assert_fields(incident, FEED_INCIDENT)
            kinds.add((incident["type"], incident["subType"]))
        if match["startedAtUtc"] is not None:
            goals = [incident["field"] for incident in match["incidents"] if incident["type"] == 1]
            assert (goals.count(0), goals.count(1)) == (match["homeScore"], match["awayScore"])
    assert kinds == {(1, 1), (1, 2), (1, 3), (2, 2), (2, 3)}


def test_an_unplayed_match_has_no_score_keys(world: World) -> None:
    router, moment = Router(world), Moment(world.start_clock_utc)
    season = next(season for season in world.tournaments[0].seasons if season.first_year == 2024)
    feed = json.loads(router.answer(f"/tournaments/{season.stage_id}/data/", "202504", moment).body)
    rows = list(listed([feed], "matches"))
    assert rows
    for row in rows:
        assert (row["status"], row["elapsed"]) == (1, "")
        assert set(FEED_MATCH) - set(row) == {"homeScore", "awayScore"}


def test_match_centre_root_and_teams_carry_every_field(centres: list[dict[str, Any]]) -> None:
    for centre in centres:
        assert_fields(centre, CENTRE_ROOT)
        for side in ("home", "away"):
            assert_fields(centre[side], CENTRE_TEAM)
            assert set(centre[side]["scores"]) == {"fulltime", "halftime", "running"}
            assert len(centre[side]["shotZones"]) == SHOT_ZONES
            assert not CENTRE_STATS - set(centre[side]["stats"])
            assert not any(CENTRE_PLAYER - set(player) for player in centre[side]["players"])
        assert not any(CENTRE_EVENT - set(event) for event in centre["events"])


def test_statistics_are_counts_by_string_minute_and_never_zero(centres: list[dict[str, Any]]) -> None:
    absent = 0
    for centre in centres:
        for side in ("home", "away"):
            stats = dict(centre[side]["stats"])
            assert all(isinstance(minute, int) for minute in stats.pop("minutesWithStats"))
            for by_minute in stats.values():
                assert by_minute
                assert all(minute.isdigit() for minute in by_minute)
            counted = ("cornersTotal", "shotsOnTarget", "shotsOffTarget", "shotsBlocked")
            assert all(0 not in stats.get(name, {}).values() for name in counted)
            absent += sum(name not in stats for name in counted)
            share = sum(sum(stats.get(name, {}).values()) for name in counted[1:])
            assert share == sum(stats["shotsTotal"].values())
    assert absent, "no count of zero among eighty teams: the absent key was not shown"


def test_a_goal_is_the_same_in_feed_and_match_centre(
    feeds: list[dict[str, Any]], centres: list[dict[str, Any]]
) -> None:
    rows = list(listed(feeds, "matches"))
    for centre in centres:
        (row,) = [
            row
            for row in rows
            if (row["homeTeamId"], row["awayTeamId"]) == (centre["home"]["teamId"], centre["away"]["teamId"])
        ]
        from_feed = sorted((i["minute"], i["playerId"]) for i in row["incidents"] if i["type"] == 1)
        events = [event for event in centre["events"] if event.get("isGoal")]
        assert sorted((str(event["minute"]), event["playerId"]) for event in events) == from_feed
        assert centre["ftScore"] == f"{row['homeScore']} : {row['awayScore']}"
        first_half = [i["field"] for i in row["incidents"] if i["type"] == 1 and i["period"] == 1]
        assert centre["htScore"] == f"{first_half.count(0)} : {first_half.count(1)}"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no real captures at {SAMPLES}")
def test_real_captures_hold_the_fields_listed_here() -> None:
    """The lists above are facts: a real feed and a real match page satisfy them too."""
    for path in sorted(SAMPLES.glob("calendar_feed_*.json.gz")):
        feed = json.loads(gzip.decompress(path.read_bytes()))
        assert_fields(feed, FEED_ROOT)
        for tournament in feed["tournaments"]:
            assert_fields(tournament, FEED_TOURNAMENT)
        for match in listed([feed], "matches"):
            assert_fields(match, FEED_MATCH)
    for path in sorted(SAMPLES.glob("match_page_*.html.gz")):
        page = gzip.decompress(path.read_bytes()).decode()
        centre = match_centre(page)
        assert_fields(centre, CENTRE_ROOT)
        for side in ("home", "away"):
            assert_fields(centre[side], CENTRE_TEAM)
            assert len(centre[side]["shotZones"]) == SHOT_ZONES


# Notation that scrapers rely on, as regular expressions: the real page has to match each as well as ours.
MATCH_NOTATION = (
    r"require\.config\.params\['matchheader'\] = \{\s+input: \[\d+,\d+,'[^']+','[^']+','\d\d/\d\d/\d{4} [\d:]{8}',",
    r"'\d+ : \d+','\d+ : \d+',,,'\d+ : \d+','\w+','\w+'\]\s*,\s+matchId: \d+\s+\};",
    r'require\.config\.params\["args"\] = \{\s+matchId:\d+,\s+matchCentreData: \{"playerIdNameDictionary":',
    r"\}\s*,\s+matchCentreEventTypeJson: \{",
    r'\},\s+formationIdNameMappings:\{"2":"442",',
)
SEASON_NOTATION = (
    r'<select id="seasons" name="seasons"><option ',
    r'<option selected="selected" value="/Regions/\d+/Tournaments/\d+/Seasons/\d+/[\w-]+">\d{4}/\d{4}</option>',
    r'<option value="/Regions/\d+/Tournaments/\d+/Seasons/\d+/[\w-]+">\d{4}/\d{4}</option>',
    r'<select id="tournaments" name="tournaments">',
    r'<a href="/regions/\d+/tournaments/\d+/seasons/\d+/stages/\d+/fixtures/[\w-]+" class="">Fixtures</a>',
    r'<script type="application/json" data-hypernova-key="tournamentfixtures" data-hypernova-id="[\w-]+">',
    r'data-hypernova-id="[\w-]+"><!--\{"createdAt":',
    r"var wsCalendar = \{\s+min: \(new Date\(\d+, \d+, \d+\)\)\.toString\(\),\s+max: ",
    r"mask:\{\d{4}:\{\d+:\{\d+:1[,}]",
    r"require\.config\.params\['args'\] = \{\s+stageId: \d+,\s+isAggregate: false,",
    r'tables\.push\(\{\s+"id": \d+,\s+"stageId": \d+,',
    r"\"standings\": \[\[\d+,\d+,'[^']+',1(,-?\d+){26},\[",
    r"var allRegions = \[\{type:\d, id:\d+, flg:'flg-\w+', name: '[^']+', ",
    r"tournaments: \[\{id:\d+, url:'/regions/",
)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no real captures at {SAMPLES}")
@pytest.mark.parametrize(
    ("samples", "path", "notation"),
    [
        ("match_page_*.html.gz", "/Matches/900122001/Live", MATCH_NOTATION),
        ("season_page.html.gz", "/Regions/900/Tournaments/9001/Seasons/900122", SEASON_NOTATION),
        ("tournament_page.html.gz", "/Regions/900/Tournaments/9001", SEASON_NOTATION),
    ],
)
def test_the_same_notation_stands_on_the_real_page_and_on_ours(
    world: World, samples: str, path: str, notation: tuple[str, ...]
) -> None:
    pages = {"ours": Router(world).answer(path, "", Moment(world.start_clock_utc)).body.decode()}
    pages |= {file.name: gzip.decompress(file.read_bytes()).decode() for file in sorted(SAMPLES.glob(samples))}
    assert len(pages) >= 2
    missing = [(name, mark) for name, page in pages.items() for mark in notation if not re.search(mark, page)]
    assert not missing
