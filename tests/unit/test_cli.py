"""The command line: errors of ours become one line and the documented exit code."""

import pytest
from click.testing import CliRunner

from match_assets import errors
from match_assets.cli import Commands, main

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


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command: str) -> None:
    told = CliRunner().invoke(main, [command, "--help"])
    assert told.exit_code == 0
    assert len(told.output.splitlines()) > 3
