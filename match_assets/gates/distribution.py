"""A season's numbers against football as such, and against the seasons before it.

What no season of any league comes near is an *error*: it depends on the rows alone, so it is the same whichever seasons are
held already. A season unlike those before it is a *warning*: it happens, for example when a provider counts otherwise.

Bounds: mean per side and match over 160 real seasons of five leagues since 1993 lie between 0.8 and 1.9 goals, 8 and 16
shots, 3.4 and 8.6 shots on target, 3.5 and 6.7 corners, 10 and 21 fouls, 1.1 and 3.0 yellow and 0.02 and 0.25 red cards;
34 to 55 % of the matches are won at home and 18 to 36 % drawn. Absurd is about twice as far out.
"""

from collections.abc import Sequence

import polars as pl

from match_assets.gates.verdict import Rule

SIDES = ("home", "away")
BOUNDS: dict[str, tuple[float, float]] = {
    "goals": (0.4, 4.0),
    "shots": (4.0, 32.0),
    "shots_on_target": (1.5, 16.0),
    "corners": (1.5, 13.0),
    "fouls": (4.0, 42.0),
    "yellow_cards": (0.2, 6.0),
    "red_cards": (0.0, 1.0),
    "home_wins": (0.15, 0.80),
    "draws": (0.04, 0.60),
}
# a mean over fewer matches may be anything
LEAST_MATCHES = 100
# seasons to compare with: fewer tell nothing of how seasons differ, older ones tell of another game
LEAST_SEASONS, MOST_SEASONS = 4, 10
# Distance from the median, in spreads, at which a season is told: of the 160 real seasons it tells of three, those of Serie A
# from 2018 to 2020, whose shots were counted otherwise.
UNLIKE = 5.0
PROFILE = {"measure": pl.String(), "mean": pl.Float64(), "deviation": pl.Float64(), "n": pl.Int64()}


def result_columns(results: pl.DataFrame) -> pl.DataFrame:
    """What is compared of each played match: both sides' counts, and whether it was won at home or drawn."""
    counts = [name for name in BOUNDS if f"home_{name}" in results.columns]
    margin = pl.col("home_goals") - pl.col("away_goals")
    return results.filter(~pl.col("is_walkover")).select(
        *(pl.col(f"{side}_{name}").cast(pl.Float64) for name in counts for side in SIDES),
        (margin > 0).cast(pl.Float64).alias("home_wins"),
        (margin == 0).cast(pl.Float64).alias("draws"),
    )


def profile(values: pl.DataFrame) -> pl.DataFrame:
    """Mean, deviation and number of known values of every column, a row each (``PROFILE``)."""
    if not values.width:
        return pl.DataFrame(schema=PROFILE)
    columns = pl.col(values.columns)
    told = values.select(
        columns.mean().name.prefix("mean|"), columns.std().name.prefix("std|"), columns.count().name.prefix("n|")
    ).row(0, named=True)
    rows = [
        (name, told[f"mean|{name}"], told[f"std|{name}"] or 0.0, told[f"n|{name}"])
        for name in values.columns
        if told[f"n|{name}"]
    ]
    return pl.DataFrame(rows, schema=PROFILE, orient="row")


def _base(measure: str) -> str:
    return measure if measure in BOUNDS else measure.partition("_")[2]


def absurd(results: pl.DataFrame) -> pl.DataFrame:
    """Means that no season of football has, with the bounds they break; a few matches may have any."""
    found = profile(result_columns(results)).filter(pl.col("n") >= LEAST_MATCHES)
    base = found["measure"].map_elements(_base, return_dtype=pl.String)
    low = base.replace_strict({name: bounds[0] for name, bounds in BOUNDS.items()}, return_dtype=pl.Float64)
    high = base.replace_strict({name: bounds[1] for name, bounds in BOUNDS.items()}, return_dtype=pl.Float64)
    told = found.with_columns(at_least=low, at_most=high)
    return told.filter((pl.col("mean") < pl.col("at_least")) | (pl.col("mean") > pl.col("at_most"))).drop("deviation")


NOT_ABSURD = Rule(
    "means that football can have",
    absurd,
    explanation=lambda rows: "; ".join(
        f"{name} {mean:.2f} a match, never seen outside {low:g} to {high:g}"
        for name, mean, low, high in rows.select("measure", "mean", "at_least", "at_most").rows()
    ),
    remedy="Whole columns are wrong: swapped, in another unit, or of another game. Look at the source's pages; if football "
    "itself has changed, widen BOUNDS in match_assets/gates/distribution.py and run this check alone.",
)


def unlike(now: pl.DataFrame, before: Sequence[pl.DataFrame], *, least: int = LEAST_MATCHES) -> pl.DataFrame:
    """Measures that lie far from where they lay in the seasons before.

    The spread is the median distance from the median over the seasons before (times 1.4826, so that it estimates a
    standard deviation), but not less than what the season's own number of values and 2 % of a value's deviation allow:
    a handful of seasons may agree by chance.

    Args:
        now: the season's profile.
        before: profiles of earlier seasons, over the same stretch of the season; the newest ``MOST_SEASONS`` count.
        least: values below which a mean says nothing.

    Returns:
        ``measure``, ``mean``, ``median_before``, ``spreads`` (signed), ``n``, ``n_seasons``; farthest first.
    """
    known = [
        told.filter(pl.col("n") >= least).select("measure", "mean") for told in before[-MOST_SEASONS:] if told.height
    ]
    earlier = pl.concat([*known, pl.DataFrame(schema={"measure": pl.String(), "mean": pl.Float64()})])
    middle = earlier.with_columns(median_before=pl.col("mean").median().over("measure"))
    distance = (pl.col("mean") - pl.col("median_before")).abs().median() * 1.4826
    seasons = middle.group_by("measure").agg(
        pl.col("median_before").first(), distance.alias("spread"), pl.len().alias("n_seasons")
    )
    noise = pl.col("deviation").pow(2) * (1 / pl.col("n") + 0.02**2)
    scale = (pl.col("spread").pow(2) + noise).sqrt()
    told = (
        now.filter(pl.col("n") >= least)
        .join(seasons.filter(pl.col("n_seasons") >= LEAST_SEASONS), on="measure")
        .with_columns(scale=scale)
        .filter(pl.col("scale") > 0)
        .with_columns(spreads=(pl.col("mean") - pl.col("median_before")) / pl.col("scale"))
    )
    far = told.filter(pl.col("spreads").abs() > UNLIKE)
    columns = ["measure", "mean", "median_before", "spreads", "n", "n_seasons"]
    return far.sort(pl.col("spreads").abs(), descending=True).select(columns)


def like_before(name: str, rows: pl.DataFrame) -> Rule:
    """The warning over measures that ``unlike`` found."""

    def say(found: pl.DataFrame) -> str:
        return "; ".join(
            f"{measure} {mean:.3g}, before {median:.3g}"
            for measure, mean, median in found.select("measure", "mean", "median_before").head(5).rows()
        )

    return Rule(name, lambda _frame: rows, "warning", say)


def stretch(results: pl.DataFrame, n: int) -> pl.DataFrame:
    """The season's first ``n`` results: one under way is compared with the beginning of the others."""
    return results.sort("kick_off_utc", "match_id").head(n)
