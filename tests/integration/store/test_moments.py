"""The accepted state as it was, and where a version came from."""

import datetime as dt
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from match_assets.config import Settings
from match_assets.errors import ConfigurationError, MissingObjectError, NotAcceptedError, StoreError
from match_assets.local.stack import ServerStack
from match_assets.store import Store
from match_assets.store.commands import store as store_group
from match_assets.store.commands import trace
from match_assets.store.lineage import find_match, lineage
from match_assets.store.moments import parse_moment
from match_assets.store.objects import Bucket
from match_assets.store.sql import run_sql
from match_assets.store.verifying import repair, verify
from match_assets.warehouse.migrate import migrate
from tests.integration.store.conftest import ASSET, PARTITION, accepted, clock, frame

NEW_YEAR = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
OTHER = "2023|ESP-LaLiga"


def hour(n: float) -> dt.datetime:
    return NEW_YEAR + dt.timedelta(hours=n)


@pytest.fixture
def grown(bucket: Bucket) -> Store:
    """Three versions of one partition, accepted at hours 1, 3 and 5 of 2025, and one of another at hour 7."""
    store = Store(bucket, now=clock(NEW_YEAR))
    for goal in (1, 2, 3):
        accepted(store, frame(goal), inputs={"raw": str(goal)})
    accepted(store, frame(10), partition=OTHER)
    return store


@pytest.mark.parametrize(("when", "goals"), [(1, 1), (2.9, 1), (3, 2), (5, 3), (100, 3)])
def test_reading_as_of_a_time_gives_what_was_accepted_then(grown: Store, when: float, goals: int) -> None:
    assert grown.read(ASSET, PARTITION, as_of=hour(when)).equals(frame(goals))
    assert grown.as_of(hour(when)).read(ASSET, PARTITION).equals(frame(goals))


def test_before_the_first_version_there_was_nothing(grown: Store) -> None:
    with pytest.raises(NotAcceptedError, match="no accepted version as of 2025-01-01 00:30"):
        grown.read(ASSET, PARTITION, as_of=hour(0.5))
    assert grown.as_of(hour(0.5)).assets() == []


def test_a_view_holds_the_partitions_of_its_time_and_does_not_move(grown: Store) -> None:
    view = grown.as_of(hour(6))
    assert (view.assets(), view.partitions(ASSET)) == ([ASSET], [PARTITION])
    accepted(grown, frame(4), inputs={"raw": "4"})
    assert view.read(ASSET, PARTITION).equals(frame(3))
    assert grown.as_of(hour(7)).partitions(ASSET) == [OTHER, PARTITION]


def test_reading_as_of_a_version_s_number_or_digest(grown: Store) -> None:
    second = grown.history(ASSET, PARTITION)[1]
    assert grown.read(ASSET, PARTITION, as_of=2).equals(frame(2))
    assert grown.read(ASSET, PARTITION, as_of=second.sha256).equals(frame(2))
    assert grown.read(ASSET, PARTITION, as_of=second.sha256[:16]).equals(frame(2))
    assert grown.as_of(second.sha256).partitions(ASSET) == [PARTITION], "the whole state as it was when that came"
    with pytest.raises(NotAcceptedError):
        grown.as_of("0" * 64)


@pytest.mark.parametrize("moment", [dt.datetime(2025, 1, 1), 0, "yesterday", "ABCDEF0123456789"])  # noqa: DTZ001
def test_what_is_no_moment_is_refused(grown: Store, moment: dt.datetime | int | str) -> None:
    with pytest.raises(ConfigurationError):
        grown.as_of(moment)


def test_moments_are_read_as_people_write_them() -> None:
    assert parse_moment("2025-01-31") == dt.datetime(2025, 1, 31, tzinfo=dt.UTC)
    assert parse_moment("2025-01-31T18:00+01:00") == dt.datetime(2025, 1, 31, 17, tzinfo=dt.UTC)
    assert parse_moment("3") == 3
    assert parse_moment("ab" * 32) == "ab" * 32
    with pytest.raises(ConfigurationError, match="no moment"):
        parse_moment("last week")


def test_sql_asks_the_state_of_a_moment(grown: Store) -> None:
    query = "select sum(goals) as goals from finished_matches"
    assert run_sql(grown.as_of(hour(4)), query)["goals"].to_list() == [2]
    assert run_sql(grown, query)["goals"].to_list() == [13]


def test_versions_never_go_back_in_time_whatever_a_machine_s_clock_says(bucket: Bucket) -> None:
    accepted(Store(bucket, now=lambda: hour(10)), frame(1), inputs={"raw": "1"})
    accepted(Store(bucket, now=lambda: hour(2)), frame(2), inputs={"raw": "2"})
    assert Store(bucket).read(ASSET, PARTITION, as_of=hour(11)).equals(frame(2))
    assert Store(bucket).pointer(ASSET, PARTITION, as_of=hour(9)) is None


