"""Frames to Parquet bytes and back, the same bytes for the same rows on every machine and day."""

import hashlib
import io
from collections.abc import Sequence

import polars as pl
import polars.selectors as cs

from match_assets.errors import SchemaMismatchError


def canonical(frame: pl.DataFrame, sort_by: Sequence[str]) -> pl.DataFrame:
    """``frame`` in its one canonical form: rows in total order, NaN as null, minus zero as zero, one chunk.

    Raises:
        SchemaMismatchError: ``sort_by`` names a column that is missing, or does not order the rows totally (two rows
            share a key, so their order would be an accident).
    """
    missing = [name for name in sort_by if name not in frame.columns]
    if missing:
        raise SchemaMismatchError(f"sort key {missing} is not in the frame (it has {frame.columns})", missing=missing)
    if sort_by and frame.select(sort_by).is_duplicated().any():
        doubled = frame.filter(frame.select(sort_by).is_duplicated()).select(sort_by).head(3).rows()
        raise SchemaMismatchError(f"rows are not unique by {list(sort_by)}, for instance {doubled}", doubled=doubled)
    # minus zero equals zero; adding 0.0 would do, but polars' optimiser takes such an addition away
    tidy = frame.with_columns(pl.when(cs.float() == 0.0).then(0.0).otherwise(cs.float().fill_nan(None)).name.keep())
    return (tidy.sort(sort_by, nulls_last=True) if sort_by else tidy).rechunk()


def encode(frame: pl.DataFrame) -> bytes:
    """Parquet bytes of a canonical frame; fixed writer settings, no clock and no host in the file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True, row_group_size=250_000)
    return buffer.getvalue()


def decode(content: bytes) -> pl.DataFrame:
    """The frame that ``encode`` wrote."""
    return pl.read_parquet(io.BytesIO(content))


def sha256(content: bytes) -> str:
    """Lower-case hexadecimal SHA-256 of ``content``."""
    return hashlib.sha256(content).hexdigest()


def schema_fingerprint(frame: pl.DataFrame) -> str:
    """First 16 hex digits of the SHA-256 over column names and dtypes, in order."""
    text = ";".join(f"{name}:{dtype}" for name, dtype in frame.schema.items())
    return sha256(text.encode())[:16]
