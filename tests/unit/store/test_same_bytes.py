"""The same rows give the same SHA-256 in any order, chunking, thread count, hash seed, folder and time zone. OBJ-08."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl

from match_assets.store.encoding import canonical, encode

SCRIPT = """
import random, sys
import polars as pl
from match_assets.store.encoding import canonical, encode, sha256

seed, chunks = int(sys.argv[1]), int(sys.argv[2])
ids = list(range(260_000))
random.Random(seed).shuffle(ids)
rows = pl.DataFrame({"match_id": ids}).with_columns(
    team=pl.format("team {}", pl.col("match_id") % 997),
    rating=(pl.col("match_id") * 0.1).sin(),
    kick_off=pl.from_epoch(pl.col("match_id") * 3600).dt.replace_time_zone("UTC"),
)
size = len(ids) // chunks + 1
rows = pl.concat([rows[start : start + size] for start in range(0, len(ids), size)], rechunk=False)
table = encode(canonical(rows, ["kick_off", "match_id"]))
# no order was asked for here: the total key gives one; names from a set come in the order of the hash seed
grouped = rows.group_by(list({"team"})).agg(pl.len(), pl.col("match_id").max())
columns = sorted({"team", "len", "match_id"})
print(sha256(table), sha256(encode(canonical(grouped.select(columns), ["team"]))), pl.thread_pool_size())
"""
RUNS = [
    {"seed": 1, "chunks": 1, "PYTHONHASHSEED": "0", "POLARS_MAX_THREADS": "1", "TZ": "UTC"},
    {"seed": 2, "chunks": 7, "PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "2", "TZ": "Asia/Tokyo"},
    {"seed": 3, "chunks": 64, "PYTHONHASHSEED": "4242", "POLARS_MAX_THREADS": "5", "TZ": "America/Sao_Paulo"},
]


def test_processes_that_differ_in_everything_but_the_rows_write_the_same_bytes(tmp_path: Path) -> None:
    # OBJ-08
    found = []
    for number, run in enumerate(RUNS):
        environment = {key: str(value) for key, value in run.items() if key.isupper()}
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-c", SCRIPT, str(run["seed"]), str(run["chunks"])]
        project = str(Path(__file__).resolve().parents[3])
        path = os.pathsep.join([project, os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            command,
            env={**os.environ, **environment, "PYTHONPATH": path},
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.split())
    assert [threads for *_, threads in found] == ["1", "2", "5"]
    assert len({tuple(digests) for *digests, _ in found}) == 1, found


def test_no_clock_host_user_or_folder_is_in_the_file() -> None:
    # OBJ-08
    content = encode(canonical(pl.DataFrame({"match_id": [2, 1], "goals": [0, 3]}), ["match_id"]))
    for word in (socket.gethostname(), str(Path.cwd()), str(Path.home()), "T00:", "UTC"):
        assert word.encode() not in content
    assert encode(canonical(pl.DataFrame({"match_id": [1, 2], "goals": [3, 0]}), ["match_id"])) == content
