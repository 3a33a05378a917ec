"""Splits, trials and models as frames of the store, and back to what the modelling code takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from match_assets.config import Params
from match_assets.features import match_feature_names
from match_assets.modelling.boosting import Trial
from match_assets.modelling.dataset import Dataset, build_dataset
from match_assets.modelling.metrics import score
from match_assets.modelling.model import OutcomeModel
from match_assets.modelling.split import role_ids
from match_assets.stages.base import Inputs, StageContext

NO_MODEL_YET = "the data do not reach this cut-off yet"
SPLIT_KEYS = ["match_id", "tournament", "season", "kick_off_utc", "home_team_id", "away_team_id"]


def read_split(context: StageContext, cutoff: str, inputs: Inputs) -> pl.DataFrame:
    """The split's rows as the inputs name them."""
    return context.store.read_object(inputs[f"temporal_split@{cutoff}"])


def dataset_of(split: pl.DataFrame, params: Params) -> Dataset:
    """Features and outcomes of the split's rows as arrays."""
    return build_dataset(split, split, match_feature_names(params.features))


def best_trial(trials: pl.DataFrame) -> Trial:
    """The trial of lowest RPS, the earlier on a tie, as tuning recorded it."""
    usable = trials.filter(pl.col("rps").is_not_null()).sort("rps", "trial")
    trial: Trial = json.loads(usable["record"][0])
    return trial


def model_files(model: OutcomeModel) -> dict[str, bytes]:
    """The model's files by name."""
    with TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in model.save(Path(folder))}


def files_frame(files: Mapping[str, bytes]) -> pl.DataFrame:
    """Files as rows ``name``, ``content``, so that a model is an object of the store like any other."""
    schema = {"name": pl.String(), "content": pl.Binary()}
    return pl.DataFrame({"name": list(files), "content": list(files.values())}, schema=schema)


def load_files(files: Mapping[str, bytes]) -> OutcomeModel:
    """The model in these files, its hashes and golden rows checked.

    Raises:
        ModelError: a file is missing, cut or altered, or the golden rows give other probabilities.
    """
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return OutcomeModel.load(Path(folder))


def stored_model(frame: pl.DataFrame) -> OutcomeModel:
    """The model that a frame of files holds; raises as ``load_files`` does."""
    return load_files(dict(frame.select("name", "content").iter_rows()))


def holdout_score(model: OutcomeModel, split: pl.DataFrame, params: Params) -> dict[str, float]:
    """Scores of a model on the split's hold-out."""
    rows = dataset_of(split, params)
    holdout = rows.rows(role_ids(split, "holdout"))
    columns = [rows.feature_names.index(name) for name in model.feature_names]
    return score(model.predict(holdout.features[:, columns]), holdout.outcomes)
