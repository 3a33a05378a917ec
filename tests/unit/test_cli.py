"""The command line: errors of ours become one line and the documented exit code."""

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from match_assets import errors
from match_assets.cli import Commands, main
from match_assets.config import PARAMS_FILE, params

CODES = {
    errors.ConfigurationError: 2,
    errors.GateRefusedError: 3,
    errors.HashMismatchError: 3,
    errors.ModelError: 3,
    errors.UnexpectedPageError: 3,
    errors.DependencyUnavailableError: 4,
    errors.SourceUnavailableError: 4,
    errors.SourceBlockedError: 5,
    errors.RobotsDisallowedError: 5,
}


def failing(error: BaseException) -> Commands:
    group = Commands("match-assets")

    @group.command()
    def fail() -> None:
        raise error

    return group


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_an_error_of_ours_is_one_line_and_its_exit_code(kind: type[errors.MatchAssetsError], code: int) -> None:
    told = CliRunner().invoke(failing(kind("2024|ESP-LaLiga: refused; do this")), ["fail"])
    assert told.exit_code == code
    assert told.stderr == "Error: 2024|ESP-LaLiga: refused; do this\n"


def test_an_interrupted_command_ends_with_130() -> None:
    told = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert told.exit_code == 130


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["LaLiga-2024"], "'LaLiga-2024' is no tournament in params.yaml"),
        (["ESP-LaLiga", "2024..2015"], "ends before it begins"),
        # PG-08: nothing of it reaches a server
        (["2024|'); DROP TABLE matches;--"], "is no tournament in params.yaml"),
    ],
)
def test_a_wrong_partition_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", "absent")
    refused = CliRunner().invoke(main, ["backfill", *words])
    assert refused.exit_code == 2
    assert told in refused.stderr


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "embargo_days: 1",
            "embargo_dayz: 1",
            r"params\.yaml:\d+: split\.embargo_dayz: .*known here: first_cutoff, .*embargo_days",
        ),
        (
            "division: SP1",
            "divisjon: SP1",
            r"params\.yaml:\d+: tournaments\.ESP-LaLiga\.divisjon: .*known here: .*division",
        ),
        ("folds: 3", "folds: three", r"params\.yaml:\d+: split\.folds: Input should be a valid integer"),
        (
            "windows: [5, 10, 20]",
            "windows: [-5]",
            r"params\.yaml:\d+: features\.windows\.0: .*greater than or equal to 1",
        ),
        ("ESP-LaLiga:", "ENG-PremierLeague:", r"params\.yaml: .*'ENG-PremierLeague' stands here twice"),
        ("metric: rps", "metric: luck", r"params\.yaml:\d+: promotion\.metric: .*'rps', 'log_loss' or 'brier'"),
    ],
    ids=[
        "unknown key",
        "unknown key of a tournament",
        "wrong type",
        "negative window",
        "tournament twice",
        "value not allowed",
    ],
)
def test_wrong_parameters_end_a_command_with_2_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, told: str
) -> None:
    # DAG-14
    text = PARAMS_FILE.read_text()
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", "absent")
    monkeypatch.setenv("MATCH_ASSETS_PARAMS", str(tmp_path / "params.yaml"))
    # read once a process
    params.cache_clear()
    try:
        refused = CliRunner().invoke(main, ["backfill", "ESP-LaLiga", "2024"])
    finally:
        monkeypatch.undo()
        params.cache_clear()
    assert refused.exit_code == 2
    assert re.search(told, refused.stderr, re.DOTALL), refused.stderr


def test_a_missing_variable_ends_a_command_with_2_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # DAG-14
    for name in [name for name in os.environ if name.startswith("MATCH_ASSETS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MATCH_ASSETS_ENV_FILE", str(tmp_path / "absent"))
    refused = CliRunner().invoke(main, ["migrate"])
    assert refused.exit_code == 2
    assert "MATCH_ASSETS_POSTGRES_URL" in refused.stderr
    assert "make up" in refused.stderr


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command: str) -> None:
    told = CliRunner().invoke(main, [command, "--help"])
    assert told.exit_code == 0
    assert len(told.output.splitlines()) > 3
