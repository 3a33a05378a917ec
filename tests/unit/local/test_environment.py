"""The `.env` file: our variables between marks, a person's beside them."""

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from match_assets.config import load_settings
from match_assets.local.environment import (
    SOURCE_VARIABLES,
    clear_env_file,
    own_variables,
    server_environment,
    stack_environment,
    write_env_file,
)
from match_assets.local.layout import SECRET_NAMES, Layout
from match_assets.local.parts import ALL_PORTS

PORTS = {name: 15_000 + i for i, name in enumerate(ALL_PORTS)}
SECRETS = {name: f"secret-of-{name}" for name in SECRET_NAMES}
PRACTICE = f"http://127.0.0.1:{PORTS['practice']}"


@pytest.fixture(autouse=True)
def no_source_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SOURCE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_settings_can_be_loaded_from_the_file_alone(env_file: Path, tmp_path: Path) -> None:
    write_env_file(env_file, server_environment(Layout(tmp_path), PORTS, SECRETS))
    settings = load_settings({name: value or "" for name, value in dotenv_values(env_file).items()})
    address = f"127.0.0.1:{PORTS['postgres']}"
    assert settings.postgres_url == f"postgresql+psycopg://match_assets:secret-of-postgres@{address}/match_assets"
    assert settings.s3_endpoint == f"http://127.0.0.1:{PORTS['s3']}"
    assert settings.source_url == PRACTICE


def test_the_file_is_closed_to_others(env_file: Path) -> None:
    env_file.write_text("A=1\n")
    env_file.chmod(0o644)
    write_env_file(env_file, {"B": "2"})
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_what_a_person_wrote_stays_and_wins(env_file: Path) -> None:
    env_file.write_text("# mine\nMATCH_ASSETS_CONTACT=me@example.org\n")
    for bucket in ("first", "second"):
        write_env_file(env_file, {"MATCH_ASSETS_CONTACT": "ours", "MATCH_ASSETS_S3_BUCKET": bucket})
    assert dict(dotenv_values(env_file)) == {
        "MATCH_ASSETS_CONTACT": "me@example.org",
        "MATCH_ASSETS_S3_BUCKET": "second",
    }
    assert own_variables(env_file) == {"MATCH_ASSETS_CONTACT": "me@example.org"}
    clear_env_file(env_file)
    assert env_file.read_text() == "# mine\nMATCH_ASSETS_CONTACT=me@example.org\n"


def test_a_file_of_ours_alone_goes_on_clearing(env_file: Path) -> None:
    write_env_file(env_file, {"A": "1"})
    clear_env_file(env_file)
    assert not env_file.exists()
    clear_env_file(env_file)


# dotenv reads a value in single quotes literally, but for the two escapes; newlines and surrogates never stand in ours
printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))


@given(value=printable)
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_value_survives_the_file(env_file: Path, value: str) -> None:
    write_env_file(env_file, {"VALUE": value, "AFTER": "x"})
    # `interpolate` would replace ${...}; the settings read it so too, so a dollar brace must not come from us
    if "${" not in value:
        assert dict(dotenv_values(env_file)) == {"VALUE": value, "AFTER": "x"}


def test_practice_site_is_the_source_unless_another_is_named(env_file: Path, tmp_path: Path) -> None:
    variables, with_practice = stack_environment(Layout(tmp_path), PORTS, SECRETS, env_file)
    assert with_practice
    assert variables["MATCH_ASSETS_SOURCE_URL"] == PRACTICE
    assert float(variables["MATCH_ASSETS_REQUESTS_PER_MINUTE"]) > 1000

    env_file.write_text("MATCH_ASSETS_SOURCE_URL=https://example.org\n")
    variables, with_practice = stack_environment(Layout(tmp_path), PORTS, SECRETS, env_file)
    assert not with_practice
    assert variables["MATCH_ASSETS_SOURCE_URL"] == "https://example.org"
    assert "MATCH_ASSETS_REQUESTS_PER_MINUTE" not in variables  # the polite default holds


def test_an_exported_practice_address_is_no_other_source(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATCH_ASSETS_SOURCE_URL", PRACTICE)
    assert stack_environment(Layout(tmp_path), PORTS, SECRETS, env_file)[1]


def test_a_database_address_of_one_s_own_does_not_reach_the_embedded_parts(env_file: Path, tmp_path: Path) -> None:
    env_file.write_text("MATCH_ASSETS_POSTGRES_URL=postgresql+psycopg://elsewhere/x\nLOG_LEVEL=debug\n")
    variables, _ = stack_environment(Layout(tmp_path), PORTS, SECRETS, env_file)
    assert f":{PORTS['postgres']}/" in variables["MATCH_ASSETS_POSTGRES_URL"]
    assert variables["LOG_LEVEL"] == "debug"
