"""``python -m match_assets.source.practice serve``: the practice site without the rest of the command line."""

import sys
from typing import NoReturn

import click

from match_assets.errors import MatchAssetsError
from match_assets.source.practice.commands import practice_site


def main() -> NoReturn:
    """Run a command and leave; the exit code of an error of ours is its own."""
    try:
        practice_site.main(prog_name="practice-site")
    except MatchAssetsError as error:
        click.echo(f"error: {error.message}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
