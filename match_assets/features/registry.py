"""Every feature once: what it is, when it is null, where it comes from, what it may be, and the function that makes it.

The order of ``team_feature_definitions`` is the order of a kernel row. From these definitions come the schema and ranges
of the gates, the columns and lineage in Dagster, the groups of the ablation, ``docs/features.md``, the features that the
service lists and takes, and the golden files.

To add a feature: a counted statistic is an entry in ``STATISTICS`` and a function in ``measures.py``; a ratio an entry in
``RATIOS``; a difference an entry in ``COMPARED``; anything that a team's ledger can tell an entry in ``_LEDGER`` and a
function in ``ledger.py``, called in ``read_ledger`` in the same order.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from match_assets.config import FeatureParams, digest_of
from match_assets.features import measures
from match_assets.features.layout import KERNEL_VERSION
from match_assets.features.measures import Measure

HVATTUM_ARNTZEN = "Hvattum & Arntzen (2010), International Journal of Forecasting 26(3)"
CONSTANTINOU_FENTON = "Constantinou & Fenton (2013), Journal of Quantitative Analysis in Sports 9(1)"
DIXON_COLES = "Maher (1982), Dixon & Coles (1997); followed online by gradient steps"
SCOPPA = "Scoppa (2015), Journal of Sports Economics 16(5)"
RESULTS = "results of the source"
STATISTICS_OF_SOURCE = "match statistics of the source"

NO_MATCH_YET = "no counted match of the team yet"
NOT_IN_SEASON = "no counted match of the team in the season yet"
NEVER_NULL = "never: the prior stands where nothing is known"
GOAL_COLUMNS = ("home_goals", "away_goals")
KICK_OFFS = ("kick_off_utc", "is_kick_off_time_known")
ANY = (-math.inf, math.inf)
FROM_ZERO = (0.0, math.inf)
WEIGHTED = "weighted"

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One column.

    Attributes:
        name: of the column.
        group: what an ablation leaves out together.
        unit: of the value.
        description: what it is.
        window: matches that it looks back on, if that is a number.
        null_when: the one reason for null.
        source: where the idea or the data are from.
        within: the smallest and the largest value that the gate lets pass.
        reads: columns of ``finished_matches`` that it is made of.
        made_by: the function, by its place in ``match_assets.features``.
        is_compared: whether the home value minus the away value is a match feature.
    """

    name: str
    group: str
    unit: str
    description: str
    window: int | None
    null_when: str
    source: str
    within: Range
    reads: tuple[str, ...]
    made_by: str
    is_compared: bool = False


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a team's match is counted in."""

    name: str
    measure: Measure
    unit: str
    description: str
    most: float
    reads: tuple[str, ...]
    group: str | None = None  # None: the group of its window


def _both(*counts: str) -> tuple[str, ...]:
    return tuple(f"{side}_{count}" for count in counts for side in ("home", "away"))


_CARDS = _both("yellow_cards", "red_cards")
STATISTICS = (
    Statistic("goals_for", measures.goals_for, "goals", "goals scored", 30.0, GOAL_COLUMNS),
    Statistic("goals_against", measures.goals_against, "goals", "goals conceded", 30.0, GOAL_COLUMNS),
    Statistic("points", measures.points, "points", "points won, three for a win", 3.0, GOAL_COLUMNS),
    Statistic("shots_for", measures.shots_for, "shots", "shots taken", 150.0, _both("shots"), "shots"),
    Statistic("shots_against", measures.shots_against, "shots", "shots allowed", 150.0, _both("shots"), "shots"),
    Statistic("shots_on_target_for", measures.shots_on_target_for, "shots", "shots on target taken", 150.0,
              _both("shots_on_target"), "shots"),
    Statistic("shots_on_target_against", measures.shots_on_target_against, "shots", "shots on target allowed", 150.0,
              _both("shots_on_target"), "shots"),
    Statistic("corners_for", measures.corners_for, "corners", "corners won", 150.0, _both("corners"), "shots"),
    Statistic("corners_against", measures.corners_against, "corners", "corners conceded", 150.0, _both("corners"),
              "shots"),
    Statistic("fouls_for", measures.fouls_for, "fouls", "fouls committed", 150.0, _both("fouls"), "discipline"),
    Statistic("fouls_against", measures.fouls_against, "fouls", "fouls suffered", 150.0, _both("fouls"), "discipline"),
    Statistic("cards_for", measures.cards_for, "cards", "yellow and red cards received", 300.0, _CARDS, "discipline"),
    Statistic("cards_against", measures.cards_against, "cards", "yellow and red cards of opponents", 300.0, _CARDS,
              "discipline"),
)  # fmt: skip

