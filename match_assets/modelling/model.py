"""The outcome model that is registered and served: boosted trees and ordinal regression, averaged and calibrated.

It is stored as data only, ``booster.ubj`` and ``model.json``, never as a pickle: loading a model runs no code that it
brings along. The hashes inside, and a few rows with the probabilities they must give, show a cut, altered or
differently read model before it answers anyone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from match_assets.errors import DataError, ModelError, SchemaMismatchError
from match_assets.modelling.boosting import predict_xgboost
from match_assets.modelling.calibration import Calibration
from match_assets.modelling.dataset import feature_matrix, feature_positions
from match_assets.modelling.linear import OrdinalModel, Scaler
from match_assets.modelling.metrics import N_OUTCOMES, FloatArray

if TYPE_CHECKING:
    import xgboost as xgb

MODEL_FILE = "model.json"
BOOSTER_FILE = "booster.ubj"
FORMAT = 1
GOLDEN_ROWS = 8
# Trees sum in float32: another processor or library build may differ in the seventh digit, a wrong model differs in the
# second.
GOLDEN_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    """Probabilities of home, draw and away from one match's features.

    Attributes:
        booster: XGBoost's own binary JSON (UBJ).
        linear: ordinal regression on ``linear_features``.
        linear_features: subset of ``feature_names`` that it reads, in its order.
        tree_weight: share of the trees in the average, in [0, 1].
        calibration: applied to the average.
        feature_names: columns of the input in order.
        feature_version: of the definitions that made the training features.
        training: facts about the fit, as JSON: cut-off, rows, hyperparameters, seed, threads, library versions, scores.
        golden_features: (k, f) rows; ``golden_probabilities`` (k, 3) what the model gave for them when it was made.
    """

    booster: bytes
    linear: OrdinalModel
    linear_features: tuple[str, ...]
    tree_weight: float
    calibration: Calibration
    feature_names: tuple[str, ...]
    feature_version: str
    training: Mapping[str, Any]
    golden_features: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    golden_probabilities: FloatArray = field(default_factory=lambda: np.empty((0, N_OUTCOMES)))

    def predict(self, matches: pl.DataFrame | FloatArray) -> FloatArray:
        """Calibrated probabilities.

        Args:
            matches: a frame with ``feature_names`` as Float64, null for unknown, other columns ignored; or an array (n,
                f) in the order of ``feature_names``, NaN for unknown. A row may be wholly unknown.

        Returns:
            (n, 3) float64 in the order home, draw, away; each row sums to 1 and lies strictly between 0 and 1. A row's
            result does not depend on the other rows: one at a time gives the same bits as many at once.

        Raises:
            SchemaMismatchError: a feature is missing or not Float64, or the array has another width.
            DataError: a value is infinite.
        """
        features = feature_matrix(matches, self.feature_names) if isinstance(matches, pl.DataFrame) else matches
        return self.calibration.apply(self.blend(features))

    def blend(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3), the average of trees and regression before calibration."""
        features = np.ascontiguousarray(features, dtype=np.float64)
        if features.ndim != 2 or features.shape[1] != len(self.feature_names):
            raise SchemaMismatchError(
                f"features of shape {features.shape}: the model takes (n, {len(self.feature_names)})",
                expected=len(self.feature_names),
            )
        if np.isinf(features).any():
            raise DataError("a feature is infinite: unknown must be null (NaN)")
        return self.tree_weight * self.trees(features) + (1 - self.tree_weight) * self.regression(features)

    def trees(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3) by the boosted trees alone."""
        return predict_xgboost(self._loaded_booster, features)

    def regression(self, features: FloatArray) -> FloatArray:
        """(n, f) → (n, 3) by the ordinal regression alone."""
        return self.linear.predict(np.ascontiguousarray(features[:, self._linear_positions]))

    @cached_property
    def sha256(self) -> str:
        """Digest of the whole model: equal digests, equal answers."""
        return hashlib.sha256(self._document()).hexdigest()

    def save(self, directory: Path) -> list[Path]:
        """Write the model's files into a folder, made if absent; the same model gives the same bytes."""
        directory.mkdir(parents=True, exist_ok=True)
        booster, document = directory / BOOSTER_FILE, directory / MODEL_FILE
        booster.write_bytes(self.booster)
        document.write_bytes(self._document())
        return [document, booster]

    @classmethod
    def load(cls, directory: Path) -> "OutcomeModel":
        """Read a saved model and make sure that it still is what was saved.

        Raises:
            ModelError: a file is missing, cut or altered, written by another format, or the golden rows no longer give
            their probabilities.
        """
        from xgboost.core import XGBoostError

        document, booster = (_read(directory / name) for name in (MODEL_FILE, BOOSTER_FILE))
        content = _checked_content(document, booster)
        try:
            model = _from_content(content, booster)
            given = model.predict(model.golden_features)
        except (KeyError, TypeError, ValueError, XGBoostError) as error:
            raise ModelError(f"{MODEL_FILE} of the model cannot be read ({error}): register the model again") from error
        if not np.allclose(given, model.golden_probabilities, rtol=0, atol=GOLDEN_TOLERANCE):
            raise ModelError(
                "the model gives other probabilities for its golden rows than when it was made: "
                f"check the library versions (made with {content['training'].get('versions')})"
            )
        return model

    @cached_property
    def _loaded_booster(self) -> "xgb.Booster":
        import xgboost as xgb

        booster = xgb.Booster()
        booster.load_model(bytearray(self.booster))
        booster.set_param(
            {"nthread": 1}
        )  # one match at a time: waking a second thread costs more than its share of the work
        return booster

    @cached_property
    def _linear_positions(self) -> list[int]:
        return feature_positions(self.feature_names, self.linear_features)

    def _document(self) -> bytes:
        content = _to_content(self)
        hashes = {
            "content_sha256": hashlib.sha256(_canonical(content)).hexdigest(),
            "booster_sha256": hashlib.sha256(self.booster).hexdigest(),
        }
        return _canonical({"format": FORMAT, **hashes, "content": content})


