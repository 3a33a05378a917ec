"""Features of all real matches at hand, from CSV to Parquet, and which of them are unknown in which season.

Takes a folder of football-data files as ``match-assets import-csv`` does; five leagues since 1993 are 57,000 matches.
Writes the share of nulls per column by season as a picture. Nothing of the data is kept.

    .venv/bin/python benchmarks/real_features.py ../shared/data/football-datasets --picture docs/images/null-share.png
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import polars as pl
from measuring import report, seconds_of
from tournament_files import write_team_features

from match_assets.config import Params, load_params
from match_assets.errors import DataError
from match_assets.features import assemble_match_features, team_feature_definitions
from match_assets.features.frames import RESULTS, SIDE_COUNTS
from match_assets.source.files.reader import FileRow, read_seasons
from match_assets.source.files.teams import new_team_id, shipped_team_id

mpl.use("Agg")
from matplotlib import pyplot as plt

UNKNOWN = "share of rows in which it is unknown"


def read_matches(folder: Path, params: Params) -> pl.DataFrame:
    """The files of a folder as ``finished_matches`` of all tournaments, tournament by tournament."""
    by_division = {t.division: (key, t.region_id) for key, t in params.tournaments.items() if t.division}
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("*.csv")):
        try:
            seasons = read_seasons(path, path.read_bytes(), by_division)
        except DataError as error:
            print(f"passed over {path.name}: {error}")
            continue
        for season in seasons:
            tournament, region = by_division[season.division]
            rows += _matches_of(season.rows, tournament, region, str(season.season), len(rows))
    return pl.DataFrame(rows, schema=RESULTS).sort("tournament", "kick_off_utc", "match_id")


def _matches_of(
    rows: tuple[FileRow, ...], tournament: str, region: int, season: str, before: int
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, start=before + 1):
        match = {
            "match_id": number,
            "tournament": tournament,
            "season": season,
            "kick_off_utc": row.kick_off_utc,
            "is_kick_off_time_known": row.is_kick_off_time_known,
            "is_walkover": False,
        }
        for side, name, goals, counts in zip(
            ("home", "away"), (row.home, row.away), row.goals, (row.home_counts, row.away_counts), strict=True
        ):
            match |= {
                f"{side}_team": name,
                f"{side}_team_id": shipped_team_id(region, name) or new_team_id(region, name),
            }
            match[f"{side}_goals"] = goals
            match |= {f"{side}_{count}": getattr(counts, count) for count in SIDE_COUNTS[1:]}
        yield match


def null_shares(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """A row a season, a column a feature."""
    return rows.group_by("season").agg(pl.col(names).null_count() / pl.len()).sort("season")


def draw(shares: pl.DataFrame, groups: list[tuple[str, str]], n_matches: int, path: Path) -> None:
    """The shares as a picture: a feature a row, by group, and a season a column."""
    names = [name for name, _ in groups]
    figure, axes = plt.subplots(figsize=(10, 19), layout="constrained")
    image = axes.imshow(shares.select(names).to_numpy().T, aspect="auto", cmap="magma_r", vmin=0, vmax=1)
    axes.set_xticks(range(shares.height), shares["season"].to_list(), rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=5.2)
    axes.tick_params(length=0)
    begins = [place for place, (_, group) in enumerate(groups) if place == 0 or groups[place - 1][1] != group]
    for begin, end in zip(begins, [*begins[1:], len(groups)], strict=True):
        axes.axhline(begin - 0.5, color="white", linewidth=1.5)
        axes.text(shares.height - 0.3, (begin + end - 1) / 2, groups[begin][1], va="center", fontsize=8)
    axes.set_xlabel("season, by its first year")
    axes.set_title(f"Features of {n_matches:,} matches of five leagues: {UNKNOWN}", fontsize=10)
    figure.colorbar(image, ax=axes, location="top", shrink=0.5, fraction=0.008, pad=0.004, label=UNKNOWN)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path, help="where to draw the share of nulls")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        sys.exit(f"{arguments.folder} is not there")
    params = load_params()
    seconds: dict[str, float] = {}
    held: dict[str, pl.DataFrame] = {}
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "matches.parquet", Path(name) / "rows"

        def read() -> None:
            held["matches"] = read_matches(arguments.folder, params)
            held["matches"].write_parquet(source)

        def assemble() -> None:
            parts = [pl.read_parquet(path) for path in sorted(target.glob("*.parquet"))]
            wide = pl.concat([assemble_match_features(part, params.features) for part in parts])
            wide.write_parquet(Path(name) / "wide.parquet", compression="snappy")
            held["rows"], held["wide"] = pl.concat(parts), wide

        seconds["read_seconds"] = seconds_of(read)
        # a few matches, with which the kernels are compiled or loaded before the clock starts
        held["matches"].head(100).write_parquet(Path(name) / "few.parquet")
        write_team_features(Path(name) / "few.parquet", Path(name) / "few", params.features)
        seconds["team_rows_seconds"] = seconds_of(lambda: write_team_features(source, target, params.features))
        seconds["match_rows_seconds"] = seconds_of(assemble)
    # groups stay together in the picture, each where its first feature stands in the registry
    definitions = team_feature_definitions(params.features)
    order = list(dict.fromkeys(d.group for d in definitions))
    groups = sorted(((d.name, d.group) for d in definitions), key=lambda pair: order.index(pair[1]))
    shares = null_shares(held["rows"], [name for name, _ in groups])
    if arguments.picture:
        draw(shares, groups, held["matches"].height, arguments.picture)
    n_tournaments = held["matches"]["tournament"].n_unique()
    print(
        f"{held['matches'].height} matches of {n_tournaments} tournaments in {sum(seconds.values()):.1f} s from CSV on"
    )
    unknown = float(shares.select(pl.mean_horizontal(pl.exclude("season")).mean()).item())
    report(
        {"matches": held["matches"].height, "match_features": held["wide"].width - 6, "null_share": unknown, **seconds}
    )


if __name__ == "__main__":
    main()
