"""The lock holds what was meant: the integrations go with their Dagster, and no GPU libraries came along."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
VERSIONS: dict[str, list[str]] = {}
for package in LOCK["package"]:
    VERSIONS.setdefault(package["name"], []).append(package["version"])
NAMED = [
    "dagster",
    "dagster-postgres",
    "dagster-mlflow",
    "playwright",
    "polars",
    "pandera",
    "xgboost-cpu",
    "scikit-learn",
    "mlflow",
    "litestar",
    "redis",
    "prometheus-client",
    "duckdb",
    "boto3",
]


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3])


def test_every_named_package_is_declared_and_locked_once() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {line.split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip() for line in declared}
    assert set(NAMED) <= names
    assert {name: len(VERSIONS[name]) for name in NAMED} == dict.fromkeys(NAMED, 1)


def test_the_integrations_were_released_with_the_locked_dagster() -> None:
    [core] = VERSIONS["dagster"]
    for name in ("dagster-postgres", "dagster-mlflow"):
        [version] = VERSIONS[name]
        # integrations of dagster 1.13.27 bear 0.29.27: minor + 16, same patch; an old release would be silent
        assert release(version) == (0, release(core)[1] + 16, release(core)[2])


def test_no_cuda_package_is_in_the_lock() -> None:
    assert [name for name in VERSIONS if "nvidia" in name or "cuda" in name] == []
    assert "xgboost" not in VERSIONS


def test_everything_comes_from_the_public_index() -> None:
    sources = {package["source"].get("registry", "this project") for package in LOCK["package"]}
    assert sources == {"https://pypi.org/simple", "this project"}