# ratios within a row: name, numerator, denominator, description; of each window and of the weighted means
RATIOS = (
    ("goal_conversion_for", "goals_for", "shots_for", "goals scored a shot taken"),
    ("goal_conversion_against", "goals_against", "shots_against", "goals conceded a shot allowed"),
    ("shot_conversion_for", "shots_on_target_for", "shots_for", "share of the shots taken that were on target"),
    ("shot_conversion_against", "shots_on_target_against", "shots_against",
     "share of the shots allowed that were on target"),
)  # fmt: skip

# means over windows of what a match was against the ratings of the day; the order of layout.SCORE_SURPLUS and the next
ADJUSTED = (
    ("score_surplus", "share", "score (win 1, draw one half) beyond what Elo expected", (-1.0, 1.0), HVATTUM_ARNTZEN,
     GOAL_COLUMNS),
    ("goals_for_surplus", "goals a match", "goals scored beyond what attack and defence expected", ANY, DIXON_COLES,
     GOAL_COLUMNS),
    ("goals_against_surplus", "goals a match", "goals conceded beyond what attack and defence expected", ANY,
     DIXON_COLES, GOAL_COLUMNS),
    ("opponent_elo", "points on the 400 scale", "opponents' Elo as they came to the match", ANY, HVATTUM_ARNTZEN,
     GOAL_COLUMNS),
)  # fmt: skip

RATING_NAMES = (
    "elo",
    "pi_home",
    "pi_away",
    "attack",
    "defence",
    "shots_on_target_attack",
    "shots_on_target_defence",
)

# team features whose home value minus away value is a match feature, windows and weighted means by their base; the other
# ratings are compared by the expectations
COMPARED = frozenset(
    {
        "goals_for",
        "goals_against",
        "points",
        "shots_for",
        "shots_against",
        "shots_on_target_for",
        "shots_on_target_against",
        "points_same_venue",
        "score_surplus",
        "goals_for_surplus",
        "rest_days",
        "season_points_per_match",
        "table_position",
        "elo",
    }
)

# what a team's ledger tells, in the order of ledger.read_ledger: function, group, unit, description, null when, range
_BEST_PLACE = (1.0, math.inf)
_TABLE = "place in the season's table by points, goal difference and goals scored; equal teams share the better place"
_PHASE = "time since the earliest known kick-off of the season, whoever played, in years of 365 days"
_PLAYED = "counted matches since the team entered the tournament: the fewer, the less certain its ratings"
_MET = "last meetings of the two teams since this one entered the tournament, at most `head_to_head`"
_LEDGER = (
    ("matches_played", "schedule", "matches", _PLAYED, "never", FROM_ZERO),
    ("season_matches", "schedule", "matches", "counted matches in this season", "never", FROM_ZERO),
    ("season_points_per_match", "table", "points a match", "points a match in this season", NOT_IN_SEASON, (0.0, 3.0)),
    ("season_goal_difference_per_match", "table", "goals a match", "goals scored minus conceded a match in this season",
     NOT_IN_SEASON, ANY),
    ("table_position", "table", "place", _TABLE, NOT_IN_SEASON, _BEST_PLACE),
    ("season_phase", "table", "years", _PHASE, "never: 0 before the season's first match", FROM_ZERO),
    ("head_to_head_matches", "head_to_head", "matches", _MET, "never", FROM_ZERO),
    ("head_to_head_points", "head_to_head", "points a match", "mean points won in those meetings", "no such meeting",
     (0.0, 3.0)),
    ("head_to_head_margin", "head_to_head", "goals a match", "mean goals scored minus conceded in those meetings",
     "no such meeting", ANY),
)  # fmt: skip
STREAKS = (
    ("win_streak", "matches won in a row"),
    ("unbeaten_streak", "matches without defeat in a row"),
    ("winless_streak", "matches without a win in a row"),
    ("loss_streak", "matches lost in a row"),
    ("scoring_streak", "matches in a row in which the team scored"),
    ("goalless_streak", "matches in a row in which the team did not score"),
    ("clean_sheet_streak", "matches in a row in which the team conceded nothing"),
)

