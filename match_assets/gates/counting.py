"""Rules that count: a season against its calendar, its pairings, its clock, and the names of its teams."""

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from match_assets.gates.verdict import Rule
from match_assets.names import folded

SCHEDULED, POSTPONED, FINISHED = 1, 2, 6
# to come, or on the pitch: a result is due some hours after kick-off
AWAITED = (1, 3, 4)
# below this share of the pairings a season is no double round robin, or was only begun
WHOLE_SEASON = 0.8
NAMED = ["match_id", "kick_off_utc", "home_team", "away_team"]


def calendar_rules(days: Sequence[dt.date], n_listed: int) -> tuple[Rule, ...]:
    """The season's rows against the days and the number of matches that the calendar names.

    Args:
        days: match days by London's calendar.
        n_listed: matches in the calendar's newest answers.
    """
    named = pl.DataFrame({"day": sorted(days)}, schema={"day": pl.Date()})

    def nothing(frame: pl.DataFrame) -> pl.DataFrame:
        return named if frame.is_empty() else named.head(0)

    def idle(frame: pl.DataFrame) -> pl.DataFrame:
        played = frame["kick_off_utc"].dt.date()
        near = pl.concat([played, played.dt.offset_by("1d"), played.dt.offset_by("-1d")])
        return named.head(0) if frame.is_empty() else named.filter(~pl.col("day").is_in(near.implode()))

    def fewer(frame: pl.DataFrame) -> pl.DataFrame:
        held = frame.filter(pl.col("match_id") > 0).height
        counts = pl.DataFrame({"listed": [n_listed], "held": [held], "missing": [n_listed - held]})
        return counts.filter(pl.col("missing") > 0)

    return (
        Rule(
            "a season with match days has matches",
            nothing,
            explanation=f"the calendar names {len(days)} match days, and there is no match at all",
        ),
        Rule(
            "every match day has a match",
            idle,
            "warning",
            "the calendar names these days, and no match lies within a day of them",
        ),
        Rule(
            "as many matches as the calendar lists",
            fewer,
            "warning",
            lambda rows: f"the calendar lists {rows['listed'][0]} matches, {rows['held'][0]} are here",
        ),
    )


def late_results(clocks: Mapping[int, dt.datetime], *, late_after_hours: float) -> Rule:
    """Matches whose result should be known by the source's own clock; a date without a time covers the whole day."""
    patience = dt.timedelta(hours=late_after_hours)

    def late(frame: pl.DataFrame) -> pl.DataFrame:
        clock = pl.col("stage_id").replace_strict(dict(clocks), default=None, return_dtype=pl.Datetime("us", "UTC"))
        a_day = pl.when("is_kick_off_time_known").then(pl.duration()).otherwise(pl.duration(days=1))
        due = pl.col("kick_off_utc") + patience + a_day
        return frame.filter(pl.col("status").is_in(AWAITED) & (due < clock)).select(*NAMED, "status")

    def say(rows: pl.DataFrame) -> str:
        return f"{rows.height} without a result {late_after_hours:g} hours after kick-off, by the source's clock"

    return Rule("results are there when they are due", late, "warning", say)


def _missing_pairings(frame: pl.DataFrame) -> pl.DataFrame:
    """Pairings that a double round robin has and this season, being over, has not."""
    nothing = pl.DataFrame(schema={"home_team": pl.String(), "away_team": pl.String()})
    teams = pl.concat(
        [frame.select(team_id=f"{side}_team_id", team=f"{side}_team") for side in ("home", "away")]
    ).unique("team_id", keep="any")
    results = frame.filter(pl.col("status") == FINISHED).select("home_team_id", "away_team_id")
    whole = teams.height * (teams.height - 1)
    is_over = not frame["status"].is_in([SCHEDULED, POSTPONED, *AWAITED]).any()
    is_round_robin = not results.is_duplicated().any() and WHOLE_SEASON * whole <= results.height < whole
    if not (is_over and is_round_robin):
        return nothing
    home = teams.select(home_team_id="team_id", home_team="team")
    pairs = home.join(teams.select(away_team_id="team_id", away_team="team"), how="cross")
    pairs = pairs.filter(pl.col("home_team_id") != pl.col("away_team_id"))
    return (
        pairs.join(results, on=["home_team_id", "away_team_id"], how="anti")
        .select(nothing.columns)
        .sort(nothing.columns)
    )


EVERY_PAIRING = Rule(
    "every pairing was played",
    _missing_pairings,
    "warning",
    lambda rows: f"the season is over, and {rows.height} pairings of a double round robin have no result",
)


def _names(frame: pl.DataFrame) -> pl.DataFrame:
    sides = [frame.select(team_id=f"{side}_team_id", team=f"{side}_team") for side in ("home", "away")]
    names = pl.concat(sides).unique().sort("team_id", "team")
    return names.with_columns(folded=pl.col("team").map_elements(folded, return_dtype=pl.String))


ONE_NAME = Rule(
    "a team has one name in a season",
    lambda frame: _names(frame).filter(pl.col("folded").n_unique().over("team_id") > 1).drop("folded"),
    "warning",
    "renamed, or two clubs under one id",
)
ONE_TEAM = Rule(
    "a name belongs to one team",
    lambda frame: _names(frame).filter(pl.col("team_id").n_unique().over("folded") > 1).sort("folded").drop("folded"),
    "warning",
    "two clubs of one name, or one club under two ids",
)


def _doubled(frame: pl.DataFrame) -> pl.DataFrame:
    sides = pl.concat(
        [
            frame.select("match_id", "kick_off_utc", "is_kick_off_time_known", "status", team_id=f"{side}_team_id")
            for side in ("home", "away")
        ]
    ).filter(pl.col("status").is_in([SCHEDULED, FINISHED]) & pl.col("is_kick_off_time_known"))
    return sides.filter(sides.select("team_id", "kick_off_utc").is_duplicated()).sort("team_id", "kick_off_utc")


ONE_AT_A_TIME = Rule("one match of a team at a time", _doubled, explanation="one team in two matches at one kick-off")
