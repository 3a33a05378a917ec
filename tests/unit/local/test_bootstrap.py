"""The bootstrap script on machines that lack something, with stand-ins for the programs it calls."""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ("bash", "cat", "cut", "dirname", "env", "id", "ln", "mkdir", "sha256sum", "timeout", "true", "false", "touch")


class Machine:
    """A clone with an environment in place, and a PATH that holds nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.bin = folder / "clone", folder / "bin"
        (self.clone / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(ROOT / "scripts" / "bootstrap.sh", self.clone / "scripts")
        for name in TOOLS:
            found = shutil.which(name)
            assert found is not None, name
            (self.bin / name).symlink_to(found)
        (self.clone / "uv.lock").write_text("lock")
        (self.clone / "pyproject.toml").write_text("project")
        self.program(self.clone / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
        fingerprint = hashlib.sha256(b"lockproject").hexdigest()
        (self.clone / ".venv" / ".match-assets-synced").write_text(fingerprint + "\n")

    def program(self, path: Path | str, body: str) -> None:
        file = self.bin / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!{shutil.which('bash')}\n{body}\n")
        file.chmod(0o755)

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": str(self.clone / "home"), **variables}
        script = str(self.clone / "scripts" / "bootstrap.sh")
        return subprocess.run([script], env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_silent_and_quick_when_all_is_there(machine: Machine) -> None:
    machine.program("chromium", "true")
    begun = time.monotonic()
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - begun < 2


def test_an_environment_of_another_lock_is_updated_in_place(machine: Machine) -> None:
    """Naming an interpreter would make uv delete the environment while other processes run from it."""
    machine.program("chromium", "true")
    machine.program("python3", f'exec {sys.executable} "$@"')
    machine.program("uv", 'echo "uv $*" >&2')
    (machine.clone / "uv.lock").write_text("newer")
    done = machine.run()
    assert done.returncode == 0
    assert "uv sync --frozen --compile-bytecode\n" in done.stderr
    assert machine.run().stderr == ""


def test_a_sync_that_fails_is_an_error_and_is_tried_again(machine: Machine) -> None:
    machine.program("python3", f'exec {sys.executable} "$@"')
    machine.program("uv", '[ "$1" = --version ] && exit 0; echo "no route to host" >&2; exit 1')
    (machine.clone / "uv.lock").write_text("newer")
    for _ in range(2):
        done = machine.run()
        assert done.returncode == 2
        assert "no route to host" in done.stderr
        assert "MATCH_ASSETS_DOWNLOAD_SECONDS" in done.stderr


def test_a_python_too_old_or_too_new_is_named_with_the_remedy(machine: Machine) -> None:
    machine.program("python3", '[ "$1" = --version ] && { echo "Python 3.9.2"; exit 0; }; exit 1')
    (machine.clone / "uv.lock").write_text("newer")
    done = machine.run()
    assert done.returncode == 2
    assert "Python 3.9.2" in done.stderr
    assert "MATCH_ASSETS_PYTHON" in done.stderr


def test_neither_venv_nor_pip_says_what_to_install(machine: Machine) -> None:
    machine.program("python3", 'case "$2" in *ensurepip*|pip) exit 1;; esac; [ "$1" = -m ] && exit 1; exit 0')
    (machine.clone / "uv.lock").write_text("newer")
    done = machine.run()
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr


def test_no_browser_anywhere_names_the_variable(machine: Machine) -> None:
    machine.program("../clone/.venv/bin/playwright", "echo refused >&2; exit 1")
    machine.program("apt-get", "exit 100")
    machine.program("sudo", "exit 1")
    done = machine.run()
    assert done.returncode == 2
    assert "refused" in done.stderr
    assert "MATCH_ASSETS_CHROMIUM=/path/to/chromium" in done.stderr


def test_the_distributions_browser_follows_a_refused_download(machine: Machine) -> None:
    machine.program("../clone/.venv/bin/playwright", "exit 1")
    machine.program("id", "echo 0")
    browser = machine.bin / "chromium-headless-shell"
    put = f'printf "#!/bin/sh\\n" > {browser}; {shutil.which("chmod")} +x {browser}'
    machine.program("apt-get", f'[ "$1" = install ] || exit 0; {put}')
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert browser.exists()


def test_a_download_that_hangs_is_cut_off(machine: Machine) -> None:
    machine.program("../clone/.venv/bin/playwright", f"exec {shutil.which('sleep')} 50")
    machine.program("sudo", "exit 1")
    begun = time.monotonic()
    done = machine.run(MATCH_ASSETS_BROWSER_SECONDS="1")
    assert done.returncode == 2
    assert time.monotonic() - begun < 20


def test_a_variable_that_names_no_program_is_an_error_at_once(machine: Machine) -> None:
    done = machine.run(MATCH_ASSETS_CHROMIUM="/nowhere/chromium")
    assert done.returncode == 2
    assert "MATCH_ASSETS_CHROMIUM=/nowhere/chromium" in done.stderr