_STRENGTH = (
    ("elo_home_expectation", "elo", "share", "Elo's expected score of the home team: a win counts 1, a draw one half",
     HVATTUM_ARNTZEN, (0.0, 1.0), GOAL_COLUMNS),
    ("pi_expected_goal_difference", "pi", "goals", "home minus away goals that the pi-ratings expect",
     CONSTANTINOU_FENTON, ANY, GOAL_COLUMNS),
    *((f"{side}_expected_{what}", "attack_defence", unit, f"{unit} of the {side} team that attack and defence expect",
       DIXON_COLES, FROM_ZERO, _both(what))
      for what, unit in (("goals", "goals"), ("shots_on_target", "shots")) for side in ("home", "away")),
)  # fmt: skip
EXPECTATIONS = tuple(
    FeatureDefinition(
        name, group, unit, description, None, NEVER_NULL, source, within, reads, "ratings.match_expectations"
    )
    for name, group, unit, description, source, within, reads in _STRENGTH
)


@lru_cache(maxsize=8)
def team_feature_definitions(params: FeatureParams) -> tuple[FeatureDefinition, ...]:
    """Columns of ``team_match_features`` after the keys, in order."""
    made = (*_counted(params), *_by_venue(params), *_adjusted(params), *_ledger(params), *_ratings(), *_ratios(params))
    return tuple(replace(d, is_compared=_base(d) in COMPARED) for d in made)


@lru_cache(maxsize=8)
def match_feature_definitions(params: FeatureParams) -> tuple[FeatureDefinition, ...]:
    """Columns of a match feature row after the keys, in order: each side's, the differences, the expectations."""
    team = team_feature_definitions(params)
    sides = (
        replace(d, name=f"{side}_{d.name}", description=f"{side} team: {d.description}")
        for d in team
        for side in ("home", "away")
    )
    differences = (
        replace(
            d,
            name=f"{d.name}_difference",
            description=f"home minus away: {d.description}",
            null_when=d.null_when if d.null_when == NEVER_NULL else f"of either team: {d.null_when}",
            within=ANY,
            made_by="assembly.sides_and_differences",
        )
        for d in team
        if d.is_compared
    )
    return (*sides, *differences, *EXPECTATIONS)


def team_feature_names(params: FeatureParams) -> list[str]:
    """Names of the team features, in order."""
    return [d.name for d in team_feature_definitions(params)]


def match_feature_names(params: FeatureParams) -> list[str]:
    """Names of the match features, in order: the columns that a model takes."""
    return [d.name for d in match_feature_definitions(params)]


def feature_groups(params: FeatureParams) -> dict[str, list[str]]:
    """Match features by group, both in order: what an ablation leaves out at a time."""
    groups: dict[str, list[str]] = {}
    for definition in match_feature_definitions(params):
        groups.setdefault(definition.group, []).append(definition.name)
    return groups


@lru_cache(maxsize=8)
def feature_version(params: FeatureParams) -> str:
    """16 hex digits that change with any definition, parameter or kernel: rows of two versions are never mixed."""
    definitions = [asdict(d) for d in match_feature_definitions(params)]
    return digest_of(
        {"kernel": KERNEL_VERSION, "params": params.model_dump(mode="json", by_alias=True), "definitions": definitions}
    )


def _base(definition: FeatureDefinition) -> str:
    name = definition.name.removesuffix(f"_{WEIGHTED}")
    return name.removesuffix(f"_{definition.window}") if definition.window else name


def _counted(params: FeatureParams) -> Iterator[FeatureDefinition]:
    for statistic in STATISTICS:
        is_result = statistic.group is None
        for window in (*params.windows, None):
            over = f"mean {{}} in the last {window} matches" if window else _WEIGHTED_MEAN
            known = f"unknown in each of the last {window} matches" if window else "unknown in every match so far"
            yield FeatureDefinition(
                f"{statistic.name}_{window or WEIGHTED}",
                statistic.group or (f"form_{window}" if window else WEIGHTED),
                f"{statistic.unit} a match",
                over.format(statistic.description),
                window,
                NO_MATCH_YET if is_result else known,
                RESULTS if is_result else STATISTICS_OF_SOURCE,
                (0.0, statistic.most),
                statistic.reads,
                f"measures.{statistic.name}",
            )


_WEIGHTED_MEAN = "exponentially weighted mean of {}, half-life `weighted_half_life` matches"


