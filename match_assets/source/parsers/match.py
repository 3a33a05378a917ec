"""The match page: header, half-time score and both teams' statistics out of ``matchCentreData``."""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from match_assets.source.literals import LiteralError, literal_after, read_literal
from match_assets.source.parsers.expect import member, optional_count, typed, unexpected
from match_assets.source.records import MatchPage, TeamStatistics

_HEADER = re.compile(r"require\.config\.params\[\s*['\"]matchheader['\"]\s*\]\s*=\s*\{\s*input\s*:\s*")
_CENTRE = re.compile(r"\bmatchCentreData\s*:\s*")
_MATCH_ID = re.compile(r"\bmatchId\s*:\s*(\d+)")
_SCORE = re.compile(r"\s*(\d{1,3})\s*:\s*(\d{1,3})\s*\*?\s*")

COUNTS = {
    "shots": "shotsTotal",
    "shots_on_target": "shotsOnTarget",
    "corners": "cornersTotal",
    "fouls": "foulsCommited",
}
# A count of zero is an absent key on the real site. Any of these tells that the team's statistics were recorded at all.
SIGNS_OF_RECORDING = frozenset({"touches", "passesTotal", "ratings"})
YELLOW, RED = frozenset({"Yellow"}), frozenset({"Red", "SecondYellow"})


def parse_match_page(text: str, url: str, *, match_id: int) -> MatchPage:
    """A match's half-time score and statistics.

    Args:
        text: the page as served.
        url: where it came from, for messages.
        match_id: the match that was asked for; a page of another match is refused.

    Raises:
        UnexpectedPageError: header, match centre or one of their required parts is missing or of another type.
    """
    header = _header(text, url)
    shown = _MATCH_ID.search(text)
    if shown is None or int(shown[1]) != match_id:
        unexpected(url, "matchId", f"is {shown[1] if shown else 'missing'}, expected {match_id}")
    centre = _match_centre(text, url)
    home_score, away_score = _score(header[9], url, "matchheader full time")
    half_time = _score(header[8], url, "matchheader half time")
    teams: tuple[TeamStatistics, ...] = ()
    if centre is not None:
        half_time = _score(member(centre, "htScore", str, url, "matchCentreData"), url, "matchCentreData.htScore")
        teams = tuple(_team(centre, side, url) for side in ("home", "away"))
        if (teams[0].team_id, teams[1].team_id) != (header[0], header[1]):
            unexpected(url, "matchCentreData.home.teamId", "is not the header's team")
    return MatchPage(
        match_id=match_id,
        home_team_id=header[0],
        away_team_id=header[1],
        status=header[6],
        elapsed=header[7] or "",
        home_score=home_score,
        away_score=away_score,
        home_score_half_time=half_time[0],
        away_score_half_time=half_time[1],
        has_match_centre=centre is not None,
        teams=teams,
    )


def _header(text: str, url: str) -> list[Any]:
    """The header's slots: ids, names, times, status, elapsed, half time, full time and more."""
    try:
        header = typed(literal_after(text, _HEADER), list, url, "matchheader.input")
    except LiteralError as error:
        unexpected(url, "matchheader.input", f"is not readable ({error})")
    if len(header) < 10:
        unexpected(url, "matchheader.input", f"has {len(header)} slots, expected at least 10")
    for slot in (0, 1, 6):
        typed(header[slot], int, url, f"matchheader.input[{slot}]")
    return header


def _match_centre(text: str, url: str) -> dict[str, Any] | None:
    """``matchCentreData`` of the page, ``None`` when the page says null."""
    found = _CENTRE.search(text)
    if found is None:
        unexpected(url, "matchCentreData")
    if text.startswith("null", found.end()):
        return None
    end = text.find("\n", found.end())
    line = text[found.end() : end if end > 0 else len(text)].rstrip().rstrip(",")
    try:
        centre = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # Usually one value a line (seen in every capture), which msgspec reads ten times faster than the general way.
        try:
            centre = read_literal(text, found.end())[0]
        except LiteralError as error:
            unexpected(url, "matchCentreData", f"is not readable ({error})")
    return typed(centre, dict, url, "matchCentreData")


def _team(centre: Mapping[str, Any], side: str, url: str) -> TeamStatistics:
    path = f"matchCentreData.{side}"
    team = member(centre, side, dict, url, "matchCentreData")
    stats = member(team, "stats", dict, url, path)
    is_recorded = not SIGNS_OF_RECORDING.isdisjoint(stats)
    counts = {name: _total(stats, key, is_recorded, url, path) for name, key in COUNTS.items()}
    cards = _cards(team, is_recorded or bool(stats), url, path)
    return TeamStatistics(
        team_id=member(team, "teamId", int, url, path),
        name=member(team, "name", str, url, path),
        is_home=side == "home",
        yellow_cards=None if cards is None else sum(card in YELLOW for card in cards),
        red_cards=None if cards is None else sum(card in RED for card in cards),
        **counts,
    )


def _total(stats: Mapping[str, Any], key: str, is_recorded: bool, url: str, path: str) -> int | None:
    """Sum over the minutes; an absent key is zero in recorded statistics and unknown otherwise."""
    if key not in stats:
        return 0 if is_recorded else None
    minutes = typed(stats[key], dict, url, f"{path}.stats.{key}")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in minutes.values()):
        unexpected(url, f"{path}.stats.{key}", "holds something other than numbers")
    total = sum(minutes.values())
    if not math.isfinite(total):
        unexpected(url, f"{path}.stats.{key}", f"sums to {total}")
    return optional_count(round(total), url, f"{path}.stats.{key}")


def _cards(team: Mapping[str, Any], is_recorded: bool, url: str, path: str) -> list[str] | None:
    """Kinds of the cards shown to a team; unknown without incidents or without any statistics beside an empty list."""
    if "incidentEvents" not in team:
        return None
    incidents = typed(team["incidentEvents"], list, url, f"{path}.incidentEvents")
    cards = [
        member(incident["cardType"], "displayName", str, url, f"{path}.incidentEvents.cardType")
        for incident in incidents
        if isinstance(incident, dict) and "cardType" in incident
    ]
    return cards if cards or is_recorded else None


def _score(text: Any, url: str, part: str) -> tuple[int, int] | tuple[None, None]:
    """``"2 : 1"`` as numbers; an empty or absent score is unknown."""
    if text is None or not typed(text, str, url, part).strip():
        return None, None
    found = _SCORE.fullmatch(text)
    if found is None:
        unexpected(url, part, f"is no score: {text!r}")
    return int(found[1]), int(found[2])
