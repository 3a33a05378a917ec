"""Features of drawn leagues: the project's kernels beside polars, DuckDB and pandas, all checked equal before the clock starts.

1. The 54 rolling columns: both teams, three windows, eight statistics and the matches counted, strictly before kick-off.
   All four begin with the same frame of matches and end with a row per match, the kernels with NaN for null.
2. Ratings alone: Elo, pi-ratings, attack and defence, one match after the other.
3. The whole registry from Parquet to Parquet, each run in a process of its own, and five times as many matches. The peer
   states all of it in polars' expressions but for the ratings, for which it borrows the project's loop.
4. A match day of one tournament with 30 seasons behind it, and the row that the service computes for one pair of teams.

    .venv/bin/python benchmarks/features.py --matches 1000000
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from drawn_leagues import draw_leagues
from end_to_end import Run, measured
from match_days import match_day, rating_seconds, service_row
from measuring import quickest, report, require
from numpy.typing import NDArray
from rolling_peers import COLUMNS, STATISTICS, WINDOWS, duckdb_rows, pandas_rows, polars_rows

from match_assets.config import load_params
from match_assets.features.rolling import MISSING, rolling_means, side_sequences

THREADS = 2
TOLERANCE = 1e-9
MORE = 5
COUNTS = ("goals", "shots", "shots_on_target", "corners")

Ints = NDArray[np.int64]
SmallInts = NDArray[np.int32]
Floats = NDArray[np.float64]


# -- the rolling columns ---------------------------------------------------------------------------------------------------


def kernel_rows(matches: pl.DataFrame) -> Floats:
    """From the frame to (27, 2 n) columns in match order, home team first; two tournaments at a time."""
    bounds, home, away = team_positions(matches)
    counts = known_counts(matches)
    rows = np.empty((len(WINDOWS) * (len(STATISTICS) + 1), 2 * matches.height))

    def one(number: int) -> None:
        first, last = bounds[number : number + 2]
        base = min(home[first:last].min(), away[first:last].min())
        n_teams = max(home[first:last].max(), away[first:last].max()) - base + 1
        sequences = side_sequences(home[first:last] - base, away[first:last] - base, n_teams)
        values = side_values({name: column[first:last] for name, column in counts.items()})
        rolling_means(values, sequences, WINDOWS, out=rows[:, 2 * first : 2 * last])

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(one, range(bounds.size - 1)):
            pass
    return rows


def team_positions(matches: pl.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Where each tournament begins, and the place of each match's teams in a list of all teams."""
    begins = np.flatnonzero(np.diff(matches["tournament"].rle_id().to_numpy())) + 1
    home, away = matches["home_team_id"].to_numpy(), matches["away_team_id"].to_numpy()
    # ids as small as these need no sorting: which of them exist, counted up, is their place
    exists = np.zeros(max(home.max(), away.max()) + 1, np.int64)
    exists[home] = exists[away] = 1
    place = np.cumsum(exists) - 1
    return np.concatenate([[0], begins, [matches.height]]), place[home], place[away]


def known_counts(matches: pl.DataFrame) -> dict[str, SmallInts]:
    """The counts that the statistics are made of, MISSING where unknown."""
    names = [f"{side}_{name}" for side in ("home", "away") for name in COUNTS]
    filled = matches.select(pl.col(names).cast(pl.Int32).fill_null(MISSING))
    return {series.name: series.to_numpy() for series in filled}


def side_values(counts: Mapping[str, SmallInts]) -> SmallInts:
    """The eight statistics of every side row."""
    values = np.empty((len(STATISTICS), 2 * counts["home_goals"].size), np.int32)
    for venue, (own, other) in enumerate((("home", "away"), ("away", "home"))):
        scored, conceded = counts[f"{own}_goals"], counts[f"{other}_goals"]
        columns = [scored, conceded, 3 * (scored > conceded) + (scored == conceded)]
        columns += [counts[f"{side}_{name}"] for name in COUNTS[1:3] for side in (own, other)]
        for place, column in enumerate([*columns, counts[f"{own}_corners"]]):
            values[place, venue::2] = column
    return values


