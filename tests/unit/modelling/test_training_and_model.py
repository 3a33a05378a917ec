"""The final model: better than frequencies, near the truth; stored as data that cannot be altered unseen."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from match_assets.errors import DataError, ModelError, SchemaMismatchError
from match_assets.modelling.boosting import TuningResult
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.metrics import rps, score
from match_assets.modelling.model import BOOSTER_FILE, MODEL_FILE, OutcomeModel, with_golden_rows
from match_assets.modelling.split import role_ids
from match_assets.modelling.training import TrainingResult, train_outcome_model
from tests.drawn_matches import CUTOFF, LINEAR, MODEL, SPLIT


@pytest.fixture
def model(trained: TrainingResult) -> OutcomeModel:
    return trained.model


@pytest.fixture
def saved(model: OutcomeModel, tmp_path: Path) -> Path:
    model.save(tmp_path)
    return tmp_path


def test_final_model_beats_frequencies_and_nears_the_truth(
    trained: TrainingResult, matches: pl.DataFrame, dataset: Dataset, split: pl.DataFrame
) -> None:
    holdout = dataset.rows(role_ids(split, "holdout"))
    truth = matches.filter(pl.col("match_id").is_in(holdout.match_ids.tolist())).select(
        "true_home", "true_draw", "true_away"
    )
    learned = dataset.rows(role_ids(split, "fit"))
    frequencies = np.tile(np.bincount(learned.outcomes, minlength=3) / len(learned), (len(holdout), 1))
    floor, ceiling = rps(truth.to_numpy(), holdout.outcomes), rps(frequencies, holdout.outcomes)
    assert trained.scores["rps"] < ceiling - 0.6 * (ceiling - floor)
    assert trained.scores["n"] == len(holdout)


def test_scores_are_those_of_the_stored_forecast(trained: TrainingResult) -> None:
    forecast = trained.holdout
    assert score(forecast.select("home", "draw", "away").to_numpy(), forecast["outcome"].to_numpy()) == trained.scores
    assert forecast.schema["kick_off_utc"] == pl.Datetime("us", "UTC")


def test_holdout_outcomes_do_not_reach_the_model(
    dataset: Dataset, split: pl.DataFrame, tuning: TuningResult, model: OutcomeModel
) -> None:
    is_holdout = np.isin(dataset.match_ids, role_ids(split, "holdout"))
    altered = replace(dataset, outcomes=np.where(is_holdout, (dataset.outcomes + 1) % 3, dataset.outcomes))
    again = train_outcome_model(
        altered,
        split,
        tuning.best,
        linear_features=LINEAR,
        feature_version=model.feature_version,
        cutoff=CUTOFF,
        params=MODEL,
        split_params=SPLIT,
    )
    assert again.model.sha256 == model.sha256


def test_both_members_take_part_and_the_record_says_how(trained: TrainingResult) -> None:
    record = trained.model.training
    assert 0 < record["tree_weight"] < 1
    assert record["cutoff"] == "2025-02-01"
    assert (record["seed"], record["threads"]) == (MODEL.seed, MODEL.threads)
    assert record["n_holdout"] == trained.scores["n"]
    assert trained.blend.rps <= max(trained.blend.tree_rps, trained.blend.linear_rps)


def test_loaded_model_gives_the_same_bits(model: OutcomeModel, saved: Path, dataset: Dataset) -> None:
    loaded = OutcomeModel.load(saved)
    assert loaded.predict(dataset.features).tobytes() == model.predict(dataset.features).tobytes()
    assert loaded.sha256 == model.sha256
    assert loaded.feature_names == model.feature_names
    assert loaded.training == model.training


def test_saving_twice_writes_the_same_bytes_and_no_pickle(model: OutcomeModel, saved: Path, tmp_path: Path) -> None:
    OutcomeModel.load(saved).save(tmp_path / "again")
    names = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert names == sorted([MODEL_FILE, BOOSTER_FILE])
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    json.loads((saved / MODEL_FILE).read_bytes())


def test_frame_and_array_give_the_same_forecast(model: OutcomeModel, matches: pl.DataFrame, dataset: Dataset) -> None:
    shuffled = matches.select(sorted(matches.columns))
    assert model.predict(shuffled).tobytes() == model.predict(dataset.features).tobytes()


def test_one_match_at_a_time_gives_the_same_bits_as_all_at_once(model: OutcomeModel, dataset: Dataset) -> None:
    some = dataset.features[:100]
    alone = np.vstack([model.predict(some[[row]]) for row in range(100)])
    assert alone.tobytes() == model.predict(some).tobytes()


def test_wholly_unknown_match_gets_a_forecast(model: OutcomeModel) -> None:
    forecast = model.predict(np.full((1, len(model.feature_names)), np.nan))
    assert forecast.sum() == pytest.approx(1)
    assert ((forecast > 0.02) & (forecast < 0.9)).all()


def test_wrong_columns_are_named(model: OutcomeModel, matches: pl.DataFrame) -> None:
    with pytest.raises(SchemaMismatchError, match="noise_3"):
        model.predict(matches.drop("noise_3"))
    with pytest.raises(SchemaMismatchError, match="not Float64"):
        model.predict(matches.with_columns(pl.col("noise_3").cast(pl.Float32)))
    with pytest.raises(SchemaMismatchError, match="takes"):
        model.predict(np.zeros((1, 2)))
    with pytest.raises(DataError, match="infinite"):
        model.predict(np.full((1, len(model.feature_names)), np.inf))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [MODEL_FILE, BOOSTER_FILE])
@pytest.mark.parametrize("tamper", [cut, flip, Path.unlink])
def test_missing_cut_or_altered_file_is_refused(saved: Path, name: str, tamper: Callable[[Path], None]) -> None:
    tamper(saved / name)
    with pytest.raises(ModelError):
        OutcomeModel.load(saved)


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"format": 1, "content": 3}']
)
def test_document_that_is_no_model_is_refused(saved: Path, document: bytes) -> None:
    (saved / MODEL_FILE).write_bytes(document)
    with pytest.raises(ModelError, match=r"model\.json"):
        OutcomeModel.load(saved)


def test_another_format_is_refused_by_name(saved: Path) -> None:
    held = json.loads((saved / MODEL_FILE).read_bytes())
    (saved / MODEL_FILE).write_text(json.dumps({**held, "format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        OutcomeModel.load(saved)


def test_model_whose_golden_rows_come_out_differently_is_refused(model: OutcomeModel, tmp_path: Path) -> None:
    # the hashes are right, as after a change in a library that reads the same bytes differently
    replace(model, golden_probabilities=model.golden_probabilities[:, ::-1]).save(tmp_path)
    with pytest.raises(ModelError, match=r"golden rows.*xgboost"):
        OutcomeModel.load(tmp_path)


def test_golden_rows_hold_a_wholly_unknown_match(model: OutcomeModel, dataset: Dataset) -> None:
    golden = with_golden_rows(model, dataset.features[:2])
    assert golden.golden_features.shape == (3, len(model.feature_names))
    assert np.isnan(golden.golden_features[-1]).all()
    assert golden.golden_probabilities == pytest.approx(model.predict(golden.golden_features))
