"""compose.yaml, dagster.yaml, workspace.yaml and the Makefile: what can be checked without a container engine."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRET_VARIABLES = {"POSTGRES_PASSWORD", "VALKEY_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "SEAWEEDFS_JWT_KEY"}


def test_compose_file_fits_the_compose_schema() -> None:
    tool = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    command = [str(tool), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_compose_file_names_every_part() -> None:
    parts = {"postgres", "valkey", "seaweedfs", "mlflow", "code-location", "dagster-webserver", "dagster-daemon"}
    assert parts | {"service", "worker", "proxy"} <= set(SERVICES)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_container_runs_as_root(name: str) -> None:
    user = str(SERVICES[name]["user"])
    assert user.split(":", maxsplit=1)[0] not in {"", "0", "root"}
    assert SERVICES[name]["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"prepare"}))
def test_every_lasting_container_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert check["retries"] > 0


def test_only_the_proxy_with_its_password_is_published_and_on_loopback() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["proxy"]["ports"])
    assert all("network_mode" not in service for service in SERVICES.values())
    configuration = (ROOT / "deploy" / "nginx.conf").read_text()
    servers = re.split(r"(?m)^server \{", configuration)[1:]
    published = {port.rsplit(":", 1)[1] for port in SERVICES["proxy"]["ports"]}
    assert published == {match for server in servers for match in re.findall(r"listen (\d+);", server)}
    assert all("auth_basic_user_file" in server for server in servers)


def test_no_secret_has_a_default_and_none_stands_in_the_file() -> None:
    text = (ROOT / "compose.yaml").read_text()
    used = re.findall(r"\$\{([A-Z0-9_]+)([^}]*)\}", text)
    for name, rest in used:
        if name in SECRET_VARIABLES:
            assert rest.startswith(":?"), f"{name} may be left empty"
    assert {name for name, _ in used} >= SECRET_VARIABLES
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET_KEY|ACCESS_KEY|JWT", name):
                assert value.startswith("${"), f"{name} stands in the file"


def test_dagster_accepts_the_instance_configuration() -> None:
    configuration, _ = dagster_instance_config(str(ROOT))
    assert configuration["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    limits = configuration["concurrency"]["runs"]["tag_concurrency_limits"]
    assert {"key": "site", "value": {"applyLimitPerUniqueValue": True}, "limit": 1} in limits
    assert configuration["telemetry"] == configuration["nux"] == {"enabled": False}


def test_workspaces_name_the_same_code_location() -> None:
    """Schedules and sensors are known by it: another name would switch them all off."""
    local = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    deployed = yaml.safe_load((ROOT / "deploy" / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    assert local["module_name"] == deployed["location_name"] == "match_assets.definitions"
    assert deployed["host"] in SERVICES


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?m)^\.PHONY: (\S+)$", text))
    shown = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in shown.splitlines() if line.startswith("  ")} == targets
    wanted = "help demo test up down status clean setup format lint types imports test-fast e2e golden bench check"
    assert set(wanted.split()) | {"screenshots", "serve", "dev"} <= targets


def test_scripts_are_sound_shell() -> None:
    for script in ("scripts/bootstrap.sh", ".ci/run", "deploy/create-databases.sh"):
        path = ROOT / script
        assert path.stat().st_mode & 0o111, f"{script} cannot be run"
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_this_python_is_one_the_bootstrap_takes() -> None:
    assert (3, 11) <= sys.version_info[:2] <= (3, 13)