def _by_venue(params: FeatureParams) -> Iterator[FeatureDefinition]:
    for statistic in STATISTICS:
        is_result = statistic.group is None
        for window in (*params.windows, None):
            last = f"the team's last {window} matches" if window else "the team's matches"
            over = "mean {}" if window else _WEIGHTED_MEAN
            yield FeatureDefinition(
                f"{statistic.name}_same_venue_{window or WEIGHTED}",
                "venue",
                f"{statistic.unit} a match",
                f"{over.format(statistic.description)}, in {last} at home where this one is at home, away where it is away",
                window,
                "no counted match at this venue yet" if is_result else "unknown in each of these matches",
                RESULTS if is_result else STATISTICS_OF_SOURCE,
                (0.0, statistic.most),
                statistic.reads,
                f"measures.{statistic.name}",
            )


def _adjusted(params: FeatureParams) -> Iterator[FeatureDefinition]:
    for name, unit, description, within, source, reads in ADJUSTED:
        for window in params.windows:
            yield FeatureDefinition(
                f"{name}_{window}",
                "adjusted",
                unit,
                f"mean {description}, in the last {window} matches, each to a ten-thousandth",
                window,
                NO_MATCH_YET,
                source,
                within,
                reads,
                "ratings.rate",
            )


def _ledger(params: FeatureParams) -> Iterator[FeatureDefinition]:
    cap = params.rest_days_cap
    yield FeatureDefinition(
        "rest_days",
        "schedule",
        "days",
        f"days since the last match or walkover, at most {cap:g}",
        None,
        "no match yet, or the fixture's date lies before the team's last match",
        SCOPPA,
        (0.0, cap),
        KICK_OFFS,
        "ledger.rest_days",
    )
    for days in params.congestion_days:
        yield FeatureDefinition(
            f"matches_last_{days}_days",
            "schedule",
            "matches",
            f"matches and walkovers in the {days} days before, at most 32",
            None,
            "never",
            SCOPPA,
            (0.0, 32.0),
            KICK_OFFS,
            "ledger.matches_last_days",
        )
    for name, group, unit, description, null_when, within in _LEDGER:
        reads = KICK_OFFS if group == "schedule" or name == "season_phase" else GOAL_COLUMNS
        yield FeatureDefinition(
            name, group, unit, description, None, null_when, RESULTS, within, reads, f"ledger.{name}"
        )
    for name, description in STREAKS:
        yield FeatureDefinition(
            name, "streaks", "matches", description, None, NO_MATCH_YET, RESULTS, FROM_ZERO, GOAL_COLUMNS,
            "ledger.streak",
        )  # fmt: skip


def _ratings() -> Iterator[FeatureDefinition]:
    goals, shots = GOAL_COLUMNS, _both("shots_on_target")
    rows = (
        ("elo", "points on the 400 scale", "Elo with goal margin and home advantage", HVATTUM_ARNTZEN, goals),
        ("pi", "goals on the rating scale", "pi-rating at home", CONSTANTINOU_FENTON, goals),
        ("pi", "goals on the rating scale", "pi-rating away", CONSTANTINOU_FENTON, goals),
        ("attack_defence", "log goals", "attack on goals", DIXON_COLES, goals),
        ("attack_defence", "log goals", "defence on goals, higher lets in fewer", DIXON_COLES, goals),
        ("attack_defence", "log shots", "attack on shots on target", DIXON_COLES, shots),
        ("attack_defence", "log shots", "defence on shots on target, higher lets in fewer", DIXON_COLES, shots),
    )
    for name, (group, unit, description, source, reads) in zip(RATING_NAMES, rows, strict=True):
        yield FeatureDefinition(name, group, unit, description, None, NEVER_NULL, source, ANY, reads, "ratings.rate")


def _ratios(params: FeatureParams) -> Iterator[FeatureDefinition]:
    reads = {statistic.name: statistic.reads for statistic in STATISTICS}
    for name, numerator, denominator, description in RATIOS:
        for window in (*params.windows, None):
            over = window or WEIGHTED
            yield FeatureDefinition(
                f"{name}_{over}",
                "conversion",
                "share",
                f"{description}: `{numerator}_{over}` divided by `{denominator}_{over}`",
                window,
                "either is unknown, or there was no shot",
                STATISTICS_OF_SOURCE,
                FROM_ZERO,
                tuple(dict.fromkeys((*reads[numerator], *reads[denominator]))),
                "assembly.ratios",
            )