def time_rolling(matches: pl.DataFrame, rounds: int) -> dict[str, float]:
    """Seconds of each way, after all four were found to agree."""
    ours = kernel_rows(matches)
    found = np.concatenate([ours[:, 0::2], ours[:, 1::2]]).T
    largest = 0.0
    ways: dict[str, Callable[[pl.DataFrame], object]] = {
        "polars": polars_rows,
        "duckdb": duckdb_rows,
        "pandas": pandas_rows,
    }
    for name, way in ways.items():
        theirs = way(matches)[COLUMNS].to_numpy()
        require(np.array_equal(np.isnan(found), np.isnan(theirs)), f"which rolling columns {name} knows")
        largest = max(largest, float(np.nanmax(np.abs(found - theirs))))
        require(largest <= TOLERANCE, f"rolling columns of {name} by up to {largest}")
    print(f"{len(COLUMNS)} rolling columns of {matches.height} matches: four ways agree within {largest:.1e}")
    del ours, found, theirs
    works = {"kernels": lambda: kernel_rows(matches), "polars": lambda: polars_rows(matches)}
    seconds = quickest(works, rounds=2 * rounds)
    slow = {"duckdb": lambda: duckdb_rows(matches), "pandas": lambda: pandas_rows(matches), **works}
    for name, took in quickest(slow, rounds=max(1, rounds // 2)).items():
        seconds[name] = min(took, seconds.get(name, took))
    for name, took in seconds.items():
        print(f"  {name:8} {took:8.3f} s, {seconds['kernels'] / took:.3f} of the kernels' speed")
    return seconds


# -- the whole registry ----------------------------------------------------------------------------------------------------


def check_registry(rows: Path, theirs: Path) -> None:
    """Both wrote the same table: every key and every feature of it."""
    for name, dtype in pl.read_parquet_schema(theirs).items():
        mine, peers = (pl.read_parquet(path, columns=[name])[name] for path in (rows / "*.parquet", theirs))
        if dtype != pl.Float64:
            require(mine.equals(peers), f"{name} of the rows")
            continue
        require(mine.is_null().equals(peers.is_null()), f"which values of {name} are known")
        # a maximum passes over what is no number
        apart = (mine - peers).abs().drop_nulls().fill_nan(float("inf"))
        require((apart <= TOLERANCE).all(), f"{name} by up to {apart.max()}")


def time_registry(folder: Path, n_matches: int, rounds: int) -> dict[str, float]:
    """End to end: the ratio to polars, the memory, and five times the matches."""
    source, larger = folder / "matches.parquet", folder / "more.parquet"
    matches = draw_leagues(n_matches)
    size = matches.estimated_size()
    write_by_tournament(matches, source)
    write_by_tournament(draw_leagues(MORE * n_matches), larger)
    del matches
    ours, theirs = folder / "rows", folder / "peer.parquet"
    runs = [(measured("kernels", source, ours), measured("polars", source, theirs)) for _ in range(rounds)]
    check_registry(ours, theirs)
    best, peer = quickest_of([kernels for kernels, _ in runs]), quickest_of([polars for _, polars in runs])
    width = len(pl.read_parquet_schema(next(ours.glob("*.parquet"))))
    require(width == len(pl.read_parquet_schema(theirs)), "how many columns there are")
    print(f"registry from Parquet to Parquet: the same {width} columns both ways")
    print(
        f"  kernels {best.seconds:.2f} s and {best.bytes / 1e6:.0f} MB, polars {peer.seconds:.2f} s and {peer.bytes / 1e6:.0f} MB"
    )
    more = quickest_of([measured("kernels", larger, ours) for _ in range(rounds)])
    print(
        f"  {MORE} times the matches: {more.seconds:.2f} s and {more.bytes / 1e6:.0f} MB; the input takes {size / 1e6:.0f} MB"
    )
    return {
        "end_to_end_vs_polars": peer.seconds / best.seconds,
        "peak_memory_vs_input": max(best.bytes / size, more.bytes / (MORE * size)),
        "seconds_5m_vs_1m": more.seconds / best.seconds,
    }


def write_by_tournament(matches: pl.DataFrame, path: Path) -> None:
    """Parquet with a row group a tournament, as they would be written one by one."""
    bounds, _, _ = team_positions(matches)
    matches.write_parquet(path, row_group_size=int(np.diff(bounds).max()))


def quickest_of(runs: list[Run]) -> Run:
    """The least time and the least memory."""
    return Run(min(run.seconds for run in runs), min(run.bytes for run in runs))


# -- all of it -------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matches", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds, of which the quickest counts")
    arguments = parser.parse_args()
    params = load_params().features.model_copy(update={"windows": WINDOWS})
    matches = draw_leagues(arguments.matches)
    seconds = time_rolling(matches, arguments.rounds)
    figures = {f"kernel_vs_{name}": seconds[name] / seconds["kernels"] for name in ("polars", "duckdb", "pandas")}
    ratings = rating_seconds(matches, params, arguments.rounds) * 1_000_000 / matches.height
    del matches
    with tempfile.TemporaryDirectory() as folder:
        registry = time_registry(Path(folder), arguments.matches, arguments.rounds)
    figures |= {"end_to_end_vs_polars": registry.pop("end_to_end_vs_polars"), "ratings_seconds_per_million": ratings}
    report(figures | registry | match_day(params, arguments.rounds) | service_row(params))


if __name__ == "__main__":
    main()
