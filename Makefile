# Run `make` for the list of targets. Every target brings what it needs: see scripts/bootstrap.sh.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# where the environment forbids it, every one of hundreds of processes would compile our modules anew
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PACKAGES := match_assets serving
PYTHON_CODE := $(PACKAGES) tests benchmarks
# options for pytest, as in: make test PYTEST="-k features -x"
PYTEST ?=
# test files at a time: most of them wait for servers and browsers rather than for a core
WORKERS ?= 3

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Bring uv, the locked environment and a Chromium (quick when they are there)
	@scripts/bootstrap.sh

## running it

.PHONY: demo
demo: setup ## From nothing to served probabilities on this machine, on the practice site
	@$(BIN)/match-assets demo

.PHONY: up
up: setup ## Start everything in the background, and wait until it is ready
	@$(BIN)/match-assets up --detach

.PHONY: down
down: ## Stop everything; data stays
	@if [ -x $(BIN)/match-assets ]; then $(BIN)/match-assets down; else echo "Nothing is running."; fi

.PHONY: status
status: setup ## Show what runs, and where
	@$(BIN)/match-assets status

.PHONY: clean
clean: ## Stop everything and delete its data: databases, objects, models, logs
	@if [ -x $(BIN)/match-assets ]; then $(BIN)/match-assets clean --yes; else rm -rf .match-assets; fi
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist

.PHONY: dev
dev: setup ## Servers in the background, and `dagster dev` in the foreground
	@$(BIN)/match-assets up --detach --without-dagster
	@exec $(BIN)/dagster dev

.PHONY: serve
serve: setup ## The prediction service alone, in the foreground, against the servers that .env or the environment names
	@exec $(BIN)/python -m serving

## checking it

.PHONY: test
test: setup ## Tests, on real servers and a real browser
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

.PHONY: test-thorough
test-thorough: ## All tests, with every place to kill and three times the examples; takes longer
	@MATCH_ASSETS_THOROUGH=1 $(MAKE) test

.PHONY: test-fast
test-fast: setup ## Tests that need no server
	@$(BIN)/pytest tests/unit tests/property $(PYTEST)

.PHONY: e2e
e2e: setup ## The whole chain through a browser
	@$(BIN)/pytest tests/e2e $(PYTEST)

.PHONY: golden
golden: setup ## Rewrite the golden files; review their diff
	@MATCH_ASSETS_GOLDEN=rewrite $(BIN)/pytest tests -k golden $(PYTEST)

.PHONY: docs
docs: setup ## Write docs/features.md from the registry
	@$(BIN)/python -m match_assets.features.document > docs/features.md.new && mv docs/features.md.new docs/features.md

.PHONY: format
format: setup ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix $(PYTHON_CODE)
	@$(BIN)/ruff format $(PYTHON_CODE)

.PHONY: lint
lint: setup ## Style and common faults
	@$(BIN)/ruff check $(PYTHON_CODE)
	@$(BIN)/ruff format --check $(PYTHON_CODE)

.PHONY: types
types: setup ## mypy, strict
	@$(BIN)/mypy --strict $(PACKAGES)

.PHONY: imports
imports: setup ## Who may import whom
	@$(BIN)/lint-imports

.PHONY: check
check: ## Exactly what CI runs
	@.ci/run

.PHONY: bench
bench: setup ## Benchmarks, with figures
	@for name in features ingestion orchestration; do echo "== $$name"; $(BIN)/python "benchmarks/$$name.py"; done

.PHONY: screenshots
screenshots: setup ## Pictures of the graph, an asset and the fixtures page, from the running stack
	@$(BIN)/python scripts/screenshots.py
