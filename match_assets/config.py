"""`params.yaml` and the environment as typed, frozen settings: the one place where either is read.

``load_params`` gives what an analyst may change, ``load_settings`` the addresses and secrets of the servers. Both raise
``ConfigurationError`` before anything starts, naming the key and what is allowed.
"""

import datetime as dt
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from match_assets.errors import ConfigurationError

PARAMS_FILE = Path(__file__).with_name("params.yaml")
SHIPPED_PARAMS_VARIABLE = "MATCH_ASSETS_PARAMS"

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error rather than a silent no-op."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TournamentParams(Frozen):
    """Where the source keeps a tournament: its region and tournament ids.

    ``division`` is the code under which football-data files know it.
    """

    region_id: int = Field(gt=0)
    tournament_id: int = Field(gt=0)
    division: str | None = Field(default=None, min_length=1, max_length=8)


class IngestionParams(Frozen):
    """What to ask the source for, and when a result is late."""

    first_season: int = Field(ge=1888, le=2100)
    pages_at_once: int = Field(ge=1, le=8)
    look_every_seconds: int = Field(ge=30)
    late_after_hours: Positive
    revisit_days: tuple[Annotated[int, Field(ge=1, le=365)], ...]
    visit_hours: Positive
    max_open_requests: int = Field(ge=1)

    @model_validator(mode="after")
    def _revisits_thin_out(self) -> "IngestionParams":
        if list(self.revisit_days) != sorted(set(self.revisit_days)):
            raise ValueError("revisit_days must be distinct and in ascending order")
        return self


class EloParams(Frozen):
    """Elo with goal margin and home advantage (Hvattum & Arntzen 2010), on the 400-point scale."""

    initial: float
    promoted: float
    k_factor: Positive
    margin_exponent: float = Field(ge=0)
    home_advantage: float
    season_regression: Fraction


class PiParams(Frozen):
    """pi-ratings (Constantinou & Fenton 2013): learning rates lambda and gamma, prior in goals."""

    lambda_: Positive = Field(alias="lambda")
    gamma: Positive
    promoted: float
    season_regression: Fraction


class AttackDefenceParams(Frozen):
    """Online log-linear attack and defence; ``prior_goals`` is a side's expectation before anything is known."""

    learning_rate: Positive
    prior_goals: Positive
    prior_shots_on_target: Positive
    home_advantage: float
    promoted: float
    season_regression: Fraction


class FeatureParams(Frozen):
    """Windows and ratings; everything that changes a feature's value."""

    windows: tuple[Annotated[int, Field(ge=1, le=50)], ...] = Field(min_length=1)
    weighted_half_life: Positive
    rest_days_cap: Positive
    congestion_days: tuple[Annotated[int, Field(ge=1, le=365)], ...]
    head_to_head: int = Field(ge=1, le=50)
    elo: EloParams
    pi: PiParams
    attack_defence: AttackDefenceParams

    @model_validator(mode="after")
    def _windows_grow(self) -> "FeatureParams":
        if list(self.windows) != sorted(set(self.windows)):
            raise ValueError("windows must be distinct and in ascending order")
        if list(self.congestion_days) != sorted(set(self.congestion_days)):
            raise ValueError("congestion_days must be distinct and in ascending order")
        return self


class SplitParams(Frozen):
    """How a cut-off divides what was known before it."""

    first_cutoff: dt.date
    holdout_months: int = Field(ge=1)
    calibration_months: int = Field(ge=1)
    folds: int = Field(ge=1)
    fold_months: int = Field(ge=1)
    embargo_days: int = Field(ge=0)
    min_history: int = Field(ge=0)
    min_training_rows: int = Field(ge=10)


class SearchSpace(Frozen):
    """Values that tuning may draw for each XGBoost parameter."""

    max_depth: tuple[int, ...]
    learning_rate: tuple[float, ...]
    min_child_weight: tuple[float, ...]
    subsample: tuple[float, ...]
    colsample_bytree: tuple[float, ...]
    reg_lambda: tuple[float, ...]


class ModelParams(Frozen):
    """Training and tuning; the thread count is fixed because it changes floating-point sums."""

    seed: int
    threads: int = Field(ge=1)
    trials: int = Field(ge=1)
    early_stopping_rounds: int = Field(ge=1)
    max_rounds: int = Field(ge=1)
    search_space: SearchSpace


class PromotionParams(Frozen):
    """When the challenger becomes champion."""

    metric: Literal["rps", "log_loss", "brier"]
    min_improvement: float = Field(ge=0)
    max_ece: Fraction


class ServiceParams(Frozen):
    """Limits and refresh times of the prediction service."""

    cache_seconds: int = Field(ge=1)
    refresh_seconds: Positive
    max_batch: int = Field(ge=1)
    job_result_seconds: int = Field(ge=1)
    date_window_days: int = Field(ge=1)


