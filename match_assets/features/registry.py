"""Every feature once: name, group, unit, window, when it is null, and where it comes from.

The order of ``team_feature_definitions`` is the order of a kernel row. Adding a feature is one entry here and its lines
in ``kernel.read_team`` (and ``update_match`` if it needs new state), with ``KERNEL_VERSION`` raised.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from match_assets.config import FeatureParams, digest_of
from match_assets.features.kernel import KERNEL_VERSION

HVATTUM_ARNTZEN = "Hvattum & Arntzen (2010), International Journal of Forecasting 26(3)"
CONSTANTINOU_FENTON = "Constantinou & Fenton (2013), Journal of Quantitative Analysis in Sports 9(1)"
DIXON_COLES = "Maher (1982), Dixon & Coles (1997); followed online by gradient steps"
SCOPPA = "Scoppa (2015), Journal of Sports Economics 16(5)"
RESULTS = "results of the source"
STATISTICS_OF_SOURCE = "match statistics of the source"

NO_MATCH_YET = "no counted match of the team yet"
NEVER_NULL = "never: the prior stands where nothing is known"


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One column: what it is, in which unit, over how many matches, and when it is null."""

    name: str
    group: str
    unit: str
    description: str
    window: int | None
    null_when: str
    source: str


@dataclass(frozen=True, slots=True)
class _Statistic:
    """What a team's match is summed up in; the order of ``kernel.StateArrays.recent``."""

    name: str
    unit: str
    description: str
    group: str | None = None  # None: the group of its window


STATISTICS = (
    _Statistic("goals_for", "goals", "goals scored"),
    _Statistic("goals_against", "goals", "goals conceded"),
    _Statistic("points", "points", "points won, three for a win"),
    _Statistic("shots_for", "shots", "shots taken", "shots"),
    _Statistic("shots_against", "shots", "shots allowed", "shots"),
    _Statistic("shots_on_target_for", "shots", "shots on target taken", "shots"),
    _Statistic("shots_on_target_against", "shots", "shots on target allowed", "shots"),
    _Statistic("corners_for", "corners", "corners won", "shots"),
    _Statistic("fouls_for", "fouls", "fouls committed", "discipline"),
    _Statistic("cards_for", "cards", "yellow and red cards received", "discipline"),
)

# the statistics that are also averaged by venue: the first three, see kernel.N_VENUE_STATISTICS
VENUE_STATISTICS = STATISTICS[:3]

RATING_NAMES = (
    "elo",
    "pi_home",
    "pi_away",
    "attack",
    "defence",
    "shots_on_target_attack",
    "shots_on_target_defence",
)

# team features whose home value minus away value is a match feature; the ratings are compared by the expectations
COMPARED = frozenset(
    {
        "goals_for",
        "goals_against",
        "points",
        "shots_for",
        "shots_against",
        "shots_on_target_for",
        "shots_on_target_against",
        "goals_for_weighted",
        "goals_against_weighted",
        "points_same_venue",
        "rest_days",
        "season_points_per_match",
        "elo",
    }
)

EXPECTATIONS = (
    FeatureDefinition(
        "elo_home_expectation",
        "elo",
        "share",
        "Elo's expected score of the home team: a win counts 1, a draw one half",
        None,
        NEVER_NULL,
        HVATTUM_ARNTZEN,
    ),
    FeatureDefinition(
        "pi_expected_goal_difference",
        "pi",
        "goals",
        "home minus away goals that the pi-ratings expect",
        None,
        NEVER_NULL,
        CONSTANTINOU_FENTON,
    ),
    *(
        FeatureDefinition(
            f"{side}_expected_{what}",
            "attack_defence",
            unit,
            f"{unit} of the {side} team that attack and defence expect",
            None,
            NEVER_NULL,
            DIXON_COLES,
        )
        for what, unit in (("goals", "goals"), ("shots_on_target", "shots"))
        for side in ("home", "away")
    ),
)


