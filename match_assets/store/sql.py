"""DuckDB over the store: each asset a view over its accepted partitions, for analysts and for aggregates across partitions."""

import duckdb
import polars as pl

from match_assets.errors import ConfigurationError
from match_assets.store.moments import Readable


def run_sql(store: Readable, query: str) -> pl.DataFrame:
    """The answer to a query in which every asset with accepted partitions is a table of its name.

    Only assets that the query names are read.

    Args:
        store: the store, or its state as of a moment.
        query: one statement of SQL.

    Raises:
        ConfigurationError: DuckDB does not take the query; the message is its own.
    """
    assets = store.assets()
    with duckdb.connect(":memory:") as connection:
        # what is asked comes from a person's shell, and files of that person's machine are not part of the store
        connection.execute("SET enable_external_access = false")
        for asset in assets:
            if asset in query:
                frames = [store.read(asset, partition) for partition in store.partitions(asset)]
                connection.register(asset, pl.concat(frames, how="vertical").to_arrow())
        try:
            relation = connection.sql(query)
            return pl.DataFrame(relation.to_arrow_table()) if relation is not None else pl.DataFrame()
        except duckdb.Error as error:
            tables = ", ".join(assets)
            raise ConfigurationError(f"DuckDB does not take the query: {error}\nTables: {tables}") from error
