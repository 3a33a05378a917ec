"""The gate of the features over seasons held in memory: leaks, overlapping seasons, and seasons unlike those before."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from match_assets.config import FeatureParams, load_params
from match_assets.features import FeatureBuild, TeamState, advance, build_team_features
from match_assets.gates.verdict import Verdict
from match_assets.stages import feature_gates
from match_assets.stages.base import StageContext
from match_assets.stages.feature_gates import validate_features
from match_assets.store import Pointer
from match_assets.store.encoding import encode, sha256
from tests.drawn_seasons import a_season

PARAMS = load_params()
MOMENT = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class Shelf:
    """Objects by digest, as the store reads them."""

    def __init__(self, objects: Mapping[str, pl.DataFrame]) -> None:
        self.objects = dict(objects)

    def read_object(self, digest: str) -> pl.DataFrame:
        """The frame."""
        return self.objects[digest]


def judged(seasons: list[pl.DataFrame], change: Any = lambda rows: rows) -> Verdict:
    """The verdict on the newest season's features as they are, or as they were changed."""
    names = [f"finished_matches@{frame['season'][0]}|TST-League" for frame in seasons]
    digests = [sha256(encode(frame)) for frame in seasons]
    newest = seasons[-1]["season"][0]
    built = build_team_features(pl.concat(seasons), PARAMS.features, season=newest)
    candidate = Pointer(
        asset="team_match_features",
        partition=f"{newest}|TST-League",
        sha256="of the candidate",
        size_bytes=0,
        rows=0,
        schema_fingerprint="",
        code_version="",
        writer="",
        inputs=dict(zip(names, digests, strict=True)),
        run_id="test",
        moved_at=MOMENT,
    )
    shelf: Any = Shelf(dict(zip(digests, seasons, strict=True)))
    nobody: Any = None
    context = StageContext(PARAMS, nobody, shelf, nobody, nobody, nobody, "test")
    return validate_features(context, candidate, change(built.team_features))


@pytest.fixture(scope="module")
def seasons() -> list[pl.DataFrame]:
    return [a_season(year) for year in range(2018, 2023)]


def test_a_season_like_those_before_passes_without_a_remark(seasons: list[pl.DataFrame]) -> None:
    verdict = judged([*seasons, a_season(2023)])
    assert verdict.failures == ()


def test_a_season_that_is_counted_otherwise_is_told_and_accepted(seasons: list[pl.DataFrame]) -> None:
    verdict = judged([*seasons, a_season(2023, shots=0.6)])
    assert verdict.passed
    [failure] = verdict.failures
    assert failure.rule == "results and statistics like those of the seasons before"
    assert set(failure.rows["measure"]) == {"home_shots", "away_shots"}


def test_without_seasons_before_nothing_is_compared(seasons: list[pl.DataFrame]) -> None:
    assert judged([seasons[0], a_season(2023, shots=0.6)]).failures == ()


def test_a_value_from_after_the_match_is_a_leak(seasons: list[pl.DataFrame]) -> None:
    def peeked(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("points_5").shift(-24).over("team_id", order_by="kick_off_utc"))

    verdict = judged([*seasons[-2:], a_season(2023)], peeked)
    assert "nothing after kick-off is read" in verdict.refused_by
    leak = next(failure for failure in verdict.failures if failure.rule == "nothing after kick-off is read")
    assert set(leak.rows["columns"]) == {"points_5"}


def test_a_builder_that_reads_the_whole_season_is_found_out(
    seasons: list[pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row knows how many matches the builder was given: a number from the future."""

    def leaky(state: TeamState, matches: pl.DataFrame, params: FeatureParams) -> FeatureBuild:
        built = advance(state, matches, params)
        return replace(built, team_features=peeked(built.team_features, matches.height))

    def peeked(rows: pl.DataFrame, n: int) -> pl.DataFrame:
        return rows.with_columns(pl.col("elo") + n)

    monkeypatch.setattr(feature_gates, "advance", leaky)
    newest = a_season(2023)
    verdict = judged([*seasons[-2:], newest], lambda rows: peeked(rows, newest.height))
    assert verdict.refused_by == ("nothing after kick-off is read",)
    assert verdict.failures[0].count > newest.height / 2


def test_seasons_that_overlap_in_time_are_replayed_together(seasons: list[pl.DataFrame]) -> None:
    # ING-17: the older season's last matches lie after the newer one's middle
    older = a_season(2022, dt.datetime(2022, 8, 1, 15, tzinfo=dt.UTC))
    newer = a_season(2023, dt.datetime(2022, 9, 20, 2, 30, tzinfo=dt.UTC))
    verdict = judged([*seasons[:2], older, newer])
    assert verdict.passed, verdict.summary()


def test_an_empty_season_has_no_rows_and_passes(seasons: list[pl.DataFrame]) -> None:
    empty = a_season(2023).head(0)
    digests = [sha256(encode(frame)) for frame in (seasons[-1], empty)]
    names = dict(zip(("finished_matches@2022|TST-League", "finished_matches@2023|TST-League"), digests, strict=True))
    shelf: Any = Shelf(dict(zip(digests, (seasons[-1], empty), strict=True)))
    nobody: Any = None
    candidate = Pointer(
        asset="team_match_features", partition="2023|TST-League", sha256="", size_bytes=0, rows=0, schema_fingerprint="",
        code_version="", writer="", inputs=names, run_id="test", moved_at=MOMENT,
    )  # fmt: skip
    rows = build_team_features(seasons[-1], PARAMS.features, season="2023").team_features
    context = StageContext(PARAMS, nobody, shelf, nobody, nobody, nobody, "test")
    verdict = validate_features(context, candidate, rows)
    assert verdict.passed
    assert verdict.measures["rows"] == 0
