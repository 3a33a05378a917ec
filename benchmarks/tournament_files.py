"""Many tournaments from a Parquet file to one Parquet file each: what is timed from end to end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from match_assets.config import FeatureParams
from match_assets.features.build import build_team_features
from match_assets.features.frames import RESULTS

ROWS_OF_A_GROUP = 250_000


def write_team_features(source: Path, target: Path, params: FeatureParams, *, threads: int = 2) -> list[Path]:
    """Team features of every tournament of a file, each tournament in a file of its own.

    Tournaments know nothing of each other and are made ``threads`` at a time. No more than so many are held at once where
    the file has each tournament's rows together; else the whole input is held too.

    Args:
        source: Parquet with the columns of ``finished_matches``, rows in any order.
        target: a folder, made if it is not there; ``<tournament>.parquet`` is written anew.
        params: windows and ratings.
        threads: tournaments at a time; the values do not depend on it.

    Returns:
        The files, by tournament.

    Raises:
        SchemaMismatchError, DuplicateFixtureError, DataError: as ``build_team_features``, of the first tournament that
            is at fault; files of others may have been written.
    """
    target.mkdir(parents=True, exist_ok=True)

    def write(matches: pl.DataFrame) -> Path:
        path = target / f"{matches['tournament'][0]}.parquet"
        table = build_team_features(matches, params).team_features.to_arrow()
        # a mean takes nearly as many values as there are rows: a dictionary of them costs time and saves nothing; zstd
        # takes three times as long for a fifth less
        keys = ["tournament", "season"]
        pq.write_table(table, path, row_group_size=ROWS_OF_A_GROUP, use_dictionary=keys, compression="snappy",
                       write_statistics=False)  # fmt: skip
        return path

    with ThreadPoolExecutor(threads) as pool:
        return sorted(pool.map(lambda part: write(part.collect()), _by_tournament(source)))


def _by_tournament(source: Path) -> Iterator[pl.LazyFrame]:
    """Each tournament's rows, still to be read: a slice of the file, or of all of it where they lie apart."""
    matches = pl.scan_parquet(source).select(RESULTS.keys())
    runs = matches.select(pl.col("tournament").rle()).unnest("tournament").collect()
    if runs["value"].n_unique() < runs.height:
        matches = matches.collect().sort("tournament", maintain_order=True).lazy()
        runs = matches.select(pl.col("tournament").rle()).unnest("tournament").collect()
    lengths = runs["len"].to_list()
    for start, length in zip(accumulate(lengths, initial=0), lengths, strict=False):
        yield matches.slice(start, length)
