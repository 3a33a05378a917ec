"""The match page: header, half-time score and both teams' statistics out of ``matchCentreData``.

That object is a megabyte of JSON, of which a fiftieth is read. Only the levels on the way to it are decoded, the events
and players beside them are passed over undecoded, which takes an eighth of the time that decoding all of it would.
"""

import math
import re
from typing import Any

import msgspec

from match_assets.source.literals import LiteralError, read_literal
from match_assets.source.parsers import known
from match_assets.source.parsers.expect import (
    decoded,
    identifier,
    member,
    new_keys,
    optional_count,
    require_whole,
    typed,
    unexpected,
)
from match_assets.source.records import MatchPage, Status, TeamStatistics

Members = dict[str, msgspec.Raw]

_HEADER = re.compile(rb"require\.config\.params\[\s*['\"]matchheader['\"]\s*\]\s*=\s*")
_ARGUMENTS = re.compile(rb"require\.config\.params\[\s*['\"]args['\"]\s*\]\s*=\s*\{")
_ARGUMENTS_MATCH = re.compile(rb"\bmatchId\s*:\s*(\d{1,18})\b")
_CENTRE = re.compile(rb"\bmatchCentreData\s*:\s*")
_NULL = re.compile(rb"null\b")
_SCORE = re.compile(r"\s*(\d{1,3})\s*:\s*(\d{1,3})\s*\*?\s*")
_OBJECT = msgspec.json.Decoder(Members)
# [home id, away id, home, away, start, date, status, elapsed, half time, full time, extra time, penalties, current, ...]
HEADER_SLOTS = 15

COUNTS = {
    "shots": "shotsTotal",
    "shots_on_target": "shotsOnTarget",
    "corners": "cornersTotal",
    "fouls": "foulsCommited",
}
# A count of zero is an absent key on the real site. Any of these tells that the team's statistics were recorded at all.
SIGNS_OF_RECORDING = ("touches", "passesTotal", "ratings")
YELLOW, RED = frozenset({"Yellow"}), frozenset({"Red", "SecondYellow"})


def parse_match_page(body: bytes, url: str, *, match_id: int) -> MatchPage:
    """A match's half-time score and statistics.

    Args:
        body: the page as served.
        url: where it came from, for messages.
        match_id: the match that was asked for; a page of another match is refused.

    Raises:
        UnexpectedPageError: the page is cut short, or header, match centre or one of their required parts is missing or
            of another type.
    """
    require_whole(body, url)
    header, novelties = _header(body, url, match_id)
    centre = _match_centre(body, url, match_id)
    score = _score(header[9], url, "matchheader.input[9]")
    if header[6] == Status.FINISHED and score[0] is None:
        unexpected(url, "matchheader.input[9]", "holds no full-time score, though the match is finished")
    half_time = _score(header[8], url, "matchheader.input[8]")
    teams: list[TeamStatistics] = []
    if centre is not None:
        novelties |= new_keys(centre, known.MATCH_CENTRE, "matchCentreData")
        half_time = _score(decoded(centre, "htScore", str, url, "matchCentreData"), url, "matchCentreData.htScore")
        for side, team_id in (("home", header[0]), ("away", header[1])):
            team, novel = _team(decoded(centre, side, Members, url, "matchCentreData"), side, url)
            if team.team_id != team_id:
                unexpected(url, f"matchCentreData.{side}.teamId", "is not the header's team")
            teams.append(team)
            novelties |= novel
    return MatchPage(
        match_id=match_id,
        home_team_id=header[0],
        away_team_id=header[1],
        status=header[6],
        elapsed=typed(header[7] or "", str, url, "matchheader.input[7]"),
        home_score=score[0],
        away_score=score[1],
        home_score_half_time=half_time[0],
        away_score_half_time=half_time[1],
        has_match_centre=centre is not None,
        teams=tuple(teams),
        new_keys=tuple(sorted(novelties)),
    )


def _header(body: bytes, url: str, match_id: int) -> tuple[list[Any], set[str]]:
    """The header's slots (``HEADER_SLOTS``) and keys never seen beside them."""
    found = _HEADER.search(body)
    if found is None:
        unexpected(url, "matchheader")
    script = body[found.end() : body.find(b"</script", found.end())]
    try:
        header = typed(read_literal(script.decode("utf-8"))[0], dict, url, "matchheader")
    except (LiteralError, UnicodeError) as error:
        unexpected(url, "matchheader", f"is not readable ({error})")
    _require_match(member(header, "matchId", int, url, "matchheader"), match_id, url, "matchheader.matchId")
    slots = member(header, "input", list, url, "matchheader")
    if len(slots) < HEADER_SLOTS:
        unexpected(url, "matchheader.input", f"has {len(slots)} slots, expected {HEADER_SLOTS}")
    for slot in (0, 1):
        identifier(slots[slot], url, f"matchheader.input[{slot}]")
    optional_count(typed(slots[6], int, url, "matchheader.input[6]"), url, "matchheader.input[6]")
    return slots, new_keys(header, known.HEADER, "matchheader")


