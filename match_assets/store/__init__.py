"""Immutable Parquet objects named by their SHA-256, and the small pointers that say which of them counts.

Nothing here knows Dagster: the assets, the bulk job, the service and a notebook read through the same ``Store``.
Start with ``store.store``; ``encoding`` makes the bytes, ``pointers`` describes what a pointer says, ``objects`` talks S3.
"""

from match_assets.store.pointers import Pointer
from match_assets.store.store import Store

__all__ = ["Pointer", "Store"]
