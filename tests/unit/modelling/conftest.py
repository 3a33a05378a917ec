"""One drawn world, split once and trained once, for all tests of the modelling part."""

import polars as pl
import pytest

from match_assets.modelling.boosting import TuningResult, tune
from match_assets.modelling.dataset import Dataset
from match_assets.modelling.training import TrainingResult, train_outcome_model
from tests.drawn_matches import CUTOFF, LINEAR, MODEL, SPLIT, dataset_and_split, draw_matches


@pytest.fixture(scope="session")
def matches() -> pl.DataFrame:
    return draw_matches()


@pytest.fixture(scope="session")
def dataset(matches: pl.DataFrame) -> Dataset:
    return dataset_and_split(matches)[0]


@pytest.fixture(scope="session")
def split(matches: pl.DataFrame) -> pl.DataFrame:
    return dataset_and_split(matches)[1]


@pytest.fixture(scope="session")
def tuning(dataset: Dataset, split: pl.DataFrame) -> TuningResult:
    return tune(dataset, split, MODEL, SPLIT)


@pytest.fixture(scope="session")
def trained(dataset: Dataset, split: pl.DataFrame, tuning: TuningResult) -> TrainingResult:
    return train_outcome_model(
        dataset,
        split,
        tuning.best,
        linear_features=LINEAR,
        feature_version="0123456789abcdef",
        cutoff=CUTOFF,
        params=MODEL,
        split_params=SPLIT,
    )
