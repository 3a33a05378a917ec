"""The registered model as MLflow loads it ("models from code"): this script is stored, no object is pickled."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl

from match_assets.modelling.model import OutcomeModel


class OutcomePyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc]  # untyped base class
    """MLflow's face of ``OutcomeModel``: a pandas frame of features in, three probability columns out."""

    def load_context(self, context: Any) -> None:
        """Reads the model files; MLflow calls it once. The parameter's name is MLflow's contract."""
        self._model = OutcomeModel.load(Path(context.artifacts["outcome_model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Probabilities of home, draw and away, one row per input row; a missing value is unknown."""
        columns = {
            name: pl.Series(model_input[name].to_numpy(dtype=np.float64), nan_to_null=True)
            for name in self._model.feature_names
        }
        return pd.DataFrame(self._model.predict(pl.DataFrame(columns)), columns=["home", "draw", "away"])


mlflow.models.set_model(OutcomePyfunc())