@lru_cache(maxsize=8)
def team_feature_definitions(params: FeatureParams) -> tuple[FeatureDefinition, ...]:
    """Columns of ``team_match_features`` after the keys, in order."""
    return (*_windowed(params), *_by_venue(params), *_weighted(), *_schedule(params), *_ratings())


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
        )
        for d in team
        if is_compared(d)
    )
    return (*sides, *differences, *EXPECTATIONS)


def is_compared(definition: FeatureDefinition) -> bool:
    """Whether the home value minus the away value of this team feature is a match feature."""
    base = definition.name.removesuffix(f"_{definition.window}") if definition.window else definition.name
    return base in COMPARED


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


def _windowed(params: FeatureParams) -> Iterator[FeatureDefinition]:
    for window in params.windows:
        for statistic in STATISTICS:
            is_result = statistic.group is None
            yield FeatureDefinition(
                f"{statistic.name}_{window}",
                statistic.group or f"form_{window}",
                f"{statistic.unit} a match",
                f"mean {statistic.description} in the last {window} matches",
                window,
                NO_MATCH_YET if is_result else f"unknown in each of the last {window} matches",
                RESULTS if is_result else STATISTICS_OF_SOURCE,
            )


def _by_venue(params: FeatureParams) -> Iterator[FeatureDefinition]:
    window = params.windows[-1]
    for statistic in VENUE_STATISTICS:
        yield FeatureDefinition(
            f"{statistic.name}_same_venue_{window}",
            "venue",
            f"{statistic.unit} a match",
            f"mean {statistic.description} in those of the last {window} matches that were, like this one, "
            "at home (or away)",
            window,
            f"none of the last {window} matches at this venue",
            RESULTS,
        )


def _weighted() -> Iterator[FeatureDefinition]:
    for statistic in STATISTICS[:2]:
        yield FeatureDefinition(
            f"{statistic.name}_weighted",
            "weighted",
            "goals a match",
            f"exponentially weighted mean of {statistic.description}, half-life `weighted_half_life` matches",
            None,
            NO_MATCH_YET,
            RESULTS,
        )


def _schedule(params: FeatureParams) -> Iterator[FeatureDefinition]:
    in_season = "no counted match of the team in the season yet"
    rows = (
        ("rest_days", "schedule", "days", f"days since the last match or walkover, at most {params.rest_days_cap:g}",
         "no match yet, or the fixture's date lies before the team's last match", SCOPPA),
        ("matches_played", "schedule", "matches", "counted matches since the team entered the tournament", "never",
         RESULTS),
        ("season_matches", "schedule", "matches", "counted matches in this season", "never", RESULTS),
        ("season_points_per_match", "streaks", "points a match", "points a match in this season", in_season, RESULTS),
        ("win_streak", "streaks", "matches", "matches won in a row", NO_MATCH_YET, RESULTS),
        ("unbeaten_streak", "streaks", "matches", "matches without defeat in a row", NO_MATCH_YET, RESULTS),
    )  # fmt: skip
    for name, group, unit, description, null_when, source in rows:
        yield FeatureDefinition(name, group, unit, description, None, null_when, source)


def _ratings() -> Iterator[FeatureDefinition]:
    rows = (
        ("elo", "points on the 400 scale", "Elo with goal margin and home advantage", HVATTUM_ARNTZEN),
        ("pi", "goals on the rating scale", "pi-rating at home", CONSTANTINOU_FENTON),
        ("pi", "goals on the rating scale", "pi-rating away", CONSTANTINOU_FENTON),
        ("attack_defence", "log goals", "attack on goals", DIXON_COLES),
        ("attack_defence", "log goals", "defence on goals, higher lets in fewer", DIXON_COLES),
        ("attack_defence", "log shots", "attack on shots on target", DIXON_COLES),
        ("attack_defence", "log shots", "defence on shots on target, higher lets in fewer", DIXON_COLES),
    )
    for name, (group, unit, description, source) in zip(RATING_NAMES, rows, strict=True):
        yield FeatureDefinition(name, group, unit, description, None, NEVER_NULL, source)