class Params(Frozen):
    """The whole of ``params.yaml``."""

    tournaments: dict[str, TournamentParams] = Field(min_length=1)
    ingestion: IngestionParams
    features: FeatureParams
    split: SplitParams
    model: ModelParams
    promotion: PromotionParams
    service: ServiceParams

    @model_validator(mode="after")
    def _tournaments_are_partition_keys(self) -> "Params":
        seen: dict[tuple[int, int], str] = {}
        for key, tournament in self.tournaments.items():
            if not key or set(key) & set("|[],/ "):
                raise ValueError(f"tournaments.{key}: a key may not hold any of | [ ] , / or a space")
            ids = (tournament.region_id, tournament.tournament_id)
            if ids in seen:
                raise ValueError(f"tournaments.{key}: the same region_id and tournament_id as {seen[ids]}")
            seen[ids] = key
        return self

    def only(self, tournament: str) -> "Params":
        """The same parameters with one tournament.

        Raises:
            ConfigurationError: it is not among them.
        """
        if tournament not in self.tournaments:
            known = ", ".join(self.tournaments)
            raise ConfigurationError(f"tournament {tournament} is not in params.yaml; it has {known}")
        return self.model_copy(update={"tournaments": {tournament: self.tournaments[tournament]}})


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML as PyYAML reads it, but a key written twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _line_of(root: yaml.Node | None, path: tuple[int | str, ...]) -> int | None:
    """Line (from 1) of the deepest part of ``path`` that the file holds."""
    line, node = None, root
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """Keys that may stand where ``path`` ends."""
    held: Any = Params
    for part in path[:-1]:
        if isinstance(held, type) and issubclass(held, BaseModel):
            held = next(field.annotation for name, field in held.model_fields.items() if part in {name, field.alias})
        else:
            held = get_args(held)[-1]
    return [field.alias or name for name, field in held.model_fields.items()]


def parse_params(text: str, *, source: str = "params.yaml") -> Params:
    """Typed parameters from YAML text.

    Raises:
        ConfigurationError: not YAML, a key twice, an unknown key, a wrong type or a value out of range; the message
            has one line per fault with file, line, key and what is allowed.
    """
    try:
        # _UniqueKeyLoader derives from SafeLoader: no object is built from a tag
        raw = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source}: not readable as YAML: {error}", file=source) from error
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            line = _line_of(tree, fault["loc"])
            key = ".".join(str(part) for part in fault["loc"]) or "(file)"
            known = (
                f"; known here: {', '.join(_known_keys(fault['loc']))}" if fault["type"] == "extra_forbidden" else ""
            )
            faults.append(f"{source}{f':{line}' if line else ''}: {key}: {fault['msg']}{known}")
        raise ConfigurationError("\n".join(faults), file=source, faults=faults) from error


def load_params(path: Path | None = None) -> Params:
    """Parameters from ``path``, the file that ``MATCH_ASSETS_PARAMS`` names, or the shipped ``params.yaml``."""
    path = path or Path(read_environment().get(SHIPPED_PARAMS_VARIABLE, PARAMS_FILE))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror}; set {SHIPPED_PARAMS_VARIABLE} to a readable file"
        ) from error
    return parse_params(text, source=path.name)


def digest_of(value: BaseModel | dict[str, Any]) -> str:
    """First 16 hex digits of the SHA-256 of a value's canonical JSON: equal settings, equal digest."""
    plain = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


class Settings(Frozen):
    """Addresses and secrets of the servers, from ``MATCH_ASSETS_*`` variables (see ``docs/operations.md``)."""

    postgres_url: str
    s3_endpoint: str | None = None
    s3_bucket: str
    s3_access_key: str | None = None
    s3_secret_key: str | None = None
    s3_region: str = "us-east-1"
    s3_patience_seconds: float = Field(default=40.0, ge=0)
    redis_url: str
    mlflow_url: str
    source_url: str
    service_url: str = "http://127.0.0.1:8000"
    dagster_url: str = "http://127.0.0.1:3000"
    chromium: str | None = None
    browser_url: str | None = None
    contact: str = "https://example.org/match-assets"
    requests_per_minute: float = Field(default=12.0, gt=0)
    requests_per_day: int | None = Field(default=5000, ge=1)
    requests_url: str | None = None
    alert_url: str | None = None
    state_dir: Path = Path(".match-assets")


VARIABLE_PREFIX = "MATCH_ASSETS_"


def read_environment(dotenv: Path | None = None) -> dict[str, str]:
    """``os.environ`` over the ``.env`` file that ``match-assets up`` wrote (the environment wins)."""
    dotenv = dotenv or Path(os.environ.get("MATCH_ASSETS_ENV_FILE", ".env"))
    held = {k: v for k, v in dotenv_values(dotenv).items() if v is not None} if dotenv.is_file() else {}
    return {**held, **os.environ}


def load_settings(environment: dict[str, str] | None = None) -> Settings:
    """Settings from the environment, falling back to the ``.env`` file of the embedded stack.

    Raises:
        ConfigurationError: a variable is missing or not of its type; the message names it and the remedy.
    """
    environment = read_environment() if environment is None else environment
    known = {
        name: environment[VARIABLE_PREFIX + name.upper()]
        for name in Settings.model_fields
        if environment.get(VARIABLE_PREFIX + name.upper())
    }
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        faults = [
            f"{VARIABLE_PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}"
            for fault in error.errors()
            if fault["loc"]
        ]
        remedy = "start the embedded servers with `make up` (they write .env), or set the variables yourself"
        raise ConfigurationError("; ".join(faults) + f". Remedy: {remedy}", faults=faults) from error


@cache
def params() -> Params:
    """The process's parameters, read once."""
    return load_params()
