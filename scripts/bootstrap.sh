#!/usr/bin/env bash
# Brings what the project needs onto a machine with Python 3.11 to 3.13 and nothing else: uv, the locked environment, a Chromium.
# Does nothing, in well under two seconds, when all of it is there. Every step says what it does and ends by itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

DOWNLOAD_SECONDS=${MATCH_ASSETS_DOWNLOAD_SECONDS:-900}
BROWSER_SECONDS=${MATCH_ASSETS_BROWSER_SECONDS:-180}
STAMP=.venv/.match-assets-synced

say() { printf '%s\n' "bootstrap: $*" >&2; }
fail() { printf '%s\n' "bootstrap: error: $*" >&2; exit 2; }

# --- Python -----------------------------------------------------------------------------------------------------------------
supported() { "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${MATCH_ASSETS_PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null && supported "$candidate"; then command -v "$candidate"; return; fi
    done
    fail "no Python 3.11, 3.12 or 3.13 on PATH (python3 is $(python3 --version 2>&1 || true)). Install one, such as" \
        "'apt-get install python3' on Debian 12, or name one with MATCH_ASSETS_PYTHON=/path/to/python3.11."
}

# --- uv ---------------------------------------------------------------------------------------------------------------------
find_uv() {
    if [ -x .tools/bin/uv ]; then echo .tools/bin/uv; return; fi
    # a shim may stand on PATH with nothing behind it: ask it for its version before believing it
    if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then command -v uv; return; fi
    install_uv "$1"
    echo .tools/bin/uv
}

install_uv() {
    local python=$1
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "installing uv with pip into .tools (a private folder)"
        "$python" -m venv --clear .tools >&2
        timeout "$DOWNLOAD_SECONDS" .tools/bin/python -m pip install --progress-bar on --disable-pip-version-check 'uv>=0.8' >&2 ||
            fail "pip could not install uv; the lines above say why. Install uv yourself (https://docs.astral.sh/uv) and try again."
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # Debian's python3 without python3-venv has no ensurepip; its pip can still write into a folder of ours
        say "installing uv with pip into .tools (a private folder)"
        timeout "$DOWNLOAD_SECONDS" "$python" -m pip install --disable-pip-version-check --target .tools/lib 'uv>=0.8' >&2 ||
            fail "pip could not install uv; the lines above say why."
        mkdir -p .tools/bin && ln -sf ../lib/bin/uv .tools/bin/uv
    else
        fail "$python has neither the venv module nor pip, so uv cannot be brought here." \
            "Run 'apt-get install python3-venv' (Debian), or install uv yourself (https://docs.astral.sh/uv)."
    fi
}

# --- the locked environment -------------------------------------------------------------------------------------------------
fingerprint() { cat uv.lock pyproject.toml | sha256sum | cut -d' ' -f1; }

sync_environment() {
    local wanted
    wanted=$(fingerprint)
    if [ -x .venv/bin/python ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ]; then return; fi
    local python uv choice=()
    python=$(find_python)
    uv=$(find_uv "$python")
    # naming an interpreter makes uv delete an environment made with another path to it, under the feet of whatever runs from
    # it: an environment that can be used is brought up to date in place
    if ! supported .venv/bin/python; then choice=(--python "$python"); fi
    say "installing the locked environment into .venv with $("$uv" --version): about 230 packages, 2.5 GB on disk"
    # .tools holds its own Python environment: without this, uv would take an activated one for the project's
    env -u VIRTUAL_ENV timeout "$DOWNLOAD_SECONDS" "$uv" sync --frozen --compile-bytecode "${choice[@]}" >&2 ||
        fail "uv sync did not finish within $DOWNLOAD_SECONDS s or failed; the lines above say why." \
            "Slow network? Set MATCH_ASSETS_DOWNLOAD_SECONDS higher; what was downloaded is kept."
    echo "$wanted" > "$STAMP"
}

# --- Chromium ---------------------------------------------------------------------------------------------------------------
# The same order in which the source client looks.
installed_chromium() {
    local name
    for name in chromium-headless-shell chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then command -v "$name"; return; fi
    done
    return 1
}

playwright_chromium() {
    local shell
    for shell in "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium*/*/{chrome-headless-shell,headless_shell,chrome}; do
        # its libraries may be missing: one that cannot say its version cannot open a page either
        if [ -x "$shell" ] && timeout 20 "$shell" --version >/dev/null 2>&1; then return; fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then timeout "$BROWSER_SECONDS" "$@"; else sudo -n timeout "$BROWSER_SECONDS" "$@"; fi
}

bring_chromium() {
    if [ -n "${MATCH_ASSETS_CHROMIUM:-}" ]; then
        [ -x "$MATCH_ASSETS_CHROMIUM" ] || fail "MATCH_ASSETS_CHROMIUM=$MATCH_ASSETS_CHROMIUM is no program that can be run."
        return
    fi
    if installed_chromium >/dev/null || playwright_chromium; then return; fi
    say "no Chromium here: trying Playwright's own (at most $BROWSER_SECONDS s)"
    if timeout "$BROWSER_SECONDS" .venv/bin/playwright install --only-shell chromium >&2 && playwright_chromium; then return; fi
    say "that did not give a Chromium that runs: trying the distribution's package"
    if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
        as_root apt-get update >&2 || say "apt-get update failed; trying with the lists at hand"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium-headless-shell >&2 ||
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >&2 || true
    else
        say "not possible: it wants apt-get, and root or sudo without a password"
    fi
    installed_chromium >/dev/null || fail "no Chromium. Tried: the variable MATCH_ASSETS_CHROMIUM (unset), an installed" \
        "chromium-headless-shell or chromium, 'playwright install --only-shell chromium', and apt-get." \
        "Install one yourself and set MATCH_ASSETS_CHROMIUM=/path/to/chromium."
}

sync_environment
bring_chromium