def with_golden_rows(model: OutcomeModel, features: FloatArray) -> OutcomeModel:
    """The model with the first rows of ``features``, and one wholly unknown row, as its golden rows."""
    unknown = np.full((1, len(model.feature_names)), np.nan)
    golden = np.vstack([features[: GOLDEN_ROWS - 1], unknown])
    values = {name: getattr(model, name) for name in OutcomeModel.__dataclass_fields__}
    return OutcomeModel(**{**values, "golden_features": golden, "golden_probabilities": model.predict(golden)})


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path.name} of the model is missing or unreadable: register the model again", file=path.name
        ) from error


def _checked_content(document: bytes, booster: bytes) -> dict[str, Any]:
    try:
        held = json.loads(document)
        content, written_format = held["content"], held["format"]
        promised = held["content_sha256"], held["booster_sha256"]
        found = hashlib.sha256(_canonical(content)).hexdigest(), hashlib.sha256(booster).hexdigest()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{MODEL_FILE} of the model is not what was written: register the model again") from error
    if written_format != FORMAT:
        raise ModelError(
            f"the model is written in format {written_format}, this version reads {FORMAT}: register it again"
        )
    for name, is_wanted, is_found in zip((MODEL_FILE, BOOSTER_FILE), promised, found, strict=True):
        if is_wanted != is_found:
            raise ModelError(
                f"{name} of the model was altered or cut (its SHA-256 differs): register the model again", file=name
            )
    return dict(content)


def _to_content(model: OutcomeModel) -> dict[str, Any]:
    golden = [[None if np.isnan(value) else float(value) for value in row] for row in model.golden_features]
    scaler = model.linear.scaler
    return {
        "linear": {
            "median": scaler.median.tolist(),
            "mean": scaler.mean.tolist(),
            "scale": scaler.scale.tolist(),
            "coefficients": model.linear.coefficients.tolist(),
            "thresholds": model.linear.thresholds.tolist(),
        },
        "linear_features": list(model.linear_features),
        "tree_weight": model.tree_weight,
        "calibration": {
            "slope": model.calibration.slope,
            "biases": list(model.calibration.biases),
            "n": model.calibration.n,
        },
        "feature_names": list(model.feature_names),
        "feature_version": model.feature_version,
        "training": dict(model.training),
        "golden": {"features": golden, "probabilities": model.golden_probabilities.tolist()},
    }


def _from_content(content: Mapping[str, Any], booster: bytes) -> OutcomeModel:
    linear, calibration, golden = content["linear"], content["calibration"], content["golden"]
    numbers = {name: np.array(values, dtype=np.float64) for name, values in linear.items()}
    home, draw, away = calibration["biases"]
    return OutcomeModel(
        booster=booster,
        linear=OrdinalModel(
            Scaler(numbers["median"], numbers["mean"], numbers["scale"]), numbers["coefficients"], numbers["thresholds"]
        ),
        linear_features=tuple(content["linear_features"]),
        tree_weight=float(content["tree_weight"]),
        calibration=Calibration(calibration["slope"], (home, draw, away), calibration["n"]),
        feature_names=tuple(content["feature_names"]),
        feature_version=content["feature_version"],
        training=content["training"],
        # None becomes NaN through the float dtype
        golden_features=np.array(golden["features"], dtype=np.float64).reshape(-1, len(content["feature_names"])),
        golden_probabilities=np.array(golden["probabilities"], dtype=np.float64).reshape(-1, N_OUTCOMES),
    )