def test_a_pointer_in_the_wrong_place_is_refused_in_the_history_too(grown: Store, bucket: Bucket) -> None:
    key = "history/finished_matches/2024%7CESP-LaLiga/00000001.json"
    foreign = bucket.get(f"pointers/finished_matches/{OTHER.replace('|', '%7C')}/accepted.json")
    assert foreign
    bucket.put(key, foreign[0])
    with pytest.raises(StoreError, match=f"speaks of finished_matches {OTHER}".replace("|", r"\|")):
        grown.history(ASSET, PARTITION)
    assert [finding.problem for finding in verify(grown).findings] == ["pointer"]


# -- lineage ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(bucket: Bucket) -> Store:
    """Raw tables of a revision, results of them twice, and features of the first results."""
    store = Store(bucket, now=clock(NEW_YEAR))
    for revision, goal in (("rev-1", 1), ("rev-2", 2)):
        raw = accepted(
            store, frame(goal), asset="raw_matches", inputs={"warehouse": revision}, run=f"run of {revision}"
        )
        results = accepted(store, frame(goal), inputs={f"raw_matches@{PARTITION}": raw.sha256})
        if goal == 1:
            inputs = {f"finished_matches@{PARTITION}": results.sha256, "reached": "yes"}
            accepted(store, frame(5, 6), asset="match_features", inputs=inputs, run="run of features")
    return store


def test_a_number_is_traced_to_the_warehouse_through_the_versions_that_were_read(chain: Store) -> None:
    pointer = chain.pointer("match_features", PARTITION)
    assert pointer
    root = lineage(chain, pointer)
    names = [(node.name.partition("@")[0], node.code_version, node.run_id) for node in root.walk()]
    assert names == [
        ("match_features", "c1", "run of features"),
        ("finished_matches", "c1", "r"),
        ("raw_matches", "c1", "run of rev-1"),
        ("warehouse", None, None),
        ("reached", None, None),
    ]
    assert [node.digest for node in root.walk() if node.name == "warehouse"] == ["rev-1"]


def test_the_rows_before_a_cut_off_are_traced_to_the_version_they_were_part_of(chain: Store) -> None:
    accepted(chain, frame(9), asset="temporal_split", inputs={f"finished_matches@{PARTITION}": "digest of some rows"})
    pointer = chain.pointer("temporal_split", PARTITION)
    assert pointer
    (results,) = lineage(chain, pointer).inputs
    assert results.digest == "digest of some rows"
    assert results.note.startswith("part of the version")
    assert [node.digest for node in results.walk() if node.name == "warehouse"] == ["rev-2"]


def test_a_match_is_found_among_features_first(chain: Store) -> None:
    assert find_match(chain, 2).asset == "match_features"
    with pytest.raises(StoreError, match="holds match 77"):
        find_match(chain, 77)


# -- commands --------------------------------------------------------------------------------------------------------------

Run = Callable[..., str]