def _match_centre(body: bytes, url: str, match_id: int) -> Members | None:
    """``matchCentreData`` with its members undecoded, ``None`` when the page says null."""
    arguments = _ARGUMENTS.search(body)
    if arguments is None:
        unexpected(url, "params['args']")
    found = _CENTRE.search(body, arguments.end())
    if found is None:
        unexpected(url, "matchCentreData")
    shown = _ARGUMENTS_MATCH.search(body, arguments.end(), found.start())
    if shown is None:
        unexpected(url, "params['args'].matchId")
    _require_match(int(shown[1]), match_id, url, "params['args'].matchId")
    start = found.end()
    if _NULL.match(body, start):
        return None
    # one value a line in every capture
    line = body[start : body.find(b"\n", start)].rstrip().removesuffix(b",")
    try:
        return _OBJECT.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _literal_centre(body[start : body.find(b"</script", start)], url)


def _literal_centre(script: bytes, url: str) -> Members:
    """``matchCentreData`` laid out in any other way: over lines, several values in one, keys without quotes."""
    try:
        centre = typed(read_literal(script.decode("utf-8"))[0], dict, url, "matchCentreData")
        return _OBJECT.decode(msgspec.json.encode(centre))
    except (LiteralError, UnicodeError, RecursionError) as error:
        unexpected(url, "matchCentreData", f"is not readable ({error})")


def _require_match(shown: int, match_id: int, url: str, part: str) -> None:
    if shown != match_id:
        unexpected(url, part, f"is {shown}, expected {match_id}")


def _team(team: Members, side: str, url: str) -> tuple[TeamStatistics, set[str]]:
    """One side's counts and cards, and keys never seen."""
    path = f"matchCentreData.{side}"
    stats = decoded(team, "stats", Members, url, path)
    signs = [
        decoded(stats, sign, dict[str, float], url, f"{path}.stats") for sign in SIGNS_OF_RECORDING if sign in stats
    ]
    is_recorded = any(signs)
    counts = {name: _total(stats, key, is_recorded, url, f"{path}.stats") for name, key in COUNTS.items()}
    events = decoded(team, "incidentEvents", list[Members], url, path)
    cards = _cards(events, url, f"{path}.incidentEvents")
    are_cards_known = bool(cards or stats)
    statistics = TeamStatistics(
        team_id=identifier(decoded(team, "teamId", int, url, path), url, f"{path}.teamId"),
        name=decoded(team, "name", str, url, path),
        is_home=side == "home",
        yellow_cards=sum(card in YELLOW for card in cards) if are_cards_known else None,
        red_cards=sum(card in RED for card in cards) if are_cards_known else None,
        **counts,
    )
    novelties = new_keys(team, known.TEAM, side) | new_keys(stats, known.STATISTICS, f"{side}.stats")
    for event in events:
        novelties |= new_keys(event, known.EVENT, f"{side}.incidentEvents")
    return statistics, novelties


def _total(stats: Members, key: str, is_recorded: bool, url: str, path: str) -> int | None:
    """Sum over the minutes; an absent key is zero in recorded statistics and unknown otherwise."""
    if key not in stats:
        return 0 if is_recorded else None
    total = sum(decoded(stats, key, dict[str, float], url, path).values())
    if not math.isfinite(total) or total != round(total):
        unexpected(url, f"{path}.{key}", f"sums to {total}, which is no count")
    return optional_count(round(total), url, f"{path}.{key}")


def _cards(events: list[Members], url: str, path: str) -> list[str]:
    """Kinds of the cards shown to a team; a kind never seen is refused, it could be either colour."""
    cards = [
        decoded(decoded(event, "cardType", Members, url, path), "displayName", str, url, f"{path}.cardType")
        for event in events
        if "cardType" in event
    ]
    for card in cards:
        if card not in YELLOW | RED:
            unexpected(url, f"{path}.cardType.displayName", f"is {card!r}, a card never seen")
    return cards


def _score(text: Any, url: str, part: str) -> tuple[int, int] | tuple[None, None]:
    """``"2 : 1"`` as numbers; an empty or absent score is unknown."""
    if text is None or not typed(text, str, url, part).strip():
        return None, None
    found = _SCORE.fullmatch(text)
    if found is None:
        unexpected(url, part, f"is no score: {text!r}")
    return int(found[1]), int(found[2])