@pytest.fixture
def run(stack: ServerStack, place: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this test's bucket; its output, or its error raised."""
    for name, value in {**stack.settings_environment(), "MATCH_ASSETS_S3_BUCKET": place.s3_bucket}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(command: click.Command, *arguments: str) -> str:
        result = CliRunner().invoke(command, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return invoke


def test_trace_prints_the_tree_with_hash_code_and_run(chain: Store, run: Run) -> None:
    printed = run(trace, "1")
    assert "warehouse rev-1" in printed
    for version in chain.history(ASSET, PARTITION)[:1]:
        assert version.sha256[:12] in printed
    assert '"rev-1"' in run(trace, "1", "--json")


def test_history_lists_the_versions_newest_first_with_what_changed(grown: Store, run: Run) -> None:
    printed = run(store_group, "history", ASSET, PARTITION)
    digests = [version.sha256[:12] for version in grown.history(ASSET, PARTITION)]
    assert [printed.index(digest) for digest in digests] == sorted((printed.index(d) for d in digests), reverse=True)
    assert "raw" in printed
    with pytest.raises(NotAcceptedError, match="no accepted version"):
        run(store_group, "history", ASSET, "1999|ESP-LaLiga")


def test_gc_says_what_would_go(grown: Store, run: Run) -> None:
    grown.put_object(b"garbage")
    assert "0 objects (0.0 MB) would be removed, 5 kept" in run(store_group, "gc", "--dry-run")
    with pytest.raises(ConfigurationError, match="too short"):
        run(store_group, "gc", "--grace-days", "0")


# -- verify and repair -----------------------------------------------------------------------------------------------------


def test_verify_finds_what_is_wrong_with_every_version_and_nothing_else(grown: Store, bucket: Bucket, run: Run) -> None:
    # OBJ-03, OBJ-05
    assert verify(grown).is_sound
    assert "4 versions, 4 objects" in run(store_group, "verify")
    first, _, third = grown.history(ASSET, PARTITION)
    bucket.put(Store.object_key(first.sha256), b"<html>")
    head = bucket.head(Store.object_key(third.sha256))
    assert head
    bucket.delete(Store.object_key(third.sha256), head.etag)
    found = verify(Store(bucket)).findings
    assert [(f.kind, f.sequence, f.problem) for f in found] == [("accepted", 3, "gone"), ("history", 1, "bytes")]
    assert verify(Store(bucket), ASSET, OTHER).is_sound
    with pytest.raises(StoreError, match=r"1 × bytes, 1 × gone; run `match-assets store repair`"):
        run(store_group, "verify")


@pytest.mark.parametrize(("field", "value"), [("rows", 9), ("schema_fingerprint", "0" * 16)])
def test_verify_compares_rows_and_schema_with_what_the_pointer_says(
    grown: Store, bucket: Bucket, field: str, value: object
) -> None:
    import msgspec

    from match_assets.store.pointers import encode_pointer

    pointer = grown.pointer(ASSET, OTHER)
    assert pointer
    wrong = msgspec.structs.replace(pointer, **{field: value})
    bucket.put(f"pointers/finished_matches/{OTHER.replace('|', '%7C')}/accepted.json", encode_pointer(wrong))
    (finding,) = verify(grown).findings
    assert finding.problem in {"rows", "schema"}
    assert str(value) in finding.message


def test_repair_makes_inputs_before_what_was_made_of_them_and_says_what_came_out(chain: Store, bucket: Bucket) -> None:
    # OBJ-03: a callback makes the same rows again for results, other rows for the raw table
    asked = []
    for asset in ("finished_matches", "raw_matches"):
        pointer = chain.pointer(asset, PARTITION)
        assert pointer
        bucket.put(Store.object_key(pointer.sha256), b"damaged")

    def rebuild(asset: str, partition: str) -> None:
        asked.append(asset)
        goal = 2 if asset == "raw_matches" else 3
        inputs = {"warehouse": "rev-2"} if asset == "raw_matches" else {"other": "input"}
        accepted(chain, frame(goal), asset=asset, partition=partition, inputs=inputs)

    _, repairs = repair(chain, rebuild)
    assert asked == ["raw_matches", "finished_matches"]
    assert [(made.asset, made.outcome) for made in repairs] == [("raw_matches", "same"), ("finished_matches", "other")]
    assert verify(chain).is_sound


def test_what_cannot_be_made_again_is_said_to_be_lost_or_failed(grown: Store, bucket: Bucket) -> None:
    for version in grown.history(ASSET, PARTITION)[1:]:
        bucket.put(Store.object_key(version.sha256), b"damaged")

    def refuse(asset: str, partition: str) -> None:
        raise MissingObjectError(f"an input of {asset} {partition} is gone")

    _, repairs = repair(grown, refuse)
    assert [(made.sequence, made.outcome) for made in repairs] == [(3, "failed"), (2, "lost")]


def test_the_command_repairs_from_postgresql_with_the_same_hash(
    bucket: Bucket, run: Run, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OBJ-03, OBJ-05: a season of which the warehouse holds nothing is a table without rows, and still a version
    from match_assets.store.commands import rebuilding

    migrate(postgres_url)
    monkeypatch.setenv("MATCH_ASSETS_POSTGRES_URL", postgres_url)
    store = Store(bucket)
    with rebuilding(store) as rebuild:
        rebuild("raw_matches", PARTITION)
        with pytest.raises(ConfigurationError, match="materialise 2025-01-01 in Dagster"):
            rebuild("registered_model", "2025-01-01")
    pointer = store.pointer("raw_matches", PARTITION)
    assert pointer
    found = bucket.get(Store.object_key(pointer.sha256))
    assert found
    bucket.put(Store.object_key(pointer.sha256), found[0][::-1])
    printed = run(store_group, "repair")
    assert f"raw_matches {PARTITION} (1): same" in printed
    assert bucket.get(Store.object_key(pointer.sha256)) == found
    # the same version still, though another run made it
    [held] = store.history("raw_matches", PARTITION)
    assert held.same_version(pointer)
    assert (held.sequence, held.moved_at) == (pointer.sequence, pointer.moved_at)
    assert "all as accepted" in run(store_group, "repair")
